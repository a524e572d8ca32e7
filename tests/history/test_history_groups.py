# SPDX-License-Identifier: Apache-2.0
"""What files say of their row groups: nothing that is wanted is passed over, and nothing wrong is believed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any
from zlib import crc32

import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.core.errors import Damaged
from isthmus.store.history.adopt import open_manifest
from isthmus.store.history.checked import CheckedWriter, forget_opened
from isthmus.store.history.columns import SCHEMA, Columns, empty, join, ordered, to_table
from isthmus.store.history.compact import compact
from isthmus.store.history.folder import Folder
from isthmus.store.history.form import GROUP, cuts, fitted, sample
from isthmus.store.history.groups import Group, Places
from isthmus.store.history.kept import DAY, Kind, open_kept
from isthmus.store.history.manifest import Manifest
from isthmus.store.history.read import open_history
from isthmus.store.history.runs import write_run
from isthmus.store.history.segment import Footer, open_segment
from isthmus.store.history.state import State
from isthmus.store.history.tend import tended
from isthmus.stream.log import Position
from tests.history.plain import table_rows

CASES = Path(__file__).parents[1] / "cases" / "history"
START = 20_700 * DAY
FOOTER = Footer(after=None, state=State(Position("s", 1), {}, 1))


def some(*rows: tuple[int, int]) -> Columns:
    """Samples of these tags and times, ordered."""
    found = empty(len(rows))
    found.tag[:], found.time[:] = np.array(rows, np.int64).reshape(-1, 2).T
    found.value[:] = np.arange(len(rows))
    return ordered(found)


@given(
    rows=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9)), min_size=1, max_size=30),
    size=st.integers(1, 9),
    wanted=st.one_of(st.none(), st.sets(st.integers(0, 5))),
    start=st.integers(-1, 10),
    width=st.integers(0, 11),
    told=st.booleans(),
)
@settings(deadline=None)
def test_every_row_group_with_a_wanted_sample_is_read(
    rows: list[tuple[int, int]], size: int, wanted: set[int] | None, start: int, width: int, told: bool
) -> None:
    columns = some(*rows)
    parts = [columns.pick(slice(first, first + size)) for first in range(0, len(columns), size)]
    groups = [Group.of(0, 0, 0, to_table(part)) for part in parts]
    if not told:
        groups = [msgspec.structs.replace(group, first=None, last=None) for group in groups]
    asked = None if wanted is None else np.array(sorted(wanted), np.uint32)
    found = Places.of(groups).holding(asked, start, start + width)
    for number, part in enumerate(parts):
        timely = (part.time >= start) & (part.time < start + width)
        rows_ = timely if wanted is None else timely & np.isin(part.tag, list(wanted))
        assert number in found or not rows_.any()
        if told and wanted is not None and len(wanted) == 1 and not (part.tag == min(wanted)).any():
            inside = part.tag[0] < min(wanted) < part.tag[-1]
            assert inside or number not in found


def test_of_the_row_groups_of_a_tag_only_those_of_the_time_are_read() -> None:
    columns = some(*((tag, time) for tag in (1, 2, 3) for time in range(100)))
    parts = [columns.pick(slice(first, first + 40)) for first in range(0, 300, 40)]
    places = Places.of([Group.of(0, 0, 0, to_table(part)) for part in parts])
    wanted = np.array([2], np.uint32)
    assert places.holding(wanted, 0, 20) == [2]
    assert places.holding(wanted, 20, 60) == [3]
    assert places.holding(wanted, 70, 100) == [4]
    assert places.holding(wanted, 15, 25) == [2, 3]
    assert places.holding(np.array([1, 3], np.uint32), 70, 75) == [1, 6]


def written(folder: Path, columns: Columns, change: Callable[[list[Any]], None] | None = None) -> Path:
    """A segment whose footer says of its row groups what `change` makes of it; its checksums fit."""
    sink = BytesIO()
    writer = CheckedWriter(sink, SCHEMA, fitted(sample(columns)))
    writer.add(to_table(columns))
    groups = json.loads(msgspec.json.encode(writer.groups))
    if change is not None:
        change(groups)
    said = msgspec.json.decode(msgspec.json.encode(FOOTER), type=dict) | {"groups": groups}
    writer.groups[:] = []
    _, checksum, _ = writer.close(said)  # type: ignore[arg-type]  # anything that is JSON
    path = folder / f"000000000001-{checksum:08x}.parquet"
    path.write_bytes(sink.getvalue())
    return path


def set_to(place: int, value: object) -> Callable[[list[Any]], None]:
    def change(groups: list[Any]) -> None:
        groups[0][place] = value

    return change


COLUMNS = some((1, 5), (1, 6), (2, 3))


@pytest.mark.parametrize(
    "change",
    [
        set_to(0, -5),
        set_to(3, 2),
        set_to(3, 10**30),
        set_to(4, -1),
        set_to(5, 2**32),
        set_to(6, "soon"),
        set_to(7, 2**70),
        set_to(8, [1]),
        set_to(9, 7),
        set_to(10, {"value": 0}),
        set_to(10, {"mark": 256}),
        set_to(10, {"mark": None}),
        set_to(10, {"integer": 4}),
        set_to(10, {"tag": -1}),
        set_to(10, 0),
        lambda groups: groups.clear(),
        lambda groups: groups.append(groups[0]),
        lambda groups: groups[0].__delitem__(slice(5, None)),
    ],
)
def test_a_footer_that_says_what_cannot_be_is_damaged(tmp_path: Path, change: Callable[[list[Any]], None]) -> None:
    with pytest.raises(Damaged, match="footer"):
        open_segment(written(tmp_path, COLUMNS, change))


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_row_group_that_is_elsewhere_is_damaged(tmp_path: Path, place: int) -> None:
    opened = open_segment(written(tmp_path, COLUMNS, set_to(place, 2**62 if place == 1 else 77)))
    with pytest.raises(Damaged, match="row group 0"):
        opened.columns(0)


def test_a_file_of_somebody_else_with_a_fitting_name_is_damaged(tmp_path: Path) -> None:
    sink = BytesIO()
    pq.write_table(to_table(COLUMNS), sink)
    data = sink.getvalue()
    end = data[-8 - int.from_bytes(data[-8:-4], "little") :]
    path = tmp_path / f"000000000001-{crc32(end):08x}.parquet"
    path.write_bytes(data)
    with pytest.raises(Damaged, match="none of a file of the history"):
        open_segment(path)
    nonsense = b"\x15\x02" * 40 + (80).to_bytes(4, "little") + b"PAR1"
    path = tmp_path / f"000000000002-{crc32(nonsense):08x}.parquet"
    path.write_bytes(nonsense)
    with pytest.raises(Damaged, match="none of a file of the history"):
        open_segment(path)


def test_a_footer_as_it_was_written_formerly_is_enough(tmp_path: Path) -> None:
    opened = open_segment(written(tmp_path, COLUMNS, lambda groups: groups[0].__delitem__(slice(8, None))))
    assert opened.footer.groups[0].first is None
    assert table_rows(to_table(opened.columns(0))) == table_rows(to_table(COLUMNS))


def test_columns_that_are_not_read_are_as_they_were_written(tmp_path: Path) -> None:
    columns = some(*((7, time) for time in range(10)))
    columns.quality[:], columns.mark[:] = 0x80310000, 4
    opened = open_segment(written(tmp_path, columns))
    assert opened.footer.groups[0].alike == {
        "tag": 7,
        "quality": 0x80310000,
        "mark": 4,
        "integer": None,
        "text": None,
    }
    assert table_rows(to_table(opened.columns(0))) == table_rows(to_table(columns))


def test_each_column_is_written_in_the_encoding_in_which_it_is_smaller() -> None:
    chance = np.random.default_rng(1)
    n = 5000
    columns = empty(n)
    columns.time[:] = START + np.arange(n) * 10**9
    columns.seen[:] = np.repeat(chance.integers(0, 2**60, n // 100), 100)
    columns.value[:] = chance.normal(size=n)
    form = fitted(sample(columns))["column_encoding"]
    assert (form["time"], form["seen"], form["value"]) == ("DELTA_BINARY_PACKED", "PLAIN", "BYTE_STREAM_SPLIT")
    columns.value[:] = np.round(50 + np.cumsum(chance.normal(0, 0.02, n)), 2)
    columns.time[:] = np.tile(START + np.sort(chance.integers(0, 2**40, 50)), n // 50)
    form = fitted(sample(columns))["column_encoding"]
    assert (form["time"], form["value"]) == ("PLAIN", "PLAIN")


def test_a_row_group_has_only_the_words_that_are_in_it() -> None:
    columns = some((1, 1), (1, 2), (2, 1))
    columns.text[:] = [3, 0, 1]
    worded = Columns(("RUN", "STOP", "IDLE"), *columns.arrays())
    text = to_table(worded)["text"].combine_chunks()
    assert (text.dictionary.to_pylist(), text.to_pylist()) == (["RUN", "IDLE"], ["IDLE", None, "RUN"])
    assert to_table(worded.pick(slice(1, 2)))["text"].combine_chunks().dictionary.to_pylist() == []


async def test_files_as_they_were_written_before_november_2026_are_read_and_compacted(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "history")
    shutil.copytree(CASES / "before-2026-11-23", folder.root)
    expected = [tuple(row) for row in json.loads((CASES / "before-2026-11-23" / "samples.json").read_text())]

    async def found() -> list[tuple[Any, ...]]:
        async with open_history(folder.root) as history:
            assert not history.gaps()
            rows = table_rows(history.raw(range(10), replaced=True))
            for tag in (1, 5):
                (start, end) = START + DAY // 2, START + DAY // 2 + DAY // 4
                one = [row for row in rows if row.tag == tag and start <= row.time < end]
                assert table_rows(history.raw([tag], start, end, replaced=True)) == one
            return [(*row[:3], row.bits.hex(), *row[4:]) for row in rows]

    assert await found() == expected
    folder.make()
    open_manifest(folder).close()
    from isthmus.store.history.compact import compact

    compact(folder.root, now=START + 40 * DAY, wait=False)
    assert await found() == expected
    with tended(folder.root) as manifest:
        assert [kept.day for kept in manifest.kept(Kind.DAY)] == [20_700, 20_701, 20_702]
        assert not manifest.segments()


async def test_a_question_finds_what_was_committed_since_the_last_one(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "history")
    folder.make()
    Manifest.open(folder.manifest).close()

    async def count() -> int:
        async with open_history(folder.root) as history:
            return len(history.columns([1]))

    for number in range(4):
        assert await count() == number
        with tended(folder.root) as manifest:
            write_run(folder.root, manifest, some((1, START + number)))
    async with open_history(folder.root) as early:
        with tended(folder.root) as manifest:
            write_run(folder.root, manifest, some((1, START + 9)))
        assert await count() == 5
        assert len(early.columns([1])) == 4


@pytest.mark.parametrize("how", ["damaged", "replaced", "gone"])
async def test_a_manifest_that_changed_between_two_questions_is_not_asked_again(tmp_path: Path, how: str) -> None:
    folder = Folder(tmp_path / "history")
    folder.make()
    Manifest.open(folder.manifest).close()
    with tended(folder.root) as manifest:
        write_run(folder.root, manifest, some((1, START)))
    async with open_history(folder.root) as history:
        assert len(history.columns([1])) == 1
    if how == "damaged":
        folder.manifest.write_bytes(b"nothing of a database" * 500)
    else:
        for path in folder.root.glob("manifest.db*"):
            path.unlink()
    if how == "replaced":
        shutil.rmtree(folder.kept)
        folder.make()
        Manifest.open(folder.manifest).close()
    async with open_history(folder.root) as history:
        assert len(history.columns([1])) == (0 if how == "replaced" else 1)


def test_files_opened_last_are_remembered_up_to_a_number_of_row_groups(tmp_path: Path) -> None:
    path = written(tmp_path, COLUMNS)
    opened = open_segment(path)
    assert open_segment(path) is opened
    forget_opened()
    again = open_segment(path)
    assert again is not opened
    assert table_rows(to_table(join([again.columns(0)]))) == table_rows(to_table(COLUMNS))


@given(lengths=st.lists(st.integers(1, 20), max_size=12), group=st.integers(1, 9))
@settings(deadline=None)
def test_row_groups_are_cut_where_a_long_tag_begins(lengths: list[int], group: int) -> None:
    tag = np.repeat(np.arange(len(lengths), dtype=np.uint32), lengths)
    found = cuts(tag, group)
    assert found[0] == 0 and found[-1] == len(tag)
    assert all(0 < high - low <= group for low, high in pairwise(found))
    begins = np.cumsum([0, *lengths])[:-1].tolist()
    assert {begin for begin, length in zip(begins, lengths, strict=True) if length >= group} <= set(found)
    assert len(found) - 1 <= -(-len(tag) // group) + sum(length >= group for length in lengths)


@pytest.mark.parametrize("seed", range(3))
def test_a_long_tag_begins_a_row_group_of_its_day(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    lengths = [int(rng.choice([10, 9_000, GROUP - 1, GROUP, 20_000, 70_000])) for _ in range(9)]
    tag = np.repeat(np.arange(len(lengths), dtype=np.uint32), lengths)
    columns = empty(len(tag))
    columns.tag[:], columns.time[:] = tag, START + np.concatenate([np.arange(n) for n in lengths])
    columns.value[:] = rng.normal(size=len(tag))
    folder = Folder(tmp_path)
    folder.make()
    open_manifest(folder).close()
    with tended(tmp_path) as manifest:
        for part in (slice(0, None, 2), slice(1, None, 2)):
            write_run(tmp_path, manifest, columns.pick(part))
    compact(tmp_path, today=True)
    (day,) = (path for path in folder.kept.glob("day-*.parquet"))
    metadata = pq.read_metadata(day)
    sizes = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
    begins = np.cumsum([0, *sizes])
    assert max(sizes) <= GROUP
    assert {first for first, n in zip(np.cumsum([0, *lengths]), lengths, strict=False) if n >= GROUP} <= set(begins)
    table = pq.read_table(day)
    assert table["tag"].to_pylist() == tag.tolist()
    assert table["value"].to_pylist() == columns.value.tolist()


def test_row_groups_are_read_by_several_threads_at_once(tmp_path: Path) -> None:
    columns = empty(40_000)
    columns.tag[:], columns.time[:] = np.arange(40_000) // 5_000, START + np.arange(40_000)
    columns.value[:] = np.random.default_rng(1).normal(size=40_000)
    folder = Folder(tmp_path)
    folder.make()
    open_manifest(folder).close()
    with tended(tmp_path) as manifest:
        kept = write_run(tmp_path, manifest, columns)
    file = open_kept(folder.kept / kept.file)
    expected = [file.columns(group).value.tolist() for group in range(len(file.footer.groups))]
    with ThreadPoolExecutor(6) as threads:
        found = list(threads.map(lambda i: file.columns(i % len(expected)).value.tolist(), range(120)))
    assert found == [expected[i % len(expected)] for i in range(120)]
