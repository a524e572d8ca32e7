# SPDX-License-Identifier: Apache-2.0
"""Aggregates that count and compare the raw samples of each interval, without bounding values."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isthmus.core.quality import BAD, GOOD
from isthmus.store.history.aggregates.case import Case, verdict
from isthmus.store.history.aggregates.course import places_of, reduced, sums
from isthmus.store.history.aggregates.outcome import Outcome, Rows, seen_in_part
from isthmus.store.history.aggregates.points import Flags
from isthmus.store.history.aggregates.status import (
    CALCULATED,
    EXTRA_DATA,
    MULTIPLE_VALUES,
    NO_DATA,
    SUBNORMAL,
    severities,
)


def calculated(case: Case, value: NDArray[np.float64], quality: NDArray[np.uint32], none: Flags) -> Outcome:
    """The value as Calculated, Bad_NoData where there is `none`."""
    quality = seen_in_part(case, quality) | np.uint32(CALCULATED)
    return Outcome(value, np.where(none, np.uint32(NO_DATA), quality))


def _shares(case: Case) -> NDArray[np.uint32]:
    """The StatusCode by numbers of values (5.4.3.2.1, PercentValues). An Uncertain value is not a Good one here."""
    return verdict(case.settings, case.goods, case.bads, case.size)


def average(case: Case) -> Outcome:
    return calculated(case, _total(case) / np.maximum(case.goods, 1), _shares(case), case.goods == 0)


def _total(case: Case) -> NDArray[np.float64]:
    total = sums(np.where(case.good & case.loose, case.series.value, 0.0), *case.rows)
    folds = case.series.folds
    return total if folds is None else total + case.folded(folds.sum)


def count(case: Case) -> Outcome:
    return _number(case, case.goods)


def number_of_transitions(case: Case) -> Outcome:
    """A transition is a usable value that differs from the usable one before it, or is the very first."""
    usable = np.flatnonzero(~case.bad)
    values = case.series.exact()[usable]
    changes = np.zeros(len(case.series), np.bool_)
    changes[usable[:1]] = True
    changes[usable[1:]] = values[1:] != values[:-1]
    folds = case.series.folds
    if folds is None:
        return _number(case, case.counted(changes))
    outside = case.loose.copy()
    outside[folds.first] = True
    return _number(case, case.counted(changes & outside) + case.folded(folds.changes))


def _number(case: Case, number: NDArray[np.int64]) -> Outcome:
    """A count; without Calculated where all samples are Bad, as the standard's examples have it."""
    quality = seen_in_part(case, _shares(case))
    quality = np.where(quality == np.uint32(BAD), quality, quality | np.uint32(CALCULATED))
    unseen = case.dark & (case.size == 0)
    return Outcome(number.astype(np.float64), np.where(unseen, np.uint32(NO_DATA), quality))


def start(case: Case) -> Outcome:
    """The earliest sample; of several at one time the last, which supersedes the others."""
    lo, hi = case.rows
    time = case.series.time
    first = np.minimum(lo, len(time) - 1)
    row = np.searchsorted(time, time[first], "right") - 1
    return _sample(case, np.where(hi > lo, row, -1))


def end(case: Case) -> Outcome:
    """The latest sample."""
    lo, hi = case.rows
    return _sample(case, np.where(hi > lo, hi - 1, -1))


def _sample(case: Case, row: Rows) -> Outcome:
    """Samples as they are: value, StatusCode and time."""
    at, series = np.maximum(row, 0), case.series
    several = (at > 0) & (series.time[at] == series.time[at - 1])
    quality = series.quality[at] | np.where(several, np.uint32(EXTRA_DATA), np.uint32(0))
    quality = np.where(row < 0, np.uint32(NO_DATA), quality)
    return Outcome(series.value[at], quality, time=np.where(row < 0, case.intervals.time, series.time[at]), row=row)


def delta(case: Case) -> Outcome:
    """Latest minus earliest Good value; Uncertain where others had to be skipped to find them."""
    lo, hi = case.rows
    good = np.flatnonzero(case.good)
    first, last, none = ends_of(good, lo, hi)
    skipped = (first > lo) | (last < hi - 1)
    quality = np.where(skipped, np.uint32(SUBNORMAL), np.uint32(GOOD))
    return difference(case, last, first, quality, none)


def ends_of(places: Rows, lo: Rows, hi: Rows) -> tuple[Rows, Rows, Flags]:
    """(m,) the first and the last of ascending `places` in lo <= i < hi, and where there is none (then 0)."""
    first, after = places_of(places, lo, hi)
    none = first >= after
    if not len(places):
        return np.zeros_like(lo), np.zeros_like(lo), none
    return (
        np.where(none, 0, places[np.minimum(first, len(places) - 1)]),
        np.where(none, 0, places[np.maximum(after - 1, 0)]),
        none,
    )


def difference(case: Case, last: Rows, first: Rows, quality: NDArray[np.uint32], none: Flags) -> Outcome:
    """One sample's value minus another's, exact for integers."""
    value = case.series.value[last] - case.series.value[first]
    found = calculated(case, value, quality, none)
    if case.series.integer is None:
        return found
    exact = case.series.integer[last] - case.series.integer[first]
    return Outcome(_as_float(case, last, first, value), found.quality, integer=exact)


def _as_float(case: Case, last: Rows, first: Rows, value: NDArray[np.float64]) -> NDArray[np.float64]:
    """The difference of integers as the nearest float, also where the integers are too great for floats."""
    exact = case.series.exact()
    up = exact[last] >= exact[first]
    rise = np.where(up, exact[last] - exact[first], exact[first] - exact[last]).view(np.uint64)
    return np.where(up, 1.0, -1.0) * rise.astype(np.float64)


def spread(case: Case, *, sample: bool) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """(m,) the variance of the Good values, of a sample (n - 1) or a population (n), and their number."""
    number = case.goods
    lo, hi = case.rows
    mean = _total(case) / np.maximum(number, 1)
    off = np.zeros(len(case.series))
    inside = slice(int(lo[0]), int(hi[-1]))
    np.subtract(case.series.value[inside], np.repeat(mean, hi - lo), out=off[inside])
    squares = sums(np.where(case.good & case.loose, off * off, 0.0), lo, hi) + _fold_squares(case, mean)
    return squares / np.maximum(number - (1 if sample else 0), 1), number


def _fold_squares(case: Case, mean: NDArray[np.float64]) -> NDArray[np.float64]:
    """(m,) squared distances of what is folded from each interval's mean."""
    folds = case.series.folds
    if folds is None:
        return np.zeros(1)
    lo, hi = case.fold_rows
    off, inside = np.zeros(len(folds)), slice(int(lo[0]), int(hi[-1]))
    off[inside] = (folds.sum / folds.count)[inside] - np.repeat(mean, hi - lo)
    return case.folded(folds.squares + folds.count * off * off)


def deviation(case: Case, *, sample: bool, root: bool) -> Outcome:
    """Variance or its root; Uncertain where samples that are not Good were left out."""
    variance, number = spread(case, sample=sample)
    quality = np.where(number < case.size, np.uint32(SUBNORMAL), np.uint32(GOOD))
    return calculated(case, np.sqrt(variance) if root else variance, quality, number == 0)


def worst(case: Case) -> tuple[NDArray[np.uint8], Rows, Flags, Flags]:
    """(m,) the worst severity of each interval's samples, the first that has it, several at different times, none."""
    lo, hi = case.rows
    severity = np.minimum(severities(case.series.quality), 2)
    found = reduced(np.maximum, severity, lo, hi)
    hits = np.flatnonzero(severity[lo[0] : hi[-1]] == np.repeat(found, hi - lo)) + lo[0]
    first, last, none = ends_of(hits, lo, hi)
    return found, first, case.series.time[first] != case.series.time[last], none


def worst_quality(case: Case) -> Outcome:
    """The first of the worst StatusCodes as the value; several of them are told of unless they are Good."""
    found, first, several, none = worst(case)
    bits = np.where(several & (found > 0), np.uint32(MULTIPLE_VALUES), np.uint32(0))
    quality = np.uint32(CALCULATED) | bits
    return Outcome(case.series.quality[first].astype(np.float64), np.where(none, np.uint32(NO_DATA), quality))
