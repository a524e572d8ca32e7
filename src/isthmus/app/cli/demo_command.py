# SPDX-License-Identifier: Apache-2.0
"""`isthmus demo`: a simulated plant to try everything with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from isthmus.app.cli.history_group import ASKING, Asking
from isthmus.app.cli.options import ForOption, ListenOption

if TYPE_CHECKING:
    from isthmus.app.cli.banner import Door
    from isthmus.app.demo.play import Demo
    from isthmus.app.run.place import Place


class Name(StrEnum):
    """The demo plants."""

    CHEMICAL = "chemical"
    TANK_FARM = "tank-farm"


_FOLDERS: Final = {Name.CHEMICAL: Path("demo-data"), Name.TANK_FARM: Path("tank-farm-data")}


class Plan(StrEnum):
    """What the operators of a new chemical plant do by themselves."""

    CAMPAIGN = "campaign"
    STEADY = "steady"


def register(group: typer.Typer) -> None:
    group.command(ASKING, cls=Asking, hidden=True)(demo)


def demo(
    name: Annotated[
        Name, typer.Argument(metavar="NAME", help="Which plant: chemical (316 tags) or tank-farm (20 tags).")
    ] = Name.CHEMICAL,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            metavar="DIR",
            help="Where it keeps its plant file and what it records; else `demo-data`, the tank farm `tank-farm-data`.",
        ),
    ] = None,
    port: Annotated[
        int, typer.Option(metavar="N", min=0, max=65535, help="Port of the embedded log; 0: any free one.")
    ] = 0,
    listen: ListenOption = None,
    for_: ForOption = None,
    past: Annotated[
        str | None,
        typer.Option(metavar="SPAN", help="History that a new chemical plant is given first; else `30d`. 0: none."),
    ] = None,
    tempo: Annotated[
        float, typer.Option(metavar="X", min=0.1, max=3600, help="How many times as fast the chemical plant lives.")
    ] = 1.0,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Of a new chemical plant: another story.")] = 1,
    plan: Annotated[
        Plan, typer.Option(help="Of a new chemical plant: grades in campaigns with a stop, or one grade for ever.")
    ] = Plan.CAMPAIGN,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND:TARGET[@WHEN]",
            help="Let something go wrong: now, `@2h` after the start, or `@-10d` in the past. Repeatable.",
        ),
    ] = None,
) -> None:
    """Run a simulated plant and Isthmus beside it, to try everything with.

    The chemical plant is one physical model in seven systems of six kinds: two OPC UA servers of different make, a
    Modbus gateway, a Sparkplug edge node and a skid on an MQTT broker, files of a laboratory, a PostgreSQL table. The
    second OPC UA server is node-opcua where Node.js finds that package, the broker mosquitto, the database Debian's
    PostgreSQL (`make demo` installs them where it can); what is missing stays away, and the demo says so. A new plant
    first gets a month of history, which takes about a minute.

    It publishes its namespace: once it runs, a table says on which ports broker, OPC UA server, database and gateway
    listen, and how to try each.

    The demo follows its plant file: change DIR/plant.yaml, or what it includes, save, and it is applied; what is wrong
    is shown.

    \b
    Examples:
      isthmus demo
      isthmus demo --fault fouling:E101@-10d
      isthmus demo --past 0
      isthmus demo --tempo 60 --for 10m
      isthmus demo tank-farm
      isthmus demo fault start bearing-wear P201
    """
    import asyncio

    from isthmus.app.cli import banner
    from isthmus.app.demo.play import begin, play
    from isthmus.app.run import logs
    from isthmus.app.run.address import address
    from isthmus.app.run.place import Place, held
    from isthmus.core import time

    place, listening = Place(data or _FOLDERS[name]), address(listen) if listen is not None else None
    seconds = time.duration(for_) / time.SECOND if for_ else None
    if name is Name.CHEMICAL:
        from isthmus.app.cli.demo_chemical import chosen as choose

        chosen = choose(place, past=past, tempo=tempo, seed=seed, plan=plan.value, faults=fault or ())
    else:
        _refuse(past=past is not None, tempo=tempo != 1.0, seed=seed != 1, fault=bool(fault))
        chosen = _tank_farm(place)

    def ready() -> None:
        change = f"Edit {chosen.demo.file} and save: it is applied at once."
        servers = {url: chosen.served.get(server, "") for server, url in chosen.demo.urls.items()}
        typer.echo(banner.runs(place, change, servers=servers, more=chosen.more, doors=chosen.doors()))
        for missing in chosen.missing:
            typer.echo(f"Missing: {missing}")
        chosen.after()

    with held(place, "demo"):
        logs.begin("run", place.run / "run.log", logs.Speech.TEXT)
        typer.echo(f"Starting {name.value} ...")
        for missing in chosen.missing:
            typer.echo(f"Missing: {missing}")
        begun = begin(chosen.demo, typer.echo)
        chosen.before()
        asyncio.run(play(begun, port=port, listen=listening, seconds=seconds, say=typer.echo, ready=ready))
        typer.echo(banner.stopped(place, f"demo {name.value}"))


def _nothing() -> None:
    """Nothing more to do."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A demo, and what goes with it."""

    demo: Demo
    served: Mapping[str, str] = field(default_factory=dict)
    """Server → what serves it; empty where there is nothing to choose."""
    more: Sequence[str] = ()
    """Commands that only this demo has."""
    missing: Sequence[str] = ()
    """What is not on this machine, what stays away without it, and how it is had."""
    doors: Callable[[], Sequence[Door]] = tuple
    """What other programs can call, once the plant file is there."""
    before: Callable[[], None] = _nothing
    """Done when the plant file is applied and nothing runs yet."""
    after: Callable[[], None] = _nothing
    """Done when all runs."""


def _tank_farm(place: Place) -> Chosen:
    from isthmus.app.demo.tankfarm.demo import tank_farm

    return Chosen(tank_farm(place))


def _refuse(**asked: bool) -> None:
    """Raises Misasked when the tank farm is asked for what it has not."""
    from isthmus.core.errors import Misasked

    for name, wanted in asked.items():
        if wanted:
            raise Misasked(f"the tank farm has no --{name}", hint="the chemical plant has: isthmus demo chemical")
