# SPDX-License-Identifier: Apache-2.0
"""Plant files written in a line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from isthmus.core.errors import PlantFileError
from isthmus.plant.check import Checked, check_plant
from tests.plant.bench_kind import HEAD, KINDS


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes a plant file (with its head, unless `head` says another) and the files beside it, by name."""

    def written(body: str, files: dict[str, str] | None = None, head: str = HEAD) -> Path:
        for name, text in (files or {}).items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text, encoding="utf-8")
        path = tmp_path / "plant.yaml"
        path.write_text(head + body, encoding="utf-8")
        return path

    return written


@pytest.fixture
def check(write: Callable[..., Path]) -> Callable[..., Checked]:
    """Checks a plant file given as text."""
    return lambda body, files=None, head=HEAD: check_plant(write(body, files, head), KINDS)


@pytest.fixture
def problems(check: Callable[..., Checked], tmp_path: Path) -> Callable[..., list[str]]:
    """What is wrong with a plant file given as text, a line each, without the folder."""

    def found(body: str, files: dict[str, str] | None = None, head: str = HEAD) -> list[str]:
        with pytest.raises(PlantFileError) as raised:
            check(body, files, head)
        return [str(problem).replace(f"{tmp_path}/", "") for problem in raised.value.problems]

    return found
