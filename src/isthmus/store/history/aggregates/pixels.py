# SPDX-License-Identifier: Apache-2.0
"""Pixels are as few points as a screen needs to draw a tag exactly: first, least, greatest and last of each column.

The line between the points kept covers in every pixel column what the line between all samples covers (M4: Jugel,
Jerzak, Hackenbroich, Markl, "M4: A visualization-oriented time series data aggregation", VLDB 2014).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import IsthmusError
from isthmus.core.quality import BAD
from isthmus.store.history.aggregates.course import reduced
from isthmus.store.history.aggregates.outcome import Rows
from isthmus.store.history.aggregates.points import Flags, Points, Times, points
from isthmus.store.history.aggregates.series import Series
from isthmus.store.history.aggregates.status import NO_DATA


@dataclass(frozen=True, slots=True)
class Drawn:
    """At most 6 points per pixel column, ascending in time, and those that lead into and out of the range."""

    time: Times
    value: NDArray[np.float64]
    """NaN breaks the line: what follows is not to be joined to what was before."""
    quality: NDArray[np.uint32]
    bad: Flags
    """(width,) where a pixel column holds Bad samples or time without any known value."""


def pixels(series: Series, start: int, end: int, width: int) -> Drawn:
    """The tag from `start` to `end` (ns) on `width` pixel columns. Draw it stepped where the series is."""
    return draw(series, columns(start, end, width))


def columns(start: int, end: int, width: int, grain: int = 1) -> Times:
    """(width + 1,) edges of pixel columns, ns; inner ones at the nearest multiples of `grain`."""
    if end <= start or width < 1:
        raise IsthmusError("a picture needs a start before its end and at least one pixel")
    edges = _edges(start, end, width)
    edges[1:-1] = (edges[1:-1] + grain // 2) // grain * grain
    return edges


def draw(series: Series, edges: Times) -> Drawn:
    """The tag on pixel columns between these ascending edges (ns)."""
    width = len(edges) - 1
    if not series.numeric:
        raise IsthmusError("text cannot be drawn as a line")
    if not len(series):
        return Drawn(edges[:0], np.zeros(0), np.zeros(0, np.uint32), np.ones(width, np.bool_))
    data = points(series)
    usable = np.flatnonzero(data.quality < np.uint32(BAD))
    kept, ends = _kept(data, usable, edges)
    broken = ends[_broken(data, usable)[np.searchsorted(usable, ends)]]
    return _drawn(data, kept, broken, _bad(data, edges), holds=series.holds)


def _edges(start: int, end: int, width: int) -> Times:
    """(width + 1,) edges of the columns, without overflow over any range."""
    each, rest = divmod(end - start, width)
    columns = np.arange(width + 1, dtype=np.int64)
    edges: Times = start + each * columns + rest * columns // width
    return edges


def _kept(data: Points, usable: Rows, edges: Times) -> tuple[Rows, Rows]:
    """The usable points to draw: of each column, and the nearest ones outside the range; and each column's last."""
    places = np.searchsorted(data.time[usable], edges)
    lo, hi = places[:-1], places[1:]
    value = data.value[usable]
    some = np.flatnonzero(hi > lo)
    around = np.array([places[0] - 1, places[-1]])
    ends = np.zeros(len(usable), np.bool_)
    ends[around[(around >= 0) & (around < len(usable))]] = ends[hi[some] - 1] = True
    kept = ends.copy()
    kept[lo[some]] = True
    for each in _EXTREMES:
        kept[_at(value, lo, hi, reduced(each, value, lo, hi))] = True
    return usable[kept], usable[ends]


_EXTREMES = (np.fmin, np.fmax)


def _at(value: NDArray[np.float64], lo: Rows, hi: Rows, extreme: NDArray[np.float64]) -> Rows:
    """The first place of each column that has its extreme value."""
    hits = np.flatnonzero(value[lo[0] : hi[-1]] == np.repeat(extreme, hi - lo)) + lo[0]
    column = np.searchsorted(hi, hits, "right")
    found: Rows = hits[np.append(True, column[1:] != column[:-1])[: len(hits)]]
    return found


def _broken(data: Points, usable: Rows) -> Flags:
    """After which usable point the line breaks: unusable ones follow, or it was not observed."""
    following = np.append(np.diff(usable) > 1, len(usable) > 0 and usable[-1] < len(data.time) - 1)
    return (following[: len(usable)]) | data.breaks[usable]


def _drawn(data: Points, kept: Rows, before: Rows, bad: Flags, *, holds: bool) -> Drawn:
    """The kept points in order; after each of those `before` one a break, up to which a stepped tag's value holds."""
    after = np.minimum(before + 1, len(data.time) - 1)
    code = np.where(data.quality[after] >= np.uint32(BAD), data.quality[after], np.uint32(NO_DATA))
    time = np.where(data.breaks[before], data.time[before], data.time[after])
    held = np.flatnonzero(time > data.time[before]) if holds else np.zeros(0, np.intp)
    order = np.argsort(np.concatenate([kept * 3, before[held] * 3 + 1, before * 3 + 2]), kind="stable")
    return Drawn(
        time=np.concatenate([data.time[kept], time[held], time])[order],
        value=np.concatenate([data.value[kept], data.value[before[held]], np.full(len(before), np.nan)])[order],
        quality=np.concatenate([data.quality[kept], data.quality[before[held]], code])[order],
        bad=bad,
    )


def _bad(data: Points, edges: Times) -> Flags:
    """Which columns hold a Bad sample, or time of which nothing is known (before the start of data and after its end
    too): from what is Bad, or breaks, nothing is known up to the next point."""
    bad = data.quality >= np.uint32(BAD)
    lost = np.flatnonzero(bad | data.breaks)
    after = np.minimum(lost + 1, len(bad) - 1)
    starts = np.concatenate((edges[:1], data.time[lost], [data.end]))
    ends = np.concatenate((data.time[:1], np.where(after > lost, data.time[after], data.end), edges[-1:]))
    starts, ends = np.maximum(starts, edges[0]), np.minimum(ends, edges[-1])
    some = ends > starts
    steps = np.zeros(len(edges), np.int64)
    np.add.at(steps, np.searchsorted(edges, starts[some], "right") - 1, 1)
    np.add.at(steps, np.searchsorted(edges, ends[some], "left"), -1)
    found: Flags = np.cumsum(steps)[:-1] > 0
    times = data.time[bad]
    found[np.searchsorted(edges, times[(times >= edges[0]) & (times < edges[-1])], "right") - 1] = True
    return found
