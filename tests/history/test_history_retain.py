# SPDX-License-Identifier: Apache-2.0
"""Retention lets go of what is over and of nothing else, class by class, whatever dies meanwhile or comes late."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from isthmus.core.event import Event, EventKind, Severity
from isthmus.plant.retention import Retention, Span
from isthmus.store.history.adopt import open_manifest
from isthmus.store.history.border import Borders
from isthmus.store.history.compact import compact
from isthmus.store.history.kept import DAY, Kind, day_of
from isthmus.store.history.manifest import Manifest
from isthmus.store.history.memory import Memory
from isthmus.store.history.read import open_history
from isthmus.store.history.retain import Retained, is_due, retain
from isthmus.store.history.runs import write_run
from isthmus.store.history.tend import tended
from tests.history.plain import Row, block, once, rows, table_rows
from tests.history.retaining import CLASSES, NOW, RETENTION, STEPS
from tests.history.test_history_compact import NUMBERS, START, TAGS, Plant

ROOT = Path(__file__).parents[2]
SPANS = {number: RETENTION.span(CLASSES.get(number, "")) for number in range(1, 13)}


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    return month(tmp_path / "history")


def month(root: Path, seed: int = 1) -> Plant:
    """12 days of samples of 12 tags, compacted; two tags are sampled so often that they have roll-ups."""
    made = Plant(root, seed)
    for first in range(0, 12, 4):
        made.flush([first + day for day in range(4)], 120)
    dense(made, range(12))
    compact(root, now=NOW + DAY, wait=False)
    return made


def dense(made: Plant, days: Sequence[int], minutes: int = 20) -> None:
    """Two samples a second of tags 1 (short) and 5 (legal), and 8 (a boolean, of the default class)."""
    times = [START + day * DAY + 10**9 * (second // 2) + 1 for day in days for second in range(minutes * 120)]
    index = [(0, 4, 7)[i % 3] for i in range(len(times))]
    block_ = block(TAGS, index, times, [float(i % 50) for i in range(len(times))], seen=START)
    memory = Memory()
    memory.add(block_, NUMBERS)
    with tended(made.folder.root) as manifest:
        write_run(made.folder.root, manifest, memory.columns())
    made.kept += rows(block_, TAGS)


def rolled(plant: Plant) -> dict[int, set[int]]:
    """Day → the tags of which roll-ups say all."""

    async def read() -> dict[int, set[int]]:
        async with open_history(plant.folder.root) as history:
            found: dict[int, set[int]] = {}
            rough: dict[int, set[int]] = {}
            for kept, table in history.derived(Kind.QUARTERS, None, 0, 10**6):
                found.setdefault(kept.day, set()).update(table["tag"].to_pylist())
                some = table.filter(pc.bit_wise_and(table["remark"], 1).cast(pa.bool_()))
                rough.setdefault(kept.day, set()).update(some["tag"].to_pylist())
            return {day: tags - rough[day] for day, tags in found.items()}

    return asyncio.run(read())


def left(kept: list[Row], days: dict[int, set[int]]) -> set[Row]:
    """Row by row what retention leaves; `days` has the tags with roll-ups of each day."""
    return {row for row in once(kept) if _stays(row, days)}


def _stays(row: Row, days: dict[int, set[int]]) -> bool:
    span, age = SPANS[row.tag], day_of(NOW) - day_of(row.time)
    if span.rollups and age > span.rollups:
        return False
    return not span.raw or age <= span.raw or row.tag not in days.get(day_of(row.time), ())


def let_go(plant: Plant) -> Retained:
    return retain(plant.folder.root, RETENTION, CLASSES, now=NOW)


async def _samples(plant: Plant) -> list[Row]:
    async with open_history(plant.folder.root) as history:
        return table_rows(history.raw(range(20)))


def samples(plant: Plant) -> list[Row]:
    return asyncio.run(_samples(plant))


def minutes(plant: Plant, number: int, since: int = 0) -> list[tuple[int, str]]:
    """(day, row) of the minutes of a tag from a time on (ns); rows as texts, for NaN is not NaN."""

    async def read() -> list[tuple[int, str]]:
        async with open_history(plant.folder.root) as history:
            found = pa.concat_tables(t for _, t in history.derived(Kind.MINUTES, [number], 0, 10**6))
        border = pa.scalar(since, pa.int64()).cast(pa.timestamp("ns"))
        some = found.filter((pc.field("tag") == number) & (pc.field("time") >= border)).sort_by("time")
        days = [day_of(time) for time in some["time"].cast(pa.int64()).to_pylist()]
        return list(zip(days, map(str, some.to_pylist()), strict=True))

    return asyncio.run(read())


def carried_at(plant: Plant, time: int) -> list[Row]:
    async def read() -> list[Row]:
        async with open_history(plant.folder.root) as history:
            return table_rows(history.at(time))

    return asyncio.run(read())


def test_what_is_over_goes_by_class_and_everything_else_stays(plant: Plant) -> None:
    days = rolled(plant)
    assert any(1 in tags for tags in days.values())
    assert any(8 in tags for tags in days.values())
    done = let_go(plant)
    found = samples(plant)
    assert set(found) == left(plant.kept, days)
    assert len(found) == len(set(found))
    assert 0 < len(found) < len(once(plant.kept))
    assert {name for name, _ in done.gone} == {"default", "short"}
    gone = sum(gone.rows for (_, kind), gone in done.gone.items() if kind is Kind.DAY)
    assert gone == len(once(plant.kept)) - len(found)
    again = let_go(plant)
    assert (again.files, again.gone) == (0, {})


def test_a_dry_run_says_the_same_and_changes_nothing(plant: Plant) -> None:
    files = sorted(path.name for path in plant.folder.kept.iterdir())
    told = retain(plant.folder.root, RETENTION, CLASSES, now=NOW, dry=True)
    assert sorted(path.name for path in plant.folder.kept.iterdir()) == files
    assert set(samples(plant)) == set(once(plant.kept))
    done = let_go(plant)
    assert {key: (gone.rows, gone.days) for key, gone in told.gone.items()} == {
        key: (gone.rows, gone.days) for key, gone in done.gone.items()
    }


def test_roll_ups_outlive_the_samples_as_long_as_their_class_says(plant: Plant) -> None:
    spans = {1: 6, 8: 9, 5: 100}
    before = {number: minutes(plant, number, (day_of(NOW) - days) * DAY) for number, days in spans.items()}
    let_go(plant)
    assert {number: minutes(plant, number) for number in spans} == before
    assert all(before.values())


def test_what_a_tag_was_at_the_border_is_still_known(plant: Plant) -> None:
    edge = (day_of(NOW) - 3) * DAY
    before = carried_at(plant, edge)
    let_go(plant)
    assert carried_at(plant, edge) == before
    assert 1 in {row.tag for row in before}


def test_samples_that_come_late_for_what_was_let_go_do_not_come_back_and_others_do(plant: Plant) -> None:
    days = rolled(plant)
    let_go(plant)
    edge = (day_of(NOW) - 3) * DAY
    kept, known = {number: minutes(plant, number) for number in (1, 8)}, carried_at(plant, edge)
    plant.run([4, 7.5, 8], 200)
    plant.run([1], 30)
    dense(plant, [7], 5)
    compact(plant.folder.root, now=NOW + DAY, wait=False)
    assert set(samples(plant)) == left(plant.kept, days)
    assert [row for row in minutes(plant, 1) if 1 in days[row[0]]] == [row for row in kept[1] if 1 in days[row[0]]]
    fresh = {row.tag: row for row in carried_at(plant, edge)}
    assert all(fresh[row.tag].time >= row.time for row in known)
    assert fresh[1] == next(row for row in known if row.tag == 1)


def test_a_lost_manifest_is_made_again_with_what_is_left(plant: Plant) -> None:
    days = rolled(plant)
    let_go(plant)
    found = minutes(plant, 1)
    for path in plant.folder.root.glob("manifest.db*"):
        path.unlink()
    open_manifest(plant.folder).close()
    assert set(samples(plant)) >= left(plant.kept, days)
    let_go(plant)
    assert set(samples(plant)) == left(plant.kept, days)
    assert minutes(plant, 1) == found


def test_a_border_never_moves_back_when_a_class_is_kept_longer_later(plant: Plant) -> None:
    let_go(plant)
    longer = msgspec.structs.replace(RETENTION, classes={**RETENTION.classes, "short": Span(0, 0)})
    retain(plant.folder.root, longer, CLASSES, now=NOW)
    manifest = Manifest.open(plant.folder.manifest, reading=True)
    assert Borders.noted(manifest).of[1].raw == day_of(NOW) - 3
    assert is_due(plant.folder, manifest, RETENTION, CLASSES, NOW + DAY)
    assert not is_due(plant.folder, manifest, RETENTION, CLASSES, NOW + DAY // 2)
    manifest.close()


def test_events_go_by_their_own_time_but_gaps_only_with_the_samples_beside_them(tmp_path: Path) -> None:
    made = Plant(tmp_path / "history")
    kinds = (EventKind.CONNECTION, EventKind.GAP)
    told = [
        Event(
            id=f"{kind}-{day}", kind=kind, severity=Severity.INFORMATION, source="b", at=START + day * DAY, message=""
        )
        for kind in kinds
        for day in range(40)
    ]
    made.flush([20, 39], 20, events=tuple(told))
    now = START + 40 * DAY
    compact(made.folder.root, now=now + DAY, wait=False)
    asked = retain(made.folder.root, Retention(events=5), {}, now=now, dry=True)
    done = retain(made.folder.root, Retention(events=5), {}, now=now)
    assert asked.events == done.events == 35 + 20
    manifest = Manifest.open(made.folder.manifest, reading=True)
    days = {kind: [day_of(event.at - START) for event in manifest.events(kind=kind)] for kind in kinds}
    manifest.close()
    assert days == {EventKind.CONNECTION: list(range(35, 40)), EventKind.GAP: list(range(20, 40))}


def dying(plant: Plant, step: str, seed: int) -> int:
    words = [sys.executable, "-m", "tests.history.retaining", str(plant.folder.root), step, str(seed)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode in (-9, 0), done.stderr
    return done.returncode


def is_noted(plant: Plant) -> bool:
    """Whether it was noted what is to be let go: that comes before anything goes."""
    manifest = Manifest.open(plant.folder.manifest, reading=True)
    found = bool(Borders.noted(manifest).of)
    manifest.close()
    return found


def rounds(root: Path, count: int) -> set[str]:
    """Kills retention at every step in turn; the steps at which it died."""
    died = set()
    for number in range(count):
        chance = random.Random(number)
        step = STEPS[number % len(STEPS)]
        plant = month(root / str(number), number)
        days = rolled(plant)
        if dying(plant, step, chance.randrange(1000)) == -9:
            died.add(step)
        assert set(samples(plant)) >= left(plant.kept, days)
        assert set(samples(plant)) <= set(once(plant.kept))
        noted = is_noted(plant)
        if chance.random() < 0.5:
            plant.run([chance.randrange(12)], 40)
            compact(plant.folder.root, now=NOW + DAY, wait=False)
            days = days if noted else rolled(plant)  # where nothing was let go yet, roll-ups were made again
        let_go(plant)
        found = samples(plant)
        assert set(found) == left(plant.kept, days)
        assert len(found) == len(set(found))
    return died


def test_retention_that_dies_at_any_step_loses_nothing_that_is_kept(tmp_path: Path) -> None:
    assert len(rounds(tmp_path, len(STEPS))) >= 6


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_retention_that_dies_two_hundred_times_loses_nothing_that_is_kept(tmp_path: Path) -> None:
    assert len(rounds(tmp_path, 225)) == len(STEPS)
