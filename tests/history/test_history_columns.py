# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isthmus.core.quality import Mark
from isthmus.core.samples import Samples
from isthmus.core.tag import DataType, Tag, TagList
from isthmus.store.history.checked import forget_opened
from isthmus.store.history.columns import Columns, from_table, join, ordered, to_table
from isthmus.store.history.flush import latest
from isthmus.store.history.memory import CHUNK, Memory, Numbers
from isthmus.store.history.segment import Footer, encode, open_segment
from isthmus.store.history.state import State
from isthmus.stream.log import Position
from tests.history.plain import Row, block, last, once, rows, table_rows

TYPES = list(DataType)
TAGS = TagList(tuple(Tag(n + 1, f"p/t{n}", "", TYPES[n % len(TYPES)], False) for n in range(8)))
NUMBERS = Numbers.of(TAGS)

times = st.sampled_from([0, 1, 7, 8, 10**18, 10**18 + 1, -(2**63) + 1, 2**63 - 1])
floats = st.sampled_from([0.0, -0.0, 1.5, float("nan"), float("inf"), float("-inf"), 5e-324, 1.7e308])
whole = st.sampled_from([0, 1, -1, 2**63 - 1, -(2**63), 2**53 + 1])
texts = st.one_of(st.none(), st.sampled_from(["", "RUN", "STOP", "日本\n", "a" * 300]), st.text(max_size=4))
marks = st.sampled_from([0, 0, 0, *map(int, Mark)])


@st.composite
def blocks(draw: st.DrawFn) -> Samples:
    n = draw(st.integers(0, 12))

    def some(each: st.SearchStrategy[object]) -> list[object]:
        return draw(st.lists(each, min_size=n, max_size=n))

    return block(
        TAGS,
        some(st.integers(0, 7)),  # type: ignore[arg-type]  # lists of what the strategy gives
        some(times),  # type: ignore[arg-type]
        some(floats),  # type: ignore[arg-type]
        quality=some(st.sampled_from([0, 0x80000000, 0xFFFFFFFF])),  # type: ignore[arg-type]
        mark=some(marks),  # type: ignore[arg-type]
        integer=some(whole) if draw(st.booleans()) else None,  # type: ignore[arg-type]
        text=some(texts) if draw(st.booleans()) else None,  # type: ignore[arg-type]
        seen=draw(st.sampled_from([5, 7, 10**18])),
    )


def table_of(several: list[Samples]) -> Columns:
    memory = Memory()
    for samples in several:
        memory.add(samples, NUMBERS)
    return memory.columns()


def plain_rows(several: list[Samples]) -> list[Row]:
    return [row for samples in several for row in rows(samples, TAGS)]


@given(st.lists(blocks(), max_size=6))
@settings(deadline=None)
def test_columns_keep_what_plain_rows_keep(several: list[Samples]) -> None:
    columns = ordered(table_of(several))
    assert table_rows(to_table(columns)) == once(plain_rows(several))
    assert table_rows(to_table(latest(columns))) == last(once(plain_rows(several)))


@given(st.lists(blocks(), max_size=6), st.integers(0, 6))
@settings(deadline=None)
def test_ordering_parts_and_then_the_whole_gives_the_same_as_ordering_at_once(several: list[Samples], cut: int) -> None:
    parts = [ordered(table_of(several[:cut])), ordered(table_of(several[cut:]))]
    assert table_rows(to_table(ordered(join(parts)))) == once(plain_rows(several))


@given(several=st.lists(blocks(), max_size=6))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
def test_a_segment_gives_back_what_was_written(several: list[Samples], tmp_path: Path) -> None:
    columns = ordered(table_of(several))
    segment, data = encode(columns, Footer(after=None, state=State(Position("now", 3), {}, 1)))
    path = tmp_path / segment.file
    path.write_bytes(data)
    opened = open_segment(path)
    back = join(opened.columns(i) for i in range(len(opened.footer.groups)))
    assert table_rows(to_table(back)) == table_rows(to_table(columns))
    assert opened.footer.rows == segment.rows == len(columns)
    forget_opened()


def test_a_table_of_no_rows_is_a_table() -> None:
    assert table_rows(to_table(from_table(to_table(ordered(join(())))))) == []


def test_memory_grows_over_many_chunks() -> None:
    n = 2 * CHUNK + 5
    samples = block(TAGS, np.arange(n) % 8, np.arange(n) + 1, np.arange(n) * 1.0)  # type: ignore[arg-type]
    memory = Memory()
    memory.add(samples, NUMBERS)
    memory.add(samples, NUMBERS)
    columns = memory.columns()
    assert memory.rows == len(columns) == 2 * n
    assert columns.value[n - 1] == columns.value[-1] == n - 1
    assert len(ordered(columns)) == n
