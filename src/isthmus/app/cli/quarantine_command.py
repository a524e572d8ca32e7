# SPDX-License-Identifier: Apache-2.0
"""`isthmus quarantine`: what could not be understood."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from isthmus.app.cli import show, told
from isthmus.app.cli.once import run
from isthmus.app.cli.options import DataOption, FromOption, JsonOption, ToOption
from isthmus.app.cli.where import data_of

if TYPE_CHECKING:
    from isthmus.stream.log import Quarantined


def register(app: typer.Typer) -> None:
    app.command("quarantine")(quarantine)


def quarantine(
    where: Annotated[
        Path | None, typer.Argument(metavar="PLANT", help="A plant file, its folder or a data directory; says where.")
    ] = None,
    system: Annotated[str, typer.Option("--system", metavar="NAME", help="Only what this system sent.")] = "",
    from_: FromOption = "-1d",
    to: ToOption = "now",
    last: Annotated[int, typer.Option("--last", metavar="N", min=0, help="So many, the newest; 0: all.")] = 50,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what arrived and could not be understood: when, from which system, why, and its bytes.

    Bytes that are no text are written `\\x07`. --json has all that is kept of each, at most 64 kB, in hexadecimal:
    `bytes:` of a test of `isthmus test` takes it. The newest 10,000 are kept, and at most 64 MB; `history: {quarantine:
    90d}` in the plant file lets go of them sooner.

    \b
    Examples:
      isthmus quarantine
      isthmus quarantine --system shopfloor --from -7d --last 5
    """
    from isthmus.app.quarantined import quarantined
    from isthmus.app.recorded import span, zone
    from isthmus.app.run.access import history_of
    from isthmus.app.run.endpoint import revision_of
    from isthmus.app.run.place import Place
    from isthmus.core import time
    from isthmus.core.errors import NotFound
    from isthmus.plant.findings import one_of

    place = Place(data_of(where, data))
    revision = revision_of(place)
    first, until = span(from_, to, time.now(), zone(revision))

    async def read() -> list[Quarantined]:
        async with history_of(place, "quarantine") as history:
            return quarantined(history, first, until, system, last or None)

    found = run(read())
    names = [one.name for one in revision.systems]
    if not found and system and system not in names:
        raise NotFound(f"there is no system {system!r}", hint=one_of(system, names))
    if as_json:
        show.print_json([_data(one) for one in found])
    else:
        typer.echo(_table(found) if found else told.nothing("was put aside", first, until))


def _data(one: Quarantined) -> dict[str, Any]:
    from isthmus.core import time

    said = {"time": time.to_iso(one.at), "system": one.source, "reason": one.reason, "size": one.size}
    return {**said, "bytes": one.payload.hex()}


def _table(found: list[Quarantined]) -> str:
    from isthmus.app.quarantined import escaped
    from isthmus.core import time

    rows = [
        [time.to_iso(show.seconds(one.at)), one.source, one.reason, escaped(one.payload, one.size)] for one in found
    ]
    return show.table(["time (UTC)", "system", "why", "what it was"], rows)
