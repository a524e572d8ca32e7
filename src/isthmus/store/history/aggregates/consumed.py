# SPDX-License-Identifier: Apache-2.0
"""Consumed is how much a counter (energy, pieces, cubic metres) counted in an interval, also when it was reset.

It is our own: no aggregate of Part 13 knows resets (Delta and DeltaBounds subtract the first value from the last), and
Delta leaves out what is counted between the last sample of one interval and the first of the next.

It is the sum of all rises between usable samples. A fall is a reset: the counter began again at zero, so what it shows
after it was counted since. Between two samples of a sloped tag the counting is spread evenly, so an interval's edge
cuts it in proportion; of a stepped tag it counts where the later sample is. So it does, in one piece, after a reset, a
gap or a Bad value, where nobody knows when between the samples it was counted. Adjoining intervals add up to their
union. Uncertain_DataSubNormal where that holds for an edge, or where the interval has a reset: what was counted between
the last sample and the reset is in nobody's figures. A sample on an edge is what the meter read there: it ends the
interval before it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isthmus.core.quality import GOOD
from isthmus.store.history.aggregates.case import Case
from isthmus.store.history.aggregates.outcome import Outcome
from isthmus.store.history.aggregates.points import Flags, Times
from isthmus.store.history.aggregates.status import CALCULATED, NO_DATA, SUBNORMAL

Floats = NDArray[np.float64]


def consumed(case: Case) -> Outcome:
    """Counted within each interval, in the unit of the tag."""
    usable = np.flatnonzero(~case.bad)
    if not len(usable):
        none = np.zeros(len(case.intervals))
        return Outcome(none, np.full(len(none), NO_DATA, np.uint32))
    time, values = case.series.time[usable], case.series.exact()[usable]
    falls = values[1:] < values[:-1]
    total = np.append(0.0, np.cumsum(_rises(values, falls)))
    leaps = falls | _interrupted(case, usable)
    early, late = case.intervals.early, case.intervals.late
    opening, unsure = _counted(case, time, total, leaps, early)
    closing, unsure_late = _counted(case, time, total, leaps, late)
    reset = _between(time[1:][falls], early, late)
    quality = np.where(unsure | unsure_late | reset, np.uint32(SUBNORMAL), np.uint32(GOOD)) | np.uint32(CALCULATED)
    return Outcome(closing - opening, np.where(case.dark, np.uint32(NO_DATA), quality))


def _rises(values: NDArray[np.float64] | NDArray[np.int64] | NDArray[np.uint64], falls: Flags) -> Floats:
    """(n - 1,) counted from each sample to the next; whole numbers are subtracted before they become floats."""
    before = np.where(falls, np.zeros_like(values[:-1]), values[:-1])
    return (values[1:] - before).astype(np.float64)


def _interrupted(case: Case, usable: NDArray[np.intp]) -> Flags:
    """(n - 1,) something between two usable samples says that it is not known when it was counted."""
    time = case.series.time[usable]
    skipped = usable[1:] - usable[:-1] > 1
    if not len(case.gaps):
        return skipped
    first = np.searchsorted(case.gaps[:, 1], time[:-1], "right")
    starts = np.append(case.gaps[:, 0], np.iinfo(np.int64).max)
    found: Flags = skipped | (starts[first] < time[1:])
    return found


def _counted(case: Case, time: Times, total: Floats, leaps: Flags, at: Times) -> tuple[Floats, Flags]:
    """(m,) counted up to these times since the first sample, and where that is not known exactly."""
    place = np.searchsorted(time, at, "right") - 1
    low = np.clip(place, 0, len(time) - 1)
    counted, unsure = total[low], np.zeros(len(at), np.bool_)
    inside = (place >= 0) & (low < len(time) - 1) & (at > time[low])
    here = low[inside]
    leap = leaps[here]
    unsure[inside] = leap
    if not case.series.holds:
        share = (at[inside] - time[here]) / np.maximum(time[here + 1] - time[here], 1)
        counted[inside] += np.where(leap, 0.0, share * (total[here + 1] - total[here]))
    return counted, unsure


def _between(moments: Times, early: Times, late: Times) -> Flags:
    """(m,) one of the moments lies in the interval."""
    found: Flags = np.searchsorted(moments, late, "right") > np.searchsorted(moments, early, "right")
    return found
