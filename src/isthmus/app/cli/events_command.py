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
    as_json: JsonOption = False,
) -> None:
    """List what happened: gaps, connections lost and made, tags that cannot be read, processes that died.

    \b
    Examples:
      isthmus events
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
    first, last = span(from_, to, time.now(), zone(revision_of(place)))

    async def read() -> list[Event]:
        async with history_of(place, "events") as history:
            return history.events(first, last, wanted)

    found = run(read())
    if as_json:
        show.print_json([told.as_data(event) for event in found])
        return
    rows = [[time.to_iso(e.at // time.MILLISECOND * time.MILLISECOND), e.severity, e.kind, e.message] for e in found]
    typer.echo(
        show.table(["time (UTC)", "severity", "kind", "what happened"], rows)
        if rows
        else told.nothing("happened", first, last)
    )
