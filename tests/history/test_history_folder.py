# SPDX-License-Identifier: Apache-2.0
"""Segments, manifest and folder without a log: commits, damage, rebuilding, and the steps of a flush that was cut."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.core.errors import Damaged, InUse, NotFound
from isthmus.core.event import Event, EventKind, Severity
from isthmus.core.tag import DataType, Tag, TagList
from isthmus.store.history.adopt import open_manifest
from isthmus.store.history.checked import forget_opened
from isthmus.store.history.flush import flush
from isthmus.store.history.folder import Folder, owned
from isthmus.store.history.form import GROUP
from isthmus.store.history.intake import Cut
from isthmus.store.history.manifest import Manifest
from isthmus.store.history.memory import Memory, Numbers
from isthmus.store.history.read import open_history
from isthmus.store.history.segment import encode, open_segment
from isthmus.store.history.state import State
from isthmus.stream.log import Position
from tests.history.plain import Row, block, last, once, rows, table_rows

times = st.sampled_from([1, 2, 3, 5, 8, 2**63 - 1])
few = st.tuples(st.integers(0, 4), times, st.sampled_from([0.0, 1.0, float("nan")]))
TAGS = TagList(tuple(Tag(n + 1, f"p/t{n}", "", DataType.FLOAT, False) for n in range(50)))
NUMBERS = Numbers.of(TAGS)
EVENT = Event(id="e", kind=EventKind.SERVICE, severity=Severity.INFORMATION, source="record", at=5, message="started")


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    found = Folder(tmp_path / "history")
    found.make()
    return found


def cut(former: State, ordinal: int, count: int = 1000, events: tuple[Event, ...] = ()) -> Cut:
    """What an intake would give: `count` samples of 50 tags, numbered by `ordinal`."""
    memory = Memory()
    if count:
        memory.add(samples(ordinal, count), NUMBERS)
    state = State(Position("s", 100 * ordinal, ordinal * 10**9), {"dcs": [[1, ordinal]]}, ordinal)
    return Cut(former, state, memory, events, events, ())


def samples(ordinal: int, count: int = 1000):  # type: ignore[no-untyped-def]  # Samples, as plain.block says
    place = np.arange(count)
    return block(TAGS, place % 50, ordinal * 10**9 + place, ordinal * 1e6 + place)  # type: ignore[arg-type]


def filled(folder: Folder, segments: int) -> Manifest:
    manifest = open_manifest(folder)
    for ordinal in range(1, segments + 1):
        flush(folder, manifest, cut(manifest.state(), ordinal, events=(EVENT,) if ordinal == 2 else ()))
    return manifest


async def everything(folder: Folder) -> list[object]:
    async with open_history(folder.root) as history:
        return list(table_rows(history.raw(range(60))))


def expected(*ordinals: int) -> list[object]:
    return list(once(row for ordinal in ordinals for row in rows(samples(ordinal), TAGS)))


async def test_what_was_flushed_is_read(folder: Folder) -> None:
    filled(folder, 3).close()
    assert await everything(folder) == expected(1, 2, 3)
    async with open_history(folder.root) as history:
        assert history.behind
        assert history.position == Position("s", 300, 3 * 10**9)
        assert history.rows == 3000
        assert history.events() == [EVENT]
        assert [row.time for row in table_rows(history.last([1, 50]))] == [3 * 10**9 + 950, 3 * 10**9 + 999]
        assert history.counts([1, 2, 77]) == {1: 60, 2: 60}
        found = table_rows(history.raw([7], 2 * 10**9, 2 * 10**9 + 106))
        assert [row.time for row in found] == [2 * 10**9 + 6, 2 * 10**9 + 56]


async def test_no_history_is_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="there is no history"):
        async with open_history(tmp_path / "nowhere"):
            pass


def test_a_commit_on_another_state_is_refused(folder: Folder) -> None:
    manifest = filled(folder, 2)
    before = manifest.state()
    with pytest.raises(InUse):
        manifest.commit(State(Position("s", 100, 10**9), {}, 1), State(Position("s", 300), {}, 3), events=(EVENT,))
    assert manifest.state() == before
    manifest.close()


def test_a_second_owner_is_refused(folder: Folder) -> None:
    with owned(folder), pytest.raises(InUse, match="another recorder"), owned(folder):
        pass
    with owned(folder):
        pass


async def test_a_flush_cut_before_its_commit_is_finished_on_start(folder: Folder) -> None:
    manifest = filled(folder, 1)
    lost = cut(manifest.state(), 2, events=(EVENT,))
    manifest.close()
    other = Folder(folder.root.parent / "other")
    other.make()
    aside = open_manifest(other)
    flush(other, aside, cut(aside.state(), 1))
    segment = flush(other, aside, lost)
    aside.close()
    assert segment is not None
    (other.segments / segment.file).rename(folder.segments / segment.file)
    (folder.segments / "000000000003-00000000.parquet.tmp").write_bytes(b"half")
    manifest = open_manifest(folder)
    assert manifest.state() == lost.new
    manifest.close()
    assert await everything(folder) == expected(1, 2)
    assert not list(folder.segments.glob("*.tmp"))
    async with open_history(folder.root) as history:
        assert history.events() == [EVENT]
        assert {row.time for row in table_rows(history.last([50]))} == {2 * 10**9 + 999}


@pytest.mark.parametrize("harm", ["gone", "nonsense", "truncated", "empty"])
async def test_a_lost_manifest_is_made_again_from_the_segments(folder: Folder, harm: str) -> None:
    manifest = filled(folder, 3)
    before = manifest.state()
    latest = manifest.latest()
    manifest.close()
    data = folder.manifest.read_bytes()
    for path in folder.root.glob("manifest.db*"):
        path.unlink()
    if harm != "gone":
        folder.manifest.write_bytes({"nonsense": b"x" * 5000, "truncated": data[:6000], "empty": b""}[harm])
    assert await everything(folder) == expected(1, 2, 3)
    manifest = open_manifest(folder)
    assert manifest.state() == before
    assert manifest.latest().value.tolist() == latest.value.tolist()
    assert manifest.events() == [EVENT]
    manifest.close()
    assert await everything(folder) == expected(1, 2, 3)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE state SET body = replace(body, '300', '350')",
        "UPDATE segments SET first_time = first_time + 100 WHERE ordinal = 2",
        "DELETE FROM state",
    ],
)
async def test_a_manifest_whose_content_was_changed_is_made_again(folder: Folder, change: str) -> None:
    manifest = filled(folder, 3)
    before = manifest.state()
    manifest.close()
    with closing(sqlite3.connect(folder.manifest, isolation_level=None)) as tampering:
        tampering.execute(change)
    manifest = open_manifest(folder)
    assert manifest.state() == before
    assert manifest.events() == [EVENT]
    manifest.close()
    assert await everything(folder) == expected(1, 2, 3)
    assert any(path.name.startswith("manifest.db") for path in folder.damaged.iterdir())


async def test_a_truncated_segment_is_noticed_when_the_recorder_starts(folder: Folder) -> None:
    filled(folder, 3).close()
    victim = sorted(folder.segments.iterdir())[0]
    victim.write_bytes(victim.read_bytes()[:-100])
    forget_opened()
    manifest = open_manifest(folder)
    assert [segment.ordinal for segment in manifest.segments()] == [2, 3]
    assert list(manifest.damaged()) == [victim.name]
    assert len(manifest.events(kind=EventKind.GAP)) == 1
    manifest.close()
    assert await everything(folder) == expected(2, 3)


@given(st.lists(st.lists(few, max_size=6), max_size=5), st.lists(st.integers(0, 7), max_size=4), times, times)
@settings(deadline=None, max_examples=60)
def test_reading_over_segments_is_what_a_plain_list_says(
    several: list[list[tuple[int, int, float]]], wanted: list[int], start: int, end: int
) -> None:
    with TemporaryDirectory() as place:
        folder, kept = Folder(Path(place)), []
        folder.make()
        manifest = open_manifest(folder)
        for ordinal, some in enumerate((part for part in several if part), start=1):
            index, at, value = (list(column) for column in zip(*some, strict=True))
            written = block(TAGS, index, at, value, seen=9)
            memory = Memory()
            memory.add(written, NUMBERS)
            new = State(Position("s", ordinal), {}, ordinal)
            flush(folder, manifest, Cut(manifest.state(), new, memory, (), (), ()))
            kept += rows(written, TAGS)
        manifest.close()
        history = asyncio.run(read_all(folder, wanted, start, end))
        inside = [row for row in once(kept) if row.tag in wanted and start <= row.time < end]
        assert history == (inside, last(once(kept)))


async def read_all(folder: Folder, wanted: list[int], start: int, end: int) -> tuple[list[Row], list[Row]]:
    async with open_history(folder.root) as history:
        return table_rows(history.raw(wanted, start, end)), table_rows(history.last())


async def test_a_manifest_set_back_takes_the_newer_segments_in_again(folder: Folder) -> None:
    filled(folder, 1).close()
    old = folder.manifest.read_bytes()
    manifest = open_manifest(folder)
    flush(folder, manifest, cut(manifest.state(), 2))
    flush(folder, manifest, cut(manifest.state(), 3))
    manifest.close()
    folder.manifest.write_bytes(old)
    manifest = open_manifest(folder)
    assert manifest.state().ordinal == 3
    manifest.close()
    assert await everything(folder) == expected(1, 2, 3)


async def test_a_missing_segment_is_a_gap_and_the_rest_is_read(folder: Folder) -> None:
    filled(folder, 3).close()
    lost = sorted(folder.segments.iterdir())[1]
    lost.unlink()
    assert await everything(folder) == expected(1, 3)
    async with open_history(folder.root) as history:
        (gap,) = history.gaps()
        assert lost.name in gap.message
        assert gap.details["count"] == 1000
        assert (gap.details["first"], gap.details["last"]) == (2 * 10**9, 2 * 10**9 + 999)
        assert history.gaps(0, 2 * 10**9) == []


async def test_a_segment_missing_when_the_manifest_is_made_again_is_a_gap(folder: Folder) -> None:
    filled(folder, 3).close()
    sorted(folder.segments.iterdir())[1].unlink()
    folder.manifest.unlink()
    manifest = open_manifest(folder)
    (gap,) = manifest.events(kind=EventKind.GAP)
    assert "segments 2 to 2" in gap.message
    assert manifest.state().ordinal == 3
    manifest.close()


async def test_a_damaged_segment_is_set_aside_and_named_and_the_rest_is_read(folder: Folder) -> None:
    filled(folder, 3).close()
    victim = sorted(folder.segments.iterdir())[1]
    data = bytearray(victim.read_bytes())
    data[len(data) // 3] ^= 4
    victim.write_bytes(data)
    forget_opened()
    async with open_history(folder.root) as history:
        assert list(table_rows(history.raw(range(60)))) == expected(1, 3)
        (gap,) = history.gaps()
        assert victim.name in gap.message
    assert (folder.damaged / victim.name).read_bytes() == data
    assert await everything(folder) == expected(1, 3)
    async with open_history(folder.root) as history:
        assert [found.id for found in history.gaps()] == [gap.id]
    manifest = open_manifest(folder)
    assert list(manifest.damaged()) == [victim.name]
    assert manifest.state().ordinal == 3
    manifest.close()


async def test_intact_row_groups_of_a_damaged_segment_stay(folder: Folder) -> None:
    rows_ = 2 * GROUP + 1000
    manifest = open_manifest(folder)
    flush(folder, manifest, cut(manifest.state(), 1, rows_))
    manifest.close()
    (victim,) = folder.segments.iterdir()
    lost = open_segment(victim).footer.groups[1]
    data = bytearray(victim.read_bytes())
    data[(lost.start + lost.stop) // 2] ^= 1
    victim.write_bytes(data)
    for _ in range(2):
        forget_opened()
        async with open_history(folder.root) as history:
            assert len(history.raw(range(60))) == rows_ - lost.rows
            (gap,) = history.gaps()
            assert gap.details["count"] == lost.rows
            assert (gap.details["first_tag"], gap.details["last_tag"]) == (lost.first_tag, lost.last_tag)
    assert [path.name for path in folder.damaged.iterdir()] == [victim.name]
    folder.manifest.unlink()
    manifest = open_manifest(folder)
    assert sum(segment.rows for segment in manifest.segments()) == rows_ - lost.rows
    manifest.close()


def harmed(data: bytes, chance: random.Random) -> bytes:
    """The bytes cut somewhere, or with one bit turned."""
    if chance.random() < 0.2:
        return data[: chance.randrange(len(data))]
    turned = bytearray(data)
    turned[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return bytes(turned)


def harm_never_reads_otherwise(tmp_path: Path, rounds: int) -> None:
    columns = cut(State(), 1, 3000).memory.columns()
    from isthmus.store.history.columns import ordered
    from isthmus.store.history.segment import Footer

    segment, written = encode(ordered(columns), Footer(after=None, state=State(Position("s", 1), {}, 1)))
    data, path, chance = bytes(written), tmp_path / segment.file, random.Random(7)
    path.write_bytes(data)
    whole = table_rows(open_segment(path).read(0))
    found = 0
    for _ in range(rounds):
        path.write_bytes(harmed(data, chance))
        forget_opened()
        try:
            assert table_rows(open_segment(path).read(0)) == whole
        except Damaged:
            found += 1
    forget_opened()
    assert found > rounds // 2


def test_a_bit_turned_anywhere_is_found_or_changes_nothing(tmp_path: Path) -> None:
    harm_never_reads_otherwise(tmp_path, 300)


@pytest.mark.soak
def test_bits_turned_everywhere_are_found_or_change_nothing(tmp_path: Path) -> None:
    harm_never_reads_otherwise(tmp_path, 20_000)


def test_a_full_disk_leaves_everything_as_it_was(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = filled(folder, 1)
    before, next_cut = manifest.state(), cut(manifest.state(), 2)

    def refuse(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patched, pytest.raises(sqlite3.OperationalError):
        patched.setattr(Manifest, "commit", refuse)
        flush(folder, manifest, next_cut)
    assert manifest.state() == before
    flush(folder, manifest, next_cut)
    assert manifest.state() == next_cut.new
    assert len(list(folder.segments.iterdir())) == 2
    manifest.close()
