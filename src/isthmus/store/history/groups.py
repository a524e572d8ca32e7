# SPDX-License-Identifier: Apache-2.0
"""What a checked file says of each of its row groups, so that as few as possible are read, and of these few columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

ALIKE: Final = {"tag": 2**32, "quality": 2**32, "mark": 2**8, "integer": None, "text": None}
"""Columns that often hold one value, and what this is below; None: they often hold none."""


AT_ONCE: Final = 122_880
"""Samples of neighbouring row groups that are decoded together: that takes less than one after the other."""


class Group(msgspec.Struct, frozen=True, array_like=True):
    """One row group: its bytes in the file, their checksum, and what can be found in it."""

    start: int
    stop: int
    checksum: int
    rows: int
    first_tag: int
    last_tag: int
    first_time: int
    last_time: int
    first: tuple[int, int] | None = None
    """First and last time of `first_tag` in it; None: not told, as in files of before these were."""
    last: tuple[int, int] | None = None
    """Of `last_tag`."""
    alike: dict[str, int | None] = {}
    """Columns that hold one value in all rows (None: nothing in any). They need not be read."""

    @classmethod
    def of(cls, start: int, stop: int, checksum: int, table: pa.Table) -> Group:
        """A row group of these rows, at least one, which are ordered by `tag` and have a `time`."""
        tag, time = table["tag"].to_numpy(), table["time"].cast(pa.int64()).to_numpy()
        first, last = int(np.searchsorted(tag, tag[0], "right")), int(np.searchsorted(tag, tag[-1], "left"))
        return cls(
            start=start,
            stop=stop,
            checksum=checksum,
            rows=len(tag),
            first_tag=int(tag[0]),
            last_tag=int(tag[-1]),
            first_time=int(time.min()),
            last_time=int(time.max()),
            first=(int(time[:first].min()), int(time[:first].max())),
            last=(int(time[last:].min()), int(time[last:].max())),
            alike=dict(_alike(table)),
        )

    def is_plausible(self, rows: int) -> bool:
        """Whether it can be a row group of so many rows."""
        return (
            0 <= self.start <= self.stop
            and 0 < self.rows == rows
            and 0 <= self.first_tag <= self.last_tag < 2**32
            and all(_is_value(name, value) for name, value in self.alike.items())
        )


def _alike(table: pa.Table) -> Iterator[tuple[str, int | None]]:
    for name, limit in ALIKE.items():
        if name not in table.schema.names:
            continue
        column = table[name]
        if limit is None:
            if column.null_count == len(column):
                yield name, None
        else:
            values = column.to_numpy()
            if values[0] == values[-1] and (values == values[0]).all():
                yield name, int(values[0])


def alike_in(groups: Sequence[Group]) -> dict[str, int | None]:
    """Columns that hold one value in all rows of all of them."""
    first, others = groups[0].alike, groups[1:]
    found = first.items()
    return {name: value for name, value in found if all(other.alike.get(name, -1) == value for other in others)}


def _is_value(name: str, value: int | None) -> bool:
    """Whether a column may hold nothing but this."""
    if name not in ALIKE:
        return False
    limit = ALIKE[name]
    return value is None if limit is None else value is not None and 0 <= value < limit


@dataclass(frozen=True, slots=True)
class Places:
    """Where in a file (m row groups) which tags and times may be; ns."""

    first_tag: NDArray[np.int64]
    """(m,)"""
    last_tag: NDArray[np.int64]
    all: NDArray[np.int64]
    """(2, m) first and last time."""
    first: NDArray[np.int64]
    """(2, m) of the first tag."""
    last: NDArray[np.int64]
    """(2, m) of the last tag."""

    @classmethod
    def of(cls, groups: Sequence[Group]) -> Places:
        """Raises OverflowError for times that are none."""
        spans = [(group.first_time, group.last_time) for group in groups]
        return cls(
            np.array([group.first_tag for group in groups], np.int64),
            np.array([group.last_tag for group in groups], np.int64),
            _spans(spans),
            _spans([group.first or span for group, span in zip(groups, spans, strict=True)]),
            _spans([group.last or span for group, span in zip(groups, spans, strict=True)]),
        )

    def holding(self, wanted: NDArray[np.uint32] | None, start: int, end: int) -> list[int]:
        """The row groups that may hold samples of these tags (ascending; None: all) with start <= time < end."""

        def timely(span: NDArray[np.int64]) -> NDArray[np.bool_]:
            found: NDArray[np.bool_] = (span[1] >= start) & (span[0] < end)
            return found

        if wanted is None:
            return np.flatnonzero(timely(self.all)).tolist()
        low, above = (np.searchsorted(wanted, self.first_tag, side) for side in ("left", "right"))
        below, high = (np.searchsorted(wanted, self.last_tag, side) for side in ("left", "right"))
        between = (below > above) & timely(self.all)
        first, last = (above > low) & timely(self.first), (high > below) & timely(self.last)
        return np.flatnonzero(between | first | last).tolist()


def together(groups: Sequence[Group], numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    """These row groups (ascending), those that follow one another in the file together, as many as make `AT_ONCE`."""
    some: list[int] = []
    rows = 0
    for number in numbers:
        if some and (number != some[-1] + 1 or rows + groups[number].rows > AT_ONCE):
            yield some
            some, rows = [], 0
        some.append(number)
        rows += groups[number].rows
    if some:
        yield some


def _spans(spans: Sequence[tuple[int, int]]) -> NDArray[np.int64]:
    return np.array(spans, np.int64).reshape(-1, 2).T
