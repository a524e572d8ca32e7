# SPDX-License-Identifier: Apache-2.0
"""A tag is one property of an asset, with a number for ever; a tag list is what an index column points into."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import msgspec

LONGEST_LIST = 4096


class DataType(StrEnum):
    """The data types a tag can have."""

    BOOLEAN = "boolean"
    INTEGER = "integer"
    """Signed, 64 bit."""
    UNSIGNED = "unsigned"
    """Unsigned, 64 bit: kept in the signed column by two's complement."""
    FLOAT = "float"
    TEXT = "text"
    ENUMERATION = "enumeration"
    """An integer whose values have names."""


class Tag(msgspec.Struct, frozen=True, array_like=True):
    """A tag as samples know it."""

    number: int
    """Permanent; never given again. History stores it."""
    path: str
    unit: str
    """UCUM code, empty for none."""
    type: DataType
    stepped: bool
    """The value holds until the next one (a valve, a state); otherwise it moves in a line between two."""

    @property
    def whole(self) -> bool:
        """Samples of this tag carry `integer`."""
        return self.type in (DataType.INTEGER, DataType.UNSIGNED, DataType.ENUMERATION)


@dataclass(frozen=True)
class TagList:
    """At most 4,096 tags in order; kept once, under its digest, without age limit."""

    tags: tuple[Tag, ...]

    def __post_init__(self) -> None:
        if len(self.tags) > LONGEST_LIST:
            raise ValueError(f"a tag list has at most {LONGEST_LIST} tags, not {len(self.tags)}")

    @cached_property
    def packed(self) -> bytes:
        """The list as msgpack, the same bytes for the same list."""
        return msgspec.msgpack.encode(self.tags)

    @cached_property
    def digest(self) -> str:
        """32 hexadecimal digits of the SHA-256 of `packed`."""
        return hashlib.sha256(self.packed).hexdigest()[:32]

    @classmethod
    def unpack(cls, packed: bytes) -> TagList:
        """The list of `packed`; raises msgspec.DecodeError on other bytes."""
        return cls(msgspec.msgpack.decode(packed, type=tuple[Tag, ...]))
