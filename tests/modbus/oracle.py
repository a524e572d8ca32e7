# SPDX-License-Identifier: Apache-2.0
"""What one address holds, value by value with struct and plain words: the rules that the fast decoder has to keep."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from hypothesis import strategies as st

from isthmus.systems.modbus.address import ORDERS, SIZES, Place

FORMATS = {"int16": "h", "uint16": "H", "int32": "i", "uint32": "I", "int64": "q", "uint64": "Q"}
FORMATS |= {"float32": "f", "float64": "d"}

types = st.one_of(
    st.sampled_from(sorted(SIZES)),
    st.integers(0, 15).map(lambda bit: f"bit{bit}"),
    st.tuples(st.integers(0, 15), st.integers(0, 15)).map(lambda two: f"bits{min(two)}-{max(two)}"),
    st.integers(1, 40).map(lambda length: f"text{length}"),
)
units = st.none() | st.integers(0, 255)
places = st.one_of(
    st.builds(Place, units, st.sampled_from(["holding", "input"]), st.integers(0, 300), types,
              st.none() | st.sampled_from(ORDERS)),
    st.builds(Place, units, st.sampled_from(["coil", "discrete"]), st.integers(0, 900), st.just("bit"), st.none()),
)  # fmt: skip


def expected(place: Place, order: str, words: Sequence[int]) -> int | float | str:
    """The value of a place in registers whose words are these (of a coil or input: one word, 0 or 1)."""
    if place.table in ("coil", "discrete"):
        return words[0]
    if order in ("BADC", "DCBA"):
        words = [(word & 0xFF) << 8 | word >> 8 for word in words]
    if place.type.startswith("text"):
        data = struct.pack(f">{len(words)}H", *words)[: int(place.type[4:])]
        data = data.split(b"\0")[0].rstrip(b" ")
        try:
            return data.decode()
        except UnicodeDecodeError:
            return data.decode("latin-1")
    if order in ("CDAB", "DCBA"):
        words = list(reversed(words))
    if place.type.startswith("bit"):
        low, _, high = place.type.lstrip("bits").partition("-")
        return sum((words[0] >> bit & 1) << bit - int(low) for bit in range(int(low), int(high or low) + 1))
    if "8" in place.type:
        byte = words[0] >> 8 if place.type.endswith("-high") else words[0] & 0xFF
        return byte - 256 if place.type.startswith("int8") and byte > 127 else byte
    data = struct.pack(f">{len(words)}H", *words)
    value: int | float = struct.unpack(f">{FORMATS[place.type]}", data)[0]
    return value
