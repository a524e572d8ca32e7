# SPDX-License-Identifier: Apache-2.0
"""Whatever the samples are, every interval gets an answer, and a value that is no number is never called Good."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from isthmus.core.time import SECOND, from_iso
from isthmus.plant.calendar import Calendar, Shift
from isthmus.store.history.aggregates.calendar import edges
from isthmus.store.history.aggregates.catalogue import AGGREGATES, aggregate, aggregates
from isthmus.store.history.aggregates.intervals import between, every
from isthmus.store.history.aggregates.pixels import pixels
from isthmus.store.history.aggregates.reading import at_times
from isthmus.store.history.aggregates.series import Series, Settings

DAY = 86_400 * SECOND
times = st.integers(-(10**9), 10**18)


@st.composite
def hostile(draw: st.DrawFn) -> Series:
    moments = sorted(draw(st.lists(times, max_size=12)))
    n = len(moments)
    value = draw(st.lists(st.floats(width=64), min_size=n, max_size=n))
    quality = draw(st.lists(st.integers(0, 2**32 - 1), min_size=n, max_size=n))
    gaps = draw(st.lists(st.tuples(times, times), max_size=3))
    return Series(
        time=np.array(moments, np.int64),
        value=np.array(value, np.float64),
        quality=np.array(quality, np.uint32),
        stepped=draw(st.booleans()),
        gaps=np.array(gaps, np.int64).reshape(-1, 2),
        observed_until=draw(st.none() | times),
    )


def is_bad(quality: NDArray[np.uint32]) -> NDArray[np.bool_]:
    return quality >= np.uint32(0x8000_0000)


@settings(max_examples=300, deadline=None)
@given(hostile(), times, times, st.integers(1, 9), st.booleans())
def test_every_interval_gets_an_answer(series: Series, start: int, end: int, number: int, sloped: bool) -> None:
    end = end if end != start else start + 1
    intervals = every(start, end, -(-abs(end - start) // number))
    found = aggregates(AGGREGATES, series, intervals, Settings(use_sloped_extrapolation=sloped))
    for name, result in found.items():
        assert len(result) == len(intervals)
        no_number = np.isnan(result.value)
        assert bool((no_number | ~is_bad(result.quality)).all()), name
        assert bool((~no_number | is_bad(result.quality) | (result.row >= 0)).all()), name


@settings(max_examples=200, deadline=None)
@given(hostile(), st.lists(times, max_size=8), st.booleans())
def test_every_time_gets_an_answer_and_every_screen_a_picture(series: Series, asked: list[int], simple: bool) -> None:
    found = at_times(series, np.array(asked, np.int64), simple=simple)
    assert len(found) == len(asked)
    assert bool((np.isnan(found.value) | ~is_bad(found.quality)).all())
    drawn = pixels(series, -(10**9), 10**18, 7)
    assert bool((np.isnan(drawn.value) | ~is_bad(drawn.quality)).all())


@settings(max_examples=150, deadline=None)
@given(hostile(), times, times)
def test_running_backward_moves_samples_on_edges_and_nothing_else(series: Series, start: int, end: int) -> None:
    low, high = min(start, end), max(start, end) + 2
    edge = [low, (low + high) // 2, high]
    apart = replace(series, gaps=np.zeros((0, 2), np.int64))
    if set(edge) & set(series.time.tolist()):
        return
    for name in ("Average", "Count", "Minimum", "Delta", "TimeAverage", "Total2", "DurationGood", "PercentBad"):
        forward = aggregate(name, apart, between(edge))
        backward = aggregate(name, apart, between(edge, backward=True))
        inside = (edge[0] > apart.time[0]) & (edge[-1] < apart.time[-1]) if len(apart) else False
        if inside:
            assert np.array_equal(forward.value, backward.value[::-1], equal_nan=True)
            assert backward.time.tolist() == edge[:0:-1]


def test_plant_days_and_shifts_are_intervals() -> None:
    begin, end = from_iso("2026-03-28T00:00Z"), from_iso("2026-03-30T12:00Z")
    on = Series(np.array([begin - 2 * DAY, end + 2 * DAY], np.int64), np.ones(2), np.zeros(2, np.uint32), stepped=True)
    days = aggregate("Total2", on, between(edges("Europe/Paris", "day", begin, end)))
    assert days.value.tolist() == [86_400, 82_800, 86_400]
    night = Calendar(shifts=(Shift("day", 6 * 60, 18 * 60), Shift("night", 18 * 60, 30 * 60)))
    shifts = aggregate("DurationInStateNonZero", on, between(edges("Europe/Paris", "shift", begin, end, night)))
    assert [hours / 3_600_000 for hours in shifts.value.tolist()] == [12, 12, 11, 12, 12, 12][: len(shifts)]
