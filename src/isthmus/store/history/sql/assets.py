# SPDX-License-Identifier: Apache-2.0
"""Equipment in rows: for each time at which one of its tags has a sample, what each of its tags was then.

There is a row too where one of them is not observed any more, because a gap begins: what was known of it ends there.
A value stands until the next sample of its tag, but not over a gap: from when the tag was not observed it is NULL until
the next sample, as it is where a sample is Bad or has no value, and before the first one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from isthmus.core.quality import is_bad
from isthmus.core.tag import DataType
from isthmus.store.history.columns import Columns, join, ordered
from isthmus.store.history.kept import DAY
from isthmus.store.history.sql.courses import Courses
from isthmus.store.history.sql.fresh import UNIT
from isthmus.store.history.sql.given import AssetView, Column

_ARROW: Final = {
    DataType.FLOAT: pa.float64(),
    DataType.INTEGER: pa.int64(),
    DataType.UNSIGNED: pa.uint64(),
    DataType.BOOLEAN: pa.bool_(),
    DataType.TEXT: pa.string(),
    DataType.ENUMERATION: pa.string(),
}


@dataclass(frozen=True, slots=True)
class AssetUnit:
    """Some assets of one day."""

    assets: tuple[int, ...]
    """Positions in the view."""
    start: int
    end: int


def schema(view: AssetView) -> pa.Schema:
    """What the rows of a view look like; an asset is its number."""
    columns = [(column.name, _ARROW[DataType(column.type)]) for column in view.columns]
    return pa.schema([("asset", pa.uint32()), ("time", pa.timestamp("ns")), *columns])


class Assets:
    """The rows of one asset type's view."""

    def __init__(
        self,
        view: AssetView,
        first: int,
        courses: Courses,
        names: Sequence[Sequence[tuple[int, str]]],
        lost: Callable[[int], NDArray[np.int64]],
    ) -> None:
        """`lost` says of a tag (its place) when gaps of it begin, in order (ns)."""
        self._view, self._first, self._courses, self._names, self._lost = view, first, courses, names, lost
        self._tags: dict[int, dict[str, int]] = {}
        for column in view.columns:
            for asset, place in column.tags:
                self._tags.setdefault(asset, {})[column.name] = place

    def units(self, wanted: NDArray[np.uint32] | None, start: int, end: int) -> Iterator[AssetUnit]:
        """The rows of the wanted assets (numbers; None: all) in units of a size that fits into memory."""
        assets = [i for i in range(len(self._view.assets)) if wanted is None or self._first + i in wanted]
        samples = self._courses.samples
        for day in samples.days:
            low, high = max(start, day * DAY), min(end, (day + 1) * DAY)
            if low < high:
                share = samples.size(day) * len(self._view.columns) / max(len(self._courses.numbers.number), 1)
                some = max(int(UNIT / max(share, 1)), 1)
                for i in range(0, len(assets), some):
                    yield AssetUnit(tuple(assets[i : i + some]), low, high)

    def table(self, unit: AssetUnit) -> pa.Table:
        """The rows of a unit."""
        places = sorted(place for asset in unit.assets for place in self._tags.get(asset, {}).values())
        numbers = self._courses.numbers.of_places(places)
        within = self._courses.within(numbers, unit.start, unit.end)
        known = ordered(join([self._courses.before(numbers, unit.start), within]))
        tables = [self._rows(asset, known, unit) for asset in unit.assets]
        return pa.concat_tables([schema(self._view).empty_table(), *tables])

    def _rows(self, asset: int, known: Columns, unit: AssetUnit) -> pa.Table:
        tags = self._tags.get(asset, {})
        own = {name: known.pick(_of(known.tag, place)) for name, place in tags.items()}
        ends = [self._ends(place, own[name].time) for name, place in tags.items()]
        times = np.unique(np.concatenate([np.zeros(0, np.int64), *(columns.time for columns in own.values()), *ends]))
        times = times[(times >= unit.start) & (times < unit.end)]
        arrays = [
            self._column(column, own.get(column.name), tags.get(column.name), times) for column in self._view.columns
        ]
        first = [
            pa.array(np.full(len(times), self._first + asset, np.uint32)),
            pa.array(times).cast(pa.timestamp("ns")),
        ]
        return pa.Table.from_arrays([*first, *arrays], schema=schema(self._view))

    def _ends(self, place: int, times: NDArray[np.int64]) -> NDArray[np.int64]:
        """When a tag with samples at these times is not observed any more: a sample at that very time stays itself."""
        lost = self._lost(place)
        before = np.searchsorted(times, lost, "right")
        lost = lost[before > 0]
        ends: NDArray[np.int64] = lost + (times[before[before > 0] - 1] == lost)
        return ends

    def _column(self, column: Column, own: Columns | None, place: int | None, times: NDArray[np.int64]) -> pa.Array:
        """(n,) what a tag was at these times."""
        type_ = DataType(column.type)
        if own is None or place is None or not len(own):
            return pa.nulls(len(times), _ARROW[type_])
        at = np.searchsorted(own.time, times, "right") - 1
        then = own.pick(np.maximum(at, 0))
        lost = self._lost(place)
        passed = np.searchsorted(lost, times, "right") > np.searchsorted(lost, then.time, "left")
        passed &= times != then.time
        missing = (at < 0) | is_bad(then.quality) | passed
        if type_ in (DataType.TEXT, DataType.ENUMERATION):
            return self._words(type_, then, place, missing)
        if type_ in (DataType.INTEGER, DataType.UNSIGNED):
            whole = then.integer if type_ is DataType.INTEGER else then.integer.view(np.uint64)
            return pa.array(whole, mask=missing | ~then.whole)
        missing |= np.isnan(then.value)
        return pa.array(then.value != 0 if type_ is DataType.BOOLEAN else then.value, mask=missing)

    def _words(self, type_: DataType, then: Columns, place: int, missing: NDArray[np.bool_]) -> pa.Array:
        """Texts, or the names of an enumeration's values: the number as text where a value has no name."""
        if type_ is DataType.TEXT:
            missing = missing | (then.text == 0)
            return pa.array(then.words, pa.string()).take(pa.array(np.maximum(then.text - 1, 0), mask=missing))
        missing = missing | ~then.whole
        numbers, codes = np.unique(then.integer, return_inverse=True)
        names = dict(self._names[place] or ())
        words = pa.array([names.get(int(number), str(number)) for number in numbers], pa.string())
        return words.take(pa.array(codes.astype(np.int32), mask=missing))


def _of(tags: NDArray[np.uint32], place: int) -> slice:
    return slice(int(np.searchsorted(tags, place, "left")), int(np.searchsorted(tags, place, "right")))
