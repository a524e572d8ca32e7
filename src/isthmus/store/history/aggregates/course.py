# SPDX-License-Identifier: Apache-2.0
"""A course is what a tag did between its samples: one stretch from each point to the next, a line or a held value.

Simple bounding values (3.1.9) are points of the simple course, which every Bad value interrupts; interpolated ones
(3.1.8) of a course that skips Bad values. Neither leads over a gap.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from isthmus.core.time import LATEST
from isthmus.store.history.aggregates.points import Flags, Points, Times
from isthmus.store.history.aggregates.series import Settings
from isthmus.store.history.aggregates.status import (
    NO_DATA,
    STATES,
    SUBNORMAL,
    SURE,
    UNCERTAIN,
    UNKNOWN,
    severities,
)

Floats = NDArray[np.float64]
_UNCERTAIN = np.uint32(0x4000_0000)
T = TypeVar("T", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Course:
    """k stretches; stretch i runs from time[i] to time[i + 1], the last one to `until`."""

    time: Times
    left: Floats
    """(k,) value at the beginning."""
    right: Floats
    """(k,) value after `reach`: at the end, or where the line through both points to."""
    reach: Times
    """(k,) ns."""
    state: NDArray[np.uint8]
    """(k,) UNKNOWN, UNCERTAIN or SURE, within the stretch."""
    quality: NDArray[np.uint32]
    """(k,) StatusCode at exactly the beginning."""
    points: Points
    point: NDArray[np.intp] | None
    """(k,) the point whose value `left` is; None: the points themselves."""
    until: int
    """ns; from here on nothing is known."""

    def __len__(self) -> int:
        return len(self.time)


@dataclass(frozen=True, slots=True)
class Bounds:
    """The values of a course at m times."""

    value: Floats
    """(m,) NaN where Bad."""
    quality: NDArray[np.uint32]
    row: NDArray[np.intp]
    """(m,) the sample that has exactly this value; -1 where it is interpolated along a line, or Bad."""
    raw: Flags
    """(m,) there is a sample at this time."""
    extra: Flags


def is_bad(quality: NDArray[np.uint32], settings: Settings) -> Flags:
    """Which values are not used: Bad ones, and Uncertain ones where they are to be treated as Bad (4.2.1.2)."""
    return quality >= np.uint32(0x4000_0000 if settings.treat_uncertain_as_bad else 0x8000_0000)


def simple(points: Points, settings: Settings, *, holds: bool) -> Course:
    """The course by simple bounding values (3.1.9) with its regions (5.4.3.2.2)."""
    bad = is_bad(points.quality, settings)
    state = _states(points.quality, bad | points.breaks)
    if not holds:
        ends_badly = np.append(points.quality[1:] >= _UNCERTAIN, True)
        state[ends_badly & (state == SURE)] = UNCERTAIN
    return Course(
        time=points.time,
        left=points.value,
        right=points.value if holds else _lines(points.value, bad),
        reach=_reach(points.time),
        state=state,
        quality=_put(points.quality, bad, np.uint32(NO_DATA)),
        points=points,
        point=None,
        until=points.end,
    )


def _states(quality: NDArray[np.uint32], unusable: Flags) -> NDArray[np.uint8]:
    """The states of stretches by what they begin with."""
    state = np.where(quality >= _UNCERTAIN, UNCERTAIN, SURE)
    state[unusable] = UNKNOWN
    return state


def _put(quality: NDArray[np.uint32], places: Flags, code: np.uint32) -> NDArray[np.uint32]:
    return np.where(places, code, quality) if places.any() else quality


def _lines(value: Floats, bad: Flags) -> Floats:
    """Values at the ends of stretches: the next one's, or, where that is Bad, the same as at the beginning."""
    right = np.append(value[1:], value[-1])
    before = np.flatnonzero(bad) - 1
    before = before[before >= 0]
    right[before] = value[before]
    return right


def _reach(time: Times) -> Times:
    reach = np.ones(len(time), np.int64)
    np.subtract(time[1:], time[:-1], out=reach[:-1])
    np.maximum(reach, 1, out=reach)
    return reach


def interpolated(points: Points, settings: Settings, *, holds: bool) -> Course:
    """The course by interpolated bounding values (3.1.8), which goes on after the end of data."""
    bad = is_bad(points.quality, settings)
    return _held(points, bad) if holds else _sloped(points, bad, settings)


def _held(points: Points, bad: Flags) -> Course:
    """SteppedInterpolation: the last usable value holds; Uncertain from the first skipped Bad one on, and at last."""
    state, value, quality = _states(points.quality, points.breaks), points.value.copy(), points.quality.copy()
    point = np.arange(len(bad))
    skipped = np.flatnonzero(bad)
    source, lost = _sources(points, bad, skipped)
    same = (source >= 0) & points.real[source] & (points.time[source] == points.time[skipped])
    point[skipped] = source
    value[skipped] = np.where(lost & ~same, np.nan, points.value[source])
    quality[skipped] = np.where(same, points.quality[source], np.where(lost, np.uint32(NO_DATA), np.uint32(SUBNORMAL)))
    state[skipped] = np.where(lost, UNKNOWN, UNCERTAIN)
    if state[-1] == SURE:
        state[-1] = UNCERTAIN
    return Course(points.time, value, value, _reach(points.time), state, quality, points, point, LATEST)


def _sources(points: Points, bad: Flags, skipped: NDArray[np.intp]) -> tuple[NDArray[np.intp], Flags]:
    """The last usable point before each of the Bad ones, and where it is of no use: none is, or a break came since."""
    usable, breaks = np.flatnonzero(~bad), np.flatnonzero(points.breaks)
    place, broken = np.searchsorted(usable, skipped) - 1, np.searchsorted(breaks, skipped, "right") - 1
    source = np.where(place >= 0, np.append(usable, -1)[place], -1)
    last_break = np.where(broken >= 0, np.append(breaks, -1)[broken], -1)
    return source, (source < 0) | (last_break >= source)


def _sloped(points: Points, bad: Flags, settings: Settings) -> Course:
    """SlopedInterpolation: lines between usable values, Uncertain where they skip Bad ones or end in an Uncertain."""
    kept = np.flatnonzero(~bad | (points.breaks & ~points.real))
    kept = kept if len(kept) else np.zeros(1, np.intp)
    time, value, quality = points.time[kept], points.value[kept], points.quality[kept]
    lost = bad[kept]
    opens = ~(lost | points.breaks[kept])
    leads = opens & np.append(~lost[1:], False)
    doubtful = quality >= _UNCERTAIN
    sure = leads & ~doubtful & np.append(~doubtful[1:] & (np.diff(kept) == 1), False)
    right, reach = _lines(value, lost), _reach(time)
    if settings.use_sloped_extrapolation:
        _extrapolate(right, reach, value, time, np.flatnonzero(opens & ~leads), leads)
    return Course(
        time=time,
        left=value,
        right=right,
        reach=reach,
        state=opens.view(np.uint8) + sure.view(np.uint8),
        quality=_put(quality, lost, np.uint32(NO_DATA)),
        points=points,
        point=kept,
        until=LATEST,
    )


def _extrapolate(right: Floats, reach: Times, value: Floats, time: Times, ends: NDArray[np.intp], leads: Flags) -> None:
    """Let the stretches `ends`, which no usable value follows, go on along the line that led to them."""
    ends = ends[(ends > 0) & leads[ends - 1] & (time[ends] > time[ends - 1])]
    rise, run = value[ends] - value[ends - 1], time[ends] - time[ends - 1]
    final = ends == len(time) - 1
    reach[ends[final]] = run[final]
    right[ends] = value[ends] + rise * (reach[ends] / run)


def at(course: Course, times: Times) -> Bounds:
    """The values of the course at these times."""
    place = np.searchsorted(course.time, times, "right") - 1
    known = place >= 0
    place = np.maximum(place, 0)
    there = known & (course.time[place] == times)
    known &= there | (times < course.until)
    quality = np.where(there, course.quality[place], STATES[course.state[place]])
    quality = np.where(known, quality, np.uint32(NO_DATA))
    bad = severities(quality) >= 2
    value = np.where(there, course.left[place], along(course, place, times))
    kept = there | (course.left[place] == course.right[place]) | (course.right is course.left)
    point = place if course.point is None else course.point[place]
    sampled = course.points.real[point] & (course.points.time[point] == times)
    return Bounds(
        value=np.where(bad, np.nan, value),
        quality=quality,
        row=np.where(kept & ~bad, course.points.row[point], -1),
        raw=there & sampled,
        extra=there & sampled & course.points.supersedes(point),
    )


def along(course: Course, place: NDArray[np.intp], times: Times) -> Floats:
    """The value of each of these stretches at a time."""
    left = course.left[place]
    rise = course.right[place] - left
    line: Floats = left + np.where(rise == 0, 0.0, rise * ((times - course.time[place]) / course.reach[place]))
    return line


@dataclass(frozen=True, slots=True)
class Cut:
    """A course cut into m spans, each a head within a stretch, whole stretches, and a tail within one."""

    head: NDArray[np.intp]
    """(m,) stretch, -1 where the span begins before the course."""
    head_from: Times
    head_to: Times
    lo: NDArray[np.intp]
    hi: NDArray[np.intp]
    """(m,) whole stretches lo <= i < hi."""
    tail: NDArray[np.intp]
    tail_from: Times
    tail_to: Times


def cut(course: Course, early: Times, late: Times) -> Cut:
    """The spans from `early` to `late` (m,), late >= early."""
    first = np.searchsorted(course.time, early, "right")
    end = np.maximum(np.searchsorted(course.time, late, "left"), first)
    has_points = end > first
    last = np.maximum(end - 1, 0)
    head_to = np.where(has_points, course.time[np.minimum(first, len(course) - 1)], late)
    return Cut(
        head=first - 1,
        head_from=early,
        head_to=head_to,
        lo=first,
        hi=np.where(has_points, end - 1, first),
        tail=last,
        tail_from=np.where(has_points, course.time[last], late),
        tail_to=late,
    )


def durations(course: Course, pieces: Cut, counted: Flags, heads: Flags | None = None) -> Times:
    """(m,) ns of each span in the stretches that count; `heads` (m,) says it for heads where they differ."""
    span = np.zeros(len(course), np.int64)
    np.subtract(course.time[1:], course.time[:-1], out=span[:-1])
    whole = sums(np.where(counted, span, 0), pieces.lo, pieces.hi)
    opening = (pieces.head >= 0) & (counted[np.maximum(pieces.head, 0)] if heads is None else heads)
    head = np.where(opening, pieces.head_to - pieces.head_from, 0)
    tail = np.where(counted[pieces.tail], pieces.tail_to - pieces.tail_from, 0)
    total: Times = (whole + head + tail).astype(np.int64, copy=False)
    return total


def areas(course: Course, pieces: Cut) -> Floats:
    """(m,) time integral, value times seconds, of each span over its stretches that are not UNKNOWN."""
    known = course.state != UNKNOWN
    doubled = np.zeros(len(course))
    span = course.time[1:] - course.time[:-1]
    np.multiply(course.left[:-1] + course.right[:-1], span, out=doubled[:-1], where=known[:-1] & (span > 0))
    whole = sums(doubled, pieces.lo, pieces.hi) * 0.5e-9
    head = _area(course, known, pieces.head, pieces.head_from, pieces.head_to)
    tail = _area(course, known, pieces.tail, pieces.tail_from, pieces.tail_to)
    total: Floats = whole + head + tail
    return total


def _area(course: Course, known: Flags, place: NDArray[np.intp], start: Times, end: Times) -> Floats:
    at_place = np.maximum(place, 0)
    counted = (place >= 0) & known[at_place] & (end > start)
    mean = along(course, at_place, start) * 0.5 + along(course, at_place, end) * 0.5
    return np.where(counted, mean * ((end - start) * 1e-9), 0.0)


def sums(quantity: NDArray[T], lo: NDArray[np.intp], hi: NDArray[np.intp]) -> NDArray[T]:
    """(m,) sums of quantity[lo:hi]; zero where lo >= hi."""
    return reduced(np.add, quantity, lo, hi)


def places_of(
    places: NDArray[np.intp], lo: NDArray[np.intp], hi: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """(m,) which of ascending `places` lie in lo <= i < hi: from which one, and before which one."""
    if not _adjoin(lo, hi):
        return np.searchsorted(places, lo), np.searchsorted(places, hi)
    cuts = np.searchsorted(places, np.append(lo, hi[-1:]))
    return cuts[:-1], cuts[1:]


def sizes(places: NDArray[np.intp], lo: NDArray[np.intp], hi: NDArray[np.intp]) -> NDArray[np.int64]:
    """(m,) how many of ascending `places` lie in lo <= i < hi."""
    if not len(places):
        return np.zeros(len(lo), np.int64)
    first, after = places_of(places, lo, hi)
    return (after - first).astype(np.int64, copy=False)


def _adjoin(lo: NDArray[np.intp], hi: NDArray[np.intp]) -> bool:
    """Whether each begins where the one before it ends, as rows of adjoining intervals do."""
    return len(lo) > 0 and bool((lo[1:] == hi[:-1]).all())


def reduced(operation: np.ufunc, quantity: NDArray[T], lo: NDArray[np.intp], hi: NDArray[np.intp]) -> NDArray[T]:
    """(m,) the operation over quantity[lo:hi]; zero where lo >= hi."""
    if not len(lo) or not len(quantity):
        return np.zeros(len(lo), quantity.dtype)
    if _adjoin(lo, hi):
        some = np.flatnonzero(hi > lo)
        result = np.zeros(len(lo), quantity.dtype)
        if len(some):
            result[some] = operation.reduceat(quantity[: hi[-1]], lo[some])
        return result
    places = np.empty(2 * len(lo), np.intp)
    places[0::2], places[1::2] = lo, np.maximum(lo, hi)
    padded = quantity if places.max() < len(quantity) else np.append(quantity, quantity[-1:])
    found: NDArray[T] = operation.reduceat(padded, places)[0::2]
    found[lo >= hi] = 0
    return found
