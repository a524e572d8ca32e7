# SPDX-License-Identifier: Apache-2.0
"""Points are a series' samples together with what its gaps and its end say about time between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from isthmus.core.time import LATEST
from isthmus.store.history.aggregates.series import RESOLUTION, Series
from isthmus.store.history.aggregates.status import NO_DATA

Times: TypeAlias = NDArray[np.int64]
Flags: TypeAlias = NDArray[np.bool_]
T = TypeVar("T", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Points:
    """Samples, and where a gap begins: the value that held up to there, then a Bad point. None of no samples."""

    time: Times
    value: NDArray[np.float64]
    quality: NDArray[np.uint32]
    row: NDArray[np.intp]
    """The sample it is, or repeats; -1 where a gap begins."""
    real: Flags
    """It is a sample."""
    breaks: Flags
    """Nothing is known from here to the next point."""
    start: int
    """Start of data, ns: the first sample."""
    end: int
    """End of data, ns: known to hold until before it."""
    last: int
    """ns, the last moment of which something was observed."""

    def supersedes(self, places: NDArray[np.intp]) -> Flags:
        """Where a sample supersedes another one of the same time (5.3.3.1)."""
        before = np.maximum(places - 1, 0)
        found: Flags = (places > 0) & (self.time[before] == self.time[places]) & self.real[before]
        return found


def merged(gaps: Times) -> Times:
    """(k, 2) gaps in order, those that touch made one, empty ones left out."""
    gaps = gaps[gaps[:, 1] > gaps[:, 0]]
    if len(gaps) < 2:
        return gaps
    gaps = gaps[np.argsort(gaps[:, 0], kind="stable")]
    ends = np.maximum.accumulate(gaps[:, 1])
    opens = np.concatenate(([True], gaps[1:, 0] > ends[:-1]))
    firsts = np.flatnonzero(opens)
    return np.column_stack((gaps[firsts, 0], ends[np.append(firsts[1:], len(gaps)) - 1]))


def within(gaps: Times, times: Times) -> Flags:
    """Which times lie in a gap, its start included."""
    if not len(gaps):
        return np.zeros(len(times), np.bool_)
    place = np.searchsorted(gaps[:, 0], times, "right") - 1
    found: Flags = (place >= 0) & (times < gaps[place, 1])
    return found


@dataclass(frozen=True, slots=True)
class Extent:
    """From when to when there is data, ns."""

    start: int
    """The first sample."""
    end: int
    """Known to hold until before it."""
    last: int
    """The last moment of which something was observed."""


def extent(series: Series) -> Extent:
    """That of a series that has samples."""
    first, last = int(series.time[0]), int(series.time[-1])
    until = series.observed_until
    if until is not None and until > last:
        return Extent(first, until, until)
    end = min(last + RESOLUTION, LATEST)
    return Extent(first, end, end if end == until else last)


def points(series: Series) -> Points:
    """The points of a series that has samples."""
    time, found = series.time, extent(series)
    until, end = series.observed_until, found.end
    gaps = merged(series.gaps)
    gaps = gaps[(gaps[:, 0] < end) & (gaps[:, 1] > time[0])]
    breaks = within(gaps, time)
    held = _held(time, gaps, end if end == until else None)
    lost = gaps[gaps[:, 0] > time[0], 0]
    plain = _samples(series, breaks, found)
    return plain if not len(held[0]) and not len(lost) else _joined(plain, held, lost)


def _samples(series: Series, breaks: Flags, found: Extent) -> Points:
    n = len(series)
    return Points(
        time=series.time,
        value=series.value,
        quality=series.usable(),
        row=np.arange(n),
        real=np.ones(n, np.bool_),
        breaks=breaks,
        start=found.start,
        end=found.end,
        last=found.last,
    )


def _held(time: Times, gaps: Times, until: int | None) -> tuple[Times, NDArray[np.intp]]:
    """Up to where values are known to hold, and the sample that holds: at the starts of gaps, and at the end."""
    ends = gaps[:, 0] if until is None else np.append(gaps[:, 0], until)
    known_from = np.concatenate((time[:1], gaps[:, 1]))[: len(ends)]
    rows = np.searchsorted(time, ends, "left") - 1
    holds = (rows >= 0) & (time[np.maximum(rows, 0)] >= known_from)
    return ends[holds], rows[holds]


def _joined(plain: Points, held: tuple[Times, NDArray[np.intp]], lost: Times) -> Points:
    """The samples with the points put between them; of one time: what held, what was lost, what was sampled."""
    times, rows = held
    order = np.argsort(np.concatenate((times, lost, plain.time)), kind="stable")
    none, gone = np.zeros(len(lost), np.bool_), np.ones(len(lost), np.bool_)
    kept = np.zeros(len(rows), np.bool_)
    return Points(
        time=_column(order, times, lost, plain.time),
        value=_column(order, plain.value[rows], np.full(len(lost), np.nan), plain.value),
        quality=_column(order, plain.quality[rows], np.full(len(lost), NO_DATA, np.uint32), plain.quality),
        row=_column(order, rows, np.full(len(lost), -1, np.intp), plain.row),
        real=_column(order, kept, none, plain.real),
        breaks=_column(order, kept, gone, plain.breaks),
        start=plain.start,
        end=plain.end,
        last=plain.last,
    )


def _column(order: NDArray[np.intp], *parts: NDArray[T]) -> NDArray[T]:
    return np.concatenate(parts)[order]
