# SPDX-License-Identifier: Apache-2.0
"""Values and answers as OPC UA's binary encoding has them (Part 6, 5.2), put together from bytes made once."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from isthmus.core.quality import BAD
from isthmus.core.tag import DataType
from isthmus.store.history.columns import Columns

EPOCH: Final = 116_444_736_000_000_000
"""1970 in ticks: 100 ns since 1601 (Part 6, 5.2.2.5)."""

SOURCE, SERVER, BOTH, NEITHER = range(4)
"""TimestampsToReturn (Part 4, 7.40)."""

OVERFLOW: Final = 0x480
"""InfoType DataValue and the Overflow bit (Part 4, 7.39.1)."""

NULL_STRING: Final = b"\xff\xff\xff\xff"
_WAITING: Final = 0x8032_0000

DOUBLE, BOOLEAN, INT64, UINT64, STRING, INT32, STATUS_CODE = (
    b"\x0b",
    b"\x01",
    b"\x08",
    b"\x09",
    b"\x0c",
    b"\x06",
    b"\x13",
)
"""Encoding bytes of Variants (Part 6, 5.2.2.16)."""

_u32: Final = struct.Struct("<I").pack
_i32: Final = struct.Struct("<i").pack
_i64: Final = struct.Struct("<q").pack
_u16: Final = struct.Struct("<H").pack


def ticks(ns: int) -> int:
    """Nanoseconds since 1970 as ticks; what lies before 1601 is 1601."""
    return max(ns // 100 + EPOCH, 0)


def nanoseconds(ticks_: int) -> int:
    """Ticks as nanoseconds since 1970."""
    return (ticks_ - EPOCH) * 100


class Value:
    """One value of a variable; never changed. It is encoded once for all that want the same timestamps."""

    __slots__ = ("_bytes", "_stamps", "at", "number", "seen", "status", "variant")

    def __init__(self, variant: bytes, status: int, at: int | None, seen: int, number: float = np.nan) -> None:
        self.variant = variant
        """The Variant's encoding; empty: no value."""
        self.status = status
        self.at = at
        """Source time, ns since 1970-01-01 UTC; None: there is none."""
        self.seen = seen
        """Server time, ns."""
        self.number = number
        """The value as deadbands have it; NaN for what is no number."""
        self._stamps = -1
        self._bytes = b""

    def encoded(self, stamps: int) -> bytes:
        """The DataValue (Part 6, 5.2.2.17) with the timestamps of `TimestampsToReturn`, to 100 ns.

        Without picoseconds: asyncua's clients take them for part of the next field.
        """
        if stamps != self._stamps:
            self._bytes, self._stamps = self.marked(stamps, self.status), stamps
        return self._bytes

    def marked(self, stamps: int, status: int) -> bytes:
        """The DataValue with another StatusCode."""
        mask, parts = 0, [b""]
        if self.variant:
            mask |= 0x01
            parts.append(self.variant)
        if status:
            mask |= 0x02
            parts.append(_u32(status))
        if self.at is not None and stamps in (SOURCE, BOTH):
            mask |= 0x04
            parts.append(_i64(ticks(self.at)))
        if stamps in (SERVER, BOTH):
            mask |= 0x08
            parts.append(_i64(ticks(self.seen)))
        parts[0] = bytes((mask,))
        return b"".join(parts)


def waiting(now: int) -> Value:
    """A variable that had no sample yet: BadWaitingForInitialData."""
    return Value(b"", _WAITING, None, now)


def values(columns: Columns, types: Mapping[int, DataType]) -> Iterator[Value]:
    """Samples (n) as Values, in order; `types` by tag number. Of a Bad one the value is left out (Part 4, 7.11)."""
    floats, integers = columns.value.astype("<f8").tobytes(), columns.integer.astype("<i8").tobytes()
    words = [string(word) for word in columns.words]
    lists = (columns.tag, columns.time, columns.seen, columns.value, columns.whole, columns.text, columns.quality)
    rows = zip(*(column.tolist() for column in lists), strict=True)
    for row, (tag, at, seen, number, whole, text, status) in enumerate(rows):
        variant, type_ = b"", types[tag]
        if status < BAD:
            if type_ is DataType.FLOAT:
                variant = DOUBLE + floats[8 * row : 8 * row + 8]
            elif type_ is DataType.TEXT:
                variant = STRING + words[text - 1] if text else b""
            elif number == number:
                variant = _variant(type_, number, integers[8 * row : 8 * row + 8] if whole else _i64(int(number)))
        yield Value(variant, status, at, seen, number)


def _variant(type_: DataType, number: float, integer: bytes) -> bytes:
    if type_ is DataType.BOOLEAN:
        return BOOLEAN + (b"\x01" if number else b"\x00")
    return (UINT64 if type_ is DataType.UNSIGNED else INT64) + integer


def string(text: str) -> bytes:
    encoded = text.encode()
    return _i32(len(encoded)) + encoded


def byte_string(data: bytes | None) -> bytes:
    return NULL_STRING if data is None else _i32(len(data)) + data


def double(number: float) -> bytes:
    return struct.pack("<d", number)


def localized(text: str) -> bytes:
    """A LocalizedText without locale."""
    return b"\x02" + string(text) if text else b"\x00"


def array(parts: Sequence[bytes]) -> bytes:
    return _i32(len(parts)) + b"".join(parts)


def codes(statuses: Iterable[int]) -> bytes:
    """An array of StatusCodes, or of other UInt32."""
    found = list(statuses)
    return _i32(len(found)) + struct.pack(f"<{len(found)}I", *found)


def type_id(number: int) -> bytes:
    """A numeric NodeId of namespace 0."""
    return b"\x01\x00" + _u16(number)


def extension(number: int, body: bytes) -> bytes:
    """An ExtensionObject with this type of encoding."""
    return type_id(number) + b"\x01" + _i32(len(body)) + body


NO_BODY: Final = b"\x00\x00\x00"
"""An ExtensionObject of nothing."""

NO_DIAGNOSTICS: Final = NULL_STRING

HISTORY_DATA: Final = 658
_DATA_CHANGE: Final = 811
_STATUS_CHANGE: Final = 820


def head(answer: int, handle: int, now: int, status: int = 0) -> bytes:
    """The type of an answer and its ResponseHeader (Part 4, 7.34)."""
    return type_id(answer) + _i64(ticks(now)) + _u32(handle) + _u32(status) + b"\x00" + NULL_STRING + NO_BODY


def data_change(notifications: Sequence[bytes]) -> bytes:
    """A DataChangeNotification; each part is a client handle and a DataValue."""
    return extension(_DATA_CHANGE, array(notifications) + NO_DIAGNOSTICS)


def status_change(status: int) -> bytes:
    return extension(_STATUS_CHANGE, _u32(status) + b"\x00")


def message(number: int, now: int, notifications: Sequence[bytes]) -> bytes:
    """A NotificationMessage (Part 4, 7.26)."""
    return _u32(number) + _i64(ticks(now)) + array(notifications)


def published(
    subscription: int, available: Iterable[int], more: bool, message_: bytes, results: Sequence[int]
) -> bytes:
    """The parameters of a PublishResponse (Part 4, 5.14.5)."""
    said = _u32(subscription) + codes(available) + (b"\x01" if more else b"\x00")
    return said + message_ + codes(results) + NO_DIAGNOSTICS


def handle(number: int) -> bytes:
    """A client handle."""
    return _u32(number)


def history_result(status: int, point: bytes | None, values_: Sequence[bytes] | None) -> bytes:
    """A HistoryReadResult (Part 4, 5.11.3); None: without data."""
    data = NO_BODY if values_ is None else extension(HISTORY_DATA, array(values_))
    return _u32(status) + byte_string(point) + data


def int32(value: int) -> bytes:
    """A Variant."""
    return INT32 + _i32(value)


def status_code(value: int) -> bytes:
    """A Variant."""
    return STATUS_CODE + _u32(value)


def number_variant(value: float | int | bool | str | None, type_: DataType) -> bytes:
    """A single value as a Variant: of the tag's type where it can be that, else a Double."""
    if value is None:
        return b""
    if isinstance(value, bool):
        return BOOLEAN + (b"\x01" if value else b"\x00")
    if isinstance(value, str):
        return STRING + string(value)
    if isinstance(value, int):
        return UINT64 + struct.pack("<Q", value) if type_ is DataType.UNSIGNED and value >= 0 else INT64 + _i64(value)
    return DOUBLE + struct.pack("<d", value)
