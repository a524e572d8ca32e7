# SPDX-License-Identifier: Apache-2.0
"""`isthmus history compact`: by hand what the recorder has done by itself when it is due."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from isthmus.app.cli import show
from isthmus.app.cli.options import DataOption, JsonOption
from isthmus.app.cli.where import data_folder

if TYPE_CHECKING:
    from isthmus.store.history.compact import Compacted


def register(history: typer.Typer) -> None:
    history.command("compact")(compact)


def compact(
    data: DataOption = None,
    today: Annotated[bool, typer.Option("--today", help="Also the samples of the day that still runs.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Make few files of many: one per closed day, with carried values and roll-ups.

    A running plant does this by itself: some minutes after midnight (UTC), and again for days to which samples came
    late. By hand it is done at once, beside recording, which goes on. Nothing of what is read changes.

    \b
    Examples:
      isthmus history compact
      isthmus history compact --today --data /var/lib/isthmus
    """
    import sqlite3

    from isthmus.app.cli.slow import slow
    from isthmus.app.run.logs import only_errors
    from isthmus.app.run.place import Place
    from isthmus.app.run.tend import yield_to_others
    from isthmus.core.errors import IsthmusError
    from isthmus.store.history import compact as compacting

    place = Place(data_folder(data))
    only_errors()
    yield_to_others()
    with slow("compacting") as say:
        try:
            done = compacting.compact(
                place.history, wait=False, today=today, progress=lambda done, of: say("samples", done, of)
            )
        except (OSError, sqlite3.Error) as error:
            hint = "nothing is lost, and recording goes on; make room or mend the disk, then try again"
            raise IsthmusError(f"cannot be compacted: {error}", where=str(place.history), hint=hint) from error
    _print(done, as_json)


def _print(done: Compacted, as_json: bool) -> None:
    if as_json:
        show.print_json({"files": done.files, "days": done.days, "samples": done.samples})
    elif done.files:
        days = f"{done.days} day{'s' * (done.days != 1)}"
        typer.echo(f"{done.files} files made into {days} ({done.samples:,} samples written)")
    else:
        typer.echo("nothing to compact: --today takes in what is recorded of today")
