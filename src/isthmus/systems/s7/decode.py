# SPDX-License-Identifier: Apache-2.0
"""Where a value stands in the bytes of an answer, and what texts and times say: S7 is big-endian."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from isthmus.systems.polled.layout import TEXT
from isthmus.systems.s7.address import NUMBERS, Place


@dataclass(frozen=True, slots=True)
class Spot:
    """One value in the bytes of an answer."""

    position: int
    """Of its address in the opened list."""
    place: Place
    offset: int
    """Of its first byte in the joined answers."""
    answer: int = 0
    """Which of the joined answers it stands in."""

    @property
    def kind(self) -> str:
        """What is decoded in one go: a numpy type, `bit`, `text`."""
        return "bit" if self.place.type == "bool" else NUMBERS.get(self.place.type, TEXT)

    def taken(self) -> list[int]:
        """Positions of its bytes, the least significant first; of a text as they are read."""
        where = list(range(self.offset, self.offset + self.place.size))
        return where if self.kind == TEXT else where[::-1]

    @property
    def shift(self) -> int:
        """How far a bit is from the lowest."""
        return self.place.bit

    @property
    def mask(self) -> int:
        """The bits that count, once shifted down."""
        return 1

    def text(self, data: bytes) -> str | None:
        """What its bytes say, of a text or a time; None when they are none."""
        return _TEXTS[self.place.type](data)


def _char(data: bytes) -> str:
    return data.partition(b"\0")[0].rstrip(b" ").decode("latin-1")


def _string(data: bytes) -> str | None:
    """STRING: the longest length, the length, the characters."""
    longest, length = data[0], data[1]
    return data[2 : 2 + length].decode("latin-1") if length <= min(longest, len(data) - 2) else None


def _wstring(data: bytes) -> str | None:
    """WSTRING: the same with two bytes each."""
    longest, length = int.from_bytes(data[:2], "big"), int.from_bytes(data[2:4], "big")
    if length > min(longest, (len(data) - 4) // 2):
        return None
    return data[4 : 4 + 2 * length].decode("utf-16-be", "replace")


def _date(data: bytes) -> str:
    """DATE: days since 1990-01-01."""
    return (datetime.date(1990, 1, 1) + datetime.timedelta(days=int.from_bytes(data, "big"))).isoformat()


def _dt(data: bytes) -> str | None:
    """DATE_AND_TIME: decimal digits, two in a byte; years 90 to 99 are of the last century; the last is the weekday."""
    digits = data.hex()
    if not digits[:15].isdecimal():
        return None
    year, month, day, hour, minute, second = (int(digits[i : i + 2]) for i in range(0, 12, 2))
    return _moment((year + (1900 if year >= 90 else 2000), month, day, hour, minute, second), f"{digits[12:15]}")


def _dtl(data: bytes) -> str | None:
    """DTL: year, month, day, weekday, hour, minute, second, nanoseconds."""
    year, nanoseconds = int.from_bytes(data[:2], "big"), int.from_bytes(data[8:], "big")
    if nanoseconds > 999_999_999:
        return None
    return _moment((year, data[2], data[3], *data[5:8]), f"{nanoseconds:09d}")


def _moment(parts: tuple[int, ...], fraction: str) -> str | None:
    """ISO 8601 without a zone: the controller's clock has none."""
    with suppress(ValueError):
        whole = datetime.datetime(*parts).isoformat()  # type: ignore[arg-type]  # six numbers
        fraction = fraction.rstrip("0")
        return f"{whole}.{fraction}" if fraction else whole
    return None


_TEXTS: Final[dict[str, Callable[[bytes], str | None]]] = {
    "char": _char, "string": _string, "wstring": _wstring, "date": _date, "dt": _dt, "dtl": _dtl,
}  # fmt: skip
