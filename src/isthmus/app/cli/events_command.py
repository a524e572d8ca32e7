# SPDX-License-Identifier: Apache-2.0
"""`isthmus events`: what happened."""

from __future__ import annotations

from typing import Annotated

import typer

from isthmus.app.cli import show, told
from isthmus.app.cli.once import run
from isthmus.app.cli.options import DataOption, FromOption, JsonOption, ToOption
from isthmus.app.cli.where import data_folder


def register(app: typer.Typer) -> None:
    app.command("events")(events)


def events(
    data: DataOption = None,
    from_: FromOption = "-1d",
    to: ToOption = "now",
    kind: Annotated[
        str | None,
        typer.Option(
            metavar="KIND", help="Only these: gap, connection, tag, quarantine, log, service, revision, output."
        ),
    ] = None,
    last: Annotated[int, typer.Option("--last", metavar="N", min=0, help="So many, the newest; 0: all.")] = 1000,
    as_json: JsonOption = False,
) -> None:
    """List what happened: gaps, connections lost and made, tags that cannot be read, processes that died.

    Times are those of the plant's clocks, with their offset from UTC; those of --json are in UTC.

    \b
    Examples:
      isthmus events
      isthmus events --last 20
      isthmus events --kind gap --from -7d
    """
    from isthmus.app.recorded import span, zone
    from isthmus.app.run.access import history_of
    from isthmus.app.run.endpoint import revision_of
    from isthmus.app.run.place import Place
    from isthmus.core import time
    from isthmus.core.event import Event, EventKind

    if kind is not None and kind not in set(EventKind):
        raise typer.BadParameter(f"there is no kind {kind!r}; there are {', '.join(EventKind)}")
    place, wanted = Place(data_folder(data)), EventKind(kind) if kind is not None else None
    clocks = zone(revision := revision_of(place))
    first, until = span(from_, to, time.now(), clocks)

    async def read() -> list[Event]:
        async with history_of(place, "events") as history:
            return history.events(first, until, wanted)

    everything = run(read())
    found = everything[-last:] if last else everything
    if as_json:
        show.print_json([told.as_data(event) for event in found])
        return
    rows = [[time.to_local(e.at, clocks), e.severity, e.kind, told.by_clocks_of(clocks, e)] for e in found]
    typer.echo(
        show.table([f"time ({revision.time_zone})", "severity", "kind", "what happened"], rows)
        if rows
        else told.nothing("happened", first, until)
    )
    if len(found) < len(everything):
        typer.echo(f"{len(found):,} of {len(everything):,} events, the newest; --last 0 for all")
