# SPDX-License-Identifier: Apache-2.0
"""Reading without summing up: values at given times, several tags on one time base, raw samples with their bounds.

Part 11 (1.05), 6.5.5 (ReadAtTime) and 6.5.3 (ReadRaw).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from isthmus.core.quality import BAD
from isthmus.store.history.aggregates import course
from isthmus.store.history.aggregates.outcome import Result, Rows
from isthmus.store.history.aggregates.points import Times, merged, points
from isthmus.store.history.aggregates.series import Series, Settings
from isthmus.store.history.aggregates.status import BOUND_NOT_FOUND, EXTRA_DATA, INTERPOLATED, NO_DATA


def at_times(series: Series, times: Times, settings: Settings | None = None, *, simple: bool = False) -> Result:
    """The values at these times (m,), in any order: raw where a sample lies there, else interpolated.

    By interpolated bounding values, which skip Bad samples, or by `simple` ones, which do not.
    """
    m, settings = len(times), settings or Settings()
    if not len(series):
        none = np.full(m, -1, np.intp)
        return _answer(series, times, np.full(m, np.nan), np.full(m, NO_DATA, np.uint32), none)
    between = course.simple if simple else course.interpolated
    with np.errstate(invalid="ignore", over="ignore"):
        found = course.at(between(points(series), settings, holds=series.holds), times)
    bits = np.where(found.raw, np.where(found.extra, np.uint32(EXTRA_DATA), np.uint32(0)), np.uint32(INTERPOLATED))
    quality = np.where(found.quality >= np.uint32(BAD), found.quality, found.quality | bits)
    return _answer(series, times, found.value, quality, found.row)


def _answer(series: Series, times: Times, value: NDArray[np.float64], quality: NDArray[np.uint32], row: Rows) -> Result:
    whole = (row >= 0) & (series.integer is not None)
    integer = np.zeros(len(times), np.int64)
    if series.integer is not None and len(series):
        integer = np.where(whole, series.integer[np.maximum(row, 0)], 0)
    return Result(times, value, quality, row, integer, whole)


@dataclass(frozen=True, slots=True)
class Aligned:
    """k tags at the same m times."""

    time: Times
    value: NDArray[np.float64]
    """(k, m) NaN where Bad."""
    quality: NDArray[np.uint32]
    """(k, m) StatusCode."""
    row: Rows
    """(k, m) the sample of the tag's series that has exactly this value, -1 where it is interpolated."""


def align(tags: Sequence[Series], times: Times, settings: Settings | None = None, *, simple: bool = False) -> Aligned:
    """Several tags on one time base, each by `at_times`."""
    found = [at_times(series, times, settings, simple=simple) for series in tags]
    shape = (len(tags), len(times))
    return Aligned(
        time=times,
        value=np.array([each.value for each in found], np.float64).reshape(shape),
        quality=np.array([each.quality for each in found], np.uint32).reshape(shape),
        row=np.array([each.row for each in found], np.intp).reshape(shape),
    )


@dataclass(frozen=True, slots=True)
class Raw:
    """Samples in the order asked for."""

    time: Times
    quality: NDArray[np.uint32]
    """Bad_BoundNotFound where a bound was asked for and there is none."""
    row: Rows
    """Positions in the series; -1 where a bound is missing."""


def raw(series: Series, start: int, end: int, *, bounds: bool = False) -> Raw:
    """The samples from `start` (included) to `end` (not included), descending when start lies after end.

    With `bounds` also those that lie on the range's ends, or else next to them outside; one that a gap separates from
    the range bounds nothing.
    """
    low, high = min(start, end), max(start, end)
    lo, hi = np.searchsorted(series.time, [low, high], "right" if start > end else "left").tolist()
    rows: list[Rows] = [np.arange(lo, max(lo, hi), dtype=np.intp)]
    if bounds:
        before, after = _bounding(series, low, high)
        rows = [before[before < lo], rows[0], after[after >= hi] if len(after) and after[0] >= 0 else after]
    found = np.concatenate(rows)
    time = series.time[np.maximum(found, 0)] if len(series) else np.zeros(len(found), np.int64)
    quality = series.quality[np.maximum(found, 0)] if len(series) else np.zeros(len(found), np.uint32)
    missing = found < 0
    ends = np.where(np.arange(len(found)) == 0, low, high)
    time, quality = np.where(missing, ends, time), np.where(missing, np.uint32(BOUND_NOT_FOUND), quality)
    order = slice(None, None, -1 if start > end else 1)
    return Raw(time[order], quality[order], found[order])


def _bounding(series: Series, low: int, high: int) -> tuple[Rows, Rows]:
    """The samples at or before `low` and at or after `high`; -1 alone where there is none."""
    gaps = merged(series.gaps)
    return _at_or(series, gaps, low, -1), _at_or(series, gaps, high, 1)


def _at_or(series: Series, gaps: Times, time: int, step: int) -> Rows:
    """All samples at a time, or the nearest one before (-1) or after (1) it that no gap separates from it."""
    lo, hi = (int(np.searchsorted(series.time, time, side)) for side in _SIDES)
    if hi > lo:
        return np.arange(lo, hi)
    near = lo - 1 if step < 0 else hi
    if not 0 <= near < len(series):
        return np.full(1, -1, np.intp)
    early, late = sorted((time, int(series.time[near])))
    apart = bool(np.any((gaps[:, 0] < late) & (gaps[:, 1] > early)))
    return np.full(1, -1 if apart else near, np.intp)


_SIDES: Final[tuple[Literal["left"], Literal["right"]]] = ("left", "right")
