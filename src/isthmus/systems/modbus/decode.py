# SPDX-License-Identifier: Apache-2.0
"""Where a value stands in registers: which bytes, in which order, which bits of them."""

from __future__ import annotations

from dataclasses import dataclass

from isthmus.systems.modbus.address import Place
from isthmus.systems.polled.layout import TEXT


@dataclass(frozen=True, slots=True)
class Spot:
    """One value in the bytes of an answer."""

    position: int
    """Of its address in the opened list."""
    place: Place
    order: str
    offset: int
    """Of its first byte, or for coils and inputs of the byte that holds it, in the joined answers."""
    bit: int = 0
    """Of a coil or input: which bit of that byte."""
    answer: int = 0
    """Which of the joined answers it stands in."""

    @property
    def kind(self) -> str:
        """What is decoded in one go: a numpy type, `bit`, `bits`, `text`."""
        name = self.place.type
        if name.startswith("bits"):
            return "bits"
        if name.startswith("bit"):
            return "bit"
        if name.startswith("text"):
            return TEXT
        letter, bits = ("f", name[5:]) if name.startswith("float") else (name[0], name.partition("int")[2])
        return f"<{letter}{int(bits.partition('-')[0]) // 8}"

    def taken(self) -> list[int]:
        """Positions of its bytes, the least significant first; of a text in the order they are read."""
        if not self.place.registers:
            return [self.offset]
        words = [(2 * i, 2 * i + 1) for i in range(self.place.size)]
        if self.order in ("BADC", "DCBA"):
            words = [(low, high) for high, low in words]
        if self.order in ("CDAB", "DCBA") and self.kind != TEXT:
            words.reverse()
        place = [self.offset + byte for word in words for byte in word]
        if self.kind == TEXT:
            return place[: int(self.place.type[4:])]
        place.reverse()
        return self._chosen(place)

    def _chosen(self, place: list[int]) -> list[int]:
        """Of one register's bytes (low, high) those that matter."""
        if self.kind == "bit":
            return place[self.place.span[0] // 8 :][:1]
        if self.place.type.endswith("int8"):
            return place[:1]
        return place[1:] if self.place.type.endswith("8-high") else place

    @property
    def shift(self) -> int:
        """How far a bit or a field of bits is from the lowest of the bytes it is taken from."""
        if not self.place.registers:
            return self.bit
        return self.place.span[0] % 8 if self.kind == "bit" else self.place.span[0]

    @property
    def mask(self) -> int:
        """The bits that count, once shifted down."""
        low, high = self.place.span
        return (1 << (high - low + 1)) - 1

    def text(self, data: bytes) -> str:
        """What its bytes say, of a text."""
        return read_text(data)


def read_text(data: bytes) -> str:
    """Up to the first NUL, without the blanks at its end; UTF-8, or Latin-1 where it is none."""
    data = data.partition(b"\0")[0].rstrip(b" ")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")
