# SPDX-License-Identifier: Apache-2.0
"""`isthmus files` and `isthmus share`: the history for pandas, polars, DuckDB, Spark."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from isthmus.app.cli import show
from isthmus.app.cli.once import run
from isthmus.app.cli.options import DataOption, FromOption, JsonOption, ToOption
from isthmus.app.cli.where import data_folder

TagsArgument = Annotated[
    list[str] | None, typer.Argument(metavar="[TAG...]", help="Only of these tags; paths, or patterns. Else of all.")
]


def register(app: typer.Typer) -> None:
    app.command("files")(files)
    app.command("share")(share)


def files(
    tags: TagsArgument = None,
    data: DataOption = None,
    from_: FromOption = "1970-01-01",
    to: ToOption = "now",
    as_json: JsonOption = False,
) -> None:
    """List the Parquet files that hold the history now: a consistent set, for readers outside.

    They never change; one that is replaced stays for ten minutes, so read them within that time. In them tags are
    numbers, which --json gives with their paths and units; a sample may be in two files, and a correction (mark 32)
    replaces the others of its tag and time. `isthmus share` writes files without all that.

    \b
    Examples:
      isthmus files
      isthmus files 'reactor-1/*' --from -7d --json
    """
    import msgspec

    from isthmus.app.run.place import Place
    from isthmus.app.sharing import files as listed

    found = run(listed(Place(data_folder(data)), tags or [], from_, to))
    if as_json:
        show.print_json(msgspec.to_builtins(found, str_keys=True))
        return
    rows = [
        [one.kind, one.day or f"{one.first[:10]} to {one.last[:10]}", f"{one.rows:,}", show.size(one.size), one.path]
        for one in found.files
    ]
    columns = ["kind", "day (UTC)", "rows", "size", "file"]
    typer.echo(show.table(columns, rows, right=["rows", "size"]) if rows else "nothing is in files yet")
    if found.unwritten:
        typer.echo(f"{found.unwritten:,} newer samples are in no file yet, for a minute at most")


def share(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The share: a new folder, or the one of last time.")],
    tags: TagsArgument = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the history as Parquet files of days with tags by path and unit, for readers outside; only what changed.

    FOLDER/manifest.json lists the files that count. It is written last, so readers that go by it see one state of the
    history; files that it no longer lists stay for ten minutes. Run it as often as you like, beside a running plant.

    \b
    Examples:
      isthmus share /srv/history
      isthmus share /srv/energy '**/power' '**/energy'
    """
    import msgspec

    from isthmus.app.cli.slow import slow
    from isthmus.app.run.place import Place
    from isthmus.app.sharing import share as shared

    with slow("sharing") as say:
        made, written = run(shared(Place(data_folder(data)), folder, tags or [], say))
    if as_json:
        show.print_json({**msgspec.to_builtins(made), "written": written})
        return
    rows = sum(day.rows for day in made.days)
    days = f"{len(made.days)} day{'s' * (len(made.days) != 1)}"
    typer.echo(f"{folder} has {rows:,} samples of {days}, {written} written now")
