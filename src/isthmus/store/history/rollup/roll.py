# SPDX-License-Identifier: Apache-2.0
"""Rolling makes rows of minutes of ordered samples, and rows of quarters of those rows.

Tags with few samples get no rows: those would be larger than the samples, and slower to use.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from isthmus.core.quality import BAD, Mark, is_good
from isthmus.core.tag import DataType, Tag
from isthmus.core.time import EARLIEST, LATEST, SECOND
from isthmus.store.history.columns import Columns, Positions, join, ordered
from isthmus.store.history.rollup.rows import MINUTE, QUARTER, Remark, Rows, joined, none
from isthmus.store.history.rollup.sheaf import Sheaves, to_table

FEWEST: Final = 12
"""Samples to a row, on an average of the tag's rows, that are worth rows: as many as make them smaller than samples."""

PROMPT: Final = 60 * SECOND
"""ns; a live sample seen farther than this from its own time came late."""

_GREATEST: Final = 1e100
_WHOLEST: Final = 2.0**53
"""Values beyond these are left to the samples: they could overflow, or are not whole as floats."""
_CHUNK: Final = 1 << 18
"""Samples rolled at once; bounds memory."""
_HOLDS: Final = (DataType.BOOLEAN, DataType.ENUMERATION, DataType.TEXT)

T = TypeVar("T", bound=np.generic)
Flags = NDArray[np.bool_]
Floats = NDArray[np.float64]
Times = NDArray[np.int64]


def roll(columns: Columns, tags: Mapping[int, Tag], parts: Collection[int] = ()) -> tuple[pa.Table, pa.Table]:
    """Minutes and quarters of ordered samples of one day, as tables of `sheaf.SCHEMA`.

    All samples of a tag come together, or those of whole quarters: then `parts` names the tag's number each time, and
    it has rows however few its samples are. `tags` are those known by their numbers; of others nothing but the samples
    can be relied on. What is finer of rough rows stands beside them.
    """
    minutes = rolled(columns, tags, MINUTE)
    quarters = composed(minutes, QUARTER)
    fine = _worthwhile(minutes, columns, parts)
    coarse = _worthwhile(quarters, columns, {*parts, *np.unique(fine.rows.tag).tolist()})
    return to_table(fine), to_table(_with_minutes(coarse, fine))


def _worthwhile(rows: Rows, columns: Columns, parts: Collection[int]) -> Sheaves[Rows]:
    """Without the tags that have few samples to a row: of a tag that has rows, no row is missing.

    With the samples of rough rows, but of tags of which they are most samples. A tag of which all rows are rough, texts
    for instance, has none.
    """
    if not len(rows):
        return Sheaves(rows, rows, columns.pick(slice(0)))
    starts = _starts(rows.tag)
    sizes = np.diff(np.append(starts, len(rows)))
    rough = rows.marked(Remark.ROUGH)
    samples, bare = _summed(rows.count, starts), _summed(np.where(rough, rows.count, 0), starts)
    kept = (samples >= FEWEST * sizes) & (bare < samples)
    kept |= np.isin(rows.tag[starts], np.array(list(parts), np.uint32))
    here = np.repeat(kept & (2 * bare <= samples), sizes) & rough
    rows = replace(rows, remark=rows.remark | here * np.uint8(Remark.BESIDE))
    return Sheaves(rows.pick(np.repeat(kept, sizes)), rows.pick(slice(0)), columns.pick(np.repeat(here, rows.count)))


def _with_minutes(coarse: Sheaves[Rows], fine: Sheaves[Rows]) -> Sheaves[Rows]:
    """Where there are minutes, those of rough quarters instead of all samples of these."""
    quarters = coarse.rows
    refined = quarters.marked(Remark.ROUGH) & np.isin(quarters.tag, fine.rows.tag)
    minutes = fine.rows.pick(np.isin(_keys(fine.rows), _keys(quarters.pick(refined))))
    others = ~np.isin(coarse.samples.tag, fine.rows.tag)
    samples = ordered(join((coarse.samples.pick(others), fine.samples)))
    quarters = replace(quarters, remark=quarters.remark | refined * np.uint8(Remark.BESIDE))
    return Sheaves(quarters, minutes, samples.pick(np.isin(samples.tag, quarters.tag)))


def _keys(rows: Rows) -> NDArray[np.int64]:
    """(m,) one number for each tag and quarter."""
    return (rows.time // QUARTER << 32) + rows.tag.astype(np.int64)


def _starts(*keys: NDArray[T]) -> Positions:
    """Where runs of equal keys begin."""
    changes = np.zeros(max(len(keys[0]) - 1, 0), np.bool_)
    for key in keys:
        changes |= key[1:] != key[:-1]
    return np.concatenate(([0], np.flatnonzero(changes) + 1)) if len(keys[0]) else np.zeros(0, np.intp)


def rolled(columns: Columns, tags: Mapping[int, Tag], width: int) -> Rows:
    """Rows of `width` ns of ordered samples."""
    if not len(columns):
        return none(Rows)
    starts = _starts(columns.tag, columns.time // width)
    kinds = _Kinds.of(tags)
    with np.errstate(invalid="ignore", over="ignore"):
        parts = [_Rolling.of(part, begins, kinds).rows(width) for part, begins in _parts(columns, starts)]
        return joined(parts, Rows)


def _parts(columns: Columns, starts: Positions) -> Iterator[tuple[Columns, Positions]]:
    """The samples in parts of whole rows, and where rows begin in each."""
    cuts = np.unique(np.searchsorted(starts, np.arange(0, len(columns), _CHUNK)))
    ends = np.append(starts, len(columns))
    for low, high in zip(cuts, [*cuts[1:], len(starts)], strict=True):
        if low < high:
            yield columns.pick(slice(ends[low], ends[high])), starts[low:high] - starts[low]


@dataclass(frozen=True, slots=True)
class _Kinds:
    """Numbers of tags by what they are."""

    holds: NDArray[np.uint32]
    whole: NDArray[np.uint32]
    numeric: NDArray[np.uint32]

    @classmethod
    def of(cls, tags: Mapping[int, Tag]) -> _Kinds:
        def numbers(flags: Mapping[int, bool]) -> NDArray[np.uint32]:
            return np.array(sorted(number for number, flag in flags.items() if flag), np.uint32)

        return cls(
            holds=numbers({number: tag.stepped or tag.type in _HOLDS for number, tag in tags.items()}),
            whole=numbers({number: tag.whole for number, tag in tags.items()}),
            numeric=numbers({number: tag.type is not DataType.TEXT for number, tag in tags.items()}),
        )


@dataclass(frozen=True, slots=True)
class _Rolling:
    """Ordered samples, and which of them make a row."""

    columns: Columns
    first: Positions
    """(m,) the first sample of each row."""
    last: Positions
    row: Positions
    """(n,) the row of each sample."""
    good: Flags
    """(n,) Good, with a number."""
    value: Floats
    """(n,) zero where not Good."""
    span: Times
    """(n,) ns up to the next sample of the row; zero for its last."""
    kinds: _Kinds

    @classmethod
    def of(cls, columns: Columns, first: Positions, kinds: _Kinds) -> _Rolling:
        sizes = np.diff(np.append(first, len(columns)))
        good = is_good(columns.quality) & ~np.isnan(columns.value)
        span, last = np.zeros(len(columns), np.int64), first + sizes - 1
        np.subtract(columns.time[1:], columns.time[:-1], out=span[:-1])
        span[last] = 0
        row = np.repeat(np.arange(len(first)), sizes)
        return cls(columns, first, last, row, good, np.where(good, columns.value, 0.0), span, kinds)

    def rows(self, width: int) -> Rows:
        columns, good = self.columns, _numbers(self.good, self.first)
        mean = self.total(self.value) / np.maximum(good, 1)
        tag, time = columns.tag[self.first], columns.time
        low, high = self.extreme(np.minimum, np.inf, good), self.extreme(np.maximum, -np.inf, good)
        holds = np.isin(tag, self.kinds.holds)
        return Rows(
            tag=tag,
            time=time[self.first] // width * width,
            count=self.last - self.first + 1,
            good=good,
            quality=self.worst(),
            remark=self.remarks(),
            first_time=time[self.first],
            first=columns.value[self.first],
            last_time=time[self.last],
            last=columns.value[self.last],
            min_time=low[0],
            min_again=low[1],
            min=low[2],
            max_time=high[0],
            max_again=high[1],
            max=high[2],
            sum=self.total(self.value),
            squares=self.total(np.where(self.good, (self.value - mean[self.row]) ** 2, 0.0)),
            line=self.line(),
            held=np.where(holds, self.held(), np.nan),
            good_time=self.total(np.where(self.good, self.span, 0)),
            zero_time=self.total(np.where(self.good & (self.value == 0), self.span, 0)),
            changes=self.changes(),
        )

    def total(self, quantity: NDArray[T]) -> NDArray[T]:
        return _summed(quantity, self.first)

    def worst(self) -> NDArray[np.uint32]:
        return _worst(self.columns.quality, self.first, self.row)

    def extreme(self, operation: np.ufunc, none: float, good: Times) -> tuple[Times, Times, Floats]:
        """(m,) when the extreme of the Good values was first there, and at last, and what it is."""
        value = operation.reduceat(np.where(self.good, self.value, none), self.first)
        hits = self.good & (self.value == value[self.row])
        return _found(value, self.columns.time, self.columns.time, hits, self.first, good == 0)

    def line(self) -> Floats:
        """(m,) trapezoids between samples that are both Good."""
        doubled = np.zeros(len(self.value))
        both = self.good[:-1] & self.good[1:] & (self.span[:-1] > 0)
        np.multiply(self.value[:-1] + self.value[1:], self.span[:-1], out=doubled[:-1], where=both)
        return self.total(doubled) * 0.5e-9

    def held(self) -> Floats:
        areas = np.zeros(len(self.value))
        np.multiply(self.value, self.span, out=areas, where=self.span > 0)
        return self.total(areas) * 1e-9

    def changes(self) -> NDArray[np.int64]:
        value, differs = self.columns.value, np.zeros(len(self.value), np.bool_)
        differs[1:] = value[1:] != value[:-1]
        differs[self.first] = False
        return _numbers(differs, self.first)

    def remarks(self) -> NDArray[np.uint8]:
        columns, tag = self.columns, self.columns.tag
        historical = (columns.mark & np.uint8(Mark.HISTORICAL)) != 0
        strange = ~self.good | ((columns.mark & np.uint8(Mark.CORRECTED)) != 0) | (np.abs(self.value) > _GREATEST)
        strange |= ~np.isin(tag, self.kinds.numeric)
        strange |= np.isin(tag, self.kinds.whole) & ~(columns.whole & (np.abs(self.value) <= _WHOLEST))
        at_once = self.span == 0
        at_once[self.last] = False
        delayed = ~historical & (np.abs(columns.seen - columns.time) > PROMPT)
        rough = self.any(strange | at_once) | _differ(columns.quality, self.first)
        remarks = (
            (rough, Remark.ROUGH),
            (self.any(delayed), Remark.DELAYED),
            (self.any(historical), Remark.HISTORICAL),
            (~self.good[self.first], Remark.OPENS_BADLY),
            (~self.good[self.last], Remark.CLOSES_BADLY),
        )
        return sum((flags * np.uint8(remark) for flags, remark in remarks), np.zeros(len(rough), np.uint8))

    def any(self, flags: Flags) -> Flags:
        return _any(flags, self.first)


def _summed(quantity: NDArray[T], first: Positions) -> NDArray[T]:
    found: NDArray[T] = np.add.reduceat(quantity, first)
    return found


def _numbers(flags: Flags, first: Positions) -> Times:
    return _summed(flags.astype(np.int64), first)


def _any(flags: Flags, first: Positions) -> Flags:
    found: Flags = np.logical_or.reduceat(flags, first)
    return found


def _differ(codes: NDArray[np.uint32], first: Positions) -> Flags:
    found: Flags = np.minimum.reduceat(codes, first) != np.maximum.reduceat(codes, first)
    return found


def _worst(quality: NDArray[np.uint32], first: Positions, row: Positions) -> NDArray[np.uint32]:
    """(m,) the first StatusCode of the worst severity."""
    severity = np.minimum(quality, np.uint32(BAD)) >> np.uint32(30)
    worst = np.maximum.reduceat(severity, first)
    places = np.where(severity == worst[row], np.arange(len(quality)), len(quality))
    return quality[np.minimum.reduceat(places, first)]


def _found(
    value: Floats, at: Times, again: Times, hits: Flags, first: Positions, none: Flags
) -> tuple[Times, Times, Floats]:
    """The first time and the last one of the hits of each row, and the value; NaN at the row's beginning of `none`."""
    begins = np.minimum.reduceat(np.where(hits, at, LATEST), first)
    ends = np.maximum.reduceat(np.where(hits, again, EARLIEST), first)
    return (
        np.where(none, at[first], begins),
        np.where(none, at[first], ends),
        np.where(none, np.nan, value),
    )


def composed(rows: Rows, width: int) -> Rows:
    """Rows of `width` ns of narrower ones that fit into them."""
    if not len(rows):
        return rows
    first = _starts(rows.tag, rows.time // width)
    with np.errstate(invalid="ignore", over="ignore"):
        return _Composing.of(rows, first).rows(width)


@dataclass(frozen=True, slots=True)
class _Composing:
    """Narrow rows, which of them make a wide one, and what lies between one of them and the next in it."""

    narrow: Rows
    first: Positions
    """(m,) the first narrow row of each wide one."""
    row: Positions
    """(n,) the wide row of each narrow one."""
    opens: Flags
    """(n,) the time up to the next narrow row begins Good."""
    leads: Flags
    """(n,) and ends Good."""
    span: Times
    """(n,) ns of it; zero for the last one of a wide row."""

    @classmethod
    def of(cls, rows: Rows, first: Positions) -> _Composing:
        sizes = np.diff(np.append(first, len(rows)))
        span = np.append(rows.first_time[1:], 0) - rows.last_time
        span[first + sizes - 1] = 0
        opens = ~rows.marked(Remark.CLOSES_BADLY) & (span > 0)
        leads = opens & np.append(~rows.marked(Remark.OPENS_BADLY)[1:], False)
        return cls(rows, first, np.repeat(np.arange(len(first)), sizes), opens, leads, span)

    def rows(self, width: int) -> Rows:
        narrow, first = self.narrow, self.first
        final = np.append(first[1:], len(narrow)) - 1
        sums = {name: _summed(getattr(narrow, name), first) for name in _SUMS}
        low = self.extreme(np.minimum, narrow.min, narrow.min_time, narrow.min_again, sums["good"])
        high = self.extreme(np.maximum, narrow.max, narrow.max_time, narrow.max_again, sums["good"])
        held = np.where(self.opens, narrow.last * (self.span * 1e-9), 0.0)
        after = np.append(narrow.first[1:], 0.0)
        line = np.where(self.leads, (narrow.last * 0.5 + after * 0.5) * (self.span * 1e-9), 0.0)
        good = np.where(self.opens, self.span, 0)
        changes = after != narrow.last
        changes[final] = False
        wide = narrow.pick(first)
        return replace(
            wide,
            time=wide.time // width * width,
            quality=_worst(narrow.quality, first, self.row),
            remark=self.remarks(final),
            last_time=narrow.last_time[final],
            last=narrow.last[final],
            min_time=low[0],
            min_again=low[1],
            min=low[2],
            max_time=high[0],
            max_again=high[1],
            max=high[2],
            squares=self.squares(sums["sum"], sums["good"]),
            line=sums["line"] + _summed(line, first),
            held=sums["held"] + _summed(held, first),
            good_time=sums["good_time"] + _summed(good, first),
            zero_time=sums["zero_time"] + _summed(np.where(narrow.last == 0, good, 0), first),
            changes=sums["changes"] + _numbers(changes, first),
            count=sums["count"],
            good=sums["good"],
            sum=sums["sum"],
        )

    def extreme(
        self, operation: np.ufunc, value: Floats, at: Times, again: Times, good: Times
    ) -> tuple[Times, Times, Floats]:
        some = ~np.isnan(value)
        found = operation.reduceat(np.where(some, value, np.inf if operation is np.minimum else -np.inf), self.first)
        return _found(found, at, again, some & (value == found[self.row]), self.first, good == 0)

    def squares(self, total: Floats, good: Times) -> Floats:
        """(m,) those of the narrow rows, and of the distances of their means from the common one."""
        narrow, mean = self.narrow, total / np.maximum(good, 1)
        own = narrow.sum / np.maximum(narrow.good, 1)
        return _summed(narrow.squares + narrow.good * (own - mean[self.row]) ** 2, self.first)

    def remarks(self, final: Positions) -> NDArray[np.uint8]:
        narrow = self.narrow
        lasting = np.uint8(Remark.ROUGH | Remark.DELAYED | Remark.HISTORICAL)
        found: NDArray[np.uint8] = np.bitwise_or.reduceat(narrow.remark & lasting, self.first)
        found |= _differ(narrow.quality, self.first) * np.uint8(Remark.ROUGH)
        found |= narrow.remark[self.first] & np.uint8(Remark.OPENS_BADLY)
        return found | (narrow.remark[final] & np.uint8(Remark.CLOSES_BADLY))


_SUMS: Final = ("count", "good", "sum", "line", "held", "good_time", "zero_time", "changes")
