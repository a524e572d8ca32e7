# SPDX-License-Identifier: Apache-2.0
"""Folder cases: each holds a plant file and either what is wrong with it, line by line, or what it comes to.

To add one: make a folder in tests/cases/plant with a plant.yaml, run with ISTHMUS_WRITE_CASES=1, read what it wrote.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from isthmus.core.errors import PlantFileError
from isthmus.plant.calendar import PLAIN
from isthmus.plant.check import Checked, check_plant
from isthmus.plant.retention import NONE
from tests.plant.bench_kind import KINDS

FOLDER = Path(__file__).parents[1] / "cases" / "plant"
CASES = sorted(path.name for path in FOLDER.iterdir() if path.is_dir())


@pytest.mark.parametrize("case", CASES)
def test_a_plant_file_comes_to_what_its_case_says(case: str) -> None:
    folder = FOLDER / case
    name, said = _outcome(folder)
    if os.environ.get("ISTHMUS_WRITE_CASES"):
        (folder / name).write_text(said, encoding="utf-8")
    assert (folder / name).read_text(encoding="utf-8") == said


@pytest.mark.parametrize("case", CASES)
def test_a_case_has_one_outcome(case: str) -> None:
    assert (FOLDER / case / "error").exists() != (FOLDER / case / "expected.json").exists()


def _outcome(folder: Path) -> tuple[str, str]:
    try:
        checked = check_plant(folder / "plant.yaml", KINDS)
    except PlantFileError as error:
        return "error", "".join(f"{line}\n" for line in str(error).replace(f"{folder}/", "").splitlines())
    plain = _rounded(msgspec.to_builtins(_plain(checked, folder)))
    return "expected.json", msgspec.json.format(msgspec.json.encode(plain), indent=1).decode() + "\n"


def _rounded(data: Any) -> Any:
    """Unit conversions differ in their last digit from one library version to the next."""
    match data:
        case float():
            return float(f"{data:.10g}")
        case dict():
            return {key: _rounded(value) for key, value in data.items()}
        case list() | tuple():
            return [_rounded(value) for value in data]
    return data


def _plain(checked: Checked, folder: Path) -> dict[str, Any]:
    return {
        "plant": checked.plant,
        "time_zone": checked.time_zone,
        **({"calendar": checked.calendar} if checked.calendar != PLAIN else {}),
        **({"retention": checked.retention} if checked.retention != NONE else {}),
        **({"pictures": checked.pictures} if checked.pictures else {}),
        "systems": checked.systems,
        "assets": checked.assets,
        "tags": checked.tags,
        "renames": checked.renames,
        "unread": checked.unread,
        "files": sorted(checked.sources),
        "warnings": [str(warning).replace(f"{folder}/", "") for warning in checked.warnings],
    }
