# SPDX-License-Identifier: Apache-2.0
"""Consumed, our own: what a counter counted, over resets, gaps and the edges of intervals, against a row-wise count."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.core.time import SECOND
from isthmus.store.history.aggregates.catalogue import aggregate
from isthmus.store.history.aggregates.intervals import between, every
from isthmus.store.history.aggregates.outcome import Result
from isthmus.store.history.aggregates.series import Series
from isthmus.store.history.aggregates.status import SUBNORMAL

BAD = 0x8000_0000
GOOD = 0x401
UNSURE = SUBNORMAL | 0x401


def counter(
    *rows: tuple[float, float],
    stepped: bool = False,
    bad: tuple[int, ...] = (),
    gaps: tuple[tuple[float, float], ...] = (),
) -> Series:
    """Samples of (s, value); some of them Bad; gaps in s."""
    quality = np.zeros(len(rows), np.uint32)
    quality[list(bad)] = BAD
    return Series(
        time=np.array([int(at * SECOND) for at, _ in rows], np.int64),
        value=np.array([value for _, value in rows], np.float64),
        quality=quality,
        stepped=stepped,
        gaps=np.array([[int(a * SECOND), int(b * SECOND)] for a, b in gaps], np.int64).reshape(-1, 2),
    )


def consumed(series: Series, *edges: float) -> Result:
    return aggregate("Consumed", series, between([int(edge * SECOND) for edge in edges]))


def test_a_sloped_counter_is_cut_in_proportion_and_a_stepped_one_at_its_samples() -> None:
    rows = ((0, 100.0), (10, 110.0), (20, 130.0))
    assert consumed(counter(*rows), 0, 5, 15, 20).value.tolist() == [5, 15, 10]
    assert consumed(counter(*rows, stepped=True), 0, 5, 15, 21).value.tolist() == [0, 10, 20]
    assert set(consumed(counter(*rows), 0, 5, 15, 20).quality.tolist()) == {GOOD}


def test_after_a_reset_the_counter_counts_from_zero_and_the_result_says_it_is_the_least() -> None:
    rows = ((0, 900.0), (10, 950.0), (20, 20.0), (30, 60.0))
    found = consumed(counter(*rows), 0, 10, 25, 30)
    assert found.value.tolist() == [50, 40, 20]
    assert found.quality.tolist() == [GOOD, UNSURE, GOOD]


def test_an_edge_between_a_reset_and_the_sample_before_it_makes_both_intervals_unsure() -> None:
    found = consumed(counter((0, 0.0), (10, 50.0), (20, 20.0)), 0, 15, 20)
    assert (found.value.tolist(), found.quality.tolist()) == ([50, 20], [UNSURE, UNSURE])


def test_what_was_counted_in_a_gap_counts_where_it_became_known() -> None:
    series = counter((0, 0.0), (10, 10.0), (40, 100.0), (50, 110.0), gaps=((12, 38),))
    whole, cut = consumed(series, 0, 50), consumed(series, 0, 20, 45, 50)
    assert (whole.value.tolist(), whole.quality.tolist()) == ([110], [GOOD])
    assert (cut.value.tolist(), cut.quality.tolist()) == ([10, 95, 5], [UNSURE, UNSURE, GOOD])
    assert np.isnan(consumed(series, 15, 30).value[0])


def test_bad_values_are_left_out() -> None:
    series = counter((0, 0.0), (10, 10.0), (20, 7e9), (30, 30.0), bad=(2,))
    assert consumed(series, 0, 30).value.tolist() == [30]
    assert consumed(series, 0, 20, 31).value.tolist() == [10, 20]


def test_64_bit_counters_lose_nothing_and_text_is_refused() -> None:
    start = 2**63 + 1
    values = np.array([start, start + 3, start + 10], np.uint64)
    series = Series(
        time=np.array([0, SECOND, 2 * SECOND]), value=values.astype(np.float64), quality=np.zeros(3, np.uint32),
        integer=values.view(np.int64), unsigned=True, stepped=True,
    )  # fmt: skip
    assert aggregate("consumed", series, every(0, 3 * SECOND, SECOND)).value.tolist() == [3, 7, 0]
    with pytest.raises(Exception, match="needs numbers"):
        aggregate("Consumed", Series(series.time, series.value, series.quality, numeric=False), every(0, SECOND))


def by_hand(rows: list[tuple[int, int]], early: int, late: int, *, stepped: bool) -> Fraction:
    """Row by row, in exact fractions."""
    sum_ = Fraction(0)
    for (t1, v1), (t2, v2) in itertools.pairwise(rows):
        if v2 < v1 or stepped:
            sum_ += (v2 if v2 < v1 else v2 - v1) if early < t2 <= late else 0
        else:
            inside = min(t2, late) - max(t1, early)
            sum_ += Fraction((v2 - v1) * max(inside, 0), t2 - t1)
    return sum_


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 50), st.integers(0, 1000)), min_size=2, max_size=30),
    st.lists(st.integers(0, 1500), min_size=2, max_size=8, unique=True),
    st.booleans(),
)
def test_it_is_what_counting_row_by_row_gives_and_adjoining_intervals_add_up(
    steps: list[tuple[int, int]], cuts: list[int], stepped: bool
) -> None:
    rows, at = [], 0
    for step, value in steps:
        at += step
        rows.append((at, value))
    edges = sorted(cuts)
    series = counter(*[(float(t), float(v)) for t, v in rows], stepped=stepped)
    found = consumed(series, *map(float, edges))
    for early, late, value, quality in zip(edges, edges[1:], found.value, found.quality, strict=False):
        if quality < BAD:
            assert value == pytest.approx(float(by_hand(rows, early, late, stepped=stepped)), abs=1e-6)
    wide = consumed(series, float(rows[0][0]), float(rows[-1][0]) + 0.0005)
    halves = consumed(series, float(rows[0][0]), (rows[0][0] + rows[-1][0]) / 2, float(rows[-1][0]) + 0.0005)
    assert sum(halves.value) == pytest.approx(wide.value[0])
