# SPDX-License-Identifier: Apache-2.0
"""Plant time: where hours, days, weeks, months and shifts begin in a time zone, daylight saving included.

A local day has 23, 24 or 25 hours. A local time that the clock skips begins at the jump; one that it shows twice
begins the first time. A shift is of the day on which it begins: the night of 23 November may end on the 24th.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import IsthmusError
from isthmus.core.time import SECOND
from isthmus.plant.calendar import PLAIN, Calendar, Shift

Unit: TypeAlias = Literal["hour", "day", "week", "month", "shift"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR = 3600 * SECOND


@dataclass(frozen=True, slots=True)
class Worked:
    """One shift of one day."""

    date: str
    """The local date on which it begins."""
    shift: str
    crew: str = ""
    """Who works it, where the plant says so."""

    def __str__(self) -> str:
        return " ".join(filter(None, (self.date, self.shift, self.crew)))


@dataclass(frozen=True, slots=True)
class Periods:
    """Edges of m adjoining periods and what they are called."""

    edges: NDArray[np.int64]
    """(m + 1,) ns since 1970-01-01 UTC, ascending: for `intervals.between`."""
    names: tuple[str, ...]
    """(m,) the local date (and hour) on which the period begins, with a shift's name and crew; empty where no shift is
    worked."""
    shifts: tuple[Worked | None, ...] = ()
    """(m,) where shifts were asked for; None where none is worked."""


def edges(zone: str, unit: Unit, start: int, end: int, calendar: Calendar = PLAIN) -> NDArray[np.int64]:
    """Where the whole periods begin and end that cover start to end (ns): the edges of `periods`."""
    return periods(zone, unit, start, end, calendar).edges


def periods(zone: str, unit: Unit, start: int, end: int, calendar: Calendar = PLAIN) -> Periods:
    """The whole periods that cover start to end (ns) in this IANA time zone, by a plant's calendar.

    Between shifts there are periods without a name. Raises IsthmusError for an empty range, an unknown zone, or a
    calendar without shifts when they are asked for.
    """
    if end <= start:
        raise IsthmusError("the range of the periods is empty", hint="give an end after the start")
    beginnings = dict(_beginnings(_zone(zone), unit, start, end, calendar))
    at = np.array(sorted(beginnings), np.int64)
    first = int(np.searchsorted(at, start, "right")) - 1
    last = int(np.searchsorted(at, end, "left"))
    if first < 0 or last >= len(at):
        raise IsthmusError("the range of the periods lies outside what can be reckoned")
    chosen = at[first : last + 1]
    found = [beginnings[ns] for ns in chosen[:-1].tolist()]
    shifts = tuple(each if isinstance(each, Worked) else None for each in found) if unit == "shift" else ()
    return Periods(chosen, tuple(map(str, found)), shifts)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise IsthmusError(f"there is no time zone {name!r}", hint="write an IANA name: Europe/Paris") from error


def _beginnings(
    zone: ZoneInfo, unit: Unit, start: int, end: int, calendar: Calendar
) -> Iterator[tuple[int, str | Worked]]:
    """Where periods begin, with their names, from before `start` to after `end`; a skipped one falls on the next."""
    margin = timedelta(days={"hour": 2, "day": 2, "week": 9, "month": 33, "shift": 3}[unit])
    first, last = (_local(zone, ns).date() for ns in (start, end))
    days = list(_days(first - margin, last + margin))
    if unit == "shift":
        yield from _shifts(zone, days, calendar)
    elif unit == "hour":
        yield from _hours(zone, days)
    else:
        for day in days:
            if unit == "day" or (day.weekday() == calendar.week_begins if unit == "week" else day.day == 1):
                yield instant(zone, datetime.combine(day, time())), day.isoformat()


def _days(first: date, last: date) -> Iterator[date]:
    day = first
    while day <= last:
        yield day
        day += timedelta(days=1)


def _hours(zone: ZoneInfo, days: Sequence[date]) -> Iterator[tuple[int, str | Worked]]:
    """The hours of each local day, counted from its beginning: 23 or 25 of them where the clock is changed."""
    for day in days:
        begins = instant(zone, datetime.combine(day, time()))
        ends = instant(zone, datetime.combine(day + timedelta(days=1), time()))
        for ns in range(begins, ends, _HOUR):
            yield ns, _local(zone, ns).strftime("%Y-%m-%dT%H:%M%z")


def _shifts(zone: ZoneInfo, days: Sequence[date], calendar: Calendar) -> Iterator[tuple[int, str | Worked]]:
    """Where shifts begin, and (with an empty name) where they end; a range without any is one period without a name.

    Where one ends as the next begins the beginning comes last, and counts.
    """
    if not calendar.shifts:
        hint = "say them in the plant file: calendar: {shifts: {early: 06:00, late: 14:00, night: 22:00}}"
        raise IsthmusError("the plant has no shifts", hint=hint)
    for day in (days[0], days[-1]):
        yield instant(zone, datetime.combine(day, time())), ""
    worked = [(day, shift) for day in days if calendar.works(day) for shift in calendar.shifts]
    spans = [
        (_clock(zone, day, shift.begins), _clock(zone, day, shift.ends), _worked(calendar, shift, day))
        for day, shift in worked
        if day.weekday() in shift.days
    ]
    yield from ((ends, "") for _, ends, _ in spans)
    yield from ((begins, who) for begins, ends, who in spans if begins < ends)


def _clock(zone: ZoneInfo, day: date, minutes: int) -> int:
    return instant(zone, datetime.combine(day, time()) + timedelta(minutes=minutes))


def _worked(calendar: Calendar, shift: Shift, day: date) -> Worked:
    rotation = calendar.rotation
    return Worked(day.isoformat(), shift.name, rotation.crew(shift.name, day) if rotation is not None else "")


def _local(zone: ZoneInfo, ns: int) -> datetime:
    return (_EPOCH + timedelta(seconds=ns // SECOND)).astimezone(zone)


def instant(zone: ZoneInfo, wall: datetime) -> int:
    """The first moment (ns) at which clocks of the zone show this local time (whole seconds), or have passed it."""
    earlier = _since(wall.replace(tzinfo=zone, fold=0))
    if _local(zone, earlier * SECOND).replace(tzinfo=None) == wall:
        return earlier * SECOND
    before, after = _since(wall.replace(tzinfo=zone, fold=1)), earlier
    while after - before > 1:
        middle = (before + after) // 2
        passed = _local(zone, middle * SECOND).replace(tzinfo=None) >= wall
        before, after = (before, middle) if passed else (middle, after)
    return after * SECOND


def _since(moment: datetime) -> int:
    """Whole seconds since 1970-01-01 UTC."""
    return (moment.astimezone(UTC) - _EPOCH) // timedelta(seconds=1)
