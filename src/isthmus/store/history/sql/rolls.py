# SPDX-License-Identifier: Apache-2.0
"""Minutes and quarters of tags: what came in each, and the time-weighted average over all of it.

Kept roll-up rows are used where they are plain; of other days, tags and rows (`Remark.ROUGH`) the samples are read. A
row tells the time from its first sample to its last; the rest of an interval follows from the samples around it, as
does an interval without any sample in which a value is still known.

A Good value is known until the next sample, and no longer than its system was watched: not into a gap, nor beyond the
newest sample of the system. In between it holds (stepped tags, or a next sample that is not Good) or moves in a line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from isthmus.core.quality import is_good
from isthmus.core.time import SECOND
from isthmus.store.history.columns import Columns, join, ordered
from isthmus.store.history.folder import Folder
from isthmus.store.history.kept import DAY, Kept, Kind
from isthmus.store.history.rollup.rows import Remark, Rows, joined, none
from isthmus.store.history.rollup.sheaf import from_table
from isthmus.store.history.sql.courses import Courses, day_range, usable
from isthmus.store.history.sql.fresh import Wanted, open_day

UNIT: Final = 400_000
"""Intervals that are worked out at once; about 200 bytes each."""

SCHEMA: Final = pa.schema(
    [
        ("number", pa.uint32()),
        ("time", pa.timestamp("ns")),
        ("count", pa.uint32()),
        ("good", pa.uint32()),
        ("average", pa.float64()),
        ("integral", pa.float64()),
        ("good_time", pa.float64()),
        ("min", pa.float64()),
        ("max", pa.float64()),
        ("first", pa.float64()),
        ("last", pa.float64()),
    ]
)
_GREATEST: Final = 1e100
Floats = NDArray[np.float64]
Times = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class RollUnit:
    """Intervals of some tags in some time."""

    places: tuple[int, ...]
    start: int
    end: int


def units(places: Sequence[int], start: int, end: int, width: int) -> Iterator[RollUnit]:
    """All intervals of these tags from `start` to `end` (multiples of `width`, ns) in units of at most `UNIT`."""
    longest = max(UNIT * width // DAY, 1) * DAY
    for low in range(start // DAY * DAY, end, longest):
        first, last = max(low, start), min(low + longest, end)
        some = max(UNIT // max((last - first) // width, 1), 1)
        for i in range(0, len(places), some):
            yield RollUnit(tuple(places[i : i + some]), first, last)


@dataclass(frozen=True, slots=True)
class _Points:
    """The course of one tag as points in order of time, and what lies between each and the next. Arrays are (n,)."""

    time: Times
    value: Floats
    good: NDArray[np.bool_]
    area: Floats
    """Value times seconds up to the next point; NaN: follows from the points."""
    lasted: Times
    """ns of it that are Good; -1: follows from the points."""

    def pick(self, rows: NDArray[np.intp]) -> _Points:
        return _Points(self.time[rows], self.value[rows], self.good[rows], self.area[rows], self.lasted[rows])


@dataclass(frozen=True, slots=True)
class _Came:
    """What came in intervals: one row each, in order. Arrays are (m,)."""

    time: Times
    count: NDArray[np.int64]
    good: NDArray[np.int64]
    min: Floats
    max: Floats
    first: Floats
    last: Floats


class Rolls:
    """Roll-ups of one width."""

    def __init__(
        self,
        folder: Folder,
        courses: Courses,
        kept: Sequence[Kept],
        unseen: Mapping[int, Times],
        kind: Kind,
        width: int,
    ) -> None:
        self._folder, self._courses, self._unseen, self._width = folder, courses, unseen, width
        self._files = {part.day: part for part in kept if part.kind is kind}
        self._breaks = np.unique(np.concatenate([np.zeros(0, np.int64), *unseen.values()]))

    def table(self, unit: RollUnit) -> pa.Table:
        """The intervals of a unit in which something came or is known."""
        numbers = self._courses.numbers.of_places(unit.places)
        rows, raw = self._split(numbers, unit)
        before, after = self._courses.before(numbers, unit.start), self._courses.after(numbers, unit.end)
        tables = [self._of_tag(place, unit, rows, (before, raw, after)) for place in unit.places]
        return pa.concat_tables([SCHEMA.empty_table(), *tables])

    def _split(self, numbers: NDArray[np.uint32], unit: RollUnit) -> tuple[Rows, Columns]:
        """Plain rows (under tags' places), and the samples of all that has none. Both ordered by tag and time."""
        rows: list[Rows] = []
        raw: list[Columns] = []
        for day in day_range(unit.start, unit.end):
            start, end = max(unit.start, day * DAY), min(unit.end, (day + 1) * DAY)
            plain, left = self._plain(day, numbers, start, end)
            rows.append(plain)
            if len(left):
                raw.append(self._courses.within(left, start, end))
        found = joined([part for part in rows if len(part)], Rows)
        return found.pick(np.lexsort((found.time, found.tag))), ordered(join(raw))

    def _plain(self, day: int, numbers: NDArray[np.uint32], start: int, end: int) -> tuple[Rows, NDArray[np.uint32]]:
        """The rows of a day that can be used, under tags' places, and the numbers of which samples must be read."""
        if day not in self._files or not self._courses.samples.is_at_rest(day):
            return none(Rows), numbers
        file, wanted = open_day(self._folder, self._files[day]), Wanted(numbers=numbers)
        groups = (i for i, g in enumerate(file.footer.groups) if wanted.has_tags(g.first_tag, g.last_tag))
        found = joined([from_table(file.read(group), numbers).rows for group in groups], Rows)
        found = found.pick((found.time >= start) & (found.time < end))
        rough = np.unique(found.tag[found.marked(Remark.ROUGH) | self._broken(found)])
        found = found.pick(~np.isin(found.tag, rough))
        return self._converted(found), numbers[~np.isin(numbers, found.tag)]

    def _broken(self, rows: Rows) -> NDArray[np.bool_]:
        """Where a system ceased to be watched within a row."""
        passed = np.searchsorted(self._breaks, rows.first_time, "right")
        found: NDArray[np.bool_] = np.searchsorted(self._breaks, rows.last_time, "left") > passed
        return found

    def _converted(self, rows: Rows) -> Rows:
        """Under the places of the tags, in their units."""
        known = self._courses.numbers
        at = known.rows(rows.tag)
        scale, shift, tag = known.scale[at], known.shift[at], known.place[at]
        values = {name: getattr(rows, name) * scale + shift for name in ("first", "last", "min", "max")}
        low, high = np.fmin(values["min"], values["max"]), np.fmax(values["min"], values["max"])
        seconds = rows.good_time / SECOND
        return replace(
            rows,
            tag=tag,
            first=values["first"],
            last=values["last"],
            min=low,
            max=high,
            line=rows.line * scale + shift * seconds,
            held=rows.held * scale + shift * seconds,
        )

    def _of_tag(self, place: int, unit: RollUnit, rows: Rows, parts: tuple[Columns, Columns, Columns]) -> pa.Table:
        mine = rows.pick(_of(rows.tag, place))
        before, raw, after = (part.pick(_of(part.tag, place)) for part in parts)
        at, known = self._courses.numbers.row(place), self._courses.numbers
        holds, breaks = bool(known.holds[at]), self._unseen.get(int(known.watch[at]), np.zeros(0, np.int64))
        course = _course(mine, [before, raw, after], breaks, holds=holds)
        came = _together(_of_rows(mine), _of_samples(raw, self._width))
        return _intervals(course, came, unit, self._width, int(known.number[at]), holds=holds)


def _of(tags: NDArray[np.uint32], place: int) -> slice:
    return slice(int(np.searchsorted(tags, place, "left")), int(np.searchsorted(tags, place, "right")))


def _course(rows: Rows, parts: Sequence[Columns], unseen: Times, *, holds: bool) -> _Points:
    """All that is known of a tag, and where it ceases to be known."""
    n = len(rows)
    area = np.full(2 * n, np.nan)
    area[0::2] = rows.held if holds else rows.line
    lasted = np.full(2 * n, -1, np.int64)
    lasted[0::2] = rows.good_time
    times = [np.stack((rows.first_time, rows.last_time), 1).ravel(), *(part.time for part in parts), unseen]
    values = [np.stack((rows.first, rows.last), 1).ravel(), *(part.value for part in parts), np.zeros(len(unseen))]
    good = [np.ones(2 * n, np.bool_), *(_weighs(part) for part in parts), np.zeros(len(unseen), np.bool_)]
    rest = sum(map(len, times)) - 2 * n
    points = _Points(
        np.concatenate(times),
        np.concatenate(values),
        np.concatenate(good),
        np.concatenate((area, np.full(rest, np.nan))),
        np.concatenate((lasted, np.full(rest, -1, np.int64))),
    )
    return points.pick(np.argsort(points.time, kind="stable"))


def _weighs(columns: Columns) -> NDArray[np.bool_]:
    """(n,) where samples can be weighed: what is infinite, or nearly so, would be all that an average is of."""
    return usable(columns) & (np.abs(columns.value) <= _GREATEST)


def _of_rows(rows: Rows) -> _Came:
    return _Came(rows.time, rows.count, rows.good, rows.min, rows.max, rows.first, rows.last)


def _of_samples(columns: Columns, width: int) -> _Came:
    """What came in the intervals that have a sample."""
    if not len(columns):
        none, nothing = np.zeros(0), np.zeros(0, np.int64)
        return _Came(nothing, nothing, nothing, none, none, none, none)
    begins = columns.time // width * width
    starts = np.flatnonzero(np.append(True, begins[1:] != begins[:-1]))
    good = usable(columns)
    index = np.arange(len(columns))
    first = np.minimum.reduceat(np.where(good, index, len(columns)), starts)
    last = np.maximum.reduceat(np.where(good, index, -1), starts)
    some = last >= 0
    return _Came(
        time=begins[starts],
        count=np.diff(np.append(starts, len(columns))),
        good=np.add.reduceat(is_good(columns.quality).astype(np.int64), starts),
        min=np.where(some, np.minimum.reduceat(np.where(good, columns.value, np.inf), starts), np.nan),
        max=np.where(some, np.maximum.reduceat(np.where(good, columns.value, -np.inf), starts), np.nan),
        first=np.where(some, columns.value[np.minimum(first, len(columns) - 1)], np.nan),
        last=np.where(some, columns.value[np.maximum(last, 0)], np.nan),
    )


def _together(one: _Came, other: _Came) -> _Came:
    """Both in order; no interval is in both, since a tag's day is in rows or in samples."""
    fields = ("time", "count", "good", "min", "max", "first", "last")
    joint = {name: np.concatenate((getattr(one, name), getattr(other, name))) for name in fields}
    order = np.argsort(joint["time"], kind="stable")
    return _Came(**{name: array[order] for name, array in joint.items()})


def _intervals(points: _Points, came: _Came, unit: RollUnit, width: int, number: int, *, holds: bool) -> pa.Table:
    edges = np.arange(unit.start, unit.end + width, width)
    lasted, area = _weighed(points, edges, holds=holds)
    at = (came.time - unit.start) // width
    count = np.zeros(len(edges) - 1, np.int64)
    count[at] = came.count
    rows = np.flatnonzero((count > 0) | (lasted > 0))
    seconds = lasted[rows] / SECOND
    known = lasted[rows] > 0
    integral = np.where(known, area[rows], np.nan)
    average = np.divide(integral, seconds, out=np.full(len(rows), np.nan), where=known)
    place = np.searchsorted(rows, at)

    def spread(values: NDArray[np.float64] | NDArray[np.int64], none: float) -> NDArray[np.float64]:
        found = np.full(len(rows), none)
        found[place] = values
        return found

    def nullable(values: Floats) -> pa.Array:
        return pa.array(values, mask=np.isnan(values))

    return pa.Table.from_arrays(
        [
            pa.array(np.full(len(rows), number, np.uint32)),
            pa.array(edges[rows]).cast(pa.timestamp("ns")),
            pa.array(count[rows].astype(np.uint32)),
            pa.array(spread(came.good, 0).astype(np.uint32)),
            nullable(average),
            nullable(integral),
            pa.array(seconds),
            *(nullable(spread(getattr(came, name), np.nan)) for name in ("min", "max", "first", "last")),
        ],
        schema=SCHEMA,
    )


def _weighed(points: _Points, edges: Times, *, holds: bool) -> tuple[Times, Floats]:
    """Between each edge and the next: ns in which a Good value is known, and its integral over seconds."""
    if not len(points.time):
        return np.zeros(len(edges) - 1, np.int64), np.zeros(len(edges) - 1)
    value = np.where(points.good, points.value, 0.0)
    span = np.append(np.diff(points.time), 0)
    moves = points.good & np.append(points.good[1:], False) & (span > 0) & (not holds)
    step = np.append(np.diff(value), 0.0)
    slope = np.divide(step, span * 1e-9, out=np.zeros(len(span)), where=moves)
    own = value * (span * 1e-9) + np.where(moves, 0.5 * step * (span * 1e-9), 0.0)
    areas = np.where(np.isnan(points.area), own, points.area)
    goods = np.where(points.lasted < 0, np.where(points.good, span, 0), points.lasted)
    areas[-1], goods[-1] = 0.0, 0
    at = np.searchsorted(points.time, edges, "right") - 1
    inside = np.maximum(at, 0)
    into = np.where(at >= 0, np.minimum(edges - points.time[inside], span[inside]), 0)
    known = points.good[inside] & (into > 0)
    seconds = into * 1e-9
    partial = np.where(known, value[inside] * seconds + 0.5 * slope[inside] * seconds * seconds, 0.0)
    area_at = np.concatenate(([0.0], np.cumsum(areas)))[inside] + partial
    good_at = np.concatenate(([0], np.cumsum(goods)))[inside] + np.where(known, into, 0)
    return np.diff(good_at), np.diff(area_at)
