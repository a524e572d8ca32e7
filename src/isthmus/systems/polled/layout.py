# SPDX-License-Identifier: Apache-2.0
"""Answers become columns: one gather puts every value's bytes in order, then each type is one numpy view.

A layout is made once per list of blocks. The tests of each kind hold the value-by-value version of its rules as oracle.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from isthmus.systems.contract import Form

TEXT: Final = "text"
_FORMS: Final = {"i": Form.SIGNED, "u": Form.UNSIGNED, "f": Form.FLOAT}


class Spot(Protocol):
    """One value in the bytes of an answer."""

    @property
    def position(self) -> int:
        """Of its address in the opened list."""

    @property
    def answer(self) -> int:
        """Which of the joined answers it stands in."""

    @property
    def kind(self) -> str:
        """What is decoded in one go: a little-endian numpy type (`<f4`), `bit`, `bits`, `text`."""

    def taken(self) -> list[int]:
        """Positions of its bytes in the joined answers, the least significant first; of a text as they are read."""

    @property
    def shift(self) -> int:
        """How far a bit (in one byte) or a field of bits (in two) is from the lowest."""

    @property
    def mask(self) -> int:
        """The bits that count, once shifted down."""

    def text(self, data: bytes) -> str | None:
        """What its bytes say, of a text; None when they are none."""


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
    unreadable: list[int] = field(default_factory=list)
    """Rows of texts whose bytes are none."""


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
    _texts: tuple[tuple[int, NDArray[np.intp], Callable[[bytes], str | None]], ...] = field(init=False)
    _whole: bool = field(init=False)

    def __post_init__(self) -> None:
        self.spots = sorted(self.spots, key=lambda spot: (_rank(spot.kind), spot.position))
        self.index = _fixed([spot.position for spot in self.spots], np.uint32)
        self.form = _fixed([_form(spot.kind) for spot in self.spots], np.uint8)
        self.answer = _fixed([spot.answer for spot in self.spots], np.intp)
        taken = [[] if spot.kind == TEXT else spot.taken() for spot in self.spots]
        self._gather = _fixed([byte for some in taken for byte in some], np.intp)
        self._parts = tuple(_parts(self.spots, [len(some) for some in taken]))
        self._texts = tuple((i, _fixed(s.taken(), np.intp), s.text) for i, s in enumerate(self.spots) if s.kind == TEXT)
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
        text = self._read_texts(raw, value)
        unreadable = [row for row, *_ in self._texts if text is not None and text[row] is None]
        return Columns(value, integer, text, unreadable)

    def _read_texts(self, raw: NDArray[np.uint8], value: NDArray[np.float64]) -> list[str | None] | None:
        if not self._texts:
            return None
        text: list[str | None] = [None] * len(value)
        for row, place, read in self._texts:
            text[row], value[row] = read(raw[place].tobytes()), np.nan
        return text


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
    width = {"bit": 1, "bits": 2, TEXT: 0}.get(kind) or (0 if kind == TEXT else int(kind[2:]))
    return -width, kind


def _form(kind: str) -> int:
    if kind == "bit":
        return Form.BOOLEAN
    if kind == TEXT:
        return Form.TEXT
    return Form.UNSIGNED if kind == "bits" else _FORMS[kind[1]]


def _parts(spots: Sequence[Spot], widths: Sequence[int]) -> Iterable[_Part]:
    row = byte = 0
    while row < len(spots):
        kind, end = spots[row].kind, row
        while end < len(spots) and spots[end].kind == kind:
            end += 1
        some, after = spots[row:end], byte + sum(widths[row:end])
        if kind != TEXT:
            masks = [s.mask for s in some]
            shift = _fixed([s.shift for s in some], np.uint16)
            yield _Part(kind, slice(row, end), slice(byte, after), shift, _fixed(masks, np.uint16))
        row, byte = end, after
