# SPDX-License-Identifier: Apache-2.0
"""`isthmus run`: runs a plant until it is told to stop."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from isthmus.app.cli.options import DataOption, ForOption, ListenOption
from isthmus.app.cli.where import data_folder

if TYPE_CHECKING:
    from collections.abc import Callable

    from isthmus.app.run.place import Place
    from isthmus.app.run.supervisor import Wanted


class Service(StrEnum):
    """The services that can run on their own."""

    COLLECT = "collect"
    RECORD = "record"
    SERVE = "serve"
    DELIVER = "deliver"


class LogFormat(StrEnum):
    """How a running plant speaks on the error output."""

    TEXT = "text"
    JSON = "json"


def register(app: typer.Typer) -> None:
    app.command("run")(run)


def run(
    plant: Annotated[
        Path | None,
        typer.Argument(metavar="PLANT", help="The plant file; without it the last applied revision runs."),
    ] = None,
    data: DataOption = None,
    apply: Annotated[bool, typer.Option("--apply", help="Apply the plant file when it differs from what ran.")] = False,
    port: Annotated[
        int, typer.Option(metavar="N", min=0, max=65535, help="Port of the embedded log; 0: any free one.")
    ] = 0,
    listen: ListenOption = None,
    service: Annotated[
        Service | None, typer.Option(help="Run this service only; the plant file has to name a log.")
    ] = None,
    node: Annotated[
        str, typer.Option(metavar="NAME", help="Collect the systems that the plant file gives this node.")
    ] = "",
    for_: ForOption = None,
    log_format: Annotated[
        LogFormat | None,
        typer.Option(help="Problems in words, or everything as JSON lines; else words in a terminal, JSON elsewhere."),
    ] = None,
) -> None:
    """Run a plant: its log, its collectors, its recorder, until Ctrl-C.

    What runs is the last applied revision. A plant file given here is applied only when nothing was applied yet, or
    with --apply; when it differs, that is said. `isthmus apply` changes a running plant without stopping it.

    \b
    Examples:
      isthmus run plant.yaml --data /var/lib/isthmus
      isthmus run --data /var/lib/isthmus
      isthmus run plant.yaml --service collect --node edge-1
    """
    from isthmus.app.cli import banner
    from isthmus.app.run import logs
    from isthmus.app.run.address import address
    from isthmus.app.run.place import SERVICES, Place, held
    from isthmus.app.run.supervisor import Wanted

    place, listening = Place(data_folder(data, plant)), address(listen) if listen is not None else None
    speech = logs.Speech(log_format or (LogFormat.TEXT if sys.stderr.isatty() else LogFormat.JSON))
    tell = typer.echo if speech is logs.Speech.TEXT else _nothing
    _look(place, plant)
    with held(place, "run"):
        logs.begin("run", place.run / "run.log", speech)
        _prepare(place, plant, apply, tell)
        services = (service.value,) if service is not None else SERVICES
        tell("Starting ...")
        _supervise(
            Wanted(place, services, node, port, listening, speech), for_, lambda: tell(_runs(place, plant, service))
        )
        tell(banner.stopped(place, "run"))


def _nothing(_words: str) -> None:
    """Says nothing: the log lines do."""


def _runs(place: Place, plant: Path | None, service: Service | None) -> str:
    from isthmus.app.cli import banner

    change = f"`isthmus apply {plant or 'PLANT'} --data {place.root}` changes it while it runs."
    done = {None: "collected and recorded", Service.COLLECT: "collected", Service.RECORD: "recorded"}.get(
        service, "served"
    )
    return banner.runs(place, change, services=done)


def _look(place: Place, plant: Path | None) -> None:
    """Raises NotFound when there is nothing to run, before anything is made."""
    from isthmus.app.run.endpoint import current
    from isthmus.core.errors import NotFound

    if plant is None and current(place) is None:
        raise NotFound(f"nothing was applied in {place.root} yet", hint="isthmus run PLANT, or isthmus demo")


def _prepare(place: Place, plant: Path | None, apply: bool, tell: Callable[[str], None]) -> None:
    """Applies the plant file where that is wanted, and says what will run."""
    import structlog

    from isthmus.app import revising
    from isthmus.app.run.endpoint import current

    say = structlog.get_logger("run")
    running = current(place)
    if plant is None:
        if running is not None:
            say.info("last applied revision", revision=running.number, plant=running.plant, tags=len(running.tags))
        return
    proposal = revising.propose(plant, place.root)
    for warning in proposal.checked.warnings:
        typer.echo(str(warning), err=True)
    if running is None or (apply and not proposal.plan.nothing):
        revision = revising.apply(proposal, place.root)
        say.info("applied", revision=revision.number, plant=revision.plant, tags=len(revision.tags))
        if running is not None:
            tell(proposal.told())
    elif not proposal.plan.nothing:
        say.warning(
            "the plant file differs from the applied revision, which runs",
            revision=running.number,
            file=str(plant),
            changes=len(proposal.plan.steps),
            hint="isthmus plan shows how, isthmus apply or --apply applies it",
        )


def _supervise(wanted: Wanted, for_: str | None, ready: Callable[[], None]) -> None:
    import asyncio

    from isthmus.app.run.supervisor import stop_on_signals, supervise
    from isthmus.core import time

    seconds = time.duration(for_) / time.SECOND if for_ else None

    async def main() -> None:
        await supervise(wanted, stop_on_signals(), ready, seconds=seconds)

    asyncio.run(main())
