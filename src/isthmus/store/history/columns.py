# SPDX-License-Identifier: Apache-2.0
"""Columns are kept samples of any tags as equal-length arrays; here they are joined, ordered and made unique.

A sample is kept under the device's time. One marked FUTURE, or without a device time, is kept under `seen`, so that a
clock that runs ahead never makes a latest value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from isthmus.core.quality import Mark

Positions: TypeAlias = NDArray[np.intp]
"""Positions of rows."""

SCHEMA: Final = pa.schema(
    [
        pa.field("tag", pa.uint32(), nullable=False),
        pa.field("time", pa.timestamp("ns"), nullable=False),
        pa.field("seen", pa.timestamp("ns"), nullable=False),
        pa.field("value", pa.float64(), nullable=False),
        pa.field("integer", pa.int64()),
        pa.field("text", pa.dictionary(pa.int32(), pa.string())),
        pa.field("quality", pa.uint32(), nullable=False),
        pa.field("mark", pa.uint8(), nullable=False),
    ]
)
"""What a table of samples looks like. Times are naive UTC: DuckDB 1.5 truncates zoned nanoseconds."""


@dataclass(frozen=True, slots=True)
class Columns:
    """n samples; in log order unless they were `ordered`."""

    words: Sequence[str]
    """The different texts."""
    tag: NDArray[np.uint32]
    """(n,) permanent tag number."""
    time: NDArray[np.int64]
    """(n,) ns since 1970-01-01 UTC."""
    seen: NDArray[np.int64]
    value: NDArray[np.float64]
    """(n,) NaN where there is none."""
    integer: NDArray[np.int64]
    """(n,) 0 where there is none."""
    whole: NDArray[np.bool_]
    """(n,) where `integer` counts."""
    text: NDArray[np.int32]
    """(n,) 0 where there is none, else 1 + position in `words`."""
    quality: NDArray[np.uint32]
    mark: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.tag)

    def arrays(self) -> tuple[NDArray[Any], ...]:
        """All but the words, in the order of the fields."""
        return (
            self.tag,
            self.time,
            self.seen,
            self.value,
            self.integer,
            self.whole,
            self.text,
            self.quality,
            self.mark,
        )

    def pick(self, rows: Positions | NDArray[np.bool_] | slice) -> Columns:
        """Only these rows, in this order."""
        if isinstance(rows, slice):
            return Columns(self.words, *(array[rows] for array in self.arrays()))
        places = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows
        return Columns(self.words, *(array.take(places) for array in self.arrays()))


def empty(rows: int = 0) -> Columns:
    """`rows` rows of nothing."""
    return Columns(
        words=(),
        tag=np.zeros(rows, np.uint32),
        time=np.zeros(rows, np.int64),
        seen=np.zeros(rows, np.int64),
        value=np.zeros(rows, np.float64),
        integer=np.zeros(rows, np.int64),
        whole=np.zeros(rows, np.bool_),
        text=np.zeros(rows, np.int32),
        quality=np.zeros(rows, np.uint32),
        mark=np.zeros(rows, np.uint8),
    )


def join(parts: Iterable[Columns]) -> Columns:
    """All parts one after the other, over one dictionary of words."""
    words: dict[str, int] = {}
    filled = [_reworded(part, words) for part in parts if len(part)]
    if not filled:
        return empty()
    if len(filled) == 1:
        return replace(filled[0], words=tuple(words))
    arrays = (np.concatenate(pieces) for pieces in zip(*(part.arrays() for part in filled), strict=True))
    return Columns(tuple(words), *arrays)


def _reworded(part: Columns, words: dict[str, int]) -> Columns:
    """The part with its texts numbered by `words`, which grows by them."""
    if not part.words:
        return part
    codes = np.zeros(len(part.words) + 1, np.int32)
    codes[1:] = [words.setdefault(word, len(words) + 1) for word in part.words]
    return replace(part, text=codes[part.text])


def ordered(columns: Columns) -> Columns:
    """Sorted by tag, then time, then log order, every sample once.

    Samples identical in tag, time, value and quality are one: the last live one stays (the last of all when none is
    live), so that what a tag was after several values at one time stays true. Of several at one time corrections are
    the last, by when they were made. Doing this to parts, then to what is left of them together, gives the same as
    doing it at once.
    """
    if _is_ordered(columns):
        return columns
    tag = columns.tag if columns.tag.max() > 0xFFFF else columns.tag.astype(np.uint16)  # a radix sort
    rows, time = _in_order(tag, columns.time)
    tag = tag[rows]
    same = (tag[1:] == tag[:-1]) & (time[1:] == time[:-1])
    if same.any():
        rows = np.delete(rows, _repeats(columns, rows, same))
        if int(columns.mark.max()) >= Mark.CORRECTED:
            rows = _corrections_last(columns, rows)
    return columns.pick(rows)


def _is_ordered(columns: Columns) -> bool:
    """Whether there is nothing to order, and no tag has two samples at one time."""
    tag, time = columns.tag, columns.time
    if not len(tag):
        return True
    if tag[0] == tag[-1]:
        return bool((time[1:] > time[:-1]).all()) and bool((tag == tag[0]).all())
    return bool(((tag[1:] > tag[:-1]) | ((tag[1:] == tag[:-1]) & (time[1:] > time[:-1]))).all())


def corrected(columns: Columns) -> NDArray[np.bool_]:
    """(n,) which samples are corrections."""
    made: NDArray[np.bool_] = (columns.mark & np.uint8(Mark.CORRECTED)) != 0
    return made


def _corrections_last(columns: Columns, rows: Positions) -> Positions:
    made = corrected(columns)[rows]
    when = np.where(made, columns.seen[rows], 0)
    order = np.lexsort((when, made, columns.time[rows], columns.tag[rows]))
    return rows[order]


def current(columns: Columns) -> Columns:
    """Ordered samples without those that a correction replaces: all others of its tag at its time."""
    if not len(columns) or int(columns.mark.max()) < Mark.CORRECTED:
        return columns
    made = corrected(columns)
    ends = np.ones(len(columns), np.bool_)
    ends[:-1] = (columns.tag[1:] != columns.tag[:-1]) | (columns.time[1:] != columns.time[:-1])
    place: Positions = np.cumsum(ends) - ends
    replaced = np.zeros(len(columns), np.bool_)
    replaced[place[made]] = True
    return columns.pick(ends | ~replaced[place])


def _in_order(tag: NDArray[Any], time: NDArray[np.int64]) -> tuple[Positions, NDArray[np.int64]]:
    """Positions by tag, then time, then as they are, and the times there. Most often a tag's times ascend already."""
    rows = np.argsort(tag, kind="stable")
    there, times = tag[rows], time[rows]
    if ((there[1:] == there[:-1]) & (times[1:] < times[:-1])).any():
        rows = np.lexsort((time, tag))
        times = time[rows]
    return rows, times


def _repeats(columns: Columns, rows: Positions, same: NDArray[np.bool_]) -> Positions:
    """Which positions of `rows` hold a sample that another one repeats; `same[i]`: i and i + 1 are at one time."""
    shared = np.zeros(len(rows), np.bool_)
    shared[:-1] |= same
    shared[1:] |= same
    places = np.flatnonzero(shared)
    some = columns.pick(rows[places])
    live = (some.mark & np.uint8(Mark.HISTORICAL)) == 0
    bits = some.value.view(np.int64)
    made = np.where(corrected(some), some.seen, 0)  # a correction is no sample that came again
    keys = (made, some.quality, some.text, some.whole, some.integer, bits, some.time, some.tag)
    grouped = np.lexsort((np.arange(len(places)), live, *keys))
    repeated = np.ones(max(len(places) - 1, 0), np.bool_)
    for key in keys:
        repeated &= key[grouped][1:] == key[grouped][:-1]
    return places[grouped[:-1][repeated]]


def to_table(columns: Columns) -> pa.Table:
    """The columns as an Arrow table of `SCHEMA`, without copying what need not be."""
    words, codes = _used(columns)
    text = pa.DictionaryArray.from_arrays(
        pa.array(codes - 1, pa.int32(), mask=codes == 0), pa.array(words, pa.string())
    )
    arrays = [
        pa.array(columns.tag),
        _times(columns.time),
        _times(columns.seen),
        pa.array(columns.value, from_pandas=False),
        pa.array(columns.integer, mask=~columns.whole),
        text,
        pa.array(columns.quality),
        pa.array(columns.mark),
    ]
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def _used(columns: Columns) -> tuple[Sequence[str], NDArray[np.int32]]:
    """The texts that are there: a file repeats its words in every row group."""
    if not columns.words or not columns.text.any():
        return (), columns.text
    there = np.zeros(len(columns.words) + 1, np.bool_)
    there[columns.text] = True
    there[0] = False
    if np.count_nonzero(there) == len(columns.words):
        return columns.words, columns.text
    words = [columns.words[code - 1] for code in np.flatnonzero(there).tolist()]
    return words, np.where(columns.text > 0, np.cumsum(there)[columns.text], 0).astype(np.int32)


def _times(ns: NDArray[np.int64]) -> pa.Array:
    return pa.array(ns).cast(pa.timestamp("ns"))


def from_table(table: pa.Table, alike: Mapping[str, int | None] = MappingProxyType({})) -> Columns:
    """What `to_table` made a table of. Columns of `alike` may be missing: all rows have that value, or (None) none."""
    n = len(table)

    def array(name: str, type_: type[np.generic]) -> NDArray[Any]:
        return np.full(n, alike[name], type_) if name in alike else _one(table[name]).to_numpy(zero_copy_only=False)

    if "integer" in alike:
        whole, integer = np.zeros(n, np.bool_), np.zeros(n, np.int64)
    else:
        whole, integer = _nullable(_one(table["integer"]))
    words, text = ((), np.zeros(n, np.int32)) if "text" in alike else _texts(table["text"])
    return Columns(
        tag=array("tag", np.uint32),
        time=_integers(table["time"]),
        seen=np.zeros(n, np.int64) if "seen" in alike else _integers(table["seen"]),
        value=array("value", np.float64),
        integer=integer,
        whole=whole,
        text=text,
        quality=array("quality", np.uint32),
        mark=array("mark", np.uint8),
        words=words,
    )


def _one(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _integers(times: pa.ChunkedArray) -> NDArray[np.int64]:
    array: NDArray[np.int64] = _one(times).view(pa.int64()).to_numpy()
    return array


def _nullable(array: pa.Array) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    if array.null_count == len(array):
        return np.zeros(len(array), np.bool_), np.zeros(len(array), np.int64)
    return array.is_valid().to_numpy(zero_copy_only=False), array.fill_null(0).to_numpy()


def _texts(texts: pa.ChunkedArray) -> tuple[Sequence[str], NDArray[np.int32]]:
    if texts.null_count == len(texts):
        return (), np.zeros(len(texts), np.int32)
    array = texts.unify_dictionaries().combine_chunks()
    codes: NDArray[np.int32] = array.indices.fill_null(-1).to_numpy().astype(np.int32) + np.int32(1)
    return array.dictionary.to_pylist(), codes
