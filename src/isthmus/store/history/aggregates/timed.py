# SPDX-License-Identifier: Apache-2.0
"""Aggregates of the course between samples: bounds, time-weighted averages and totals, durations, shares of time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isthmus.core.quality import BAD, GOOD
from isthmus.core.time import MILLISECOND
from isthmus.store.history.aggregates import course
from isthmus.store.history.aggregates.case import Case
from isthmus.store.history.aggregates.course import Bounds, is_bad
from isthmus.store.history.aggregates.extremes import shares_of_time
from isthmus.store.history.aggregates.outcome import Outcome
from isthmus.store.history.aggregates.points import Flags, Times
from isthmus.store.history.aggregates.samples import worst
from isthmus.store.history.aggregates.series import Settings
from isthmus.store.history.aggregates.status import (
    CALCULATED,
    EXTRA_DATA,
    INTERPOLATED,
    MULTIPLE_VALUES,
    NO_DATA,
    SUBNORMAL,
    SURE,
    UNKNOWN,
    severities,
)

Floats = NDArray[np.float64]


def bound(found: Bounds) -> Outcome:
    """A bounding value as a result: raw where a sample lies there, else interpolated."""
    bits = np.where(found.raw, np.where(found.extra, np.uint32(EXTRA_DATA), np.uint32(0)), np.uint32(INTERPOLATED))
    bad = found.quality >= np.uint32(BAD)
    return Outcome(found.value, np.where(bad, np.uint32(NO_DATA), found.quality | bits), row=found.row)


def interpolative(case: Case) -> Outcome:
    return bound(course.at(case.interpolated, case.intervals.time))


def _opposite(case: Case) -> Times:
    """The ends of the intervals in the direction of the question."""
    return case.intervals.early if case.intervals.backward else case.intervals.late


def start_bound(case: Case) -> Outcome:
    return bound(course.at(case.simple, case.intervals.time))


def end_bound(case: Case) -> Outcome:
    found = course.at(case.simple, _opposite(case))
    bad = found.quality >= np.uint32(BAD)
    quality = np.where(bad, np.uint32(NO_DATA), found.quality | np.uint32(CALCULATED))
    return Outcome(found.value, quality, row=found.row)


def delta_bounds(case: Case) -> Outcome:
    """End bound minus start bound."""
    opening, closing = course.at(case.simple, case.intervals.time), course.at(case.simple, _opposite(case))
    severity = np.maximum(severities(opening.quality), severities(closing.quality))
    quality = np.where(severity == 1, np.uint32(SUBNORMAL), np.uint32(GOOD)) | np.uint32(CALCULATED)
    return Outcome(closing.value - opening.value, np.where(severity >= 2, np.uint32(NO_DATA), quality))


def _time_weighted(case: Case) -> tuple[Floats, Floats, NDArray[np.uint32]]:
    """(m,) area and seconds under the sloped interpolated course, and the StatusCode (5.4.3.6)."""
    line, early, late = case.sloped, case.intervals.early, case.intervals.late
    pieces = course.cut(line, early, late)
    known = course.durations(line, pieces, line.state != UNKNOWN)
    sure = course.durations(line, pieces, line.state == SURE)
    quality = np.where(sure < late - early, np.uint32(SUBNORMAL), np.uint32(GOOD)) | np.uint32(CALCULATED)
    return (
        course.areas(line, pieces) + case.integrals(holds=False),
        known.astype(np.float64) * 1e-9,
        np.where(known == 0, np.uint32(NO_DATA), quality),
    )


def time_average(case: Case) -> Outcome:
    area, seconds, quality = _time_weighted(case)
    return Outcome(area / np.where(seconds == 0, 1.0, seconds), quality)


def total(case: Case) -> Outcome:
    """TimeAverage times the seconds it is of: the area."""
    area, _, quality = _time_weighted(case)
    return Outcome(area, quality)


def _time_weighted_2(case: Case) -> tuple[Floats, Floats, NDArray[np.uint32]]:
    """(m,) area and seconds under the simple course, where it has usable values, and the StatusCode (5.4.3.7)."""
    quality, known = shares_of_time(case)
    quality = np.where(known == 0, np.uint32(NO_DATA), quality | np.uint32(CALCULATED))
    area = course.areas(case.simple, case.pieces) + case.integrals(holds=case.series.holds)
    return area, known.astype(np.float64) * 1e-9, quality


def time_average_2(case: Case) -> Outcome:
    area, seconds, quality = _time_weighted_2(case)
    return Outcome(area / np.where(seconds == 0, 1.0, seconds), quality)


def total_2(case: Case) -> Outcome:
    area, _, quality = _time_weighted_2(case)
    return Outcome(area, quality)


def duration_in_state(case: Case, *, zero: bool) -> Outcome:
    """ms in stretches that begin Good with zero (or another value); a head begins with the start bound."""
    line = case.simple
    good = (line.state != UNKNOWN) & (severities(line.quality) == 0)
    opening = course.at(line, case.intervals.early)
    heads = (severities(opening.quality) == 0) & ((opening.value == 0) == zero)
    heads &= line.state[np.maximum(case.pieces.head, 0)] != UNKNOWN
    spent = course.durations(line, case.pieces, good & ((line.left == 0) == zero), heads)
    spent = spent + case.zero_times() * (1 if zero else -1)
    quality, _ = shares_of_time(case)
    return Outcome(spent / MILLISECOND, quality | np.uint32(CALCULATED))


def _duration(case: Case, *, good: bool) -> Times:
    """(m,) ns in stretches that begin Good, or Bad: the status of the point before the start begins the first."""
    line = case.simple
    if good:
        return course.durations(line, case.pieces, _begins_good(case))
    usable = ~is_bad(case.points.quality, case.settings) & ~case.points.breaks
    return case.width - course.durations(line, case.pieces, usable)


def _begins_good(case: Case) -> Flags:
    found: Flags = (severities(case.points.quality) == 0) & ~case.points.breaks
    return found


def duration(case: Case, *, good: bool) -> Outcome:
    return _sure(_duration(case, good=good) / MILLISECOND)


def percent(case: Case, *, good: bool) -> Outcome:
    return _sure(_duration(case, good=good) * 100.0 / np.maximum(case.width, 1))


def _sure(value: Floats) -> Outcome:
    return Outcome(value, np.full(len(value), CALCULATED, np.uint32))


def worst_quality_2(case: Case) -> Outcome:
    """The worst StatusCode of the start bound and the samples, Uncertain not treated as Bad (5.4.3.36)."""
    line = course.simple(case.points, Settings(treat_uncertain_as_bad=False), holds=case.series.holds)
    opening = course.at(line, case.intervals.early)
    found, first, several, none = worst(case)
    first_code = np.where(none, np.uint32(GOOD), case.series.quality[first])
    same = opening.raw & (not case.intervals.backward)
    of_bound = np.where(same, 0, np.minimum(severities(opening.quality), 2))
    code = np.where((of_bound >= found) & ~same, opening.quality, first_code)
    both = (of_bound == found) & ~none & (found > 0) & ~same
    alone = several & ~none & (found > 0) & (found >= of_bound)
    bits = np.where(both | alone, np.uint32(MULTIPLE_VALUES), np.uint32(0))
    return Outcome(code.astype(np.float64), np.uint32(CALCULATED) | bits)
