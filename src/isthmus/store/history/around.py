# SPDX-License-Identifier: Apache-2.0
"""Around a time: the samples next to it, sought in windows that grow, no further than files can hold any.

The files' statistics say where samples of a tag may be, and carried values where its last one was, so time without any
is stepped over. A tag that is never usable is sought through all of its history once; any other only as far as its
nearest usable sample.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeAlias

import numpy as np

from isthmus.core.time import EARLIEST, LATEST, SECOND
from isthmus.store.history.columns import Columns
from isthmus.store.history.kept import DAY, day_of
from isthmus.store.history.read import History
from isthmus.store.history.shelves import Part

Reading: TypeAlias = Callable[[int, int], Columns]
"""Samples from a time (included) to another (not included), in order of time."""
Spans: TypeAlias = list[tuple[int, int]]
"""First and last times between which there may be samples."""

_FIRST: Final = 60 * SECOND
_WIDEST: Final = 30 * 86_400 * SECOND


def before(history: History, numbers: Sequence[int], time: int, read: Reading) -> Iterator[Columns]:
    """The samples before `time`, the nearest window first."""
    days, rest = _spans(history, numbers)
    spans, width, stop = [*_carried(history, numbers, time, days), *rest], _FIRST, time
    while near := [min(last, stop - 1) for first, last in spans if first < stop]:
        stop = max(near) + 1
        start = max(stop - width, EARLIEST)
        if _in_days(days, stop):
            start = min(start, max(day_of(stop - 1) * DAY, EARLIEST))
        part = read(start, stop)
        yield part
        stop, width = start, _wider(width, part)


def after(history: History, numbers: Sequence[int], time: int, read: Reading) -> Iterator[Columns]:
    """The samples at and after `time`, the nearest window first."""
    days, rest = _spans(history, numbers)
    spans, width, start = [*days, *rest], _FIRST, time
    while near := [max(first, start) for first, last in spans if last >= start]:
        start = min(near)
        if start >= LATEST:
            return
        stop = min(start + width, LATEST)
        part = read(start, stop)
        yield part
        start, width = stop, _wider(width, part)


def _wider(width: int, part: Columns) -> int:
    """The next window: as wide as it takes where there is nothing."""
    return min(2 * width, _WIDEST) if len(part) else 4 * width


def _spans(history: History, numbers: Sequence[int]) -> tuple[Spans, Spans]:
    """Where days may hold samples of these tags, and where everything else may."""

    def spans(parts: Sequence[Part]) -> Spans:
        return [(part.first_time, part.last_time) for part in parts if part.rows and _may_hold(part, numbers)]

    days, rest = spans(history.shelves.days), spans(history.shelves.loose)
    if len(history.tail):
        tail = history.tail.time[np.isin(history.tail.tag, np.array(numbers, np.uint32))]
        rest += [(int(tail.min()), int(tail.max()))] if len(tail) else []
    return days, rest


def _may_hold(part: Part, numbers: Sequence[int]) -> bool:
    return any(part.first_tag <= number <= part.last_tag for number in numbers)


def _carried(history: History, numbers: Sequence[int], time: int, days: Spans) -> Spans:
    """The days' spans before `time`, without what the carried values say is empty."""
    day, carried = history.carried(numbers, day_of(time))
    if day is None:
        return days
    start, last = day * DAY, int(carried.time.max()) if len(carried) else EARLIEST
    return [
        (first, until if first >= start else min(until, last))
        for first, until in days
        if first >= start or first <= last
    ]


def _in_days(days: Spans, stop: int) -> bool:
    """Whether the sample before `stop` may be in the file of its day: that is read at once."""
    return any(first < stop <= last + 1 for first, last in days)
