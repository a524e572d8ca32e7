# SPDX-License-Identifier: Apache-2.0
"""Where a plant's data lie: what `--data` says, else ISTHMUS_DATA, else `data` beside the plant file.

A plant file that lies in a data directory itself, as the demo's does, belongs to that one.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from isthmus.core.errors import IsthmusError, NotFound

VARIABLE: Final = "ISTHMUS_DATA"
FOLDER: Final = "data"


def data_folder(option: Path | None, plant: Path | None = None) -> Path:
    """The data directory; beside the plant file where one is named, else below the current folder."""
    if option is not None:
        return option
    said = os.environ.get(VARIABLE)
    if said:
        return Path(said)
    if plant is None:
        return Path(FOLDER)
    folder = plant_folder(plant)
    return folder if is_data(folder) else folder / FOLDER


def told(option: Path | None, plant: Path | None = None) -> str:
    """Which data directory is meant, for people: what stands in the environment is easily forgotten."""
    said = f" ({VARIABLE})" if option is None and os.environ.get(VARIABLE) else ""
    return f"data directory: {data_folder(option, plant)}{said}"


def plant_folder(plant: Path) -> Path:
    """The folder of a plant file, or the folder itself."""
    return plant if plant.is_dir() else plant.parent


def is_data(path: Path) -> bool:
    """`path` is a data directory."""
    return (path / "revisions").is_dir() or (path / "ledger.db").is_file()


def check_new(file: Path) -> None:
    """Raises IsthmusError unless `file` can be made: there is none, and its folder takes one."""
    folder = file.parent
    if file.exists():
        raise IsthmusError("exists already", where=str(file), hint="choose another name")
    if not folder.is_dir():
        raise IsthmusError("is no folder", where=str(folder), hint="make it, or write somewhere else")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise IsthmusError("may not be written to by you", where=str(folder), hint="write somewhere else")


def data_of(where: Path | None, option: Path | None) -> Path:
    """The data directory that a plant file, its folder, or the directory itself says; raises NotFound."""
    if where is not None and not where.exists():
        raise NotFound(f"there is no {str(where)!r}", hint="name a plant file, its folder or a data directory")
    if where is not None and option is None and is_data(where):
        return where
    return data_folder(option, where)
