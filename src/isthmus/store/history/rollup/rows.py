# SPDX-License-Identifier: Apache-2.0
"""Rows of a roll-up as arrays: what the samples of a tag in a minute (or a quarter of an hour) come to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import IntFlag
from operator import attrgetter
from typing import Any, Final, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from isthmus.core.time import SECOND
from isthmus.store.history.columns import Positions

MINUTE: Final = 60 * SECOND
QUARTER: Final = 15 * MINUTE
"""ns; how wide the rows of the two tables are."""


class Remark(IntFlag):
    """What has to be known of a row before it is used."""

    NONE = 0
    ROUGH = 1
    """Its samples must be read: some are not Good, not numbers, differ in quality, share a time or are corrections."""
    DELAYED = 2
    """A live sample was seen more than a minute from its own time, as after an outage."""
    HISTORICAL = 4
    """Some samples are back-filled."""
    OPENS_BADLY = 8
    CLOSES_BADLY = 16
    """The first, or the last sample is not Good."""
    BESIDE = 32
    """It is rough, and its samples stand beside the rows: none have to be read from elsewhere."""


@dataclass(frozen=True, slots=True)
class Shown:
    """m rows, ordered by tag and time, as far as a picture shows them."""

    tag: NDArray[np.uint32]
    time: NDArray[np.int64]
    """(m,) ns, when the minute begins: a multiple of its width."""
    quality: NDArray[np.uint32]
    """(m,) the first of the worst StatusCodes."""
    remark: NDArray[np.uint8]
    """(m,) `Remark`."""
    first_time: NDArray[np.int64]
    first: NDArray[np.float64]
    last_time: NDArray[np.int64]
    last: NDArray[np.float64]
    """(m,) NaN where it has no number."""
    min_time: NDArray[np.int64]
    min: NDArray[np.float64]
    """(m,) the least Good value and when it was first there; of none NaN, at the first sample's time."""
    max_time: NDArray[np.int64]
    max: NDArray[np.float64]

    @classmethod
    def of(cls, rows: Rows) -> Self:
        """So much of these rows."""
        return cls(*_ARRAYS[cls](rows))

    def __len__(self) -> int:
        return len(self.tag)

    def arrays(self) -> tuple[NDArray[Any], ...]:
        """All of them, in the order of the fields."""
        found: tuple[NDArray[Any], ...] = _ARRAYS[type(self)](self)
        return found

    def pick(self, places: Positions | NDArray[np.bool_] | slice) -> Self:
        """Only these rows, in this order."""
        if isinstance(places, slice):
            return type(self)(*(array[places] for array in self.arrays()))
        if places.dtype == np.bool_:
            if places.all():
                return self
            places = np.flatnonzero(places)
        return type(self)(*(array.take(places) for array in self.arrays()))

    def marked(self, remark: Remark) -> NDArray[np.bool_]:
        """(m,) where any of the remarks is made."""
        found: NDArray[np.bool_] = (self.remark & np.uint8(remark)) != 0
        return found


@dataclass(frozen=True, slots=True)
class Rows(Shown):
    """m rows, ordered by tag and time: one for each minute (or quarter) in which the tag has a sample."""

    count: NDArray[np.int64]
    """(m,) samples."""
    good: NDArray[np.int64]
    """(m,) Good samples with a number: what all of the following, and what is least and greatest, are of."""
    min_again: NDArray[np.int64]
    max_again: NDArray[np.int64]
    """(m,) when the least (and the greatest) value was there at last."""
    sum: NDArray[np.float64]
    squares: NDArray[np.float64]
    """(m,) of the distances from the row's own mean."""
    line: NDArray[np.float64]
    """(m,) integral, value times seconds, from the first to the last sample along lines between Good ones."""
    held: NDArray[np.float64]
    """(m,) the same with every value held until the next sample; NaN of a tag that is not stepped."""
    good_time: NDArray[np.int64]
    """(m,) ns from first to last sample that begin with a Good one."""
    zero_time: NDArray[np.int64]
    """(m,) ns of these that begin with zero."""
    changes: NDArray[np.int64]
    """(m,) samples that differ from the one before them in the row."""


R = TypeVar("R", bound=Shown)


def joined(parts: Sequence[R], kind: type[R]) -> R:
    """All rows, one part after the other."""
    filled = [part for part in parts if len(part)]
    if len(filled) < 2:
        return filled[0] if filled else none(kind)
    return kind(*map(np.concatenate, zip(*(part.arrays() for part in filled), strict=True)))


def none(kind: type[R]) -> R:
    """No rows."""
    return kind(*_NONE[kind])


_ARRAYS: Final[dict[type[Shown], attrgetter[Any]]] = {
    kind: attrgetter(*(field.name for field in fields(kind))) for kind in (Shown, Rows)
}
_TYPES: Final = {"tag": np.uint32, "quality": np.uint32, "remark": np.uint8} | dict.fromkeys(
    ("first", "last", "min", "max", "sum", "squares", "line", "held"), np.float64
)
_NONE: Final = {
    kind: tuple(np.zeros(0, _TYPES.get(field.name, np.int64)) for field in fields(kind)) for kind in (Shown, Rows)
}
