# SPDX-License-Identifier: Apache-2.0
"""Around a time: the samples next to it, sought in windows that grow, no further than segments can hold any.

The segments' statistics say where samples of a tag may be, so time without any is stepped over. A tag that is never
usable is sought through all of its history once; any other only as far as its nearest usable sample.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeAlias

import numpy as np

from isthmus.core.time import EARLIEST, LATEST, SECOND
from isthmus.store.history.columns import Columns
from isthmus.store.history.read import History

Reading: TypeAlias = Callable[[int, int], Columns]
"""Samples from a time (included) to another (not included), in order of time."""

_FIRST: Final = 60 * SECOND
_WIDEST: Final = 30 * 86_400 * SECOND


def before(history: History, numbers: Sequence[int], time: int, read: Reading) -> Iterator[Columns]:
    """The samples before `time`, the nearest window first."""
    spans, width, stop = _spans(history, numbers), _FIRST, time
    while near := [min(last, stop - 1) for first, last in spans if first < stop]:
        stop = max(near) + 1
        start = max(stop - width, EARLIEST)
        yield read(start, stop)
        stop, width = start, min(2 * width, _WIDEST)


def after(history: History, numbers: Sequence[int], time: int, read: Reading) -> Iterator[Columns]:
    """The samples at and after `time`, the nearest window first."""
    spans, width, start = _spans(history, numbers), _FIRST, time
    while near := [max(first, start) for first, last in spans if last >= start]:
        start = min(near)
        if start >= LATEST:
            return
        stop = min(start + width, LATEST)
        yield read(start, stop)
        start, width = stop, min(2 * width, _WIDEST)


def _spans(history: History, numbers: Sequence[int]) -> list[tuple[int, int]]:
    """First and last time of every part of the history that may hold samples of these tags."""
    spans = [
        (segment.first_time, segment.last_time)
        for segment in history.segments
        if segment.rows and any(segment.first_tag <= number <= segment.last_tag for number in numbers)
    ]
    tail = history.tail.time[np.isin(history.tail.tag, np.array(numbers, np.uint32))]
    return [*spans, (int(tail.min()), int(tail.max()))] if len(tail) else spans
