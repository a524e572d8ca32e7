# SPDX-License-Identifier: Apache-2.0
"""Samples are many values of one source as equal-length columns: what travels from the wire to the disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from isthmus.core.tag import DataType

Value: TypeAlias = bool | int | float | str | None
"""One value as a person or a JSON message sees it."""


@dataclass(frozen=True, slots=True)
class Samples:
    """Equal-length columns of one source, n samples in the order they happened there.

    `(source, epoch, number)` is their identity: redelivery is recognised by it. An epoch is one start of a collector
    (nanoseconds since 1970); numbers count from 1 within it without holes.
    """

    source: str
    epoch: int
    number: int
    tags: str
    """Digest of the tag list that `index` points into."""
    index: NDArray[np.uint32]
    """(n,) position in the tag list."""
    at: NDArray[np.int64]
    """(n,) the device's time in ns since 1970-01-01 UTC."""
    quality: NDArray[np.uint32]
    """(n,) OPC UA StatusCode."""
    mark: NDArray[np.uint8]
    """(n,) bits of `quality.Mark`."""
    value: NDArray[np.float64]
    """(n,) NaN where there is no value, the tag is text, or a 64-bit integer tag's value is in `integer`."""
    integer: NDArray[np.int64] | None = None
    """(n,) values of integer, unsigned and enumeration tags (unsigned by two's complement); 0 elsewhere. `value` is
    then the nearest float, so NaN in `value` says: no value."""
    text: Sequence[str | None] | None = None
    """(n,) values of text tags."""
    seen: int = 0
    """When we received them, ns since 1970-01-01 UTC."""

    def __post_init__(self) -> None:
        n = len(self.index)
        columns = (self.at, self.quality, self.mark, self.value, self.integer, self.text)
        if any(column is not None and len(column) != n for column in columns):
            raise ValueError("the columns of Samples differ in length")

    def __len__(self) -> int:
        return len(self.index)

    def numbered(self, epoch: int, number: int) -> Samples:
        """The same samples under another identity."""
        columns = (self.index, self.at, self.quality, self.mark, self.value, self.integer, self.text)
        return Samples(self.source, epoch, number, self.tags, *columns, self.seen)


def plain(type_: DataType, value: float, integer: int, text: str | None) -> Value:
    """One sample's value as Python has it, from its three columns; None where there is none."""
    if type_ is DataType.TEXT:
        return text
    if value != value:  # NaN: no value, or a float that is one
        return None
    if type_ is DataType.BOOLEAN:
        return bool(value)
    if type_ is DataType.FLOAT:
        return value
    return integer & 0xFFFF_FFFF_FFFF_FFFF if type_ is DataType.UNSIGNED else integer
