# SPDX-License-Identifier: Apache-2.0
"""Spells are when a tag was above (or below) a limit: from when to when, as far as that is known.

They go by the simple course of the tag (OPC UA Part 13, 3.1.9): a stepped value holds until the next sample, others
move in a line to it, and cross the limit on the way. A spell ends where a Bad sample comes or where the tag is not
observed any more: what was not known is never taken for above.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import IsthmusError
from isthmus.store.history.aggregates.course import Course, Floats, simple
from isthmus.store.history.aggregates.points import Flags, Times, points
from isthmus.store.history.aggregates.series import Series, Settings
from isthmus.store.history.aggregates.status import UNKNOWN


@dataclass(frozen=True, slots=True)
class Spells:
    """k spells in order of time, within the range that was asked for."""

    start: Times
    """(k,) ns."""
    end: Times
    """(k,) ns; from here on it is not above the limit, or not known to be."""
    begins: Flags
    """(k,) it is known not to have been above just before; else the spell may be older."""
    ends: Flags
    """(k,) it is known not to be above from `end` on; else the spell may go on."""
    extreme: Floats
    """(k,) the greatest value in it (the least, of those below)."""

    def __len__(self) -> int:
        return len(self.start)

    def lasting(self, more_than: int) -> Spells:
        """Those that are known to have lasted more than so many ns."""
        kept = self.end - self.start > more_than
        return Spells(self.start[kept], self.end[kept], self.begins[kept], self.ends[kept], self.extreme[kept])


def spells(
    series: Series, start: int, end: int, limit: float, settings: Settings | None = None, *, below: bool = False
) -> Spells:
    """When the tag was above `limit` (with `below`: below it) between `start` and `end` (ns).

    Of the settings TreatUncertainAsBad counts. Raises IsthmusError for text.
    """
    if not series.numeric:
        raise IsthmusError("text is neither above nor below a number", hint="ask for tags that have numbers")
    if not len(series):
        times, flags = np.zeros(0, np.int64), np.zeros(0, np.bool_)
        return Spells(times, times, flags, flags, np.zeros(0))
    sign = -1.0 if below else 1.0
    stretches = _Stretches.of(simple(points(series), settings or Settings(), holds=series.holds), sign, sign * limit)
    return stretches.spells(start, end, sign)


@dataclass(frozen=True, slots=True)
class _Stretches:
    """Stretches of a course that last, one after the other; all arrays are (m,)."""

    time: Times
    stop: Times
    left: Floats
    """The value at the beginning; with the opposite sign of what is below."""
    right: Floats
    known: Flags
    above: Flags
    """Somewhere in it."""
    first: Times
    """Where it begins to be above, and ends."""
    last: Times

    @classmethod
    def of(cls, line: Course, sign: float, limit: float) -> _Stretches:
        stop = np.append(line.time[1:], line.until)
        some = stop > line.time
        time, stop = line.time[some], stop[some]
        left, right = sign * line.left[some], sign * line.right[some]
        known = line.state[some] != UNKNOWN
        opens, closes = left > limit, right > limit
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            share = np.nan_to_num((limit - left) / (right - left), nan=1.0).clip(0.0, 1.0)
        crossing = time + np.rint(share * (stop - time)).astype(np.int64)
        first, last = np.where(opens, time, crossing), np.where(closes, stop, crossing)
        return cls(time, stop, left, right, known, known & (opens | closes), first, last)

    def spells(self, start: int, end: int, sign: float) -> Spells:
        low, high = np.maximum(self.first, start), np.minimum(self.last, end)
        kept = np.flatnonzero(self.above & (high > low))
        low, high = low[kept], high[kept]
        opens = np.flatnonzero(np.append(True, low[1:] > high[:-1])[: len(kept)])
        closes = np.append(opens[1:], len(kept))[: len(opens)] - 1
        greatest = np.fmax(self._at(kept, low), self._at(kept, high))
        firsts, lasts = low[opens], high[closes]
        return Spells(
            start=firsts,
            end=lasts,
            begins=self._over(np.searchsorted(self.time, firsts, "left") - 1, firsts - 1),
            ends=self._over(np.searchsorted(self.time, lasts, "right") - 1, lasts),
            extreme=sign * np.maximum.reduceat(greatest, opens) if len(opens) else greatest,
        )

    def _at(self, places: NDArray[np.intp], times: Times) -> Floats:
        """The values at times within these stretches."""
        left, right = self.left[places], self.right[places]
        with np.errstate(invalid="ignore", over="ignore"):
            share = (times - self.time[places]) / (self.stop[places] - self.time[places])
            value = left + (right - left) * share
        return np.where(left == right, left, np.where(np.isnan(value), np.fmax(left, right), value))

    def _over(self, places: NDArray[np.intp], times: Times) -> Flags:
        """Where it is known at these times, which lie in these stretches or in none, not to be above."""
        at = np.maximum(places, 0)
        there = (places >= 0) & self.known[at] & (times < self.stop[at])
        found: Flags = there & ~(self.above[at] & (self.first[at] <= times) & (times < self.last[at]))
        return found
