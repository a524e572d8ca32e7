# SPDX-License-Identifier: Apache-2.0
"""Minimum, maximum and range of each interval: of its Good samples, or with its bounding values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from isthmus.core.quality import BAD, GOOD
from isthmus.store.history.aggregates import course
from isthmus.store.history.aggregates.case import Case, verdict
from isthmus.store.history.aggregates.course import Bounds, is_bad, reduced
from isthmus.store.history.aggregates.outcome import Outcome, Rows, seen_in_part
from isthmus.store.history.aggregates.points import Flags, Times
from isthmus.store.history.aggregates.samples import difference, ends_of
from isthmus.store.history.aggregates.series import RESOLUTION
from isthmus.store.history.aggregates.status import (
    CALCULATED,
    INTERPOLATED,
    MULTIPLE_VALUES,
    NO_DATA,
    RAW,
    SUBNORMAL,
    SURE,
    UNCERTAIN,
)

T = TypeVar("T", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Extreme:
    """(m,) the first sample with the least (or greatest) value of each interval."""

    row: Rows
    several: Flags
    """Others at other times have the same value."""
    none: Flags
    """No sample qualifies."""


def extreme(case: Case, among: Flags, *, greatest: bool) -> Extreme:
    """The extreme of the samples `among` (n,)."""
    lo, hi = case.rows
    if not among.any():
        return Extreme(np.zeros_like(lo), np.zeros(len(lo), np.bool_), np.ones(len(lo), np.bool_))
    exact = case.series.exact()
    keys = _keys(exact, among, greatest=greatest)
    found = reduced(np.maximum if greatest else np.minimum, keys, lo, hi)
    inside = slice(int(lo[0]), int(hi[-1]))
    hits = np.flatnonzero((keys[inside] == np.repeat(found, hi - lo)) & among[inside]) + lo[0]
    first, last, none = ends_of(hits, lo, hi)
    return Extreme(first, case.series.time[first] != case.series.time[last], none)


def _keys(exact: NDArray[T], among: Flags, *, greatest: bool) -> NDArray[T]:
    """The values, and instead of those that do not qualify one that none exceeds."""
    if exact.dtype.kind == "f":
        worst = -np.inf if greatest else np.inf
    else:
        limits = np.iinfo(exact.dtype.char)
        worst = limits.min if greatest else limits.max
    keys = exact.copy()
    keys[~among] = worst
    return keys


def of_samples(case: Case, *, greatest: bool, actual_time: bool) -> Outcome:
    """Minimum, Maximum and both ActualTime (5.4.3.10 to 13)."""
    found = extreme(case, case.good, greatest=greatest)
    doubted = _doubted(case, found, greatest=greatest)
    at_start = case.series.time[found.row] == case.intervals.time
    raw = ~doubted & (True if actual_time else at_start)
    quality = np.where(doubted, np.uint32(SUBNORMAL), seen_in_part(case, np.zeros(len(raw), np.uint32)))
    quality = quality | np.where(raw, np.uint32(RAW), np.uint32(CALCULATED)) | _multiple(found.several)
    return Outcome(
        value=case.series.value[found.row],
        quality=np.where(found.none, np.uint32(NO_DATA), quality),
        time=case.series.time[found.row] if actual_time else None,
        row=np.where(found.none, -1, found.row),
    )


def _multiple(several: Flags) -> NDArray[np.uint32]:
    return np.where(several, np.uint32(MULTIPLE_VALUES), np.uint32(0))


def _doubted(case: Case, found: Extreme, *, greatest: bool) -> Flags:
    """Bad samples in the interval, or an Uncertain one beyond the extreme of the Good ones."""
    maybe = extreme(case, ~case.good & ~is_bad(case.usable, case.settings), greatest=greatest)
    exact = case.series.exact()
    beyond = exact[maybe.row] > exact[found.row] if greatest else exact[maybe.row] < exact[found.row]
    flags: Flags = (case.bads > 0) | (~maybe.none & ~found.none & beyond)
    return flags


def range_of_samples(case: Case) -> Outcome:
    """Greatest minus least Good value (5.4.3.14)."""
    least, most = extreme(case, case.good, greatest=False), extreme(case, case.good, greatest=True)
    doubted = _doubted(case, least, greatest=False) | _doubted(case, most, greatest=True)
    quality = np.where(doubted, np.uint32(SUBNORMAL), np.uint32(GOOD))
    return difference(case, most.row, least.row, quality, least.none)


def shares_of_time(case: Case) -> tuple[NDArray[np.uint32], Times]:
    """(m,) the StatusCode by shares of time (5.4.3.2.1, PercentTime), and ns with usable values."""
    sure = course.durations(case.simple, case.pieces, case.simple.state == SURE)
    unsure = course.durations(case.simple, case.pieces, case.simple.state == UNCERTAIN)
    good = sure if case.settings.treat_uncertain_as_bad else sure + unsure
    return verdict(case.settings, good, case.width - good, case.width), sure + unsure


def with_bounds(case: Case, *, greatest: bool, actual_time: bool) -> Outcome:
    """Minimum2, Maximum2 and both ActualTime2 (5.4.3.15 to 18).

    Candidates, in this order: the start bound, the samples, the end bound of a sloped tag.
    """
    opening, closing = course.at(case.simple, case.intervals.early), course.at(case.simple, case.intervals.late)
    found = extreme(case, ~case.bad, greatest=greatest)
    values = np.stack([opening.value, np.where(found.none, np.nan, case.series.value[found.row]), closing.value])
    if case.series.holds:
        values[2] = np.nan
    worst = -np.inf if greatest else np.inf
    filled = np.where(np.isnan(values), worst, values)
    best = filled.max(axis=0) if greatest else filled.min(axis=0)
    ties = (filled == best) & ~np.isnan(values)
    which = np.argmax(ties, axis=0)
    quality, _ = shares_of_time(case)
    bits = _origin(case, which, opening, closing, case.series.time[found.row], actual_time=actual_time)
    quality = quality | bits | _multiple(_at_several_times(case, ties, opening, found))
    bad = (quality & np.uint32(BAD)) > 0
    quality = np.where(bad, np.uint32(BAD | CALCULATED), quality)
    rows = np.stack([opening.row, found.row, closing.row])
    return Outcome(
        value=best,
        quality=np.where(~ties.any(axis=0), np.uint32(NO_DATA), quality),
        time=_times(case, which, found) if actual_time else None,
        row=np.where(bad, -1, np.take_along_axis(rows, which[None], 0)[0]),
    )


def _origin(
    case: Case, which: Rows, opening: Bounds, closing: Bounds, time: Times, *, actual_time: bool
) -> NDArray[np.uint32]:
    """Raw, Calculated or Interpolated, as 5.4.3.15 to 18 and the standard's examples have it."""
    start_bound = np.where(opening.raw, np.uint32(RAW), np.uint32(INTERPOLATED))
    inside = np.where(actual_time | (time == case.intervals.time), np.uint32(RAW), np.uint32(CALCULATED))
    end_bound = np.where(closing.raw & ~np.bool_(actual_time), np.uint32(CALCULATED), np.uint32(INTERPOLATED))
    return np.choose(which, [start_bound, inside, end_bound])


def _at_several_times(case: Case, ties: Flags, opening: Bounds, found: Extreme) -> Flags:
    """More than one candidate has the value; a sample on the start is not another one than the start bound."""
    same = opening.raw & (case.series.time[found.row] == case.intervals.early)
    number = ties.astype(np.int8).sum(axis=0) - (ties[0] & ties[1] & same)
    several: Flags = (number > 1) | (ties[1] & found.several)
    return several


def _times(case: Case, which: Rows, found: Extreme) -> Times:
    """The times of the candidates; an end bound's is just before the interval's end (5.4.2.4)."""
    effective = np.maximum(case.intervals.late - RESOLUTION, case.intervals.early)
    return np.choose(which, [case.intervals.early, case.series.time[found.row], effective])


def range_with_bounds(case: Case) -> Outcome:
    """Maximum2 minus Minimum2 (5.4.3.19)."""
    least = with_bounds(case, greatest=False, actual_time=False)
    most = with_bounds(case, greatest=True, actual_time=False)
    bad = (least.quality | most.quality) >= np.uint32(BAD)
    unsure = ((least.quality | most.quality) & np.uint32(0x4000_0000)) > 0
    quality = np.where(unsure, np.uint32(SUBNORMAL), np.uint32(GOOD))
    quality = quality | np.uint32(CALCULATED)
    return Outcome(most.value - least.value, np.where(bad, np.uint32(NO_DATA), quality))
