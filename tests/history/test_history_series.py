# SPDX-License-Identifier: Apache-2.0
"""Excerpts of recorded history: what bounds a range, what was not watched, what a tag was under earlier numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from isthmus.core.errors import IsthmusError
from isthmus.core.event import Event, EventKind, Severity
from isthmus.core.quality import BAD, GOOD, Mark
from isthmus.core.samples import Samples
from isthmus.core.tag import DataType, Tag, TagList
from isthmus.plant.revision import Former, TagSetting
from isthmus.store.history.aggregates.catalogue import aggregates
from isthmus.store.history.aggregates.intervals import every
from isthmus.store.history.aggregates.reading import at_times
from isthmus.store.history.aggregates.status import BOUND_NOT_FOUND
from isthmus.store.history.excerpt import Excerpt, excerpt
from isthmus.store.history.read import History, open_history
from isthmus.store.history.watch import watch
from isthmus.stream.log import Log
from tests.history.plain import block
from tests.history.plant import START, accepted, collector, recorder

SECOND = 10**9
DAY = 86_400 * SECOND
FLOAT, BIG, TEXT, OLD = range(4)
TAGS = TagList(
    (
        Tag(1, "p/float", "m", DataType.FLOAT, False),
        Tag(2, "p/big", "", DataType.UNSIGNED, True),
        Tag(3, "p/text", "", DataType.TEXT, True),
        Tag(4, "p/old", "Cel", DataType.FLOAT, False),
    )
)
SETTINGS = [TagSetting(tag=tag, system="dcs", address="") for tag in TAGS.tags[:3]]
JOINED = TagSetting(
    tag=TAGS.tags[FLOAT], system="dcs", address="", formers=(Former(4, "Cel", DataType.FLOAT, 2.0, 1.0),)
)


def at(*seconds: float) -> list[int]:
    return [START + round(second * SECOND) for second in seconds]


def floats(number: int, seconds: list[float], values: list[float], tag: int = FLOAT, **more: object) -> Samples:
    seen = more.pop("seen", at(seconds[-1])[0])
    return block(TAGS, [tag] * len(values), at(*seconds), values, number=number, seen=seen, **more)  # type: ignore[arg-type]  # what block takes


def gap(first: float, last: float, **details: int) -> Event:
    low, high = at(first, last)
    return Event(
        id=f"gap-{first}", kind=EventKind.GAP, severity=Severity.ERROR, source="dcs", at=high,
        message="lost", details={"first": low, "last": high, **details},
    )  # fmt: skip


async def keep(log: Log, folder: Path, *several: Samples, events: tuple[Event, ...] = ()) -> None:
    """Records each block to a segment of its own, the last one to the log's tail."""
    async with collector(log) as publisher:
        await log.keep_list(TAGS)
        for samples in several[:-1]:
            async with recorder(log, folder) as running:
                await accepted(publisher, samples)
                await running.has_read(log)
        for event in events:
            await log.emit(event)
        await accepted(publisher, several[-1])


def cut(history: History, setting: TagSetting, first: float, last: float) -> Excerpt:
    return excerpt(history, setting, watch(history, "dcs", SETTINGS), *at(first, last))


def seconds(found: Excerpt) -> list[float]:
    return [(time - START) / SECOND for time in found.columns.time.tolist()]


async def test_the_last_good_sample_before_a_range_and_the_first_after_it_are_found_however_far(
    log: Log, tmp_path: Path
) -> None:
    year = 365 * 86_400.0
    await keep(
        log,
        tmp_path / "history",
        floats(1, [-2 * year, -2 * year + 1], [1.0, 2.0]),
        floats(2, [-year, -100.0], [np.nan, np.nan], quality=[BAD, BAD]),
        floats(3, [5.0, 200.0, year, year + 1], [3.0, np.nan, 4.0, 5.0], quality=[GOOD, BAD, GOOD, GOOD]),
    )
    async with open_history(tmp_path / "history", log) as history:
        found = cut(history, SETTINGS[FLOAT], 0, 10)
        assert seconds(found) == [-2 * year + 1, -100, 5, 200, year]
        assert seconds(cut(history, SETTINGS[FLOAT], -3 * year, -2.5 * year)) == [-2 * year]
        assert found.series.observed_until == at(year + 1)[0]
        assert len(cut(history, SETTINGS[BIG], 0, 10).columns) == 0


async def test_raw_samples_have_their_bounds_or_say_that_there_are_none(log: Log, tmp_path: Path) -> None:
    await keep(log, tmp_path / "history", floats(1, [0, 1, 2, 3], [1, 2, 3, 4]))
    async with open_history(tmp_path / "history", log) as history:
        inner = cut(history, SETTINGS[FLOAT], 0.5, 2.5).bounded(*at(0.5, 2.5))
        assert inner.value.tolist() == [1, 2, 3, 4]
        outer = cut(history, SETTINGS[FLOAT], -5, 9).bounded(*at(-5, 9))
        assert outer.time.tolist() == at(-5, 0, 1, 2, 3, 9)
        assert outer.quality.tolist() == [BOUND_NOT_FOUND, 0, 0, 0, 0, BOUND_NOT_FOUND]
        assert np.isnan(outer.value[[0, -1]]).all()
        nothing = cut(history, SETTINGS[TEXT], 0, 1).bounded(*at(0, 1))
        assert nothing.quality.tolist() == [BOUND_NOT_FOUND] * 2


async def test_nothing_is_interpolated_over_a_gap_of_the_tags_own_system(log: Log, tmp_path: Path) -> None:
    other = Event(id="o", kind=EventKind.GAP, severity=Severity.ERROR, source="plc", at=START, message="not ours",
                  details={"first": at(0)[0], "last": at(100)[0]})  # fmt: skip
    elsewhere = gap(91, 99, first_tag=2, last_tag=3)
    await keep(
        log, tmp_path / "history", floats(1, [0, 10, 50, 100], [0, 10, 50, 100]), events=(gap(20, 40), other, elsewhere)
    )
    async with open_history(tmp_path / "history", log) as history:
        found = cut(history, SETTINGS[FLOAT], 0, 100)
        assert found.series.gaps.tolist() == [[at(20)[0], at(40)[0] + 1]]
        result = at_times(found.series, np.array(at(5, 30, 75, 95)))
        assert result.value[[0, 2, 3]].tolist() == [5, 75, 95]
        assert result.quality[1] >= BAD


async def test_a_steady_value_that_came_again_after_a_gap_holds_since_the_time_its_device_says(
    log: Log, tmp_path: Path
) -> None:
    await keep(
        log,
        tmp_path / "history",
        floats(1, [0, 10], [1, 2]),
        floats(2, [25], [3], seen=at(40.1)[0]),
        floats(3, [22], [9], seen=at(90)[0], mark=[Mark.HISTORICAL]),
        events=(gap(20, 40),),
    )
    async with open_history(tmp_path / "history", log) as history:
        assert cut(history, SETTINGS[FLOAT], 0, 100).series.gaps.tolist() == [at(20, 25)]


async def test_large_integers_and_texts_are_answered_exactly(log: Log, tmp_path: Path) -> None:
    big = 2**64 - 3
    samples = block(
        TAGS, [BIG, BIG, TEXT, TEXT], at(0, 1, 0, 1), [float(big), float(big), np.nan, np.nan],
        integer=[-4, -3, 0, 0], text=[None, None, "A", "B"], seen=at(1)[0],
    )  # fmt: skip
    await keep(log, tmp_path / "history", samples)
    async with open_history(tmp_path / "history", log) as history:
        whole, text = (cut(history, SETTINGS[tag], 0, 2) for tag in (BIG, TEXT))
        one = every(*at(0, 2))
        assert whole.value(aggregates(["Maximum"], whole.series, one)["Maximum"], 0) == big
        assert whole.value(aggregates(["Delta"], whole.series, one)["Delta"], 0) == 1
        assert text.value(aggregates(["End"], text.series, one)["End"], 0) == "B"
        assert text.value(aggregates(["Count"], text.series, one)["Count"], 0) == 2
        with pytest.raises(IsthmusError, match="Average needs numbers"):
            aggregates(["Average"], text.series, one)


async def test_a_tags_earlier_numbers_are_summed_up_with_it_in_todays_unit(log: Log, tmp_path: Path) -> None:
    await keep(log, tmp_path / "history", floats(1, [-9, 0, 1], [4, 1, 2], tag=OLD), floats(2, [2, 3], [7, 9]))
    async with open_history(tmp_path / "history", log) as history:
        found = cut(history, JOINED, -1, 4)
        assert found.columns.value.tolist() == [9, 3, 5, 7, 9]
        average = aggregates(["Average"], found.series, every(*at(-1, 4)))["Average"]
        assert average.value.tolist() == [6]
