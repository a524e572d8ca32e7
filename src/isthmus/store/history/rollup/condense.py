# SPDX-License-Identifier: Apache-2.0
"""Condensing: an excerpt for given intervals that reads rows of roll-ups instead of samples wherever these say as much.

Quarters stand for what lies within one interval, minutes for the rest of it; for rough ones the samples that stand
beside them. Others are read: of minutes in which an interval begins or ends, near gaps (`choose.py`), and what is in no
day file yet, samples that came late for instance; no row is used in a minute that has any of these. The result holds
the samples that aggregates name, at their own times, and folds that count for the others: the answers are those that
the samples give. Where samples were let go, what rows cannot tell is told as not observed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Generic, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isthmus.core.tag import DataType
from isthmus.plant.revision import Former, TagSetting
from isthmus.store.history.aggregates.folds import Folds
from isthmus.store.history.aggregates.intervals import Intervals
from isthmus.store.history.aggregates.series import Settings
from isthmus.store.history.columns import Columns, current, join
from isthmus.store.history.excerpt import STEPPED, Excerpt, Middle, assembled, excerpt, leading, trailing
from isthmus.store.history.former import joined_columns
from isthmus.store.history.kept import DAY, Kind
from isthmus.store.history.read import History
from isthmus.store.history.rollup import choose
from isthmus.store.history.rollup.choose import Spans, Terms
from isthmus.store.history.rollup.fetch import fetch, in_time
from isthmus.store.history.rollup.nearest import nearest_after, nearest_before
from isthmus.store.history.rollup.outline import outline_with_rows
from isthmus.store.history.rollup.rows import MINUTE, QUARTER, R, Remark, Rows, Shown, joined
from isthmus.store.history.rollup.sheaf import Sheaves, bundle
from isthmus.store.history.rollup.thin import thinned
from isthmus.store.history.watch import Watch

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
        return excerpt(history, setting, watch, start, end, leading=2 if settings.use_sloped_extrapolation else 1)
    held = setting.tag.stepped or setting.tag.type in STEPPED
    gaps, holds = watch.spans(setting.tag.number), held if stepped is None else stepped
    number, whole = setting.tag.number, setting.tag.whole

    def made(samples: Columns, rows: Rows) -> tuple[Columns, Folds | None]:
        return thinned(samples, rows, number, whole=whole)

    middle = _Condensing(history, setting, gaps, intervals.edges, holds, Rows, made).middle()
    return bounded(history, setting, watch, middle, start, end)


def sketched(
    history: History, setting: TagSetting, watch: Watch, edges: NDArray[np.int64], base: Sheaves[Shown] | None = None
) -> Excerpt:
    """What a picture needs of a tag that has numbers, on pixel columns between these ascending edges (ns).

    `base` is what there is of `rows_for` in the days of the columns, where it was fetched already.
    """
    gaps, number = watch.spans(setting.tag.number), setting.tag.number

    def made(samples: Columns, rows: Shown) -> tuple[Columns, None]:
        return outline_with_rows(samples, rows, number, edges, gaps), None

    middle = _Condensing(history, setting, gaps, edges, False, Shown, made, base).middle()
    return bounded(history, setting, watch, middle, int(edges[0]), int(edges[-1]))


def rows_for(edges: NDArray[np.int64]) -> Kind | None:
    """Which rows are asked first where no samples were let go; None: no interval is as wide as a row."""
    widest = int(np.diff(edges).max())
    return Kind.QUARTERS if widest >= QUARTER else Kind.MINUTES if widest >= MINUTE else None


def bounded(history: History, setting: TagSetting, watch: Watch, middle: Middle, start: int, end: int) -> Excerpt:
    """An excerpt of what lies between `start` and `end` (ns) with the samples that bound it."""
    gaps = watch.spans(setting.tag.number)
    early, late = nearest_before(history, setting, gaps, start), nearest_after(history, setting, gaps, end)
    return assembled(
        setting,
        watch,
        leading(history, setting, start) if early is None else early,
        middle,
        trailing(history, setting, end) if late is None else late,
    )


@dataclass(frozen=True, slots=True)
class _Sorted(Generic[R]):
    """Rows by what is made of them."""

    folded: R
    """They stand for their samples."""
    samples: Columns
    """Those beside rows are used, and in the range."""
    left: _Places


class _Places(NamedTuple):
    """Which rows: all arrays are (m,)."""

    tag: NDArray[np.uint32]
    time: NDArray[np.int64]
    """Where they begin, ns."""

    @classmethod
    def of(cls, rows: Shown, which: NDArray[np.bool_]) -> _Places:
        return cls(rows.tag[which], rows.time[which])

    def pick(self, which: NDArray[np.bool_]) -> _Places:
        return _Places(self.tag[which], self.time[which])


@dataclass(frozen=True)
class _Condensing(Generic[R]):
    """What lies within one tag's range."""

    history: History
    setting: TagSetting
    gaps: Spans
    """Told of the tag, in no order."""
    edges: NDArray[np.int64]
    holds: bool
    of_rows: type[R]
    """So much of rows is needed."""
    made: Callable[[Columns, R], tuple[Columns, Folds | None]]
    """Of samples, in any order, and of rows, in order, the samples that remain, in order, and folds for the others."""
    given: Sheaves[R] | None = None

    def middle(self) -> Middle:
        """The samples that remain, in order, and folds for the others."""
        base = self.base.rows
        if not len(base):
            return Middle(joined_columns(self.history, self.setting, self.start, self.end))
        first = self.sorted_out(self.base, self.width, self.dark, self.lacking)
        finer, bare = self.finer(first.left) if self.coarse else ([], choose.of_rows(first.left.time, MINUTE))
        taken = choose.together([self.lacking, bare])
        all_ = [first, *(self.sorted_out(each, MINUTE, choose.together([self.dark, bare]), taken) for each in finer)]
        rough = choose.together([bare, *(choose.of_rows(each.left.time, MINUTE) for each in all_[1:])])
        spans = choose.together([self.lacking, choose.apart(rough, self.let_go), self.uncovered])
        read = self.samples(choose.clipped(spans, self.start, self.end))
        samples = join([*read, *(each.samples for each in all_)])
        rows = in_time(joined([each.folded for each in all_], self.of_rows))
        return Middle(*self.made(samples, rows), choose.common(rough, self.let_go))

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
    def kind(self) -> Kind | None:
        """The rows that are asked first; quarters too where samples were let go, and all that is left is told."""
        return Kind.QUARTERS if self.border > self.start // DAY else rows_for(self.edges)

    @property
    def coarse(self) -> bool:
        return self.kind is Kind.QUARTERS

    @property
    def width(self) -> int:
        """Of the rows that are asked first, ns."""
        return QUARTER if self.coarse else MINUTE

    @cached_property
    def base(self) -> Sheaves[R]:
        """Those rows."""
        found = self.fetched()
        return replace(found, rows=self.reaching(found.rows, self.width))

    def reaching(self, rows: R, width: int) -> R:
        """Those that have a part in the range."""
        inside = (rows.time + width > self.start) & (rows.time < self.end)
        return rows if inside.all() else rows.pick(inside)

    def fetched(self) -> Sheaves[R]:
        if self.kind is None:
            return bundle((), self.of_rows)
        if self.given is not None and self.kind is rows_for(self.edges):
            return self.given
        return fetch(self.history, self.kind, self.numbers, self.start // DAY, (self.end - 1) // DAY, self.of_rows)

    def sorted_out(self, found: Sheaves[R], width: int, dark: Spans, taken: Spans) -> _Sorted[R]:
        """What is to be made of each row.

        Samples of `dark` spans have to be there, those of spans that are `taken` come from elsewhere.
        """
        rows = found.rows
        folded = Terms(self.edges, self.holds, dark, bool(len(self.gaps))).accept(rows, width)
        if len(self.let_go):  # better what rows tell than nothing
            told = Terms(self.edges, self.holds, choose.together([self.gaps, taken]), False)
            folded |= choose.inside(self.let_go, rows.time) & told.accept(rows, width)
        own = np.zeros(len(rows), np.bool_)
        own[_beside(found, width, folded, taken)] = True
        samples = self.beside(found.samples, rows.time[own], width)
        return _Sorted(rows.pick(folded), samples, _Places.of(rows, ~(folded | own)))

    def beside(self, samples: Columns, begins: NDArray[np.int64], width: int) -> Columns:
        """Those of the samples that lie in the rows that begin so and in the range, under today's number."""
        if not len(begins):
            return samples.pick(slice(0))
        spans = choose.clipped(choose.of_rows(begins, width), self.start, self.end)
        found = current(samples.pick(choose.inside(spans, samples.time)))
        return replace(found, tag=np.full(len(found), self.setting.tag.number, np.uint32))

    @cached_property
    def border(self) -> int:
        """The UTC day before which samples may have been let go."""
        of = self.history.borders().of
        return max((of[number].raw for number in self.numbers if number in of), default=self.start // DAY)

    @cached_property
    def let_go(self) -> Spans:
        """The days of which rows tell all there is: their samples may be gone."""
        gone = self.days < self.border
        if not gone.any():
            return choose.NOTHING
        found = np.setdiff1d(self.days[gone], self.days[self.base.rows.marked(Remark.ROUGH)])
        return choose.of_days(found)

    @cached_property
    def covered(self) -> Days:
        """The days that have rows."""
        found: Days = self.days[np.append(True, self.days[1:] != self.days[:-1])]
        return found

    @cached_property
    def days(self) -> Days:
        """(m,) of the rows, each as often as it has any."""
        return self.base.rows.time // DAY

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
        for number in self.numbers:
            for day in np.setdiff1d(self.covered, self.days[self.base.rows.tag == number]).tolist():
                yield self.history.columns([number], day * DAY, (day + 1) * DAY)

    @cached_property
    def dark(self) -> Spans:
        """Where samples have to be there: near gaps, and where no row tells of some."""
        return choose.together([self.near_gaps(), self.lacking])

    def near_gaps(self) -> Spans:
        """What gaps reach into the range, and what is needed to know how far."""
        gaps = self.gaps[self.gaps[:, 0] < self.end]
        if not len(gaps):
            return gaps
        reaching = np.column_stack((gaps[:, 0], np.maximum(gaps[:, 1], self.start)))
        return choose.around_gaps(reaching, self.base.rows, self.width)

    def finer(self, left: _Places) -> tuple[list[Sheaves[R]], Spans]:
        """The minutes of these quarters, and the quarters of which there are none: there all samples are read.

        Of a quarter of several numbers all minutes come from one place, so that those they share are seen.
        """
        alone, beside = left.pick(~choose.shared(left.time)), self.base.minutes
        beside = beside.pick(np.isin(_keys(beside), _keys(alone)))
        beside = in_time(beside)
        found = [replace(self.base, rows=self.reaching(beside, MINUTE), minutes=beside.pick(slice(0)))]
        rest = left.pick(~np.isin(_keys(left), _keys(beside)))
        if len(rest.time):
            days = np.unique(rest.time // DAY)
            minutes = fetch(self.history, Kind.MINUTES, self.numbers, int(days[0]), int(days[-1]), self.of_rows)
            rows = minutes.rows.pick(np.isin(_keys(minutes.rows), _keys(rest)))
            found.append(replace(minutes, rows=self.reaching(rows, MINUTE)))
            there = np.isin(_days(rest), _days(rows))
            rest = rest.pick(~there)
        return found, choose.of_rows(rest.time, QUARTER)

    def samples(self, spans: Spans) -> Iterator[Columns]:
        """Those in the spans; of a day all that lies between its first and its last span is read at once."""
        for low, high in choose.days_together(spans).tolist():
            found = joined_columns(self.history, self.setting, low, high)
            yield found.pick(choose.inside(spans, found.time))


def _beside(found: Sheaves[R], width: int, folded: NDArray[np.bool_], taken: Spans) -> NDArray[np.intp]:
    """Which rows are not folded, and their samples stand beside them: not in spans that are `taken`, nor as minutes."""
    rows = found.rows
    which = np.flatnonzero(rows.marked(Remark.BESIDE) & ~folded)
    if len(which):
        begins = rows.time[which]
        used = ~choose.touched(begins, begins + width, taken) & ~choose.shared(rows.time)[which]
        which = which[used & ~np.isin(_keys(rows)[which], _keys(found.minutes))]
    return which


def _keys(rows: Shown | _Places) -> NDArray[np.int64]:
    """(m,) one number for each tag and quarter."""
    return (rows.time // QUARTER << 32) + rows.tag.astype(np.int64)


def _days(rows: Shown | _Places) -> NDArray[np.int64]:
    """(m,) one number for each tag and day."""
    return (rows.time // DAY << 32) + rows.tag.astype(np.int64)
