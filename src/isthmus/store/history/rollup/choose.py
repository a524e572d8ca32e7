# SPDX-License-Identifier: Apache-2.0
"""Choosing: which rows of a roll-up may stand for their samples in a question, and which samples have to be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from isthmus.core.time import EARLIEST, LATEST
from isthmus.store.history.aggregates.points import merged, within
from isthmus.store.history.kept import DAY
from isthmus.store.history.rollup.rows import MINUTE, QUARTER, Remark, Rows, Shown

Spans = NDArray[np.int64]
"""(k, 2) start and end, ns."""
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms a row is used."""

    edges: NDArray[np.int64]
    """Ascending, ns: the range's start and end, and where its intervals meet."""
    holds: bool
    """Values hold until the next sample."""
    dark: Spans
    """In which the samples are read: around gaps, and where some have no row; merged."""
    gaps: bool
    """There are gaps, of which samples that came late may be the end."""

    def accept(self, rows: Shown, width: int) -> Flags:
        """(m,) which rows of one tag, ordered by time, say all that their samples would."""
        begins, ends = rows.time, rows.time + width
        whole = (begins >= self.edges[0]) & (ends <= self.edges[-1])
        before = np.searchsorted(begins, self.edges) - 1
        behind = self.edges[before >= 0]
        before = before[before >= 0]
        whole[before[behind < ends[before]]] = False
        fit: Flags = whole & ~rows.marked(Remark.ROUGH) & ~touched(begins, ends, self.dark)
        if self.holds and isinstance(rows, Rows):
            fit &= ~np.isnan(rows.held)
        if self.gaps:
            fit &= ~rows.marked(Remark.DELAYED)
        return fit & ~shared(begins)


def shared(begins: NDArray[np.int64]) -> Flags:
    """(m,) which of ascending times are there more than once: rows of several numbers of one tag."""
    again = begins[1:] == begins[:-1]
    found = np.zeros(len(begins), np.bool_)
    found[1:] |= again
    found[:-1] |= again
    return found


def touched(begins: NDArray[np.int64], ends: NDArray[np.int64], spans: Spans) -> Flags:
    """Which of the times from begins to ends have a part in one of the (merged) spans."""
    if not len(spans):
        return np.zeros(len(begins), np.bool_)
    place = np.searchsorted(spans[:, 1], begins, "right")
    starts = np.append(spans[:, 0], LATEST)
    found: Flags = starts[place] < ends
    return found


def together(parts: Sequence[Spans]) -> Spans:
    """All spans, merged."""
    some = [part for part in parts if len(part)]
    return merged(np.concatenate(some)) if some else NOTHING


def without(starts: NDArray[np.int64], ends: NDArray[np.int64]) -> Spans:
    """All time but these ascending spans, which do not overlap."""
    return merged(np.column_stack((np.append(EARLIEST, ends), np.append(starts, LATEST))))


def apart(spans: Spans, others: Spans) -> Spans:
    """What of the (merged) spans lies in none of the others (merged too)."""
    if not len(spans) or not len(others):
        return spans
    return common(spans, without(others[:, 0], others[:, 1]))


def common(spans: Spans, others: Spans) -> Spans:
    """What of the (merged) spans lies in one of the others (merged too)."""
    if not len(spans) or not len(others):
        return spans[:0]
    edges = np.unique(np.concatenate((spans.ravel(), others.ravel())))
    pieces = np.column_stack((edges[:-1], edges[1:]))
    return merged(pieces[within(spans, pieces[:, 0]) & within(others, pieces[:, 0])])


def clipped(spans: Spans, start: int, end: int) -> Spans:
    """What of the spans lies between these times."""
    if not len(spans):
        return NOTHING
    return merged(np.clip(spans, start, end))


def inside(spans: Spans, times: NDArray[np.int64]) -> Flags:
    """(n,) which times lie in a (merged) span."""
    return within(spans, times)


def days_together(spans: Spans) -> Spans:
    """Fewer spans around the (merged) ones: what begins on the day on which another ends is one with it."""
    if not len(spans):
        return spans
    apart = spans[1:, 0] // DAY != (spans[:-1, 1] - 1) // DAY
    firsts = np.append(0, np.flatnonzero(apart) + 1)
    lasts = np.append(firsts[1:], len(spans)) - 1
    found: Spans = np.column_stack((spans[firsts, 0], spans[lasts, 1]))
    return found


NOTHING: Final[Spans] = np.zeros((0, 2), np.int64)


def of_rows(begins: NDArray[np.int64], width: int) -> Spans:
    """Where rows are that begin at these times."""
    return merged(np.column_stack((begins, begins + width))) if len(begins) else NOTHING


def of_days(days: NDArray[np.int64]) -> Spans:
    """These UTC days, which ascend."""
    return merged(np.column_stack((days * DAY, (days + 1) * DAY)))


def of_times(times: NDArray[np.int64]) -> Spans:
    """The minutes in which these times lie."""
    if not len(times):
        return NOTHING
    minutes = np.unique(times // MINUTE) * MINUTE
    return merged(np.column_stack((minutes, minutes + MINUTE)))


def around_gaps(gaps: Spans, rows: Shown, width: int) -> Spans:
    """Where samples may tell how far gaps reach: what `Watch.gaps` goes by.

    A gap ends with the live sample that was seen first after it. A row that is not `DELAYED` has only such as were seen
    within `PROMPT` of their own time, so that sample lies no farther behind the gap than the first such row does, but
    for twice that time.
    """
    prompt = np.sort(rows.time[~rows.marked(Remark.DELAYED | Remark.HISTORICAL)])
    prompt = np.append(prompt, LATEST - 2 * QUARTER)
    last = np.clip(gaps[:, 1], EARLIEST + QUARTER, LATEST - 2 * QUARTER)
    after = prompt[np.minimum(np.searchsorted(prompt, last), len(prompt) - 1)]
    return merged(np.column_stack((np.minimum(gaps[:, 0], last - QUARTER), after + width + QUARTER)))
