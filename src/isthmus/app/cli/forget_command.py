# SPDX-License-Identifier: Apache-2.0
"""`isthmus forget`: what an output left that is not in the plant file any more."""

from __future__ import annotations

from typing import Annotated

import typer

from isthmus.app.cli.once import run
from isthmus.app.cli.options import DataOption
from isthmus.app.cli.where import data_folder


def register(app: typer.Typer) -> None:
    app.command("forget")(forget)


def forget(
    output: Annotated[str, typer.Argument(metavar="OUTPUT", help="The name it had in the plant file.")],
    only_here: Annotated[
        bool, typer.Option("--only-here", help="Leave its far end alone: it is gone, or is to keep what it has.")
    ] = False,
    data: DataOption = None,
) -> None:
    """Forget an output that was taken out of the plant file: clear what it left retained on a broker, and its position.

    Taking an output out stops it and no more: under its name it may come back and goes on where it was. Until then a
    broker goes on showing its last messages as if they were true. What the output had parked goes with it; history
    keeps the samples.

    \b
    Examples:
      isthmus forget namespace
      isthmus forget namespace --only-here
    """
    from isthmus.app.forgetting import forget as forgotten
    from isthmus.app.run.place import Place

    cleared = run(forgotten(Place(data_folder(data)), output, far_end=not only_here))
    what = f", and {cleared:,} topics at its far end are cleared" if cleared else ""
    typer.echo(f"output {output} is forgotten{what}")
