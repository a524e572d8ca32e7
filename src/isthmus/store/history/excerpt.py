# SPDX-License-Identifier: Apache-2.0
"""An excerpt is a range of one tag's history with the samples that bound it, ready to be summed up.

Its earlier numbers are joined. In front of the range stand the samples since the last Good one before it (the last two
for sloped extrapolation), without those that are Bad but the nearest, and behind it those up to the first Good one:
that is all that bounds can depend on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from isthmus.core.quality import BAD, is_good
from isthmus.core.samples import Value, plain
from isthmus.core.tag import DataType
from isthmus.plant.revision import TagSetting
from isthmus.store.history.aggregates.folds import Folds
from isthmus.store.history.aggregates.outcome import Result
from isthmus.store.history.aggregates.reading import raw
from isthmus.store.history.aggregates.series import Series
from isthmus.store.history.around import after, before
from isthmus.store.history.columns import Columns, join
from isthmus.store.history.former import joined_columns
from isthmus.store.history.read import History
from isthmus.store.history.watch import Watch, numbers_of

STEPPED: Final = (DataType.BOOLEAN, DataType.ENUMERATION)
"""Types whose values hold until the next one, whatever the tag says."""


@dataclass(frozen=True, slots=True)
class Middle:
    """What lies within the range."""

    columns: Columns
    """Samples, in order of time."""
    folds: Folds | None = None
    """What those that are left out count for."""
    unseen: NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 2), np.int64))
    """(k, 2) spans, ns, of which nothing is kept that tells what the tag was."""


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Samples of one tag, bounds included."""

    setting: TagSetting
    columns: Columns
    """(n,) in order of time, under today's number."""
    series: Series
    """The same (n,) samples."""

    def value(self, result: Result, i: int) -> Value:
        """What the i-th result says, exactly where it can be said exactly; None where it is Bad."""
        row, value, type_ = int(result.row[i]), float(result.value[i]), self.setting.tag.type
        if row >= 0 and type_ is DataType.TEXT:
            code = int(self.columns.text[row])
            return self.columns.words[code - 1] if code else None
        if result.whole[i] or (row >= 0 and type_ is DataType.BOOLEAN):
            return plain(type_, value, int(result.integer[i]), None)
        return None if value != value else value

    def bounded(self, start: int, end: int) -> Columns:
        """The raw samples of a range with its bounding values; one that is missing is Bad_BoundNotFound, at the end."""
        found = raw(self.series, start, end, bounds=True)
        bare = _bare(self.setting, found.time, found.quality)
        if not len(self.columns):
            return bare
        missing, picked = found.row < 0, self.columns.pick(np.maximum(found.row, 0))
        arrays = (np.where(missing, *pair) for pair in zip(bare.arrays(), picked.arrays(), strict=True))
        return Columns(picked.words, *arrays)


def _bare(setting: TagSetting, times: NDArray[np.int64], quality: NDArray[np.uint32]) -> Columns:
    """Samples without values."""
    n = len(times)
    return Columns(
        words=(),
        tag=np.full(n, setting.tag.number, np.uint32),
        time=times,
        seen=times,
        value=np.full(n, np.nan),
        integer=np.zeros(n, np.int64),
        whole=np.zeros(n, np.bool_),
        text=np.zeros(n, np.int32),
        quality=quality,
        mark=np.zeros(n, np.uint8),
    )


def excerpt(history: History, setting: TagSetting, watch: Watch, start: int, end: int, *, leading: int = 1) -> Excerpt:
    """A tag's samples with start <= time < end (ns) and what bounds them; `watch` is that of the tag's system.

    `leading` Good ones stand in front: two where a line through them is to be continued.
    """
    early = _leading(history, setting, start, leading)
    middle = Middle(joined_columns(history, setting, start, end))
    return assembled(setting, watch, early, middle, trailing(history, setting, end))


def leading(history: History, setting: TagSetting, start: int) -> Columns:
    """The samples before `start` (ns) from the last Good one on, without those that are Bad but the nearest."""
    return _leading(history, setting, start, 1)


def _leading(history: History, setting: TagSetting, start: int, lacking: int) -> Columns:
    numbers, text = numbers_of(setting), setting.tag.type is DataType.TEXT
    early: list[Columns] = []
    for part in before(history, numbers, start, partial(joined_columns, history, setting)):
        good, usable = _usable(part, text)
        if not len(part):
            continue
        usable[-1] |= not early
        early.insert(0, part.pick(usable & _from_last(good, part.time, lacking)))
        lacking -= int(np.count_nonzero(good))
        if lacking <= 0:
            break
    return join(early)


def trailing(history: History, setting: TagSetting, end: int) -> Columns:
    """The samples from `end` (ns) up to the first Good one, without those that are Bad but the nearest."""
    numbers, text = numbers_of(setting), setting.tag.type is DataType.TEXT
    late: list[Columns] = []
    for part in after(history, numbers, end, partial(joined_columns, history, setting)):
        good, usable = _usable(part, text)
        if not len(part):
            continue
        usable[0] |= not late
        late.append(part.pick(usable & _to_first(good, part.time)))
        if good.any():
            break
    return join(late)


def last_good(samples: Columns) -> Columns | None:
    """`leading` of these ordered samples of a number, if one is Good."""
    good, usable = _usable(samples, text=False)
    usable[-1:] = True
    return samples.pick(usable & _from_last(good, samples.time, 1)) if good.any() else None


def first_good(samples: Columns) -> Columns | None:
    """`trailing` of these ordered samples of a number, if one is Good."""
    good, usable = _usable(samples, text=False)
    usable[:1] = True
    return samples.pick(usable & _to_first(good, samples.time)) if good.any() else None


def assembled(setting: TagSetting, watch: Watch, early: Columns, middle: Middle, late: Columns) -> Excerpt:
    """A tag's excerpt of its parts."""
    columns = join([early, middle.columns, late])
    folds = middle.folds.shifted(len(early)) if middle.folds is not None else None
    inexact = ~columns.whole & ~np.isnan(columns.value) & (columns.quality < np.uint32(BAD))
    tag = setting.tag
    series = Series(
        time=columns.time,
        value=columns.value,
        quality=columns.quality,
        integer=columns.integer if tag.whole and not inexact.any() else None,
        unsigned=tag.type is DataType.UNSIGNED,
        stepped=tag.stepped or tag.type in STEPPED,
        numeric=tag.type is not DataType.TEXT,
        gaps=np.concatenate((watch.gaps(columns), middle.unseen)),
        observed_until=watch.until,
        folds=folds,
    )
    return Excerpt(setting, columns, series)


def _usable(part: Columns, text: bool) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """(n,) where samples are Good, and where they are not Bad; one without a value is Bad."""
    there = (part.text > 0) if text else ~np.isnan(part.value)
    return is_good(part.quality) & there, (part.quality < np.uint32(BAD)) & there


def _from_last(good: NDArray[np.bool_], times: NDArray[np.int64], count: int) -> NDArray[np.bool_]:
    """(n,) from the last so many Good ones on; all where there are fewer."""
    places = np.flatnonzero(good)
    return times >= times[places[-count]] if len(places) >= count else np.ones(len(times), np.bool_)


def _to_first(good: NDArray[np.bool_], times: NDArray[np.int64]) -> NDArray[np.bool_]:
    places = np.flatnonzero(good)
    return times <= times[places[0]] if len(places) else np.ones(len(times), np.bool_)
