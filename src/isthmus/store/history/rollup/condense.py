# SPDX-License-Identifier: Apache-2.0
"""Condensing: an excerpt for given intervals that reads rows of roll-ups instead of samples wherever these say as much.

Quarters stand for what lies within one interval, minutes for the rest of it, samples for what is left: minutes in which
an interval begins or ends, and rows that do not say all (`choose.py`). What is in no day file yet, samples that came
late for instance, is read as well, and no row is used in a minute that has any of it. The result holds the samples that
aggregates name, at their own times, and folds that count for the others: the answers are those that the samples give.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from isthmus.core.tag import DataType
from isthmus.plant.revision import Former, TagSetting
from isthmus.store.history.aggregates.folds import Folds
from isthmus.store.history.aggregates.intervals import Intervals
from isthmus.store.history.aggregates.series import Settings
from isthmus.store.history.columns import Columns, join
from isthmus.store.history.excerpt import STEPPED, Excerpt, excerpt
from isthmus.store.history.former import joined_columns
from isthmus.store.history.kept import DAY, Kind
from isthmus.store.history.read import History
from isthmus.store.history.rollup import choose
from isthmus.store.history.rollup.choose import Spans, Terms
from isthmus.store.history.rollup.rows import MINUTE, QUARTER, Remark, Rows, from_table, joined
from isthmus.store.history.rollup.thin import thinned
from isthmus.store.history.watch import Watch

_FEW: Final = 8
"""Quarters of a day whose samples are read rather than the day's minutes."""

Days = NDArray[np.int64]
"""UTC days since 1970-01-01, ascending."""


def condensed(
    history: History,
    setting: TagSetting,
    watch: Watch,
    intervals: Intervals,
    settings: Settings,
    *,
    stepped: bool | None = None,
) -> Excerpt:
    """What aggregates of these intervals need of a tag; good for these intervals and settings only.

    `stepped` says how values lie between samples where that is not as the tag says. All samples, as of `excerpt`, where
    rows are of no use: of text, with sloped extrapolation, with time that runs backward.
    """
    start, end = int(intervals.edges[0]), int(intervals.edges[-1])
    if setting.tag.type is DataType.TEXT or settings.use_sloped_extrapolation or intervals.backward:
        leading = 2 if settings.use_sloped_extrapolation else 1
        return excerpt(history, setting, watch, start, end, leading=leading)
    held = setting.tag.stepped or setting.tag.type in STEPPED
    holds = held if stepped is None else stepped
    condensing = _Condensing(history, setting, watch.spans(setting.tag.number), intervals.edges, holds)
    return excerpt(history, setting, watch, start, end, inside=condensing.inside)


@dataclass(frozen=True)
class _Condensing:
    """The inside of one tag's range."""

    history: History
    setting: TagSetting
    gaps: Spans
    """Told of the tag, in no order."""
    edges: NDArray[np.int64]
    holds: bool

    def inside(self) -> tuple[Columns, Folds | None]:
        """The samples that remain, in order, and folds for the others; no folds where no row is of use."""
        quarters = self.quarters
        if not len(quarters):
            return joined_columns(self.history, self.setting, self.start, self.end), None
        terms = Terms(self.edges, self.holds, choose.together([self.near_gaps(), self.lacking]), bool(len(self.gaps)))
        accepted = terms.accept(quarters, QUARTER)
        minutes, bare = self.minutes(quarters.pick(~accepted))
        terms = terms.darker(bare)
        good = terms.accept(minutes, MINUTE)
        spans = choose.together([self.lacking, bare, choose.of_rows(minutes.pick(~good), MINUTE), self.uncovered])
        rows = _by_time(joined([quarters.pick(accepted), minutes.pick(good)]))
        samples = join(self.samples(choose.clipped(spans, self.start, self.end)))
        return thinned(samples, rows, self.setting.tag.number, whole=self.setting.tag.whole)

    @property
    def start(self) -> int:
        return int(self.edges[0])

    @property
    def end(self) -> int:
        return int(self.edges[-1])

    @cached_property
    def numbers(self) -> list[int]:
        """Those whose samples are today's as they are."""
        return [self.setting.tag.number, *(each.number for each in self.setting.formers if self.same(each))]

    def same(self, former: Former) -> bool:
        return former.scale == 1.0 and former.offset == 0.0 and former.type == self.setting.tag.type

    @cached_property
    def quarters(self) -> Rows:
        """Those of the days that rows may serve."""
        first, last = self.start // DAY, (self.end - 1) // DAY
        found = self.rows(Kind.QUARTERS, first, last)
        return found.pick(~np.isin(found.time // DAY, choose.spread(choose.within_minutes(self.edges))))

    def rows(self, kind: Kind, first: int, last: int) -> Rows:
        """The tag's rows of these days (included), by time."""
        read = [
            (file, _of(table, self.numbers)) for file, table in self.history.derived(kind, self.numbers, first, last)
        ]
        rows = joined([from_table(table) for file, table in read if self.history.is_sound(file)])
        inside = (rows.time + QUARTER > self.start) & (rows.time < self.end)
        return _by_time(rows.pick(inside))

    @cached_property
    def covered(self) -> Days:
        """The days that have rows."""
        return np.unique(self.quarters.time // DAY)

    @cached_property
    def uncovered(self) -> Spans:
        return choose.without(self.covered * DAY, (self.covered + 1) * DAY)

    @cached_property
    def lacking(self) -> Spans:
        """The minutes of covered days with samples that no row tells of."""
        first, last = int(self.covered[0]) * DAY, int(self.covered[-1] + 1) * DAY
        low, high = max(first, self.start), min(last, self.end)
        found = [self.history.loose(self.numbers, low, high).time]
        others = [former.number for former in self.setting.formers if not self.same(former)]
        found += [self.history.columns(others, low, high).time] if others else []
        found += [each.time for each in self.untold()] if len(self.numbers) > 1 else []
        return choose.of_times(np.concatenate(found))

    def untold(self) -> Iterator[Columns]:
        """Samples of a number on days of which another one has rows, and it has none."""
        days = self.quarters.time // DAY
        for number in self.numbers:
            for day in np.setdiff1d(self.covered, days[self.quarters.tag == number]).tolist():
                yield self.history.columns([number], day * DAY, (day + 1) * DAY)

    def near_gaps(self) -> Spans:
        """What gaps reach into the range, and what is needed to know how far."""
        gaps = self.gaps[self.gaps[:, 0] < self.end]
        if not len(gaps):
            return gaps
        reaching = np.column_stack((gaps[:, 0], np.maximum(gaps[:, 1], self.start)))
        return choose.around_gaps(reaching, self.quarters, QUARTER)

    def minutes(self, left: Rows) -> tuple[Rows, Spans]:
        """The minutes of these quarters, and those for which there are none: there all samples are read.

        None are read of a day of which they would leave most of the samples to be read.
        """
        days, counts = np.unique(left.time // DAY, return_counts=True)
        many = np.setdiff1d(days[counts > _FEW], choose.spread(left.time[left.marked(Remark.ROUGH)]))
        rows = self.rows(Kind.MINUTES, int(many[0]), int(many[-1])) if len(many) else left.pick(slice(0))
        rows = rows.pick(np.isin(rows.time // DAY, many) & np.isin(rows.time // QUARTER * QUARTER, left.time))
        there = np.isin(_keys(left), _keys(rows))
        return rows, choose.of_rows(left.pick(~there), QUARTER)

    def samples(self, spans: Spans) -> Iterator[Columns]:
        """Those in the spans; of a day all that lies between its first and its last span is read at once."""
        for low, high in choose.days_together(spans).tolist():
            found = joined_columns(self.history, self.setting, low, high)
            yield found.pick(choose.inside(spans, found.time))


def _of(table: pa.Table, numbers: list[int]) -> pa.Table:
    """What a table ordered by tag has of these numbers."""
    tag, wanted = table["tag"].to_numpy(), np.array(numbers, np.uint32)
    ends = (np.searchsorted(tag, wanted, side).tolist() for side in choose.SIDES)
    return pa.concat_tables([table.slice(lo, hi - lo) for lo, hi in zip(*ends, strict=True)])


def _by_time(rows: Rows) -> Rows:
    return rows.pick(np.argsort(rows.time, kind="stable"))


def _keys(rows: Rows) -> NDArray[np.int64]:
    """(m,) one number for each tag and day."""
    return (rows.time // DAY << 32) + rows.tag.astype(np.int64)
