# SPDX-License-Identifier: Apache-2.0
"""`isthmus parked`: what the far end of an output refused, to be looked at, tried again or dropped."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any

import typer

from isthmus.app.cli import show
from isthmus.app.cli.options import DataOption, JsonOption
from isthmus.app.cli.where import data_folder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from isthmus.flow.deliver.book import Parked
    from isthmus.plant.revision import Revision

MOST = 50


def register(app: typer.Typer) -> None:
    app.command("parked")(parked)


def parked(
    output: Annotated[
        str | None, typer.Argument(metavar="OUTPUT", help="Its name in the plant file; without it, how much each has.")
    ] = None,
    retry: Annotated[bool, typer.Option("--retry", help="Try all of it again.")] = False,
    drop: Annotated[bool, typer.Option("--drop", help="Forget all of it. History keeps the samples.")] = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what the far end of an output refused, and why; try it again or drop it.

    Refused samples are parked so that the others go on. When 100,000 are parked, or 256 MB of them, the output stands
    still until they are tried again or dropped. What is refused again stays parked, with the new reason.

    \b
    Examples:
      isthmus parked
      isthmus parked namespace
      isthmus parked namespace --retry
    """
    from isthmus.app.run.endpoint import revision_of
    from isthmus.app.run.place import Place
    from isthmus.core.errors import NotFound
    from isthmus.flow.deliver.book import Book
    from isthmus.flow.deliver.deliver import folder_of
    from isthmus.plant.findings import one_of

    if retry and drop:
        raise typer.BadParameter("--retry and --drop exclude each other")
    if output is None and (retry or drop):
        raise typer.BadParameter("--retry and --drop want the name of an output")
    place = Place(data_folder(data))
    revision = revision_of(place)
    names = [one.name for one in revision.outputs]
    if output is None:
        _counts(place.root, names, as_json)
        return
    folder = folder_of(place.root, output)
    if output not in names and not (folder.name == output and folder.is_dir()):
        raise NotFound(f"there is no output {output!r}", hint=one_of(output, names) or "the plant file has no outputs")
    book = Book.open(folder)
    try:
        if retry or drop:
            _told(book.retry() if retry else book.drop(), "are tried again" if retry else "dropped", as_json)
        else:
            _print(book.parked(MOST), book.count(), revision, as_json)
    finally:
        book.close()


def _counts(root: Path, names: Sequence[str], as_json: bool) -> None:
    """How much is parked of each output that has a position."""
    from isthmus.flow.deliver.book import Book
    from isthmus.flow.deliver.deliver import folder_of

    counts = {}
    for name in names:
        if (folder_of(root, name) / "book.db").is_file():
            with closing(Book.open(folder_of(root, name))) as book:
                counts[name] = book.count()
    if as_json:
        show.print_json(counts)
    elif any(counts.values()):
        typer.echo(show.table(["output", "parked"], [[name, f"{count:,}"] for name, count in counts.items()]))
    else:
        typer.echo("nothing is parked")


def _told(count: int, what: str, as_json: bool) -> None:
    if as_json:
        show.print_json({"samples": count})
    else:
        typer.echo(f"{count:,} sample{'s' * (count != 1)} {what}")


def _print(found: Parked, count: int, revision: Revision, as_json: bool) -> None:
    rows = list(_rows(found, revision))
    if as_json:
        show.print_json({"parked": count, "samples": rows})
        return
    if rows:
        table = [[row["tag"], row["time"], row["value"], row["parked"], row["reason"]] for row in rows]
        typer.echo(show.table(["tag", "time (UTC)", "value", "parked (UTC)", "reason"], table))
    more = f"; the oldest {len(rows)} are shown" if count > len(rows) else ""
    typer.echo(f"{count:,} parked{more}" if count else "nothing is parked")


def _rows(found: Parked, revision: Revision) -> list[dict[str, Any]]:
    from isthmus.core import time
    from isthmus.core.samples import plain

    columns, rows = found.columns, []
    for row, (at, reason) in enumerate(zip(found.at, found.reasons, strict=True)):
        setting = revision.by_number.get(int(columns.tag[row]))
        text = columns.words[columns.text[row] - 1] if columns.text[row] else None
        value: Any = float(columns.value[row])
        if setting is not None:
            value = plain(setting.tag.type, value, int(columns.integer[row]), text)
        rows.append(
            {
                "tag": setting.tag.path if setting is not None else f"number {columns.tag[row]}",
                "time": time.to_iso(int(columns.time[row])),
                "value": str(value if value is not None else text),
                "parked": time.to_iso(show.seconds(at)),
                "reason": reason,
            }
        )
    return rows
