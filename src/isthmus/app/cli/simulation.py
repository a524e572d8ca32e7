# SPDX-License-Identifier: Apache-2.0
"""How commands reach the simulated plant of a demo that runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from isthmus.app.cli.where import VARIABLE

if TYPE_CHECKING:
    from isthmus.app.demo.chemical.desk import Ask

FOLDER: Final = "demo-data"
DataOption = Annotated[
    Path | None,
    typer.Option("--data", metavar="DIR", help=f"The demo's data directory; else {VARIABLE}, else `{FOLDER}` here."),
]


def asked(data: Path | None, question: Ask) -> dict[str, Any]:
    """What the simulated plant answers; raises IsthmusError when it refuses, or is not there."""
    from isthmus.app.demo.chemical import desk
    from isthmus.app.demo.chemical.demo import folder
    from isthmus.app.run.place import Place

    place = Place(data or Path(os.environ.get(VARIABLE) or FOLDER))
    return desk.ask(folder(place), question)
