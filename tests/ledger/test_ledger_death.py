# SPDX-License-Identifier: Apache-2.0
"""kill -9 at every step of an apply: what was accepted stays, what was not leaves no trace that matters."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from isthmus.store.ledger import Ledger
from isthmus.store.ledger.files import RevisionFiles
from tests.ledger.content import apply

POINTS = ["inside the transaction", "before the file", "before the commit", "after the commit", "after the pointer"]
ROOT = Path(__file__).parents[2]


def die(data: Path, point: str, after: int) -> None:
    command = [sys.executable, "-m", "tests.ledger.dying", str(data), point, str(after)]
    ended = subprocess.run(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, timeout=180, check=False)
    assert ended.returncode == -9


def accepted(folder: Path) -> list[tuple[int, str]]:
    path = folder / "accepted"
    lines = path.read_text().splitlines() if path.exists() else []
    return [(int(line.split()[0]), line.split()[1]) for line in lines]


def all_is_well(data: Path) -> None:
    """Ledger, files and pointer agree, everything accepted is there, numbers are what they were."""
    with Ledger.open(data) as ledger:
        current = ledger.current()
        known = {line.number: line.digest for line in ledger.revisions()}
        for number, digest in accepted(data.parent):
            assert known[number] == digest
        files = RevisionFiles(data / "revisions")
        assert files.numbers().keys() == known.keys()
        pointed = files.pointed()
        assert (pointed.number if pointed else None) == (current.number if current else None)
        for number in known:
            for setting in ledger.revision(number).tags:
                assert setting.tag.path == f"acme/lyon/t{setting.tag.number - 1}"
        assert sorted(known) == list(range(1, len(known) + 1))
        numbers = ledger.numbers()
    for path in data.glob("ledger.db*"):
        path.unlink()
    if known:
        with Ledger.open(data) as again:
            assert again.numbers() == numbers
            assert again.current() == current


@pytest.mark.parametrize(("point", "after"), [(point, 2) for point in POINTS] + [("before the commit", 0)])
def test_an_apply_that_dies_harms_nothing(tmp_path: Path, point: str, after: int) -> None:
    data = tmp_path / "data"
    die(data, point, after)
    if (data / "revisions").is_dir() or (data / "ledger.db").exists():
        all_is_well(data)
        with Ledger.open(data, create=True) as ledger:
            apply(ledger, [f"acme/lyon/t{n}" for n in range(ledger.next_number())])
        all_is_well(data)


@pytest.mark.soak
def test_two_hundred_deaths_in_one_data_directory(tmp_path: Path) -> None:
    data, choose = tmp_path / "data", random.Random(7)
    for _ in range(200):
        die(data, choose.choice(POINTS), choose.randrange(4))
        all_is_well(data)
