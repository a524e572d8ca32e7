# SPDX-License-Identifier: Apache-2.0
"""`isthmus history retain`: by hand what a running plant does by itself once a day."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from isthmus.app.cli import show
from isthmus.app.cli.options import DataOption, JsonOption
from isthmus.app.cli.where import data_folder

if TYPE_CHECKING:
    from isthmus.store.history.retain import Retained


def register(history: typer.Typer) -> None:
    history.command("retain")(retain)


def retain(
    data: DataOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Let go of what is older than the plant file's `history` section says it is kept.

    Whole days (UTC) go, class by class; a class whose roll-ups are kept longer than its samples keeps those. A running
    plant does this by itself once a day. Disk space is free some minutes later, when nobody reads the old files any
    more. What is gone is gone: look with --dry-run first.

    \b
    Examples:
      isthmus history retain --dry-run
      isthmus history retain
    """
    import sqlite3

    from isthmus.app.cli.slow import slow
    from isthmus.app.retaining import let_go
    from isthmus.app.run.logs import only_errors
    from isthmus.app.run.place import Place
    from isthmus.app.run.tend import yield_to_others
    from isthmus.core.errors import IsthmusError

    place = Place(data_folder(data))
    only_errors()
    yield_to_others()
    with slow("looking what is over") as say:
        try:
            done = let_go(place, dry=dry_run, progress=lambda done, of: say("files", done, of))
        except (OSError, sqlite3.Error) as error:
            hint = "nothing is lost, and recording goes on; mend the disk, then try again"
            raise IsthmusError(f"cannot be written again: {error}", where=str(place.history), hint=hint) from error
    _print(done, as_json, dry=dry_run)


def _print(done: Retained, as_json: bool, *, dry: bool) -> None:
    from isthmus.store.history.kept import date_of

    rows: list[dict[str, Any]] = [
        {
            "class": name,
            "what": "samples" if kind == "day" else f"tags' days of {kind}",
            "rows": gone.rows,
            "bytes": round(gone.size),
            "days": len(gone.days),
            "first": date_of(min(gone.days)),
            "last": date_of(max(gone.days)),
        }
        for (name, kind), gone in sorted(done.gone.items())
    ]
    if as_json:
        show.print_json({"gone": rows, "events": done.events, "quarantine": done.quarantine, "dry": dry})
        return
    if rows:
        columns = ["class", "what", "rows", "size", "days", "from", "to"]
        cells = [
            [r["class"], r["what"], f"{r['rows']:,}", show.size(r["bytes"]), str(r["days"]), r["first"], r["last"]]
            for r in rows
        ]
        typer.echo(show.table(columns, cells, right=["rows", "size", "days"]))
    others = [f"{n:,} {what}" for n, what in ((done.events, "events"), (done.quarantine, "quarantined messages")) if n]
    if others:
        typer.echo(" and ".join(others))
    if not rows and not others:
        typer.echo("nothing is older than it is kept")
    elif dry:
        typer.echo("nothing was changed: without --dry-run this goes")
