# SPDX-License-Identifier: Apache-2.0
"""Compacting changes where samples lie and nothing of what is read: random histories against a plain list of rows."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from isthmus.core.event import Event, EventKind, Severity
from isthmus.core.quality import Mark
from isthmus.core.tag import DataType, Tag, TagList
from isthmus.store.history.adopt import open_manifest
from isthmus.store.history.around import before
from isthmus.store.history.columns import Columns
from isthmus.store.history.compact import compact
from isthmus.store.history.due import GRACE, MANY, due, underived
from isthmus.store.history.flush import flush
from isthmus.store.history.folder import Folder, keep
from isthmus.store.history.intake import Cut
from isthmus.store.history.kept import DAY, Kind, day_of, open_kept
from isthmus.store.history.manifest import Manifest
from isthmus.store.history.memory import Memory, Numbers
from isthmus.store.history.read import open_history
from isthmus.store.history.runs import write_run
from isthmus.store.history.state import State
from isthmus.store.history.tend import tended
from isthmus.stream.log import Position
from tests.history.plain import Row, block, last, once, rows, table_rows

TYPES = [DataType.FLOAT, DataType.INTEGER, DataType.TEXT, DataType.BOOLEAN]
TAGS = TagList(tuple(Tag(n + 1, f"p/t{n}", "", TYPES[n % 4], n % 4 == 3) for n in range(12)))
NUMBERS = Numbers.of(TAGS)
START = 20_700 * DAY
NOW = START + 40 * DAY


class Plant:
    """A history folder and, beside it, a plain list of all that it should have."""

    def __init__(self, root: Path, seed: int = 1) -> None:
        self.folder = Folder(root)
        self.folder.make()
        open_manifest(self.folder).close()
        keep(self.folder.lists / TAGS.digest, TAGS.packed)
        self.chance = random.Random(seed)
        self.kept: list[Row] = []
        self.ordinal = 0

    def some(self, days: Sequence[float], count: int, *, mark: int = 0):  # type: ignore[no-untyped-def]  # Samples
        """Random samples of days since START, many of them at the same few times."""
        chance = self.chance
        index = [chance.randrange(12) for _ in range(count)]
        at = [START + int(chance.choice(days) * DAY) + chance.randrange(6 * 60) * 10**9 for _ in range(count)]
        value = [chance.choice([0.0, 1.0, 2.5, float("nan"), float("inf")]) for _ in range(count)]
        return block(
            TAGS,
            index,
            at,
            value,
            quality=[chance.choice([0, 0, 0, 0x80000000, 0x40000000]) for _ in range(count)],
            mark=[mark | chance.choice([0, 0, 0, Mark.HISTORICAL]) for _ in range(count)],
            integer=[chance.choice([2**53 + 1, -5, 7]) for _ in range(count)],
            text=[chance.choice(["on", "off", None, "ünï"]) if i % 4 == 2 else None for i in index],
            seen=START + self.ordinal,
        )

    def flush(self, days: Sequence[float], count: int, events: tuple[Event, ...] = ()) -> None:
        """One more segment."""
        memory, written = Memory(), self.some(days, count)
        memory.add(written, NUMBERS)
        manifest = Manifest.open(self.folder.manifest)
        self.ordinal += 1
        new = State(Position("s", self.ordinal), {}, self.ordinal)
        flush(self.folder, manifest, Cut(manifest.state(), new, memory, events, (), ()))
        manifest.close()
        self.kept += rows(written, TAGS)

    def run(self, days: Sequence[float], count: int) -> None:
        """One more run."""
        memory, written = Memory(), self.some(days, count, mark=Mark.HISTORICAL)
        memory.add(written, NUMBERS)
        with tended(self.folder.root) as manifest:
            write_run(self.folder.root, manifest, memory.columns())
        self.kept += rows(written, TAGS)

    def check(self) -> None:
        """Everything is read as the plain list has it."""
        found, newest = asyncio.run(self._read())
        assert set(map(unseen, found)) == set(map(unseen, once(self.kept)))
        assert len(found) == len(once(self.kept))
        assert [(row.tag, row.time) for row in newest] == [(row.tag, row.time) for row in last(once(self.kept))]

    async def _read(self) -> tuple[list[Row], list[Row]]:
        async with open_history(self.folder.root) as history:
            assert history.gaps() == []
            return table_rows(history.raw(range(20))), table_rows(history.last())

    def listed(self, kind: Kind) -> list[int]:
        manifest = Manifest.open(self.folder.manifest, reading=True)
        found = [kept.day - day_of(START) for kept in manifest.kept(kind)]
        manifest.close()
        return found


def unseen(row: Row) -> Row:
    """Of back-filled samples that are the same either may stay: runs and segments have two orders."""
    return row if row.live else row._replace(seen=0)


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    return Plant(tmp_path / "history")


def test_many_segments_become_a_run(plant: Plant) -> None:
    for _ in range(MANY + 3):
        plant.flush([39.9], 30)
    before = asyncio.run(plant._read())
    done = compact(plant.folder.root, now=NOW, wait=True)
    assert (done.files, done.days) == (MANY + 3, 0)
    assert asyncio.run(plant._read()) == before
    plant.check()
    assert plant.listed(Kind.RUN) == [39]
    assert compact(plant.folder.root, now=NOW).files == 0


def test_closed_days_become_files_of_days_with_carried_values_and_rollups(plant: Plant) -> None:
    for day in (0, 1, 1, 5, 40):
        plant.flush([day, day + 0.998], 50)
    before = asyncio.run(plant._read())
    done = compact(plant.folder.root, now=NOW, wait=False)
    assert (done.files, done.days) == (4, 5)
    assert asyncio.run(plant._read()) == before
    assert plant.listed(Kind.DAY) == plant.listed(Kind.MINUTES) == plant.listed(Kind.QUARTERS) == [0, 1, 2, 5, 6]
    assert plant.listed(Kind.CARRIED) == [1, 2, 3, 6, 7]
    plant.check()


def test_late_samples_wait_until_none_came_for_a_while(plant: Plant) -> None:
    plant.flush([39.5], 50)
    manifest = Manifest.open(plant.folder.manifest)
    file = plant.folder.segments / manifest.segments()[0].file
    came = file.stat().st_mtime_ns
    day = (day_of(came) + 1) * DAY
    assert due(plant.folder, manifest, came + 60 * 10**9) == ""
    assert due(plant.folder, manifest, max(day, came + 16 * 60 * 10**9)).startswith("1 files")
    manifest.close()


@pytest.mark.parametrize("seed", range(3))
def test_whatever_is_written_in_whatever_order_reads_the_same_compacted_or_not(tmp_path: Path, seed: int) -> None:
    anything(tmp_path, seed, steps=25)


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_long_histories_read_the_same_compacted_or_not(tmp_path: Path) -> None:
    for seed in range(200):
        with TemporaryDirectory(dir=tmp_path) as place:
            anything(Path(place), 1000 + seed, steps=60)


def anything(place: Path, seed: int, steps: int) -> None:
    plant = Plant(place / "history", seed)
    chance, now = plant.chance, NOW
    for _ in range(steps):
        days = [chance.choice([0, 1, 2, 5, 9, 39, 39.9, 40, -17_000, 27_000]) for _ in range(3)]
        what = chance.random()
        if what < 0.4:
            plant.flush(days, chance.randrange(1, 200))
        elif what < 0.5:
            for _ in range(MANY):
                plant.flush(days[:1], chance.randrange(1, 20))
        elif what < 0.7:
            plant.run(days, chance.randrange(1, 200))
        elif what < 0.9:
            compact(plant.folder.root, now=now, wait=chance.random() < 0.3, today=chance.random() < 0.2)
        else:
            with tended(plant.folder.root) as manifest:
                manifest._db.execute("UPDATE leaving SET since = since - ?", (2 * GRACE,))
    plant.check()
    compact(plant.folder.root, now=now, today=True)
    plant.check()
    manifest = Manifest.open(plant.folder.manifest)
    assert underived(manifest) == []
    assert not manifest.segments()
    assert not manifest.kept(Kind.RUN)
    assert_carried(plant, manifest)
    manifest.close()


def assert_carried(plant: Plant, manifest: Manifest) -> None:
    """Carried values are, of every tag, its last sample before the day, and its last live one."""
    for kept in manifest.kept(Kind.CARRIED):
        found = open_kept(plant.folder.kept / kept.file).read(0) if kept.rows else None
        earlier = [row for row in once(plant.kept) if row.time < kept.day * DAY]
        newest = {row.tag: row.time for row in earlier}
        live = {row.tag: row.time for row in earlier if row.live}
        assert found is not None
        there = {(row.tag, row.time) for row in table_rows(found)}
        assert there == set(newest.items()) | set(live.items())


def test_events_of_segments_survive_a_lost_manifest_after_compaction(plant: Plant) -> None:
    event = Event(id="e", kind=EventKind.SERVICE, severity=Severity.INFORMATION, source="r", at=START, message="m")
    plant.flush([0, 1], 50, (event,))
    plant.flush([0, 1], 50)
    compact(plant.folder.root, now=NOW, wait=False)
    plant.flush([0, 3], 50)
    manifest = Manifest.open(plant.folder.manifest)
    before = manifest.state()
    manifest.close()
    for path in plant.folder.root.glob("manifest.db*"):
        path.unlink()
    plant.check()
    manifest = open_manifest(plant.folder)
    assert manifest.events() == [event]
    assert manifest.state() == before
    assert len(manifest.segments()) == 1
    assert len(manifest.leaving()) == 2
    manifest.close()
    plant.check()
    compact(plant.folder.root, now=NOW, wait=False)
    plant.check()


def test_a_stop_leaves_everything_as_it_was(plant: Plant) -> None:
    for day in range(3):
        plant.flush([day], 100)
    assert compact(plant.folder.root, now=NOW, wait=False, stop=lambda: True).stopped
    assert plant.listed(Kind.DAY) == []
    assert list(plant.folder.kept.iterdir()) == []
    plant.check()


def test_a_file_of_a_day_has_its_samples_in_order(plant: Plant) -> None:
    for _ in range(5):
        plant.flush([0], 500)
    compact(plant.folder.root, now=NOW, wait=False)
    manifest = Manifest.open(plant.folder.manifest)
    (kept,) = manifest.kept(Kind.DAY)
    manifest.close()
    found = open_kept(plant.folder.kept / kept.file).columns(0)
    assert np.array_equal(np.lexsort((found.time, found.tag)), np.arange(len(found)))


@pytest.mark.parametrize("seed", range(2))
def test_as_of_and_the_samples_before_a_time_are_those_of_the_plain_list(tmp_path: Path, seed: int) -> None:
    plant = Plant(tmp_path / "history", 50 + seed)
    chance = plant.chance
    for _ in range(12):
        days = [chance.choice([0, 1, 2, 5, 9, 39, -17_000, 27_000]) for _ in range(2)]
        (plant.flush if chance.random() < 0.7 else plant.run)(days, 60)
        if chance.random() < 0.4:
            compact(plant.folder.root, now=NOW, wait=False)
    asyncio.run(compare_as_of(plant))


async def compare_as_of(plant: Plant) -> None:
    everything = once(plant.kept)
    days = (-17_001, -17_000, 0, 0.002, 1, 3, 5.003, 9, 30, 39.9, 27_001)
    times = [START + int(day * DAY) for day in days] + [everything[7].time]
    async with open_history(plant.folder.root) as history:
        for time in times:
            found = {row.tag: row.time for row in everything if row.time <= time}
            there = table_rows(history.at(time))
            assert {row.tag: row.time for row in there} == found
            assert len(there) == len(found)
            assert set(there) <= set(everything)
            some = table_rows(history.at(time, [3, 4, 99]))
            assert some == [row for row in there if row.tag in (3, 4)]
            for tag in (1, 2, 3):
                earlier = [row for row in everything if row.tag == tag and row.time < time]
                given = [*before(history, [tag], time, partial(history.columns, [tag]))]
                assert sum(map(len, given)) == len(earlier)
                if earlier:
                    nearest = next(part for part in given if len(part))
                    assert int(nearest.time[-1]) == max(row.time for row in earlier)


async def test_a_valve_open_for_a_month_is_found_without_looking_through_it(plant: Plant) -> None:
    plant.flush([0], 50)
    for day in range(1, 31):
        memory, other = Memory(), block(TAGS, [11] * 5, [START + day * DAY + n for n in range(5)], [1.0] * 5)
        memory.add(other, NUMBERS)
        manifest = Manifest.open(plant.folder.manifest)
        plant.ordinal += 1
        cut = Cut(manifest.state(), State(Position("s", plant.ordinal), {}, plant.ordinal), memory, (), (), ())
        flush(plant.folder, manifest, cut)
        manifest.close()
    await asyncio.to_thread(compact, plant.folder.root, now=NOW, wait=False)
    expected = max(row.time for row in plant.kept if row.tag == 1)
    reads: list[tuple[int, int]] = []
    async with open_history(plant.folder.root) as history:

        def read(start: int, end: int) -> Columns:
            reads.append((start, end))
            return history.columns([1, 12], start, end)

        for part in before(history, [1], START + 31 * DAY, read):
            if (part.tag == 1).any():
                assert int(part.time[part.tag == 1][-1]) == expected
                break
    assert len(reads) == 1
