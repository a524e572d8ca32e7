# SPDX-License-Identifier: Apache-2.0
"""What is wanted is samples of some tags in a range of time; here they are cut out of columns ordered by both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from isthmus.store.history.columns import Columns, Positions, join
from isthmus.store.history.shelves import Part

Wanted: TypeAlias = NDArray[np.uint32] | None
"""Numbers of tags, ascending, each once; None: all."""


def numbers_wanted(numbers: Sequence[int] | None) -> Wanted:
    if numbers is None:
        return None
    return np.unique(np.array([n for n in numbers if 0 <= n < 2**32], np.uint32))


def may_hold(part: Part, wanted: Wanted, start: int, end: int) -> bool:
    """Whether a file may hold samples of the wanted tags with start <= time < end (ns)."""
    if part.rows == 0 or part.last_time < start or part.first_time >= end:
        return False
    if wanted is None:
        return True
    first = int(np.searchsorted(wanted, part.first_tag))
    return first < len(wanted) and int(wanted[first]) <= part.last_tag


def within(columns: Columns, wanted: Wanted, start: int, end: int) -> Columns:
    """The samples of the wanted tags and times."""
    return join(pieces(columns, wanted, start, end))


def pieces(columns: Columns, wanted: Wanted, start: int, end: int) -> list[Columns]:
    """`within` in pieces that follow one another, without copying them where they are few."""
    if wanted is not None and len(columns):
        first, last = np.searchsorted(wanted, columns.tag[0], "left"), np.searchsorted(wanted, columns.tag[-1], "right")
        found = _stretches(columns, wanted[first:last], start, end)
        if found is not None:
            return [columns.pick(stretch) for stretch in found]
    return [columns.pick(_rows(columns, wanted, start, end))]


_FEW: Final = 16
"""Stretches that are cut out one by one."""


def _stretches(columns: Columns, wanted: NDArray[np.uint32], start: int, end: int) -> list[slice] | None:
    """Where the samples of these tags and times lie, those that follow one another as one; None: in many places."""
    lows, highs = np.searchsorted(columns.tag, wanted, "left"), np.searchsorted(columns.tag, wanted, "right")
    if len(wanted) > 2 and columns.time.min() >= start and columns.time.max() < end:
        breaks = np.flatnonzero(lows[1:] != highs[:-1])
        lows, highs = lows[np.append(0, breaks + 1)], highs[np.append(breaks, -1)]
        found = [slice(low, high) for low, high in zip(lows.tolist(), highs.tolist(), strict=True) if low < high]
        return found if len(found) <= _FEW else None
    return _timely(columns, lows, highs, start, end) if len(wanted) <= _FEW else None


def _timely(columns: Columns, lows: Positions, highs: Positions, start: int, end: int) -> list[slice]:
    """What of these places is of the wanted times."""
    found: list[slice] = []
    for low, high in zip(lows.tolist(), highs.tolist(), strict=True):
        first, last = (low + int(place) for place in np.searchsorted(columns.time[low:high], (start, end)))
        if found and found[-1].stop == first:
            found[-1] = slice(found[-1].start, last)
        elif first < last:
            found.append(slice(first, last))
    return found


def last_within(columns: Columns, wanted: Wanted, start: int, end: int) -> Columns:
    """Of each tag the last of the samples `within`."""
    rows = _rows(columns, wanted, start, end)
    tags = columns.tag[rows]
    ends = np.ones(len(rows), np.bool_)
    ends[:-1] = tags[1:] != tags[:-1]
    return columns.pick(rows[ends])


def _rows(columns: Columns, wanted: Wanted, start: int, end: int) -> Positions:
    if wanted is None:
        return np.flatnonzero((columns.time >= start) & (columns.time < end))
    firsts = np.searchsorted(columns.tag, wanted, "left")
    counts = np.searchsorted(columns.tag, wanted, "right") - firsts
    before = np.cumsum(counts) - counts
    rows = np.arange(int(counts.sum())) + np.repeat(firsts - before, counts)
    times = columns.time[rows]
    found: Positions = rows[(times >= start) & (times < end)]
    return found
