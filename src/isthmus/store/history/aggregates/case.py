# SPDX-License-Identifier: Apache-2.0
"""A case is one tag, the intervals of a question and its settings, with what several aggregates need of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from isthmus.core.quality import BAD, GOOD
from isthmus.store.history.aggregates import course
from isthmus.store.history.aggregates.course import Course, Cut, sizes, sums
from isthmus.store.history.aggregates.intervals import Intervals
from isthmus.store.history.aggregates.points import Extent, Flags, Points, Times, extent, merged, points
from isthmus.store.history.aggregates.series import Series, Settings
from isthmus.store.history.aggregates.status import SUBNORMAL

T = TypeVar("T", bound=np.generic)


@dataclass(frozen=True)
class Case:
    """Everything here is in ascending order, also when time runs backward. Worked out once, when first needed."""

    series: Series
    """With at least one sample."""
    intervals: Intervals
    settings: Settings

    @cached_property
    def extent(self) -> Extent:
        return extent(self.series)

    @cached_property
    def points(self) -> Points:
        return points(self.series)

    @cached_property
    def simple(self) -> Course:
        return course.simple(self.points, self.settings, holds=self.series.holds)

    @cached_property
    def interpolated(self) -> Course:
        return course.interpolated(self.points, self.settings, holds=self.series.holds)

    @cached_property
    def sloped(self) -> Course:
        """The interpolated course with lines also between the values of a stepped tag (5.4.3.6)."""
        return course.interpolated(self.points, self.settings, holds=False)

    @cached_property
    def usable(self) -> NDArray[np.uint32]:
        return self.series.usable()

    @cached_property
    def good(self) -> Flags:
        """(n,) which samples are Good."""
        return self.usable < np.uint32(0x4000_0000)

    @cached_property
    def bad(self) -> Flags:
        """(n,) which samples are Bad, as the settings see them."""
        return course.is_bad(self.usable, self.settings)

    @cached_property
    def rows(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """(m,) the samples lo <= i < hi of each interval."""
        places = np.searchsorted(self.series.time, self.intervals.edges, self.intervals.side)
        return places[:-1], places[1:]

    @cached_property
    def loose(self) -> Flags:
        """(n,) which samples no fold counts."""
        folds = self.series.folds
        if folds is None:
            return np.ones(len(self.series), np.bool_)
        steps = np.zeros(len(self.series) + 1, np.int8)
        steps[folds.first] += 1
        steps[folds.last + 1] -= 1
        found: Flags = np.cumsum(steps[:-1], dtype=np.int8) == 0
        return found

    def counted(self, flags: Flags) -> NDArray[np.int64]:
        """(m,) how many of each interval's samples have the flag; of folds only those that are there."""
        return sizes(np.flatnonzero(flags), *self.rows)

    @cached_property
    def size(self) -> NDArray[np.int64]:
        """(m,) how many samples each interval has."""
        lo, hi = self.rows
        folds = self.series.folds
        return (hi - lo).astype(np.int64) if folds is None else self.counted(self.loose) + self.folded(folds.count)

    @cached_property
    def goods(self) -> NDArray[np.int64]:
        """(m,) how many Good samples each interval has."""
        folds = self.series.folds
        if folds is None:
            return self.counted(self.good)
        return self.counted(self.good & self.loose) + self.folded(folds.count)

    @cached_property
    def bads(self) -> NDArray[np.int64]:
        """(m,) how many Bad samples each interval has."""
        return self.counted(self.bad)

    @cached_property
    def fold_rows(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """(m,) the folds lo <= i < hi of each interval."""
        folds = self.series.folds
        first = np.zeros(0, np.intp) if folds is None else folds.first
        return course.places_of(first, *self.rows)

    def folded(self, quantity: NDArray[T]) -> NDArray[T]:
        """(m,) sums of what each fold has (k,) by interval."""
        return sums(quantity, *self.fold_rows)

    def integrals(self, *, holds: bool) -> NDArray[np.float64]:
        """(m,) how much more value times seconds folds have than lie between those of their samples that are there."""
        folds = self.series.folds
        if folds is None:
            return np.zeros(1)
        span, value = np.diff(self.series.time) * 1e-9, self.series.value
        means = value[:-1] if holds else value[:-1] * 0.5 + value[1:] * 0.5
        there = sums(means * span, folds.first, folds.last)
        return self.folded((folds.held if holds else folds.line) - there)

    def zero_times(self) -> Times:
        """(m,) how many more ns that begin with zero."""
        folds = self.series.folds
        if folds is None:
            return np.zeros(1, np.int64)
        zero = np.where(self.series.value[:-1] == 0, np.diff(self.series.time), 0)
        return self.folded(folds.zero_time - sums(zero, folds.first, folds.last))

    @cached_property
    def outside(self) -> Flags:
        """(m,) wholly before the start of data or after its end."""
        early, late, data = self.intervals.early, self.intervals.late, self.extent
        if self.intervals.backward:
            return (late < data.start) | (early >= data.last)
        return (late <= data.start) | (early >= data.end)

    @cached_property
    def partial(self) -> Flags:
        """(m,) not complete: over the start or the end of data, or what was left of the range (5.3.3.2)."""
        early, late, data = self.intervals.early, self.intervals.late, self.extent
        begins = (early < data.start) & (data.start <= late)
        ends = (early < data.end) & (data.end < late)
        return (begins | ends | self.intervals.is_rest()) & ~self.outside

    @cached_property
    def late(self) -> Times:
        """(m,) ends of the intervals, not after the end of data: up to where simple courses count."""
        return np.maximum(np.minimum(self.intervals.late, self.extent.end), self.intervals.early)

    @cached_property
    def width(self) -> Times:
        """(m,) ns up to there."""
        return self.late - self.intervals.early

    @cached_property
    def pieces(self) -> Cut:
        """The simple course by interval."""
        return course.cut(self.simple, self.intervals.early, self.late)

    @cached_property
    def gaps(self) -> Times:
        return merged(self.series.gaps)

    @cached_property
    def hidden(self) -> Flags:
        """(m,) a part of the interval was not observed."""
        if not len(self.gaps):
            return np.zeros(len(self.intervals), np.bool_)
        before = np.searchsorted(self.gaps[:, 0], self.late, "left")
        found: Flags = (before > 0) & (self.gaps[np.maximum(before - 1, 0), 1] > self.intervals.early)
        return found

    @cached_property
    def dark(self) -> Flags:
        """(m,) nothing of the interval was observed."""
        if not len(self.gaps):
            return np.zeros(len(self.intervals), np.bool_)
        place = np.searchsorted(self.gaps[:, 0], self.intervals.early, "right") - 1
        found: Flags = (place >= 0) & (self.gaps[place, 1] >= self.late)
        return found


def verdict(
    settings: Settings, good: NDArray[np.int64], bad: NDArray[np.int64], total: NDArray[np.int64]
) -> NDArray[np.uint32]:
    """Good, Bad or Uncertain_DataSubNormal by shares of a total, of time or of values (5.4.3.2.1).

    Where percent-data-good is 100 minus percent-data-bad the share of Good decides (4.2.1.2); all Bad is then still
    Bad, as there is nothing to have a value of.
    """
    is_good = (good == total) | (good * 100.0 >= settings.percent_data_good * total.astype(np.float64))
    if settings.percent_data_good == 100 - settings.percent_data_bad:
        return _chosen((is_good, GOOD), ((bad == total), BAD))
    is_bad = (bad > 0) & (bad * 100.0 >= settings.percent_data_bad * total.astype(np.float64))
    return _chosen((is_bad, BAD), (is_good, GOOD))


def _chosen(*choices: tuple[Flags, int]) -> NDArray[np.uint32]:
    found = np.full(len(choices[0][0]), SUBNORMAL, np.uint32)
    for flags, code in reversed(choices):
        found[flags] = code
    return found
