# SPDX-License-Identifier: Apache-2.0
"""`isthmus history`: what was recorded of some tags."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TextIO

import typer

from isthmus.app.cli import show, summed_output
from isthmus.app.cli.history_group import ASKING, Asking
from isthmus.app.cli.once import run
from isthmus.app.cli.options import DataOption, FromOption, ToOption
from isthmus.app.cli.where import check_new, data_folder

if TYPE_CHECKING:
    from isthmus.app.recorded import Recorded, Row
    from isthmus.app.summed import Summed

SHOWN: Final = 40
"""Rows of a table unless --last says otherwise."""


class Format(StrEnum):
    """How samples are written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


def register(app: typer.Typer) -> None:
    app.command(ASKING, cls=Asking, hidden=True)(history)


def history(
    tags: Annotated[list[str], typer.Argument(metavar="TAG...", help="Paths of tags, or patterns with `*` and `**`.")],
    data: DataOption = None,
    from_: FromOption = "-1h",
    to: ToOption = "now",
    format_: Annotated[Format, typer.Option("--format", help="How to write it.")] = Format.TABLE,
    last: Annotated[
        int | None,
        typer.Option(metavar="N", min=0, help=f"Only so many of the newest per tag; a table has {SHOWN}, 0 is all."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write to this file, which must not exist.")
    ] = None,
    aggregate: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="Sum up by this OPC UA aggregate: Average, Maximum2, PercentGood. Repeatable."
        ),
    ] = None,
    every: Annotated[
        str | None,
        typer.Option(metavar="SPAN", help="Sum up each `15m`, `1h`; `hour`, `day`, `week`, `month` in plant time."),
    ] = None,
    at: Annotated[
        list[str] | None, typer.Option(metavar="TIME", help="The value at this time instead of a range. Repeatable.")
    ] = None,
    bounds: Annotated[
        bool, typer.Option("--bounds", help="Also the samples next to the range, before and after it.")
    ] = False,
) -> None:
    """Print what was recorded of a tag: every sample with its time, value, quality and marks.

    Works whether the plant runs or not. Times without an offset are meant in the plant's time zone; printed ones are
    UTC. Gaps, in which samples are missing, are named below a table.

    Aggregates are those of OPC UA Part 13, one column each; without --every they are of the whole range. What was not
    observed is never interpolated over: the quality says how much of an interval is known.

    A tag that is called like one of the commands below is asked for after `--`: isthmus history -- compact.

    \b
    Examples:
      isthmus history line-1/reactor-1/temperature
      isthmus history 'reactor-*/pressure' --from 2026-11-23T06:00 --to 2026-11-23T14:00 --format csv
      isthmus history '**' --from -1d --format parquet -o day.parquet
      isthmus history reactor-1/temperature --from -8h --every 1h --aggregate Average --aggregate Maximum
      isthmus history 'reactor-*/temperature' --from -7d --every day --aggregate TimeAverage2
      isthmus history reactor-1/temperature --at 2026-11-23T03:12
      isthmus history reactor-1/temperature --from -10m --bounds
    """
    from isthmus.app.cli.slow import slow
    from isthmus.app.recorded import recorded
    from isthmus.app.run.place import Place
    from isthmus.app.summed import bounded, summed, values_at

    _agree(aggregate, every, at, bounds=bounds)
    if output is not None:
        check_new(output)
    if format_ is Format.PARQUET and output is None:
        raise typer.BadParameter("parquet needs --output FILE")
    place = Place(data_folder(data))
    with slow("reading history"):
        if aggregate:
            _write(run(summed(place, tags, from_, to, aggregate, every)).newest(last or 0), format_, output)
        elif at:
            _write(run(values_at(place, tags, at)).newest(last or 0), format_, output)
        else:
            found = run((bounded if bounds else recorded)(place, tags, from_, to))
            most = last if last is not None else SHOWN if format_ is Format.TABLE else 0
            _write(found.newest(most), format_, output)


def _agree(aggregate: list[str] | None, every: str | None, at: list[str] | None, *, bounds: bool) -> None:
    if every is not None and not aggregate:
        raise typer.BadParameter("--every needs an --aggregate, such as Average")
    if sum((bool(aggregate), bool(at), bounds)) > 1:
        raise typer.BadParameter("--aggregate, --at and --bounds are different questions; ask one of them")


def _write(found: Recorded | Summed, format_: Format, output: Path | None) -> None:
    from isthmus.core.errors import IsthmusError

    try:
        _write_to(found, format_, output)
    except OSError as error:
        if output is None:
            raise
        hint = "look at the disk, or write somewhere else"
        raise IsthmusError(f"cannot be written: {error.strerror or error}", where=str(output), hint=hint) from error


def _write_to(found: Recorded | Summed, format_: Format, output: Path | None) -> None:
    from isthmus.app.recorded import Recorded

    if format_ is Format.PARQUET and output is not None:
        found.write_parquet(output)
        return
    writer: Any = (_WRITERS if isinstance(found, Recorded) else _SUMMED)[format_]
    if output is None:
        writer(found, sys.stdout)
        return
    with output.open("x", encoding="utf-8", newline="") as file:
        writer(found, file)


def _table(found: Recorded, to: TextIO) -> None:
    from isthmus.core import quality
    from isthmus.core.time import to_iso

    several = len(found.tables) > 1
    rows = [
        [
            *([row.setting.tag.path] if several else []),
            to_iso(row.time),
            show.value(row.setting, row.value),
            row.setting.tag.unit,
            quality.name(row.quality),
            show.marks(row.mark),
        ]
        for row in found.rows()
    ]
    if not several:
        to.write(f"{found.tables[0][0].tag.path}\n")
    columns = [*(["tag"] if several else []), "time (UTC)", "value", "unit", "quality", "marks"]
    if rows:
        to.write(show.table(columns, rows, right=["value"]) + "\n")
    else:
        to.write(f"nothing recorded from {to_iso(found.start)} to {to_iso(found.end)}\n")
    if found.left_out:
        to.write(f"{len(rows):,} of {len(rows) + found.left_out:,} rows, the newest; --last 0 for all\n")
    for gap in found.gaps:
        to.write(f"gap {show.span(gap.details.get('first'), gap.details.get('last'))}: {gap.message}\n")


def _csv(found: Recorded, to: TextIO) -> None:
    import csv

    writer = csv.writer(to, lineterminator="\n")
    writer.writerow(["tag", "time", "seen", "value", "unit", "quality", "code", "marks"])
    for row in found.rows():
        writer.writerow(_data(row).values())


def _json(found: Recorded, to: TextIO) -> None:
    import msgspec

    gaps = [msgspec.to_builtins(gap) for gap in found.gaps]
    content = {"samples": [_data(row) for row in found.rows()], "gaps": gaps}
    to.write(msgspec.json.format(msgspec.json.encode(content), indent=1).decode() + "\n")


def _data(row: Row) -> dict[str, Any]:
    """A sample for scripts; an enumeration's value is its number."""
    from isthmus.core import quality
    from isthmus.core.time import to_iso

    return {
        "tag": row.setting.tag.path,
        "time": to_iso(row.time),
        "seen": to_iso(row.seen),
        "value": row.value,
        "unit": row.setting.tag.unit,
        "quality": quality.name(row.quality),
        "code": row.quality,
        "marks": show.marks(row.mark),
    }


_WRITERS: Final = {Format.TABLE: _table, Format.CSV: _csv, Format.JSON: _json}
_SUMMED: Final = {
    Format.TABLE: summed_output.write_table,
    Format.CSV: summed_output.write_csv,
    Format.JSON: summed_output.write_json,
}
