# SPDX-License-Identifier: Apache-2.0
"""Samples with their bounds, tags on one time base, and what must stay exact: integers, text, infinities, gaps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from isthmus.core.errors import IsthmusError, NotFound
from isthmus.core.time import SECOND
from isthmus.store.history.aggregates.catalogue import AGGREGATES, aggregate, aggregates, definition
from isthmus.store.history.aggregates.intervals import between, every
from isthmus.store.history.aggregates.reading import Raw, align, at_times, raw
from isthmus.store.history.aggregates.series import Series, Settings
from isthmus.store.history.aggregates.status import BOUND_NOT_FOUND, INVALID_INPUTS, NO_DATA, SUBNORMAL
from tests.aggregates.cases import Question, questions

CODE = 0xFFFF_0000


def seconds(*values: float) -> NDArray[np.int64]:
    return np.array([round(value * SECOND) for value in values], np.int64)


def series(times: tuple[float, ...], values: tuple[float, ...], **more: object) -> Series:
    quality = np.zeros(len(times), np.uint32)
    return Series(seconds(*times), np.array(values, np.float64), quality, **more)  # type: ignore[arg-type]  # keywords


def integers(values: list[int], **more: object) -> Series:
    exact = np.array([value & 0xFFFF_FFFF_FFFF_FFFF for value in values], np.uint64).view(np.int64)
    times = tuple(float(i) for i in range(len(values)))
    return series(times, tuple(float(v) for v in values), integer=exact, stepped=True, **more)


def as_tuples(found: Raw) -> list[tuple[float, int]]:
    return [(time / SECOND, row) for time, row in zip(found.time.tolist(), found.row.tolist(), strict=True)]


STEPS = series((0, 10, 20, 20, 30), (1, 2, 3, 4, 5))


def test_raw_samples_include_the_start_but_not_the_end() -> None:
    assert as_tuples(raw(STEPS, 10 * SECOND, 30 * SECOND)) == [(10, 1), (20, 2), (20, 3)]


def test_bounds_are_the_samples_on_or_next_to_the_ends() -> None:
    assert as_tuples(raw(STEPS, 10 * SECOND, 30 * SECOND, bounds=True)) == [(10, 1), (20, 2), (20, 3), (30, 4)]
    assert as_tuples(raw(STEPS, 12 * SECOND, 25 * SECOND, bounds=True)) == [(10, 1), (20, 2), (20, 3), (30, 4)]


def test_raw_samples_can_be_read_backward() -> None:
    assert as_tuples(raw(STEPS, 30 * SECOND, 10 * SECOND)) == [(30, 4), (20, 3), (20, 2)]
    assert as_tuples(raw(STEPS, 25 * SECOND, 5 * SECOND, bounds=True)) == [(30, 4), (20, 3), (20, 2), (10, 1), (0, 0)]


def test_a_missing_bound_is_told_at_the_range_s_end() -> None:
    found = raw(STEPS, -5 * SECOND, 35 * SECOND, bounds=True)
    assert as_tuples(found) == [(-5, -1), (0, 0), (10, 1), (20, 2), (20, 3), (30, 4), (35, -1)]
    assert found.quality[[0, -1]].tolist() == [BOUND_NOT_FOUND, BOUND_NOT_FOUND]
    none = raw(series((), ()), 0, 10, bounds=True)
    assert none.quality.tolist() == [BOUND_NOT_FOUND] * 2


def test_a_sample_behind_a_gap_bounds_nothing() -> None:
    gappy = series((0, 30), (1, 2), gaps=seconds(10, 20).reshape(1, 2))
    assert as_tuples(raw(gappy, 15 * SECOND, 25 * SECOND, bounds=True)) == [(15, -1), (30, 1)]
    assert as_tuples(raw(gappy, 5 * SECOND, 12 * SECOND, bounds=True)) == [(0, 0), (12, -1)]


@settings(max_examples=200, deadline=None)
@given(questions, st.booleans())
def test_raw_samples_are_those_between_the_ends(question: Question, bounds: bool) -> None:
    tag, start, end = question.series, int(question.intervals.edges[0]), int(question.intervals.edges[-1])
    start, end = (end, start) if question.intervals.backward else (start, end)
    found = raw(tag, start, end, bounds=bounds)
    inside = [
        i
        for i, time in enumerate(tag.time.tolist())
        if (start <= time < end) or (end < time <= start) or (bounds and time in (start, end))
    ]
    inside = inside[::-1] if start > end else inside
    low, high = min(start, end), max(start, end)
    assert [row for row in found.row.tolist() if row >= 0 and low <= tag.time[row] <= high] == inside
    assert len(found.row) - len(inside) in ((0, 1, 2) if bounds else (0,))


def test_tags_are_put_on_one_time_base() -> None:
    level = series((0, 10), (0, 10))
    valve = series((1, 7), (0, 1), stepped=True)
    base = seconds(0, 5, 8)
    found = align([level, valve], base, Settings())
    assert found.value[0].tolist() == [0, 5, 8]
    assert np.isnan(found.value[1, 0]) and found.value[1, 1:].tolist() == [0, 1]
    assert found.quality[1, 0] == NO_DATA
    assert align([], base).value.shape == (0, 3)


def test_integers_beyond_floats_stay_exact() -> None:
    great = [2**60 + 1, 2**60 + 3, 2**60 + 2, 2**60 + 3]
    found = aggregates(["Minimum", "Maximum", "Range", "Delta", "Start", "End"], integers(great), every(0, 4 * SECOND))
    exact = {name: int(result.integer[0]) for name, result in found.items()}
    assert exact == {
        "Minimum": 2**60 + 1,
        "Maximum": 2**60 + 3,
        "Range": 2,
        "Delta": 2,
        "Start": 2**60 + 1,
        "End": 2**60 + 3,
    }
    assert all(result.whole.all() for result in found.values())
    assert found["Range"].value[0] == 2.0


def test_unsigned_integers_compare_as_such() -> None:
    found = aggregates(["Minimum", "Maximum", "Range"], integers([2**64 - 1, 5], unsigned=True), every(0, 2 * SECOND))
    assert int(found["Minimum"].integer[0]) == 5
    assert int(found["Maximum"].integer.view(np.uint64)[0]) == 2**64 - 1
    assert int(found["Range"].integer.view(np.uint64)[0]) == 2**64 - 6


def test_transitions_of_great_integers_are_seen() -> None:
    found = aggregate("NumberOfTransitions", integers([2**60, 2**60 + 1, 2**60 + 1]), every(0, 3 * SECOND))
    assert found.value.tolist() == [2]


def test_held_integers_are_exact_and_calculated_ones_are_not_said_to_be() -> None:
    counter = integers([2**60 + 1, 2**60 + 3])
    held = at_times(counter, seconds(0.5))
    assert (int(held.integer[0]), bool(held.whole[0])) == (2**60 + 1, True)
    assert not aggregate("Average", counter, every(0, 2 * SECOND)).whole.any()


TEXT = series((0, 10, 20), (np.nan, np.nan, np.nan), numeric=False)


def test_text_has_bounds_counts_and_durations() -> None:
    names = [name for name, each in AGGREGATES.items() if not each.numeric]
    found = aggregates(names, TEXT, every(0, 20 * SECOND))
    assert found["Count"].value.tolist() == [2]
    assert found["PercentGood"].value.tolist() == [100]
    assert found["Start"].row.tolist() == [0] and found["End"].row.tolist() == [1]
    assert found["EndBound"].row.tolist() == [2] and found["EndBound"].quality[0] & CODE == 0
    assert at_times(TEXT, seconds(15)).row.tolist() == [1]


def test_text_has_no_average() -> None:
    with pytest.raises(IsthmusError, match="Average needs numbers"):
        aggregate("Average", TEXT, every(0, SECOND))


def test_an_unknown_aggregate_is_answered_with_the_nearest() -> None:
    with pytest.raises(NotFound, match="TimeAverage2"):
        definition("TimeAvarage2")
    assert definition("timeaverage2").name == "TimeAverage2"


@pytest.mark.parametrize(
    ("said", "meant"), [("mean", "Average"), ("Avg", "Average"), ("last", "End"), ("std", "StandardDeviationSample")]
)
def test_a_name_that_an_aggregate_has_elsewhere_is_answered_with_its_own(said: str, meant: str) -> None:
    with pytest.raises(NotFound, match=f"did you mean {meant}[?]"):
        definition(said)
    assert definition(meant).name == meant


def test_infinities_spoil_only_the_intervals_they_are_in() -> None:
    tag = series((0, 1, 2, 3, 4, 5), (1, 2, np.inf, -np.inf, 5, 6))
    found = aggregates(AGGREGATES, tag, every(0, 6 * SECOND, 2 * SECOND))
    average = found["Average"]
    assert average.value[[0, 2]].tolist() == [1.5, 5.5]
    assert average.quality[1] & CODE == INVALID_INPUTS & CODE
    assert found["Maximum"].value.tolist() == [2, np.inf, 6]
    assert found["Minimum"].value.tolist() == [1, -np.inf, 5]
    assert found["VarianceSample"].quality[1] & CODE == INVALID_INPUTS & CODE
    assert found["TimeAverage2"].value[2] == pytest.approx((5.5 * 1 + 6 * 0.001) / 1.001, abs=0.6)


def test_a_missing_value_counts_as_bad() -> None:
    found = aggregate("Count", series((0, 1), (1, np.nan)), every(0, 2 * SECOND))
    assert (found.value.tolist(), found.quality[0] & CODE) == ([1], SUBNORMAL & CODE)


def test_nothing_is_averaged_over_a_gap() -> None:
    gappy = series((0, 100), (0, 100), gaps=seconds(20, 80).reshape(1, 2), observed_until=200 * SECOND)
    found = aggregates(
        ["TimeAverage", "TimeAverage2", "Interpolative", "DurationGood", "DurationBad", "Count", "Average"],
        gappy,
        every(0, 120 * SECOND, 20 * SECOND),
    )
    assert found["TimeAverage"].value[0] == 0 and np.isnan(found["TimeAverage"].value[1:5]).all()
    assert found["TimeAverage2"].value[5] == 100
    assert found["Interpolative"].quality[1:5].tolist() == [NO_DATA] * 4
    assert found["DurationGood"].value.tolist() == [20_000, 0, 0, 0, 0, 20_000]
    assert found["DurationBad"].value.tolist() == [0, 20_000, 20_000, 20_000, 20_000, 0]
    assert found["Count"].quality[1:4].tolist() == [NO_DATA] * 3
    assert found["Average"].quality[5] & CODE == 0


def test_a_live_value_holds_as_long_as_it_was_observed() -> None:
    live = series((0,), (7,), observed_until=60 * SECOND)
    found = aggregates(["TimeAverage2", "TimeAverage", "PercentGood"], live, every(0, 90 * SECOND, 30 * SECOND))
    for name in ("TimeAverage2", "TimeAverage"):
        assert found[name].value[:2].tolist() == [7, 7]
        assert (found[name].quality[:2] & CODE).tolist() == [0, 0]
        assert found[name].quality[2] == NO_DATA
    assert found["PercentGood"].value[:2].tolist() == [100, 100]


def test_of_several_values_at_one_time_the_last_logged_is_the_value() -> None:
    twice = series((0, 10, 10, 20), (1, 2, 3, 4), stepped=True)
    found = aggregates(["StartBound", "Start", "Count", "TimeAverage2"], twice, every(10 * SECOND, 20 * SECOND))
    assert found["StartBound"].value[0] == 3 and found["StartBound"].quality[0] == 0x408
    assert found["Start"].value[0] == 3 and found["Start"].quality[0] == 0x408
    assert found["Count"].value[0] == 2
    assert found["TimeAverage2"].value[0] == 3


def test_a_tag_without_samples_has_no_data() -> None:
    for name, found in aggregates(AGGREGATES, series((), ()), every(10, 0, 3)).items():
        assert found.quality.tolist() == [NO_DATA] * 4, name
        assert found.time.tolist() == [10, 7, 4, 1]


def test_intervals_that_make_no_sense_are_refused() -> None:
    for start, end, width in ((5, 5, 0), (0, 10, -1)):
        with pytest.raises(IsthmusError):
            every(start, end, width)
    for edges in ([3], [3, 3], [4, 3]):
        with pytest.raises(IsthmusError):
            between(edges)
    with pytest.raises(IsthmusError, match="too many"):
        every(0, 10**18, 1)


def test_settings_that_contradict_each_other_are_refused() -> None:
    for bad, good in ((80, 0), (101, 100), (100, -1)):
        with pytest.raises(IsthmusError):
            Settings(percent_data_bad=bad, percent_data_good=good)


def test_columns_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="length"):
        Series(np.zeros(2, np.int64), np.zeros(1), np.zeros(2, np.uint32))
    with pytest.raises(ValueError, match="ascend"):
        Series(np.array([2, 1]), np.zeros(2), np.zeros(2, np.uint32))
