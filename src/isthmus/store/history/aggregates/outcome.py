# SPDX-License-Identifier: Apache-2.0
"""An outcome is what an aggregate says of each interval; a result is that with the rules all aggregates share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isthmus.core.quality import GOOD
from isthmus.store.history.aggregates.case import Case
from isthmus.store.history.aggregates.intervals import Intervals
from isthmus.store.history.aggregates.points import Flags, Times
from isthmus.store.history.aggregates.status import INVALID_INPUTS, NO_DATA, PARTIAL, SUBNORMAL

Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Per interval, in ascending order."""

    value: NDArray[np.float64]
    quality: NDArray[np.uint32]
    """With the bits of where the value comes from."""
    time: Times | None = None
    """Where it is not that of the interval."""
    row: Rows | None = None
    """The sample that is the value, -1 where none is."""
    integer: NDArray[np.int64] | None = None
    """Exact, of an integer tag, where the value was calculated from its samples."""


@dataclass(frozen=True, slots=True)
class Result:
    """One aggregate of m intervals, in the order they were asked for."""

    time: Times
    """(m,) ns: the interval's start (with time running backward its late edge), or the value's own time."""
    value: NDArray[np.float64]
    """(m,) NaN where Bad. Durations are in ms, totals in units times seconds, qualities StatusCodes."""
    quality: NDArray[np.uint32]
    """(m,) StatusCode with information bits (5.3.3)."""
    row: Rows
    """(m,) which sample the value is exactly, -1 where it is calculated: for text, and for integers beyond 2^53."""
    integer: NDArray[np.int64]
    whole: Flags
    """(m,) where `integer` has the exact value (unsigned by two's complement, as in the series)."""

    def __len__(self) -> int:
        return len(self.time)


def nothing(intervals: Intervals) -> Result:
    """What every aggregate says of a tag without samples."""
    m = len(intervals)
    time = intervals.time[::-1] if intervals.backward else intervals.time
    none, zero = np.full(m, -1, np.intp), np.zeros(m, np.int64)
    return Result(time, np.full(m, np.nan), np.full(m, NO_DATA, np.uint32), none, zero, np.zeros(m, np.bool_))


def result(case: Case, outcome: Outcome, *, partial: bool = True, bounded: bool = True) -> Result:
    """The outcome with the Partial bit, without values where Bad, and (`bounded`) Bad_NoData outside the data."""
    quality = _checked(outcome)
    if partial:
        quality = np.where(case.partial, quality | np.uint32(PARTIAL), quality)
    if bounded:
        quality = np.where(case.outside, np.uint32(NO_DATA), quality)
    bad = quality >= np.uint32(0x8000_0000)
    row = np.full(len(bad), -1, np.intp) if outcome.row is None else np.where(bad, -1, outcome.row)
    own = _times(case, outcome, bad, bounded=bounded)
    integer, whole = _exact(case, outcome, row, bad)
    order = slice(None, None, -1 if case.intervals.backward else 1)
    value = np.where(bad, np.nan, outcome.value)
    return Result(own[order], value[order], quality[order], row[order], integer[order], whole[order])


def _times(case: Case, outcome: Outcome, bad: Flags, *, bounded: bool) -> Times:
    """The values' own times where there are such, a Bad sample's too; else the intervals'."""
    if outcome.time is None or outcome.row is None:
        return case.intervals.time
    of_interval = (bad & (outcome.row < 0)) | (case.outside & bounded)
    return np.where(of_interval, case.intervals.time, outcome.time)


def _checked(outcome: Outcome) -> NDArray[np.uint32]:
    """Values that no number can be said of, of infinities for instance, are Bad."""
    absurd = np.isnan(outcome.value) & (outcome.quality < np.uint32(0x8000_0000))
    if outcome.row is not None:
        absurd &= outcome.row < 0
    return np.where(absurd, np.uint32(INVALID_INPUTS), outcome.quality)


def _exact(case: Case, outcome: Outcome, row: Rows, bad: Flags) -> tuple[NDArray[np.int64], Flags]:
    source = case.series.integer
    if source is None:
        return np.zeros(len(bad), np.int64), np.zeros(len(bad), np.bool_)
    if outcome.integer is not None:
        return np.where(bad, 0, outcome.integer), ~bad
    return np.where(row >= 0, source[np.maximum(row, 0)], 0), row >= 0


def seen_in_part(case: Case, quality: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Good only where the whole interval was observed: else samples may be missing."""
    return np.where(case.hidden & (quality == np.uint32(GOOD)), np.uint32(SUBNORMAL), quality)
