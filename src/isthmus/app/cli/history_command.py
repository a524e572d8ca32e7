# SPDX-License-Identifier: Apache-2.0
"""`isthmus history`: what was recorded of some tags."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from isthmus.app.cli import aligned_output, sample_output, spells_output, summed_output, told
from isthmus.app.cli.history_group import ASKING, Asking
from isthmus.app.cli.once import run
from isthmus.app.cli.options import DataOption, FromOption, ToOption
from isthmus.app.cli.where import check_new, data_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from isthmus.app.aligned import Aligned
    from isthmus.app.not_kept import NotKept
    from isthmus.app.recorded import Recorded
    from isthmus.app.run.place import Place
    from isthmus.app.spells import Spells
    from isthmus.app.summed import Summed
    from isthmus.core.event import Event

SHOWN: Final = 40
"""Rows of a table unless --last says otherwise."""


class Format(StrEnum):
    """How samples are written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"
    ARROW = "arrow"


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
        typer.Option(
            metavar="SPAN", help="Sum up each `15m`, `1h`; in plant time `hour`, `day`, `week`, `month`, `shift`."
        ),
    ] = None,
    unit: Annotated[
        str | None,
        typer.Option(metavar="UNIT", help="Sums in this unit (UCUM): `kW.h` for a Total of kW, which is in kW.s."),
    ] = None,
    at: Annotated[
        list[str] | None, typer.Option(metavar="TIME", help="The value at this time instead of a range. Repeatable.")
    ] = None,
    above: Annotated[
        float | None, typer.Option(metavar="LIMIT", help="When a tag was above this, in its unit: from when to when.")
    ] = None,
    below: Annotated[float | None, typer.Option(metavar="LIMIT", help="When a tag was below this.")] = None,
    for_: Annotated[
        str | None, typer.Option("--for", metavar="SPAN", help="Above or below for more than this: `5m`.")
    ] = None,
    bounds: Annotated[
        bool, typer.Option("--bounds", help="Also the samples next to the range, before and after it.")
    ] = False,
    replaced: Annotated[
        bool, typer.Option("--replaced", help="Also the samples that corrections replaced, before these.")
    ] = False,
    aligned: Annotated[
        bool,
        typer.Option(
            "--aligned",
            help="Tags side by side: a row for each time, a column for each tag. Without an --aggregate interpolated.",
        ),
    ] = False,
    uncertain_as_bad: Annotated[
        bool,
        typer.Option(
            "--treat-uncertain-as-bad/--no-treat-uncertain-as-bad",
            help="TreatUncertainAsBad: leave samples of Uncertain quality out.",
        ),
    ] = True,
    percent_bad: Annotated[
        int,
        typer.Option(
            "--percent-data-bad", metavar="N", min=0, max=100, help="PercentDataBad: so much Bad makes a result Bad."
        ),
    ] = 100,
    percent_good: Annotated[
        int,
        typer.Option(
            "--percent-data-good", metavar="N", min=0, max=100, help="PercentDataGood: so much Good makes it Good."
        ),
    ] = 100,
    sloped: Annotated[
        bool,
        typer.Option(
            "--use-sloped-extrapolation",
            help="UseSlopedExtrapolation: after the end of data go on along the last line, instead of holding.",
        ),
    ] = False,
    stepped: Annotated[
        bool | None,
        typer.Option(
            "--stepped/--sloped",
            help="Stepped: a number holds until the next sample, or moves in a line to it; else as its tag says.",
        ),
    ] = None,
) -> None:
    """Print what was recorded of a tag: every sample with its time, value, quality and marks.

    Works whether the plant runs or not. Times without an offset are meant in the plant's time zone; printed ones are
    UTC. Gaps, in which samples are missing, are named below a table and in JSON; so is what was let go of by now
    because its class is not kept that long. CSV, Parquet and Arrow are accompanied by both on standard error.

    Aggregates are those of OPC UA Part 13, one column each; without --every they are of the whole range. What was not
    observed is never interpolated over: the quality says how much of an interval is known. The last options are the
    AggregateConfiguration of Part 13 (4.2.1.2), with its defaults; they hold for --at and --aligned too.
    `Consumed` is ours: what a counter counted, over its resets too; adjoining intervals add up.

    --above and --below print spells: where a value that is not stepped moves in a line past the limit between two
    samples, a spell begins or ends on the way. It also ends where a Bad sample comes and where the tag was not observed
    any more; "or later" says that it may have gone on, "or before" that it may have begun before the range or before
    the tag was known.

    Every format has the same names and ISO 8601 times with all their nanoseconds. Numbers that a device sent in single
    precision are written with no more digits than that has, but in Parquet, which has the exact doubles.

    With --output raw samples go into CSV, Parquet and Arrow files day by day: years of them fit. `isthmus import` takes
    such a file into another plant.

    A tag that is called like one of the commands below is asked for after `--`: isthmus history -- compact.

    \b
    Examples:
      isthmus history line-1/reactor-1/temperature
      isthmus history 'reactor-*/pressure' --from 2026-11-23T06:00 --to 2026-11-23T14:00 --format csv
      isthmus history '**' --from -1d --format parquet -o day.parquet
      isthmus history reactor-1/temperature --from -8h --every 1h --aggregate Average --aggregate Maximum
      isthmus history 'reactor-*/temperature' --from -7d --every day --aggregate TimeAverage2
      isthmus history reactor-1/temperature --at 2026-11-23T03:12
      isthmus history 'reactor-*/temperature' --from -7d --above 90 --for 5m
      isthmus history reactor-1/temperature --from -10m --bounds
      isthmus history reactor-1/temperature --from -7d --replaced
      isthmus history drive/energy --from -2d --every shift --aggregate Consumed
      isthmus history drive/power --from -2d --every shift --aggregate Total --unit kW.h
      isthmus history 'reactor-1/*' --from yesterday --to today --every 1m --aligned --format csv
    """
    from isthmus.app.aligned import aligned as side_by_side
    from isthmus.app.cli.slow import slow
    from isthmus.app.converted import converted
    from isthmus.app.recorded import recorded
    from isthmus.app.run.place import Place
    from isthmus.app.spells import Limit, spells_of
    from isthmus.app.summed import Retrieval, bounded, summed, values_at
    from isthmus.core.errors import Misasked
    from isthmus.store.history.aggregates.series import Settings

    if aligned and every is not None and not aggregate:
        aggregate = ["Interpolative"]
    spells = above is not None or below is not None
    _agree(aggregate, every, at, bounds=bounds or replaced, aligned=aligned, spells=spells)
    if for_ is not None and not spells:
        raise typer.BadParameter("--for says how long a tag was past a limit: add --above or --below")
    if unit is not None and not (aggregate or at):
        raise typer.BadParameter("--unit needs an --aggregate or --at: samples are shown as they were recorded")
    settings = (uncertain_as_bad, percent_bad, percent_good, sloped, stepped)
    if settings != (True, 100, 100, False, None) and not (aggregate or at or spells):
        what = "--treat-uncertain-as-bad, --percent-data-*, --use-sloped-extrapolation, --stepped and --sloped"
        hint = "add an --aggregate, --at TIME, or --aligned with --every SPAN"
        raise Misasked(f"{what} say how history is summed up, and samples are asked for", hint=hint)
    retrieval = Retrieval(Settings(uncertain_as_bad, percent_bad, percent_good, sloped), stepped)
    if output is not None:
        check_new(output)
    if format_ in (Format.PARQUET, Format.ARROW) and output is None:
        raise typer.BadParameter(f"{format_} needs --output FILE")
    raw = not (aggregate or at or bounds or spells)
    if format_ is Format.ARROW and (not raw or last):
        raise typer.BadParameter("arrow holds raw samples, all of them; use parquet, csv or json")
    place = Place(data_folder(data))
    if raw and output is not None and not last and format_ in (Format.PARQUET, Format.ARROW, Format.CSV):
        _export(place, tags, (from_, to), output, format_, replaced=replaced)
        return
    with slow("reading history"):
        if aggregate or at:
            asked = summed(place, tags, from_, to, aggregate, every, retrieval) if aggregate else None
            answer = run(asked or values_at(place, tags, at or (), retrieval)).newest(last or 0)
            answer = converted(answer, unit) if unit is not None else answer
            _write(side_by_side(answer) if aligned else answer, format_, output)
            missing = answer.gaps, answer.not_kept
        elif spells:
            limit = Limit.of(above, below, for_)
            past = run(spells_of(place, tags, from_, to, limit, retrieval)).newest(last or 0)
            _write(past, format_, output)
            missing = past.gaps, past.not_kept
        else:
            asking = bounded(place, tags, from_, to) if bounds else recorded(place, tags, from_, to, replaced=replaced)
            found = run(asking)
            most = last if last is not None else SHOWN if format_ is Format.TABLE else 0
            _write(found.newest(most), format_, output)
            missing = found.gaps, found.not_kept
    if format_ in (Format.CSV, Format.PARQUET):
        _tell(*missing)


def _export(
    place: Place, tags: list[str], span: tuple[str, str], output: Path, format_: Format, *, replaced: bool
) -> None:
    from isthmus.app.cli.slow import slow
    from isthmus.app.exporting import export
    from isthmus.core.errors import IsthmusError

    with slow("exporting") as say:
        try:
            missing = run(export(place, tags, *span, output, str(format_), say, replaced=replaced))
        except OSError as error:
            hint = "look at the disk, or write somewhere else"
            raise IsthmusError(f"cannot be written: {error.strerror or error}", where=str(output), hint=hint) from error
    _tell(*missing)


def _tell(gaps: Sequence[Event], not_kept: Sequence[NotKept]) -> None:
    """The gaps and what was let go, where the format has no place for them."""
    for line in told.below(0, 0, gaps, not_kept):
        typer.echo(f"isthmus: {line}", err=True)


def _agree(
    aggregate: list[str] | None, every: str | None, at: list[str] | None, *, bounds: bool, aligned: bool, spells: bool
) -> None:
    if every is not None and not aggregate:
        raise typer.BadParameter("--every needs an --aggregate, such as Average")
    if sum((bool(aggregate), bool(at), bounds, spells)) > 1:
        raise typer.BadParameter(
            "--aggregate, --at, --above or --below, and --bounds or --replaced are different questions; ask one of them"
        )
    if aligned and not (aggregate or at):
        raise typer.BadParameter(
            "--aligned needs --every SPAN, an --aggregate or --at: raw samples have their own times"
        )


def _write(found: Recorded | Summed | Aligned | Spells, format_: Format, output: Path | None) -> None:
    from isthmus.core.errors import IsthmusError

    try:
        _write_to(found, format_, output)
    except OSError as error:
        if output is None:
            raise
        hint = "look at the disk, or write somewhere else"
        raise IsthmusError(f"cannot be written: {error.strerror or error}", where=str(output), hint=hint) from error


def _write_to(found: Recorded | Summed | Aligned | Spells, format_: Format, output: Path | None) -> None:
    if format_ is Format.PARQUET and output is not None:
        found.write_parquet(output)
        return
    writer: Any = _WRITERS[type(found).__name__][format_]
    if output is None:
        writer(found, sys.stdout)
        return
    with output.open("x", encoding="utf-8", newline="") as file:
        writer(found, file)


_WRITERS: Final = {
    kind: {
        Format.TABLE: module.write_table,
        Format.CSV: module.write_csv,
        Format.JSON: module.write_json,
    }
    for kind, module in (
        ("Recorded", sample_output),
        ("Summed", summed_output),
        ("Aligned", aligned_output),
        ("Spells", spells_output),
    )
}
"""By what was found, named: the classes bring numpy, which `isthmus --help` does without."""
