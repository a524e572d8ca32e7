# SPDX-License-Identifier: Apache-2.0
"""What `isthmus demo chemical` runs: the simulation, and an OPC UA server of each make around it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final

from isthmus.app.demo.chemical import node_server
from isthmus.app.demo.chemical.faces import FACES
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
    """System → what serves it on this machine."""
    second = "node-opcua" if node_server.program() else "asyncua; node-opcua was not found"
    return dict(zip(FACES, ("asyncua", second), strict=True))


def chemical(place: Place, wishes: Wishes, served: Mapping[str, str]) -> Demo:
    """The chemical plant in a data directory; `served` as of `makes`."""

    def jobs(ports: Mapping[str, int]) -> list[Job]:
        folder(place).mkdir(mode=0o700, exist_ok=True)
        return [_simulation(place, wishes), *(_server(place, name, ports[name], served[name]) for name in FACES)]

    return Demo(NAME, place, files(_PACKAGE) / "plantfile", tuple(FACES), jobs)


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
