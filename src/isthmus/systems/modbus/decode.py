# SPDX-License-Identifier: Apache-2.0
"""Registers become columns: one gather puts every value's bytes in order, then each type is one numpy view.

A layout is made once per list of blocks. `tests/modbus` holds the value-by-value version of the same rules as oracle.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from isthmus.systems.contract import Form
from isthmus.systems.modbus.address import Place

_FORMS: Final = {"i": Form.SIGNED, "u": Form.UNSIGNED, "f": Form.FLOAT}
_TEXT: Final = "text"


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
            return _TEXT
        letter, bits = ("f", name[5:]) if name.startswith("float") else (name[0], name.partition("int")[2])
        return f"<{letter}{int(bits.partition('-')[0]) // 8}"

    def bytes(self) -> list[int]:
        """Positions of its bytes, the least significant first; of a text in the order they are read."""
        if not self.place.registers:
            return [self.offset]
        words = [(2 * i, 2 * i + 1) for i in range(self.place.size)]
        if self.order in ("BADC", "DCBA"):
            words = [(low, high) for high, low in words]
        if self.order in ("CDAB", "DCBA") and self.kind != _TEXT:
            words.reverse()
        place = [self.offset + byte for word in words for byte in word]
        if self.kind == _TEXT:
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


@dataclass(frozen=True, slots=True)
class _Part:
    """Neighbouring rows of one kind."""

    kind: str
    rows: slice
    taken: slice
    shift: NDArray[np.uint16]
    mask: NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class Columns:
    """What a layout's answers hold; rows are in the layout's order."""

    value: NDArray[np.float64]
    integer: NDArray[np.int64] | None
    text: list[str | None] | None


@dataclass(slots=True)
class Layout:
    """How the joined answers of some blocks become columns."""

    spots: Sequence[Spot]
    """Sorted here: rows of one kind stand together, the widest first."""
    index: NDArray[np.uint32] = field(init=False)
    """(n,) position of each row's address."""
    form: NDArray[np.uint8] = field(init=False)
    answer: NDArray[np.intp] = field(init=False)
    """(n,) which of the joined answers each row stands in."""
    _gather: NDArray[np.intp] = field(init=False)
    _parts: tuple[_Part, ...] = field(init=False)
    _texts: tuple[tuple[int, NDArray[np.intp]], ...] = field(init=False)
    _whole: bool = field(init=False)

    def __post_init__(self) -> None:
        self.spots = sorted(self.spots, key=lambda spot: (_rank(spot.kind), spot.position))
        self.index = _fixed([spot.position for spot in self.spots], np.uint32)
        self.form = _fixed([_form(spot.kind) for spot in self.spots], np.uint8)
        self.answer = _fixed([spot.answer for spot in self.spots], np.intp)
        taken = [[] if spot.kind == _TEXT else spot.bytes() for spot in self.spots]
        self._gather = _fixed([byte for some in taken for byte in some], np.intp)
        self._parts = tuple(_parts(self.spots, [len(some) for some in taken]))
        self._texts = tuple((i, _fixed(s.bytes(), np.intp)) for i, s in enumerate(self.spots) if s.kind == _TEXT)
        self._whole = any(part.kind == "bits" or part.kind[1:2] in ("i", "u") for part in self._parts)

    def decode(self, data: bytes) -> Columns:
        """The columns of joined answers that have the length the layout was made for."""
        raw = np.frombuffer(data, np.uint8)
        taken = raw[self._gather]
        value = np.empty(len(self.spots))
        integer = np.zeros(len(self.spots), np.int64) if self._whole else None
        with np.errstate(invalid="ignore"):  # a signalling NaN is one of many NaNs here
            for part in self._parts:
                column = _column(taken[part.taken], part)
                value[part.rows] = column
                if integer is not None and part.kind[1:2] != "f":
                    integer[part.rows] = column.view(np.int64) if part.kind == "<u8" else column
        return Columns(value, integer, self._read_texts(raw, value))

    def _read_texts(self, raw: NDArray[np.uint8], value: NDArray[np.float64]) -> list[str | None] | None:
        if not self._texts:
            return None
        text: list[str | None] = [None] * len(value)
        for row, place in self._texts:
            text[row], value[row] = read_text(raw[place].tobytes()), np.nan
        return text


def read_text(data: bytes) -> str:
    """Up to the first NUL, without the blanks at its end; UTF-8, or Latin-1 where it is none."""
    data = data.partition(b"\0")[0].rstrip(b" ")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _column(taken: NDArray[np.uint8], part: _Part) -> NDArray[Any]:
    if part.kind == "bit":
        return (taken >> part.shift) & part.mask
    if part.kind == "bits":
        return (taken.view("<u2") >> part.shift) & part.mask
    return taken.view(part.kind)


def _fixed(values: Iterable[int], dtype: type[Any]) -> NDArray[Any]:
    """A column that all readings of a layout share, and nobody changes."""
    column = np.array(list(values), dtype)
    column.setflags(write=False)
    return column


def _rank(kind: str) -> tuple[int, str]:
    width = {"bit": 1, "bits": 2, _TEXT: 0}.get(kind) or (0 if kind == _TEXT else int(kind[2:]))
    return -width, kind


def _form(kind: str) -> int:
    if kind == "bit":
        return Form.BOOLEAN
    if kind == _TEXT:
        return Form.TEXT
    return Form.UNSIGNED if kind == "bits" else _FORMS[kind[1]]


def _parts(spots: Sequence[Spot], widths: Sequence[int]) -> Iterable[_Part]:
    row = byte = 0
    while row < len(spots):
        kind, end = spots[row].kind, row
        while end < len(spots) and spots[end].kind == kind:
            end += 1
        some, after = spots[row:end], byte + sum(widths[row:end])
        if kind != _TEXT:
            masks = [(1 << (s.place.span[1] - s.place.span[0] + 1)) - 1 for s in some]
            shift = _fixed([s.shift for s in some], np.uint16)
            yield _Part(kind, slice(row, end), slice(byte, after), shift, _fixed(masks, np.uint16))
        row, byte = end, after
