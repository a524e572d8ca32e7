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
    from isthmus.app.run.place import Place

FOLDER: Final = "demo-data"
DataOption = Annotated[
    Path | None,
    typer.Option("--data", metavar="DIR", help=f"The demo's data directory; else {VARIABLE}, else `{FOLDER}` here."),
]


def asked(data: Path | None, question: Ask) -> dict[str, Any]:
    """What the simulated plant answers; raises IsthmusError when it refuses, or is not there."""
    from isthmus.app.demo.chemical import desk
    from isthmus.app.demo.chemical.demo import folder

    return desk.ask(folder(_place(data)), question)


def target(data: Path | None, text: str) -> str:
    """The short name of a tag that people call by its path, as they see it; other targets as they are."""
    from isthmus.app.demo.chemical.plant import rows
    from isthmus.app.recorded import find
    from isthmus.app.run.endpoint import revision_of

    if "/" not in text:
        return text
    names = {row.tag.address: row.tag.name for row in rows()}
    (setting, *_) = find(revision_of(_place(data)), [text])
    return names.get(setting.address.partition(";s=")[2], text)


def _place(data: Path | None) -> Place:
    from isthmus.app.run.place import Place

    return Place(data or Path(os.environ.get(VARIABLE) or FOLDER))
