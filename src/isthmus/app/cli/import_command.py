# SPDX-License-Identifier: Apache-2.0
"""`isthmus import`: what other historians kept, into the history."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from isthmus.app.cli import show
from isthmus.app.cli.options import DataOption, JsonOption
from isthmus.app.cli.where import data_folder

if TYPE_CHECKING:
    from isthmus.app.importing.account import Account
    from isthmus.app.importing.bring import Preview
    from isthmus.app.importing.take import Progress
    from isthmus.app.run.place import Place

NAMES: Final = 20
"""Unknown names that are listed."""


class Fold(StrEnum):
    """Which of two times a clock shows twice."""

    FIRST = "first"
    SECOND = "second"


class Numbers(StrEnum):
    """What numbers of a quality column are."""

    OPCUA = "opcua"
    OPCDA = "opcda"


def register(app: typer.Typer) -> None:
    app.command("import")(import_)


def import_(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILE...", help="CSV, Parquet, Arrow, JSON lines; or folders."),
    ] = None,
    data: DataOption = None,
    mapping: Annotated[
        Path | None, typer.Option("--map", metavar="YAML", help="Which name is which tag, in which unit.")
    ] = None,
    tag_column: Annotated[str, typer.Option(metavar="NAME", help="The column with the names of tags.")] = "",
    time_column: Annotated[str, typer.Option(metavar="NAME", help="The column with the times.")] = "",
    value_column: Annotated[str, typer.Option(metavar="NAME", help="The column with the values.")] = "",
    quality_column: Annotated[str, typer.Option(metavar="NAME", help="The column with the qualities.")] = "",
    unit_column: Annotated[str, typer.Option(metavar="NAME", help="The column with the values' units.")] = "",
    time_format: Annotated[
        str, typer.Option(metavar="FORMAT", help="Times: strptime's, or s, ms, us, ns, excel, filetime; else ISO 8601.")
    ] = "",
    time_zone: Annotated[
        str, typer.Option(metavar="ZONE", help="Of times without an offset; else the plant's (UTC in Parquet, Arrow).")
    ] = "",
    fold: Annotated[
        Fold | None, typer.Option(help="Which one a time means that the clock shows twice; else it is refused.")
    ] = None,
    quality_as: Annotated[
        Numbers | None, typer.Option(help="What numbers of quality are: opcua (0 is good), opcda (192 is good).")
    ] = None,
    decimal: Annotated[str, typer.Option(metavar="SIGN", help="The decimal sign of numbers.")] = ".",
    delimiter: Annotated[str, typer.Option(metavar="SIGN", help="Between the fields; else found out.")] = "",
    encoding: Annotated[str, typer.Option(metavar="NAME", help="How texts are written: windows-1252.")] = "utf-8",
    skip: Annotated[int, typer.Option(metavar="N", min=0, help="Lines before the heading.")] = 0,
    header: Annotated[
        str, typer.Option(metavar="NAMES", help="Columns of a file without a heading: tag,time,value.")
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what the first rows would become.")] = False,
    compacting: Annotated[
        bool, typer.Option("--compact/--no-compact", help="Make files of days at the end, or leave that to the plant.")
    ] = True,
    listing: Annotated[bool, typer.Option("--list", help="List the imports there were.")] = False,
    undo: Annotated[str, typer.Option(metavar="ID", help="Take an import back: all its samples.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Take what another historian kept into the history, whether the plant runs or not.

    Files are long (columns with tag, time, value, perhaps quality) or wide (time, and a column for each tag); columns
    that are called as usual are found. Texts may be compressed (.gz, .zst, .bz2). A name is a tag by the mapping file,
    as its path, or as its address in the system it is read from: then its values are scaled as live ones are.

    Samples are marked historical and standardised as live ones are. Rows that cannot be taken are counted by reason
    and written into a file. When the import dies, the same command goes on where it was, each row once.

    \b
    Examples:
      isthmus import pi-export.csv --map names.yaml --dry-run
      isthmus import 2024/ 2025/ --map names.yaml
      isthmus import trend.csv.gz --time-format '%d.%m.%Y %H:%M:%S' --decimal , --time-zone Europe/Berlin
      isthmus import --list
      isthmus import --undo 3f2a9c01
    """
    from isthmus.app.importing import piece
    from isthmus.app.run.logs import only_errors
    from isthmus.app.run.place import Place

    only_errors()
    place = Place(data_folder(data))
    if listing:
        _list(place, as_json)
    elif undo:
        _undo(place, undo, compacting, as_json)
    elif not files:
        raise typer.BadParameter("name a FILE to import, or --list, or --undo ID")
    else:
        reading = piece.Reading(
            tag_column=tag_column,
            time_column=time_column,
            value_column=value_column,
            quality_column=quality_column,
            unit_column=unit_column,
            time_format=time_format,
            time_zone=time_zone,
            fold=fold or "",
            quality_as=quality_as or "",
            decimal=decimal,
            delimiter=delimiter.replace("\\t", "\t"),
            encoding=encoding,
            skip=skip,
            header=tuple(name.strip() for name in header.split(",")) if header else (),
        )
        _import(place, files, mapping, reading, dry_run=dry_run, compacting=compacting, as_json=as_json)


def _import(
    place: Place,
    files: list[Path],
    mapping: Path | None,
    reading: Any,
    *,
    dry_run: bool,
    compacting: bool,
    as_json: bool,
) -> None:
    from isthmus.app.importing.bring import Wanted, bring_in, look_at
    from isthmus.core import time

    wanted = Wanted.of(place, files, mapping, reading)
    if dry_run:
        account, shown = look_at(wanted, time.now())
        _say(account, wanted.tags.near, place, as_json=as_json, shown=shown)
        return
    with _progress() as progress:
        account, before = bring_in(wanted, progress, lambda error: _note(f"waiting: {error.what}"))
    if compacting and not before and account.taken:
        _compact(place)
    _say(account, wanted.tags.near, place, as_json=as_json, before=before)
    if not account.taken:
        raise typer.Exit(1)


def _compact(place: Place) -> None:
    from isthmus.app.cli.slow import slow
    from isthmus.store.history.compact import compact

    with slow("compacting") as say:
        compact(place.history, wait=False, progress=lambda done, of: say("compacting samples", done, of))


def _undo(place: Place, id_: str, compacting: bool, as_json: bool) -> None:
    from isthmus.app.cli.slow import slow
    from isthmus.app.importing.undo import undo
    from isthmus.core.time import to_iso

    with slow("undoing") as say:
        account, count, let_go = undo(place, id_, lambda done, of: say("files", done, of))
    if compacting:
        _compact(place)
    if as_json:
        rolled = {} if let_go is None else {"roll-ups stay before": to_iso(let_go)}
        show.print_json({"id": account.id, "taken back": count, **rolled})
        return
    typer.echo(f"import {account.id} ({account.what}) is taken back: {count:,} samples removed")
    if let_go is not None:
        typer.echo(f"roll-ups of samples before {to_iso(let_go)[:10]} stay: the samples are not kept any more")


def _list(place: Place, as_json: bool) -> None:
    from isthmus.app.importing.bring import imports
    from isthmus.core.time import to_iso

    found = imports(place)
    if as_json:
        show.print_json([_data(account) for account in found])
        return
    rows = [
        [
            account.id,
            to_iso(show.seconds(account.seen)),
            _state(account),
            f"{account.taken:,}",
            f"{account.refusals + account.strangers:,}",
            f"{to_iso(show.seconds(account.first))} to {to_iso(show.seconds(account.last))}" if account.tags else "",
            account.what,
        ]
        for account in found
    ]
    columns = ["id", "begun", "state", "rows", "not taken", "samples", "files"]
    typer.echo(show.table(columns, rows, right=["rows", "not taken"]) if rows else "nothing was imported")


def _state(account: Account) -> str:
    if account.undone:
        return "taken back"
    return "done" if account.ended else "not ended: the same command goes on"


def _data(account: Account) -> dict[str, Any]:
    from isthmus.core.time import to_iso

    return {
        "id": account.id,
        "files": [origin.path for origin in account.origins] or account.what,
        "begun": to_iso(account.seen),
        "ended": to_iso(account.ended) if account.ended else None,
        "undone": to_iso(account.undone) if account.undone else None,
        "taken": account.taken,
        "left out": account.left_out,
        "refused": [{"reason": r, "rows": n, "first": account.examples.get(r, [])} for r, n in account.refused.items()],
        "unknown": account.unknown,
        "first": to_iso(account.first) if account.tags else None,
        "last": to_iso(account.last) if account.tags else None,
        "tags": len(account.tags),
    }


def _say(
    account: Account,
    near: Callable[[str], str],
    place: Place,
    *,
    as_json: bool,
    before: bool = False,
    shown: list[Preview] | None = None,
) -> None:
    """What an import took, and what not and why."""
    if as_json:
        show.print_json(_data(account))
        return
    if shown is not None:
        _preview(shown)
    if before:
        typer.echo(f"these files were imported already, as {account.id}; nothing is done again")
    verb = "would be taken" if shown is not None else "taken"
    tags = f" of {len(account.tags):,} tag{'s' * (len(account.tags) != 1)}" if account.tags else ""
    typer.echo(f"{_rows(account.taken)} {verb}{tags}{f', as import {account.id}' if account.id else ''}")
    if account.left_out:
        typer.echo(f"{_rows(account.left_out)} left out, as the mapping says")
    for reason, rows in sorted(account.refused.items(), key=lambda found: -found[1]):
        first = ", ".join(account.examples.get(reason, []))
        typer.echo(f"{_rows(rows)} refused: {reason} ({first}{', ...' if rows > 5 else ''})")
    if account.written:
        from isthmus.app.importing.take import refused_file

        typer.echo(f"all refused rows are in {refused_file(place, account.id)}")
    for name, rows in sorted(account.unknown.items(), key=lambda found: -found[1])[:NAMES]:
        hint = near(name)
        typer.echo(f"{_rows(rows)} of {name!r}, which is no tag{'; ' + hint if hint else ''}")
    if len(account.unknown) > NAMES:
        typer.echo(f"and {len(account.unknown) - NAMES:,} other names that are no tags")


def _rows(count: int) -> str:
    return f"{count:,} row{'s' * (count != 1)}"


def _preview(shown: list[Preview]) -> None:
    from isthmus.core import quality
    from isthmus.core.time import to_iso

    rows = [
        [
            one.setting.tag.path,
            to_iso(one.time),
            show.value(one.setting, one.value),
            one.setting.tag.unit,
            quality.name(one.quality),
            quality.marks(one.mark),
        ]
        for one in shown[:40]
    ]
    typer.echo(show.table(["tag", "time (UTC)", "value", "unit", "quality", "marks"], rows, right=["value"]))


def _note(text: str) -> None:
    sys.stderr.write(f"{text}\n")


@contextmanager
def _progress() -> Iterator[Callable[[Progress], None]]:
    """Tells how far it is: a line that changes in a terminal, one every ten seconds elsewhere."""
    from isthmus.app.cli.slow import slow

    said = 0.0

    def told(progress: Progress) -> None:
        nonlocal said
        if progress.seconds - said >= 10 and not sys.stderr.isatty():
            said = progress.seconds
            _note(_line(progress))

    with slow("importing") as say:

        def tell(progress: Progress) -> None:
            say(_line(progress), 0, 0)
            told(progress)

        yield tell


def _line(progress: Progress) -> str:
    rate = progress.rows / max(progress.seconds, 1e-3)
    part = progress.done / progress.size if progress.size else 0.0
    left = f", {show.age(progress.seconds / part * (1 - part))} left" if part else ""
    return f"{progress.file}: {progress.rows:,} rows, {rate:,.0f} a second, {part:.0%}{left}"
