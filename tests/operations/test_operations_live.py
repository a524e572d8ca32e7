# SPDX-License-Identifier: Apache-2.0
"""Last values: the columns agree with one sample after the other, and staleness follows the heartbeats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from isthmus.core import time
from isthmus.core.event import Event, EventKind, Severity
from isthmus.core.quality import Mark
from isthmus.core.samples import Samples, Value
from isthmus.core.tag import DataType, Tag, TagList
from isthmus.operations.live import PATIENCE, Live

TYPES = (DataType.FLOAT, DataType.INTEGER, DataType.TEXT, DataType.BOOLEAN, DataType.UNSIGNED)
TAGS = TagList(tuple(Tag(3 * i + 1, f"acme/lyon/t{i}", "", type_, False) for i, type_ in enumerate(TYPES)))
NOW = 1_800_000_000 * time.SECOND


@dataclass
class Row:
    index: int
    at: int
    mark: int
    quality: int
    number: int


rows = st.builds(
    Row,
    index=st.integers(0, len(TYPES) - 1),
    at=st.integers(0, 6),
    mark=st.sampled_from([0, Mark.HISTORICAL, Mark.FUTURE, Mark.OUT_OF_RANGE, Mark.FUTURE | Mark.HISTORICAL]),
    quality=st.sampled_from([0, 0x8000_0000, 0x4000_0000]),
    number=st.integers(0, 1000),
)


def samples(block: list[Row], seen: int, source: str = "dcs") -> Samples:
    def column(name: str, kind: type) -> Any:
        return np.array([getattr(row, name) for row in block], kind)

    return Samples(
        source, 1, 1, TAGS.digest,
        index=column("index", np.uint32), at=column("at", np.int64), quality=column("quality", np.uint32),
        mark=column("mark", np.uint8), value=column("number", np.float64), integer=column("number", np.int64),
        text=[f"t{row.number}" if TYPES[row.index] is DataType.TEXT else None for row in block], seen=seen,
    )  # fmt: skip


def one_by_one(blocks: list[list[Row]]) -> dict[int, tuple[int, int, int]]:
    """The row-wise oracle: index → (time, number, quality)."""
    last: dict[int, tuple[int, int, int]] = {}
    for seen, block in enumerate(blocks, start=3):
        for row in block:
            when = seen if row.mark & Mark.FUTURE else row.at
            if not row.mark & Mark.HISTORICAL and (row.index not in last or when >= last[row.index][0]):
                last[row.index] = (when, row.number, row.quality)
    return last


def plain_value(type_: DataType, number: int) -> Value:
    texts_and_switches: dict[DataType, Value] = {DataType.TEXT: f"t{number}", DataType.BOOLEAN: bool(number)}
    return texts_and_switches.get(type_, number)


@given(st.lists(st.lists(rows, max_size=12), max_size=6))
def test_columns_give_the_last_values_that_one_sample_after_the_other_gives(blocks: list[list[Row]]) -> None:
    live = Live()
    for seen, block in enumerate(blocks, start=3):
        live.apply(samples(block, seen), TAGS, NOW)
    expected = one_by_one(blocks)
    for index, tag in enumerate(TAGS.tags):
        latest = live.latest(tag.number, tag.type, NOW)
        if index not in expected:
            assert latest is None
            continue
        assert latest is not None
        when, number, quality = expected[index]
        assert (latest.time, latest.value, latest.quality) == (when, plain_value(tag.type, number), quality)


def test_apply_names_the_tags_that_changed() -> None:
    live = Live()
    changed = live.apply(samples([Row(0, 5, 0, 0, 1), Row(1, 5, 0, 0, 1), Row(0, 6, 0, 0, 2)], 6), TAGS, NOW)
    assert sorted(changed.tolist()) == [1, 4]
    assert live.apply(samples([Row(0, 4, 0, 0, 9)], 7), TAGS, NOW).tolist() == []


def test_a_tag_is_stale_when_heartbeats_stop_and_not_because_it_is_steady() -> None:
    live = Live()
    live.apply(samples([Row(0, 5, 0, 0, 1)], 5), TAGS, NOW)
    later = NOW + 10 * PATIENCE
    live.apply(samples([], 6), TAGS, later - PATIENCE)
    assert not stale(live, later)
    assert stale(live, later + 1)
    live.apply(samples([], 7), TAGS, later + 1)
    assert not stale(live, later + 1)


def test_a_tag_is_stale_at_once_when_its_source_says_that_the_far_end_is_gone() -> None:
    live = Live()
    live.apply(samples([Row(0, 5, 0, 0, 1)], 5), TAGS, NOW)
    live.note(connection("disconnected"))
    assert stale(live, NOW)
    live.note(connection("connected"))
    assert not stale(live, NOW)


def test_what_history_knew_is_shown_and_stale_until_its_source_is_heard_of() -> None:
    live = Live()
    live.apply(samples([Row(0, 5, 0, 0, 1)], 5, source="other"), TAGS, NOW)
    live.expect("dcs", [1, 4], NOW)
    assert not stale(live, NOW + PATIENCE)
    assert stale(live, NOW + PATIENCE + 1)
    assert live.latest(4, DataType.INTEGER, NOW) is None


def test_a_value_of_a_wrong_type_is_shown_as_the_device_wrote_it() -> None:
    live = Live()
    odd = samples([Row(0, 5, Mark.WRONG_TYPE, 0, 0)], 5)
    live.apply(Samples("dcs", 1, 1, TAGS.digest, odd.index, odd.at, odd.quality, odd.mark, np.array([np.nan]),
                       text=["abc"], seen=5), TAGS, NOW)  # fmt: skip
    latest = live.latest(1, DataType.FLOAT, NOW)
    assert latest is not None
    assert latest.value == "abc"


def stale(live: Live, now: int) -> bool:
    latest = live.latest(1, DataType.FLOAT, now)
    assert latest is not None
    assert latest.stale == live.stale(now)[1]
    return latest.stale


def connection(state: str) -> Event:
    return Event(id=state, kind=EventKind.CONNECTION, severity=Severity.ERROR, source="dcs", at=NOW, message="",
                 details={"state": state})  # fmt: skip
