# SPDX-License-Identifier: Apache-2.0
"""`isthmus sql`: questions about the history in SQL."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from isthmus.app.cli.once import run
from isthmus.app.cli.options import DataOption
from isthmus.app.cli.where import check_new, data_folder

if TYPE_CHECKING:
    from isthmus.app.run.place import Place
    from isthmus.store.history.sql.given import Limits

SHOWN: Final = 40
"""Rows of a table unless --limit says otherwise."""
MOST: Final = 1_000_000
"""Rows of the other forms unless --limit says otherwise."""


class Format(StrEnum):
    """How rows are written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


def register(app: typer.Typer) -> None:
    app.command("sql")(sql)


def sql(
    query: Annotated[str | None, typer.Argument(metavar="QUERY", help="The question; none: list the views.")] = None,
    data: DataOption = None,
    file: Annotated[
        Path | None, typer.Option("--file", metavar="FILE", help="Read the question from this file; `-` is the input.")
    ] = None,
    format_: Annotated[Format, typer.Option("--format", help="How to write the rows.")] = Format.TABLE,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write to this file, which must not exist.")
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help=f"At most so many rows; else {SHOWN} of a table and {MOST:,} elsewhere."),
    ] = None,
    timeout: Annotated[str, typer.Option(metavar="SPAN", help="Give up after this time, at most 9m.")] = "30s",
    memory: Annotated[str, typer.Option(metavar="SIZE", help="Memory the question may use: 512MB, 2GB.")] = "512MB",
) -> None:
    """Ask the history in SQL (DuckDB's), whether the plant runs or not. Without a question: list what can be asked.

    Times are UTC and have no zone; `now()` is now, `plant_time(time)` the plant's own clock. Say from when to when, as
    in `time >= now() - INTERVAL 1 HOUR`: what is outside need not be read. A process answers that can read the history
    and nothing else; docs/sql.md has more.

    \b
    Examples:
      isthmus sql
      isthmus sql "SELECT * FROM last WHERE quality <> 'Good'"
      isthmus sql "SELECT tag, avg(value) FROM samples WHERE time > now() - INTERVAL 1 HOUR GROUP BY tag"
      isthmus sql --file energy.sql --format csv -o energy.csv
    """
    from isthmus.app.cli.slow import slow
    from isthmus.app.cli.sql_output import write
    from isthmus.app.run.place import Place
    from isthmus.app.sql.ask import ask

    place, text = Place(data_folder(data)), _question(query, file)
    if text is None:
        _list(place)
        return
    if output is not None:
        check_new(output)
    if format_ is Format.PARQUET and output is None:
        raise typer.BadParameter("parquet needs --output FILE")
    rows = limit if limit is not None else SHOWN if format_ is Format.TABLE and output is None else MOST
    with slow("asking the history"):
        answer = run(ask(place, text, _limits(rows, timeout, memory)))
    write(answer, format_, output)
    for remark in answer.done.remarks:
        typer.echo(remark, err=True)
    if answer.more:
        count = len(answer.table)
        typer.echo(f"{count:,} row{'' if count == 1 else 's'}, and there are more: --limit N for up to N", err=True)


def _question(query: str | None, file: Path | None) -> str | None:
    from isthmus.core.errors import IsthmusError

    if file is None:
        return query
    if query is not None:
        raise typer.BadParameter("give the question or --file, not both")
    try:
        return typer.get_text_stream("stdin").read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is no UTF-8 text"
        raise IsthmusError(f"cannot be read: {reason}", where=str(file)) from error


def _limits(rows: int, timeout: str, memory: str) -> Limits:
    import re

    from isthmus.core import time
    from isthmus.store.history.sql.given import MEGABYTE, Limits

    span = time.duration(timeout)
    if not 0 < span <= 9 * 60 * time.SECOND:
        raise typer.BadParameter("--timeout is at most 9m: replaced files of the history stay for 10 minutes")
    size = re.fullmatch(r"(\d{1,6})\s*(MB|GB)", memory.strip(), re.IGNORECASE)
    if size is None:
        raise typer.BadParameter(f"{memory!r} is no size; write 512MB or 2GB")
    number = int(size[1]) * (1000 if size[2].upper() == "GB" else 1)
    if number < 64:
        raise typer.BadParameter("--memory is at least 64MB")
    return Limits(rows=rows, seconds=span / time.SECOND, memory=number * MEGABYTE)


def _list(place: Place) -> None:
    from isthmus.app.cli import show
    from isthmus.app.run.endpoint import revision_of
    from isthmus.app.sql.examples import examples
    from isthmus.store.history.sql.gather import views

    revision = revision_of(place)
    for view in views(revision):
        typer.echo(f"{view.name}: {view.about}")
        rows = [[f"  {name}", type_, means] for name, type_, means in view.columns]
        typer.echo("\n".join(show.table(["", "", ""], rows).splitlines()[1:]) + "\n")
    typer.echo("Examples:")
    for about, text in examples(revision):
        typer.echo(f"  {about}\n    {text}")
