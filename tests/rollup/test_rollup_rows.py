# SPDX-License-Identifier: Apache-2.0
"""A row says what the samples in it say, worked out one by one; quarters made of minutes are those made of samples."""

from __future__ import annotations

import itertools
import math
from dataclasses import fields
from io import BytesIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.core.errors import Damaged
from isthmus.core.quality import Mark
from isthmus.core.tag import DataType, Tag
from isthmus.core.time import SECOND
from isthmus.store.history.columns import Columns, empty, join, ordered
from isthmus.store.history.rollup.roll import FEWEST, composed, roll, rolled
from isthmus.store.history.rollup.rows import MINUTE, QUARTER, Remark, Rows, joined
from isthmus.store.history.rollup.sheaf import SCHEMA, Sheaves, from_table, to_table

TAGS = {
    1: Tag(1, "a/b/level", "m", DataType.FLOAT, stepped=False),
    2: Tag(2, "a/b/setpoint", "m", DataType.FLOAT, stepped=True),
    3: Tag(3, "a/b/on", "", DataType.BOOLEAN, stepped=False),
    4: Tag(4, "a/b/counter", "", DataType.INTEGER, stepped=False),
    5: Tag(5, "a/b/recipe", "", DataType.TEXT, stepped=False),
}
QUALITIES = (0, 0, 0, 0, 0, 0, 0, 0, 0, 0x00960000, 0x40000000, 0x808B0000)
VALUES = (0.0, 0.0, 1.0, 2.0, -3.0, 7.25, 7.25, 1e120, math.nan, math.inf)
HOUR = 4 * QUARTER


def columns(samples: list[tuple[int, int, float, int, int, int]]) -> Columns:
    """Of (tag, time, value, quality, mark, delay)."""
    found = empty(len(samples))
    for i, (tag, time, value, quality, mark, delay) in enumerate(samples):
        found.tag[i], found.time[i], found.seen[i] = tag, time, time + delay
        found.value[i], found.quality[i], found.mark[i] = value, quality, mark
        found.whole[i] = tag == 4 and abs(value) < 2**53
        found.integer[i] = int(value) if found.whole[i] else 0
    return ordered(found)


samples = st.lists(
    st.tuples(
        st.sampled_from((1, 1, 2, 3, 4, 5, 9)),
        st.integers(-2 * HOUR // SECOND, 2 * HOUR // SECOND).map(lambda second: second * SECOND),
        st.sampled_from(VALUES),
        st.sampled_from(QUALITIES),
        st.sampled_from((0, 0, 0, Mark.HISTORICAL, Mark.CORRECTED, Mark.OUT_OF_RANGE)),
        st.sampled_from((0, SECOND, 2 * MINUTE)),
    ),
    max_size=60,
).map(columns)


def one_by_one(found: Columns, width: int) -> list[tuple[object, ...]]:
    """What rows of these samples are to say, in the order of the fields."""
    places = range(len(found))
    keys = [(int(found.tag[i]), int(found.time[i]) // width * width) for i in places]
    return [row(found, list(group), key) for key, group in itertools.groupby(places, lambda i: keys[i])]


def row(found: Columns, places: list[int], key: tuple[int, int]) -> tuple[object, ...]:
    value, time = found.value.tolist(), found.time.tolist()
    good = [i for i in places if found.quality[i] < 0x4000_0000 and not math.isnan(value[i])]
    severity = [min(int(found.quality[i]) >> 30, 2) for i in places]
    worst = places[severity.index(max(severity))]
    least, most = (pick([value[i] for i in good], default=math.nan) for pick in (min, max))
    at_least = [time[i] for i in good if value[i] == least] or [time[places[0]]]
    at_most = [time[i] for i in good if value[i] == most] or [time[places[0]]]
    mean = sum(value[i] for i in good) / max(len(good), 1)
    pairs = list(itertools.pairwise(places))
    spans = {i: (time[j] - time[i]) / SECOND for i, j in pairs}
    tag = TAGS.get(key[0])
    held = tag is not None and (tag.stepped or tag.type in (DataType.BOOLEAN, DataType.TEXT))
    return (
        *key,
        int(found.quality[worst]),
        remark(found, places, good, tag),
        time[places[0]],
        value[places[0]],
        time[places[-1]],
        value[places[-1]],
        min(at_least),
        least,
        min(at_most),
        most,
        len(places),
        len(good),
        max(at_least),
        max(at_most),
        sum(value[i] for i in good),
        sum((value[i] - mean) ** 2 for i in good) if abs(mean) < 1e100 else math.nan,
        sum((value[i] + value[j]) / 2 * spans[i] for i, j in pairs if i in good and j in good and spans[i]),
        sum(value[i] * spans[i] for i, _ in pairs if i in good and spans[i]) if held else math.nan,
        sum(time[j] - time[i] for i, j in pairs if i in good),
        sum(time[j] - time[i] for i, j in pairs if i in good and value[i] == 0),
        sum(value[i] != value[j] for i, j in pairs),
    )


def remark(found: Columns, places: list[int], good: list[int], tag: Tag | None) -> int:
    marks = [int(found.mark[i]) for i in places]
    plain = len(good) == len(places) and len({int(found.quality[i]) for i in places}) == 1
    plain &= len({int(found.time[i]) for i in places}) == len(places)
    plain &= not any(mark & Mark.CORRECTED for mark in marks) and not any(abs(found.value[i]) > 1e100 for i in good)
    plain &= tag is not None and tag.type is not DataType.TEXT
    plain &= tag is None or not tag.whole or all(found.whole[i] for i in places)
    live = [i for i, mark in zip(places, marks, strict=True) if not mark & Mark.HISTORICAL]
    flags = {
        Remark.ROUGH: not plain,
        Remark.DELAYED: any(abs(int(found.seen[i] - found.time[i])) > 60 * SECOND for i in live),
        Remark.HISTORICAL: len(live) < len(places),
        Remark.OPENS_BADLY: places[0] not in good,
        Remark.CLOSES_BADLY: places[-1] not in good,
    }
    return sum(int(bit) for bit, is_so in flags.items() if is_so)


def assert_same(found: Rows, expected: Rows | list[tuple[object, ...]]) -> None:
    """Equal; where a row is rough and its sums overflow nobody reads them."""
    wanted = expected.arrays() if isinstance(expected, Rows) else tuple(zip(*expected, strict=True)) or found.arrays()
    for field, mine, other in zip(fields(Rows), found.arrays(), wanted, strict=True):
        theirs = np.array(other, mine.dtype)
        assert len(mine) == len(theirs)
        some = np.ones(len(mine), np.bool_)
        if field.name in ("sum", "squares", "line", "held"):
            some = ~found.marked(Remark.ROUGH) | (np.nan_to_num(np.abs(found.sum), nan=np.inf) < 1e90)
        np.testing.assert_allclose(mine[some], theirs[some], rtol=1e-12, atol=1e-9, err_msg=field.name)


@settings(max_examples=100, deadline=None)
@given(samples, st.sampled_from((MINUTE, QUARTER)))
def test_a_row_says_what_its_samples_say(found: Columns, width: int) -> None:
    assert_same(rolled(found, TAGS, width), one_by_one(found, width))


@settings(max_examples=100, deadline=None)
@given(samples)
def test_quarters_made_of_minutes_are_those_made_of_samples(found: Columns) -> None:
    assert_same(composed(rolled(found, TAGS, MINUTE), QUARTER), rolled(found, TAGS, QUARTER))


@settings(max_examples=100, deadline=None)
@given(samples)
def test_sheaves_come_back_from_their_table(found: Columns) -> None:
    found = found.pick(found.tag != 5)
    minutes = rolled(found, TAGS, MINUTE)
    rough = minutes.marked(Remark.ROUGH)
    beside = found.pick(np.repeat(rough, minutes.count))
    quarters = composed(minutes, QUARTER)
    back = from_table(to_table(Sheaves(quarters, minutes.pick(rough), beside)))
    assert_identical(back.rows, quarters)
    assert_identical(back.minutes, minutes.pick(rough))
    for mine, kept in zip(beside.arrays(), back.samples.arrays(), strict=True):
        np.testing.assert_array_equal(mine, kept)


def assert_identical(found: Rows, expected: Rows) -> None:
    for mine, theirs in zip(found.arrays(), expected.arrays(), strict=True):
        assert mine.dtype == theirs.dtype
        np.testing.assert_array_equal(mine, theirs)


@settings(max_examples=60, deadline=None)
@given(samples)
def test_rows_kept_formerly_are_read(found: Columns) -> None:
    rows = rolled(found, TAGS, MINUTE)
    for table in (formerly(rows), pq_read(formerly(rows))):
        assert_identical(from_table(table).rows, rows)
    assert_identical(from_table(formerly(rows), [2, 3]).rows, rows.pick(np.isin(rows.tag, [2, 3])))


def pq_read(table: pa.Table) -> pa.Table:
    sink = BytesIO()
    pq.write_table(table, sink)
    return pq.read_table(sink)


FORMER = {"tag": "uint32", "count": "uint32", "good": "uint32", "quality": "uint32", "remark": "uint8"} | dict.fromkeys(
    ("time", "first_time", "last_time", "min_time", "min_again", "max_time", "max_again"), "timestamp[ns]"
) | {"good_time": "int64", "zero_time": "int64", "changes": "uint32"}  # fmt: skip


def formerly(rows: Rows) -> pa.Table:
    """As the first version kept rows: a column for each field, null where it is as usual or missing."""
    usual = {
        "min_again": rows.min_time,
        "max_again": rows.max_time,
        "good_time": rows.last_time - rows.first_time,
    }
    found = {}
    for field, array in zip(fields(Rows), rows.arrays(), strict=True):
        type_ = FORMER.get(field.name, "float64")
        mask = array == usual[field.name] if field.name in usual else np.isnan(array) if type_ == "float64" else None
        kept = None if field.name in ("sum", "squares", "line") else mask
        found[field.name] = pa.array(array, mask=kept).cast(type_)
    return pa.table(found)


def test_a_day_of_rough_rows_has_what_is_finer_beside_it() -> None:
    fast, slow = dense(1, 1, 2), dense(2, 18, 2)
    fast.quality[100:130] = 0x808B0000
    slow.quality[100:103] = 0x808B0000
    both = ordered(join((fast, slow)))
    minutes, quarters = (from_table(table) for table in roll(both, TAGS))
    rough = quarters.rows.marked(Remark.ROUGH)
    assert rough.sum() == 2
    assert quarters.rows.marked(Remark.BESIDE).tolist() == rough.tolist()
    assert len(minutes.rows) == 120
    assert len(quarters.minutes) == 15
    assert np.unique(quarters.minutes.tag).tolist() == [1]
    for sheaves, sizes in ((minutes, {1: 120}), (quarters, {1: 120, 2: 50})):
        tags, counts = np.unique(sheaves.samples.tag, return_counts=True)
        assert dict(zip(tags.tolist(), counts.tolist(), strict=True)) == sizes


def test_a_tag_of_which_nothing_can_be_said_gets_no_rows() -> None:
    texts, unknown = dense(5, 1, 1), dense(9, 1, 1)
    assert [len(table) for table in roll(ordered(join((texts, unknown))), TAGS)] == [0, 0]


def test_sheaves_packed_by_a_later_version_are_damage() -> None:
    table = roll(dense(1, 1, 1), TAGS)[0]
    body = table["body"][0].as_py()
    with pytest.raises(Damaged, match="packed"):
        from_table(table.set_column(3, "body", pa.array([b"\x02" + body[1:]], pa.binary())))


def dense(tag: int, every: float, hours: int) -> Columns:
    n = int(hours * 3600 / every)
    rng = np.random.default_rng(tag)
    found = empty(n)
    found.tag[:] = tag
    found.time[:] = (np.arange(n) * every * SECOND).astype(np.int64)
    found.seen[:] = found.time
    found.value[:] = np.cumsum(rng.normal(0, 0.02, n)) + 50
    return found


def test_samples_rolled_in_parts_make_the_same_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    found = dense(1, 0.5, 3)
    whole = rolled(found, TAGS, MINUTE)
    monkeypatch.setattr("isthmus.store.history.rollup.roll._CHUNK", 100)
    assert_same(rolled(found, TAGS, MINUTE), whole)
    assert len(whole) == 180


def test_a_tag_of_few_samples_gets_no_rows() -> None:
    slow, steady = dense(1, 60 / (FEWEST - 1), 1), dense(2, 60 / FEWEST, 1)
    minutes, quarters = (from_table(table) for table in roll(ordered(join((slow, steady))), TAGS))
    assert set(minutes.rows.tag.tolist()) == {2}
    assert set(quarters.rows.tag.tolist()) == {1, 2}
    assert (len(minutes), len(quarters)) == (60, 8)
    assert len(from_table(roll(slow, TAGS, parts=[1])[0])) == 60


def test_no_samples_make_no_rows() -> None:
    minutes, quarters = roll(empty(), TAGS)
    assert (len(minutes), len(quarters)) == (0, 0)
    assert minutes.schema == quarters.schema == SCHEMA
    assert len(joined((), Rows)) == 0
