# SPDX-License-Identifier: Apache-2.0
"""What is drawn from a few points per pixel column covers what the line through all samples covers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.core.errors import IsthmusError
from isthmus.core.time import SECOND
from isthmus.store.history.aggregates.pixels import Drawn, pixels
from isthmus.store.history.aggregates.series import Series
from tests.aggregates.bounding import Tag
from tests.aggregates.cases import END, Question, questions

Stroke = tuple[int, float, int, float]


def strokes(times: list[int], values: list[float], stepped: bool) -> Iterator[Stroke]:
    """The straight pieces that a drawer makes of points in order; NaN breaks the line."""
    points = list(zip(times, values, strict=True))
    for (at, value), (next_at, next_value) in itertools.pairwise(points):
        if math.isnan(value) or math.isnan(next_value):
            continue
        if stepped:
            yield at, value, next_at, value
            yield next_at, value, next_at, next_value
        else:
            yield at, value, next_at, next_value
    yield from ((at, value, at, value) for at, value in points if not math.isnan(value))


def full(tag: Tag) -> tuple[list[int], list[float]]:
    """All samples in order, with what gaps and Bad samples break: points, one by one."""
    moments: list[tuple[int, int, float]] = []
    for start, end in tag.gaps:
        if end > start and tag.start < start < tag.end:
            held = tag.held(start)
            usable = held is not None and held.severity < 2
            moments.append((start, 0, held.value if held is not None and usable else math.nan))
            moments.append((start, 1, math.nan))
    for sample in tag.samples:
        moments.append((sample.time, 2, sample.value if sample.severity < 2 else math.nan))
        if tag.lost(sample.time, sample.time):
            moments.append((sample.time, 2, math.nan))
    if tag.extends:
        held = tag.held(tag.end)
        moments += [(tag.end, 3, held.value)] if held is not None and held.severity < 2 else []
    moments.sort(key=lambda each: each[:2])
    times, values = [each[0] for each in moments], [each[2] for each in moments]
    return (times, values) if not tag.stepped else holding(times, values)


def holding(times: list[int], values: list[float]) -> tuple[list[int], list[float]]:
    """A stepped value holds up to what breaks it."""
    held_times, held_values = times[:1], values[:1]
    for (_, value), (at, next_value) in itertools.pairwise(zip(times, values, strict=True)):
        if math.isnan(next_value) and not math.isnan(value):
            held_times.append(at)
            held_values.append(value)
        held_times.append(at)
        held_values.append(next_value)
    return held_times, held_values


def covered(pieces: Iterator[Stroke], edges: list[int]) -> list[tuple[float, float] | None]:
    """The least and the greatest value that the pieces have in each column."""
    found: list[tuple[float, float] | None] = [None] * (len(edges) - 1)
    for at, value, next_at, next_value in pieces:
        for i, (early, late) in enumerate(itertools.pairwise(edges)):
            if at >= late or next_at < early:
                continue
            low, high = max(at, early), min(next_at, late)
            ends = [along(at, value, next_at, next_value, low), along(at, value, next_at, next_value, high)]
            ends += [next_value] if at == next_at else []
            before = found[i] or (math.inf, -math.inf)
            found[i] = min(before[0], *ends), max(before[1], *ends)
    return found


def along(at: int, value: float, next_at: int, next_value: float, time: int) -> float:
    return value if next_at == at else value + (next_value - value) * ((time - at) / (next_at - at))


def columns(start: int, end: int, width: int) -> list[int]:
    return [start + (end - start) * i // width for i in range(width + 1)]


@settings(max_examples=400, deadline=None)
@given(questions.filter(lambda q: len(q.tag.samples) > 0), st.integers(1, 12))
def test_every_column_is_covered_as_by_all_samples(question: Question, width: int) -> None:
    start, end = int(question.intervals.edges[0]), int(question.intervals.edges[-1])
    drawn = pixels(question.series, start, end, width)
    edges = columns(start, end, width)
    shown = covered(strokes(drawn.time.tolist(), drawn.value.tolist(), question.tag.stepped), edges)
    times, values = full(question.tag)
    wanted = covered(strokes(times, values, question.tag.stepped), edges)
    for mine, all_ in zip(shown, wanted, strict=True):
        assert (mine is None) == (all_ is None)
        assert mine is None or mine == pytest.approx(all_, rel=1e-9, abs=1e-9)
    assert len(drawn.time) <= 6 * width + 6
    assert bool((np.diff(drawn.time) >= 0).all())


def drawing(values: int, width: int) -> Drawn:
    rng = np.random.default_rng(7)
    time = np.sort(rng.integers(0, END * SECOND, values))
    value = rng.normal(0, 1, values)
    return pixels(Series(time, value, np.zeros(values, np.uint32)), 0, END * SECOND, width)


def test_many_samples_become_few_points() -> None:
    drawn = drawing(100_000, 800)
    assert 800 < len(drawn.time) <= 4 * 800
    assert not drawn.bad[1:-1].any()


def test_bad_samples_break_the_line_and_flag_their_columns() -> None:
    time = np.arange(10, dtype=np.int64) * SECOND
    quality = np.zeros(10, np.uint32)
    quality[4] = 0x808B0000
    drawn = pixels(Series(time, np.arange(10.0), quality), 0, 9 * SECOND, 9)
    broken = np.isnan(drawn.value)
    assert drawn.quality[broken].tolist() == [0x808B0000]
    assert drawn.time[broken].tolist() == [4 * SECOND]
    assert np.flatnonzero(drawn.bad).tolist() == [4]


def test_a_gap_is_a_break_and_not_a_line() -> None:
    series = Series(
        time=np.array([0, 10], np.int64) * SECOND,
        value=np.array([1.0, 5.0]),
        quality=np.zeros(2, np.uint32),
        gaps=np.array([[3, 8]], np.int64) * SECOND,
    )
    drawn = pixels(series, 0, 10 * SECOND, 10)
    assert drawn.time.tolist() == [0, 3 * SECOND, 3 * SECOND, 10 * SECOND]
    assert drawn.value.tolist()[:2] == [1.0, 1.0] and np.isnan(drawn.value[2]) and drawn.value[3] == 5.0
    assert np.flatnonzero(drawn.bad).tolist() == [3, 4, 5, 6, 7, 8, 9]


def test_a_picture_of_a_century_does_not_overflow() -> None:
    century = 100 * 365 * 86_400 * SECOND
    series = Series(np.array([0, century - 1], np.int64), np.array([0.0, 1.0]), np.zeros(2, np.uint32))
    assert len(pixels(series, 0, century, 4000).time) == 2


def test_nothing_is_drawn_of_a_tag_without_samples_and_all_is_flagged() -> None:
    none = pixels(Series(np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.uint32)), 0, 10, 2)
    assert len(none.time) == 0 and none.bad.all()


def test_a_picture_needs_a_range_and_pixels() -> None:
    series = Series(np.zeros(1, np.int64), np.zeros(1), np.zeros(1, np.uint32))
    for start, end, width in ((0, 0, 5), (5, 0, 5), (0, 5, 0)):
        with pytest.raises(IsthmusError):
            pixels(series, start, end, width)
