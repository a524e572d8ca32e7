# SPDX-License-Identifier: Apache-2.0
"""Kept files that are cut, flipped or gone; a manifest that is lost; a disk that is full; samples of strange times."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from isthmus.core.errors import IsthmusError
from isthmus.core.event import EventKind, Severity
from isthmus.core.quality import Mark
from isthmus.store.history import compact as compacting
from isthmus.store.history.adopt import open_manifest
from isthmus.store.history.checked import forget_opened
from isthmus.store.history.columns import Columns, empty
from isthmus.store.history.compact import compact
from isthmus.store.history.due import underived
from isthmus.store.history.form import GROUP
from isthmus.store.history.kept import DAY, Kept, Kind, open_kept
from isthmus.store.history.manifest import Manifest
from isthmus.store.history.read import open_history
from isthmus.store.history.runs import write_run
from isthmus.store.history.tend import tended
from tests.history.plain import Row, table_rows
from tests.history.test_history_compact import NOW, START, Plant, assert_carried, compare_as_of
from tests.history.test_history_faults import small_disk as small_disk  # a fixture


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    """Three days, compacted."""
    made = Plant(tmp_path / "history")
    for day in range(3):
        made.flush([day], 300)
    compact(made.folder.root, now=NOW, wait=False)
    return made


def kept(plant: Plant, kind: Kind) -> list[Kept]:
    manifest = Manifest.open(plant.folder.manifest, reading=True)
    found = manifest.kept(kind)
    manifest.close()
    return found


def harm(plant: Plant, file: Kept, how: str) -> Path:
    path = plant.folder.kept / file.file
    data = bytearray(path.read_bytes())
    if how == "flipped":
        data[100] ^= 8
    elif how == "cut":
        del data[50:]
    path.write_bytes(data)
    if how == "gone":
        path.unlink()
    forget_opened()
    return path


@pytest.mark.parametrize(
    ("kind", "how"),
    [(Kind.CARRIED, "flipped"), (Kind.CARRIED, "cut"), (Kind.MINUTES, "gone"), (Kind.QUARTERS, "flipped")],
)
def test_what_derives_is_set_aside_when_damaged_and_made_again(plant: Plant, kind: Kind, how: str) -> None:
    victim = harm(plant, kept(plant, kind)[1], how)

    async def look() -> None:
        async with open_history(plant.folder.root) as history:
            list(history.derived(kind, None, 0, 100_000))
            assert history.gaps() == []
        async with open_history(plant.folder.root) as history:
            (told,) = history.events(kind=EventKind.LOG)
            assert told.severity == Severity.WARNING
            assert victim.name in told.message
            assert "no sample is lost" in told.message

    asyncio.run(look())
    assert how == "gone" or (plant.folder.damaged / victim.name).exists()
    asyncio.run(compare_as_of(plant))
    compact(plant.folder.root, now=NOW)
    manifest = Manifest.open(plant.folder.manifest)
    assert underived(manifest) == []
    assert_carried(plant, manifest)
    manifest.close()
    plant.check()


@pytest.mark.parametrize("how", ["flipped", "cut", "gone"])
@pytest.mark.parametrize("noticed", ["reading", "compacting"])
def test_a_damaged_day_is_named_and_the_others_are_read(plant: Plant, how: str, noticed: str) -> None:
    victim = kept(plant, Kind.DAY)[1]
    rest = [row for row in asyncio.run(plant._read())[0] if not START + DAY <= row.time < START + 2 * DAY]
    harm(plant, victim, how)
    if noticed == "compacting":
        plant.flush([1], 1)
        late = plant.kept[-1]
        compact(plant.folder.root, now=NOW, wait=False)
        rest = sorted([*rest, late], key=lambda row: (row.tag, row.time))

    async def look() -> list[Row]:
        async with open_history(plant.folder.root) as history:
            found = table_rows(history.raw(range(20)))
            (gap,) = history.gaps()
            assert victim.file in gap.message
            assert gap.details["count"] == victim.rows
            return found

    assert sorted(asyncio.run(look())) == sorted(rest)
    assert sorted(asyncio.run(look())) == sorted(rest)
    compact(plant.folder.root, now=NOW, wait=False)
    assert sorted(asyncio.run(look())) == sorted(rest)


def many(rows: int, days: int, *, tags: int = 50, seed: int = 1, mark: int = 0) -> Columns:
    """Random samples, none at the same time as another of its tag."""
    chance = np.random.default_rng(seed)
    found = empty(rows)
    found.tag[:] = chance.integers(1, tags + 1, rows)
    found.time[:] = START + chance.permutation(rows) * (days * DAY // rows) + seed
    found.seen[:] = NOW
    found.value[:] = chance.normal(size=rows)
    found.mark[:] = mark
    return found


def add(plant: Plant, columns: Columns) -> None:
    with tended(plant.folder.root) as manifest:
        write_run(plant.folder.root, manifest, columns)


@pytest.mark.parametrize("how", ["group", "cut", "footer"])
@pytest.mark.parametrize("lost_manifest", [False, True])
def test_intact_row_groups_of_a_damaged_day_stay(tmp_path: Path, how: str, lost_manifest: bool) -> None:
    plant = Plant(tmp_path / "history")
    add(plant, many(2 * GROUP + 1000, 1))
    compact(plant.folder.root, now=NOW, wait=False)
    (victim,) = kept(plant, Kind.DAY)
    path = plant.folder.kept / victim.file
    groups = open_kept(path).footer.groups
    lost = {"group": groups[1:2], "cut": groups[1:], "footer": ()}[how]
    data = bytearray(path.read_bytes())
    if how == "cut":
        del data[(groups[1].start + groups[1].stop) // 2 :]
    else:
        data[(groups[1].start + groups[1].stop) // 2 if how == "group" else -100] ^= 1
    path.write_bytes(data)
    forget_opened()
    if lost_manifest:
        lose_manifest(plant)
        open_manifest(plant.folder).close()
    left = victim.rows - sum(group.rows for group in lost)

    async def look() -> None:
        async with open_history(plant.folder.root) as history:
            assert len(history.raw(range(60))) == left
            (told,) = history.events()
            assert victim.file in told.message
            assert told.kind is (EventKind.GAP if lost else EventKind.LOG)
            assert told.details.get("count", 0) == victim.rows - left

    for _ in range(2):
        asyncio.run(look())
    assert (plant.folder.damaged / victim.file).read_bytes() == data
    lose_manifest(plant)
    open_manifest(plant.folder).close()
    assert [rest.rows for rest in kept(plant, Kind.DAY)] == [left]
    compact(plant.folder.root, now=NOW)
    assert plant.listed(Kind.MINUTES) == [0]


def lose_manifest(plant: Plant) -> None:
    for path in plant.folder.root.glob("manifest.db*"):
        path.unlink()


@pytest.mark.parametrize("seed", range(2))
def test_a_lost_manifest_is_made_again_from_kept_files_with_equal_answers(tmp_path: Path, seed: int) -> None:
    plant = Plant(tmp_path / "history", 70 + seed)
    for _ in range(10):
        days = [plant.chance.choice([0, 1, 2, 9, -17_000, 39])]
        (plant.flush if plant.chance.random() < 0.6 else plant.run)(days, 50)
        if plant.chance.random() < 0.4:
            compact(plant.folder.root, now=NOW, wait=False)
    manifest = Manifest.open(plant.folder.manifest)
    before = (manifest.state(), manifest.kept(), manifest.segments(), manifest.latest().value.tobytes())
    manifest.close()
    lose_manifest(plant)
    plant.check()
    asyncio.run(compare_as_of(plant))
    with tended(plant.folder.root) as manifest:
        assert (manifest.state(), manifest.kept(), manifest.segments(), manifest.latest().value.tobytes()) == before
    plant.check()


def test_a_manifest_set_back_takes_the_newer_kept_files_in_again(plant: Plant) -> None:
    old = plant.folder.root / "old.db"
    manifest = Manifest.open(plant.folder.manifest)
    manifest.close()
    shutil.copy(plant.folder.manifest, old)
    plant.flush([0, 2], 100)
    compact(plant.folder.root, now=NOW, wait=False)
    with tended(plant.folder.root) as manifest:
        manifest._db.execute("UPDATE leaving SET since = 0")
    with tended(plant.folder.root):
        pass
    old.replace(plant.folder.manifest)
    open_manifest(plant.folder).close()
    plant.check()
    assert plant.listed(Kind.DAY) == [0, 1, 2]


def test_a_million_late_samples_for_last_month(tmp_path: Path) -> None:
    plant = Plant(tmp_path / "history")
    base, late = many(300_000, 30), many(1_000_000, 30, seed=2, mark=Mark.HISTORICAL)
    add(plant, base)
    compact(plant.folder.root, now=NOW, wait=False)
    add(plant, late)

    async def look() -> tuple[int, float, float]:
        async with open_history(plant.folder.root) as history:
            found, at = history.columns(range(60)), history.at(START + 20 * DAY)
            return len(found), float(np.sort(found.value).sum()), float(at["value"].to_numpy().sum())

    before = asyncio.run(look())
    assert before[0] == 1_300_000
    done = compact(plant.folder.root, now=NOW, wait=False)
    assert (done.days, done.samples) == (30, 1_300_000)
    assert asyncio.run(look()) == before


def test_a_sample_of_2099_and_one_of_1971_are_two_days_more(plant: Plant) -> None:
    plant.flush([-18_000, 28_000], 40)
    done = compact(plant.folder.root, now=NOW, wait=False)
    assert done.days == 2
    plant.flush([40.001], 40)
    compact(plant.folder.root, now=NOW + DAY, wait=False)
    assert plant.listed(Kind.DAY) == [-18_000, 0, 1, 2, 40, 28_000]
    plant.check()
    asyncio.run(compare_as_of(plant))


@pytest.mark.peer
@pytest.mark.parametrize("careful", [True, False])
def test_a_full_disk_stops_a_compaction_which_is_done_when_there_is_room(
    small_disk: Path, careful: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant = Plant(small_disk / "history")
    for day in range(4):
        plant.flush([day], 3000)
    ballast = small_disk / "ballast"
    room = 60_000
    with ballast.open("wb", buffering=0) as file:
        file.truncate(0)
        os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(small_disk).free - room)
    with monkeypatch.context() as patched:
        if not careful:
            patched.setattr(compacting, "_make_sure_of_room", lambda *_: None)
        with pytest.raises((IsthmusError, OSError), match=r"room|No space"):
            compact(plant.folder.root, now=NOW, wait=False)
    assert list(plant.folder.kept.iterdir()) == []
    plant.check()
    ballast.unlink()
    plant.flush([4], 100)
    compact(plant.folder.root, now=NOW, wait=False)
    assert plant.listed(Kind.DAY) == [0, 1, 2, 3, 4]
    plant.check()


def test_days_of_a_clock_gone_mad_are_written_in_bounded_parts(tmp_path: Path) -> None:
    plant = Plant(tmp_path / "history")
    plant.flush([*range(-20, 20)], 300)
    compact(plant.folder.root, now=NOW, wait=False)
    plant.check()
    asyncio.run(compare_as_of(plant))


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    yield
    forget_opened()
