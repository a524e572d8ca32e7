# SPDX-License-Identifier: Apache-2.0
"""Taking an import back leaves the history as if it had never come, and what was let go meanwhile as it is told."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from isthmus.core.quality import Mark
from isthmus.core.time import EARLIEST, LATEST
from isthmus.store.history.compact import compact, nothing
from isthmus.store.history.due import underived
from isthmus.store.history.kept import DAY, day_of
from isthmus.store.history.manifest import Manifest
from isthmus.store.history.memory import Memory
from isthmus.store.history.runs import write_run
from isthmus.store.history.tend import tended
from isthmus.store.history.withdraw import withdraw
from tests.history.plain import Row, block, rows
from tests.history.retaining import NOW as RETAINED
from tests.history.test_history_compact import NOW, NUMBERS, START, TAGS, Plant, assert_carried
from tests.history.test_history_retain import carried_at, left, let_go, minutes, month, rolled, samples


def imported(plant: Plant, times: Sequence[int], index: Sequence[int], seen: int) -> list[Row]:
    """One run of an import; these are not in the plant's plain list."""
    marks = [int(Mark.HISTORICAL)] * len(times)
    brought = block(TAGS, index, times, [float(i) for i in range(len(times))], mark=marks, seen=seen)
    memory = Memory()
    memory.add(brought, NUMBERS)
    with tended(plant.folder.root) as manifest:
        write_run(plant.folder.root, manifest, memory.columns())
    return rows(brought, TAGS)


def taken_back(plant: Plant, seen: int) -> int:
    with tended(plant.folder.root) as manifest:
        return withdraw(plant.folder, manifest, seen, EARLIEST, LATEST, nothing)


@pytest.mark.parametrize("let_go_first", [True, False])
def test_what_was_let_go_of_other_tags_is_told_as_before(tmp_path: Path, *, let_go_first: bool) -> None:
    plant = month(tmp_path / "history")
    day, seen = 5, START + 77
    times = [START + day * DAY + DAY - 10**9 * n for n in range(1, 40)]
    imported(plant, times, [4] * len(times), seen)
    compact(plant.folder.root, now=NOW, wait=False)
    days, edge = rolled(plant), (day_of(RETAINED) - 3) * DAY
    if let_go_first:
        let_go(plant)
    assert taken_back(plant, seen) == len(times)
    let_go(plant)
    known, kept = carried_at(plant, edge), {number: minutes(plant, number, edge - 2 * DAY) for number in (1, 5, 8)}
    fresh = month(tmp_path / "fresh")
    let_go(fresh)
    assert known == carried_at(fresh, edge)
    assert 1 in {row.tag for row in known}
    assert kept == {number: minutes(fresh, number, edge - 2 * DAY) for number in (1, 5, 8)}
    assert all(kept.values())
    assert set(samples(plant)) == left(plant.kept, days)
    compact(plant.folder.root, now=NOW, wait=False)
    assert carried_at(plant, edge) == known


@pytest.mark.parametrize("seed", range(4))
def test_an_import_that_is_taken_back_leaves_every_day_as_it_was(tmp_path: Path, seed: int) -> None:
    plant, chance, seen = Plant(tmp_path / "history", seed), random.Random(seed), START + 77_777
    for day in (0, 1, 2, 9, 20):
        plant.flush([day], 4)
        if chance.random() < 0.5:
            compact(plant.folder.root, now=NOW, wait=False)
    times = [START + chance.choice([0, 1, 3, 9, 12, 30]) * DAY + 500 * 10**9 + n for n in range(30)]
    imported(plant, times, [chance.randrange(12) for _ in times], seen)
    if chance.random() < 0.8:
        compact(plant.folder.root, now=NOW, wait=False)
    assert taken_back(plant, seen) == 30
    plant.check()
    compact(plant.folder.root, now=NOW, wait=False)
    plant.check()
    manifest = Manifest.open(plant.folder.manifest)
    assert underived(manifest) == []
    assert_carried(plant, manifest)
    manifest.close()
