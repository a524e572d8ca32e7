# SPDX-License-Identifier: Apache-2.0
"""`isthmus backup` and `isthmus restore`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from isthmus.app.cli import show
from isthmus.app.cli.once import run
from isthmus.app.cli.options import DataOption, JsonOption
from isthmus.app.cli.where import check_new, data_folder, told

if TYPE_CHECKING:
    from isthmus.app.backup import Summary


def register(app: typer.Typer) -> None:
    app.command("backup")(backup)
    app.command("restore")(restore)


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The backup to write; it must not exist.")],
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write everything of a plant into one file: history, ledger, revisions, positions of outputs, keys and
    secrets at one position.

    Works while the plant runs. Keep the file safe: it holds the plant's keys and secrets.

    \b
    Examples:
      isthmus backup lyon-2026-11-23.tar
      isthmus backup /mnt/backup/lyon.tar --data /var/lib/isthmus
    """
    from isthmus.app.backup import back_up
    from isthmus.app.cli.slow import slow
    from isthmus.app.run.place import Place

    check_new(file)
    with slow("backing up") as say:
        summary = run(back_up(Place(data_folder(data)), file, say))
    if not as_json:
        typer.echo(told(data))
    _print(summary, f"{file} ({show.size(file.stat().st_size)}) holds", as_json)


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file that `isthmus backup` wrote.")],
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a data directory from a backup. One that is not empty is refused; a damaged backup is too.

    \b
    Examples:
      isthmus restore lyon-2026-11-23.tar --data /var/lib/isthmus
    """
    from isthmus.app.backup import restore
    from isthmus.app.cli.slow import slow
    from isthmus.app.run.place import Place

    place = Place(data_folder(data))
    with slow("restoring") as say:
        summary = restore(file, place, say)
    _print(summary, f"{place.root} has", as_json)


def _print(summary: Summary, begin: str, as_json: bool) -> None:
    import msgspec

    from isthmus.core.time import to_iso

    if as_json:
        show.print_json({**msgspec.to_builtins(summary), "made": to_iso(summary.made)})
        return
    files = summary.segments + summary.kept
    typer.echo(
        f"{begin} {summary.plant}, revision {summary.revision}, {summary.samples:,} samples "
        f"in {files:,} file{'s' * (files != 1)}, as of {to_iso(show.seconds(summary.made))}"
    )
