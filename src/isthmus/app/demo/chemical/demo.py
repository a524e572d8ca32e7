# SPDX-License-Identifier: Apache-2.0
"""What `isthmus demo chemical` runs: the simulation, and around it all that its systems are made of."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final

from isthmus.app.demo.chemical import broker, database, field, node_server, programs
from isthmus.app.demo.chemical.faces import SERVERS
from isthmus.app.demo.play import Demo
from isthmus.app.run.kept import Job
from isthmus.app.run.place import Place

NAME: Final = "chemical"
_PACKAGE: Final = "isthmus.app.demo.chemical"


@dataclass(frozen=True, slots=True)
class Wishes:
    """How the plant is to be."""

    seed: int = 1
    tempo: float = 1.0
    plan: str = "campaign"


def folder(place: Place) -> Path:
    """Where the simulation keeps its own: nothing of the platform reads there."""
    return place.root / "simulation"


def makes() -> dict[str, str]:
    """OPC UA server → what serves it on this machine."""
    second = "node-opcua" if node_server.program() else "asyncua; node-opcua was not found"
    return dict(zip(SERVERS, ("asyncua", second), strict=True))


@dataclass(frozen=True, slots=True)
class Helper:
    """A program of others that the plant needs."""

    name: str
    needs: tuple[str, ...]
    package: str
    """Of Debian."""
    away: str
    """What is not there without it."""

    @property
    def here(self) -> bool:
        return all(programs.found(one) for one in self.needs)

    @property
    def missing(self) -> str:
        """What a person is told when it is not here."""
        return f"{self.needs[0]} is not installed: {self.away} stay away; sudo apt-get install {self.package}"


BROKER: Final = Helper(
    broker.NAME, (broker.PROGRAM,), "mosquitto", "the systems meters and treatment and the unified namespace"
)
DATABASE: Final = Helper(database.NAME, database.PROGRAMS, "postgresql", "the system quality and the tables of history")
HELPERS: Final = (BROKER, DATABASE)


def chemical(place: Place, wishes: Wishes, served: Mapping[str, str]) -> Demo:
    """The chemical plant in a data directory; `served` as of `makes`."""

    def jobs(ports: Mapping[str, int]) -> list[Job]:
        folder(place).mkdir(mode=0o700, exist_ok=True)
        database.set_password(secret(place))  # also where PostgreSQL is missing: that is what is to be said then
        beside = [_beside(place, one, ports[one.name]) for one in HELPERS if one.here]
        servers = [_server(place, name, ports[name], served[name]) for name in SERVERS]
        return [*beside, _simulation(place, wishes), *servers, _field(place, ports)]

    return Demo(NAME, place, files(_PACKAGE) / "plantfile", tuple(SERVERS), jobs, SPOTS, {_LABORATORY: "laboratory"})


OPCUA: Final = "opcua"
"""The output that is an OPC UA server."""
SPOTS: Final = {
    "gateway": re.compile(r"(host: 127\.0\.0\.1\n    port: )(\d+)"),
    broker.NAME: re.compile(r"(mqtt://127\.0\.0\.1:)(\d+)"),
    OPCUA: re.compile(r"(listen: 127\.0\.0\.1:)(\d+)"),
    database.NAME: re.compile(r"(postgresql://127\.0\.0\.1:)(\d+)"),
}
"""What else listens → where its port stands in the plant file."""
_LABORATORY: Final = re.compile(r"(folder: )(/\S*/laboratory)\b")


def _simulation(place: Place, wishes: Wishes) -> Job:
    status = place.status("simulation")
    arguments = ["--folder", str(folder(place)), "--status", str(status), "--seed", str(wishes.seed),
                 "--tempo", str(wishes.tempo), "--plan", wishes.plan]  # fmt: skip
    return Job("simulation", f"{_PACKAGE}.simulator", arguments, status, patience=5.0)


def _server(place: Place, name: str, port: int, made: str) -> Job:
    status = place.status(name)
    module = "node_server" if made == "node-opcua" else "server"
    arguments = ["--system", name, "--port", str(port), "--folder", str(folder(place)), "--status", str(status)]
    return Job(name, f"{_PACKAGE}.{module}", arguments, status, patience=5.0)


def _beside(place: Place, helper: Helper, port: int) -> Job:
    """The process around a program of others."""
    status = place.status(helper.name)
    arguments = ["--port", str(port), "--folder", str(folder(place)), "--status", str(status)]
    arguments += ["--secret", str(secret(place))] if helper is DATABASE else []
    return Job(helper.name, f"{_PACKAGE}.{helper.name}", arguments, status, patience=8.0)


def _field(place: Place, ports: Mapping[str, int]) -> Job:
    """All systems that speak no OPC UA; those whose program is not here are left out."""
    status = place.status(field.NAME)
    arguments = ["--folder", str(folder(place)), "--status", str(status), "--secret", str(secret(place)),
                 "--laboratory", str(place.root.resolve() / "laboratory"), "--gateway", str(ports["gateway"]),
                 "--broker", str(ports[broker.NAME] if BROKER.here else 0),
                 "--database", str(ports[database.NAME] if DATABASE.here else 0)]  # fmt: skip
    return Job(field.NAME, f"{_PACKAGE}.field.process", arguments, status, patience=5.0)


def secret(place: Place) -> Path:
    """The file with the database's password."""
    return place.root / "secrets" / database.SECRET
