# SPDX-License-Identifier: Apache-2.0
"""An S7 address is one line: `db1.0:real`, `db1.4.0:bool`, `m10:int`, `i0.0:bool`, `db7.20:string32`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from isthmus.core.errors import IsthmusError

NUMBERS: Final = {
    "byte": "<u1", "usint": "<u1", "sint": "<i1", "word": "<u2", "uint": "<u2", "int": "<i2", "dword": "<u4",
    "udint": "<u4", "dint": "<i4", "time": "<i4", "lword": "<u8", "ulint": "<u8", "lint": "<i8", "real": "<f4",
    "lreal": "<f8",
}  # fmt: skip
"""Type → how its bytes are read, once they are turned around."""
MOMENTS: Final = {"date": 2, "dt": 8, "dtl": 12}
"""Type of a time that is read as text → its bytes."""
_HEADS: Final = {"char": 0, "string": 2, "wstring": 4}
"""Text of some length → bytes before its characters."""
LONGEST: Final = 254
"""Characters of a STRING."""
LAST: Final = 65_535

PATTERN: Final = (
    r"^(db[1-9]\d{0,4}\.|[iqm])(0|[1-9]\d{0,4})(\.[0-7]:bool|:("
    + "|".join([*NUMBERS, *MOMENTS])
    + r"|(char|string|wstring)[1-9]\d{0,2}))$"
)

_TEXT = re.compile(r"(?:db(\d+)\.|([a-z]+))(\d+)(?:\.(\d+))?(?::([a-z_]+?)(?:\[?(\d+)\]?)?)?")
_SIEMENS = re.compile(r"(?:db(\d+)\.db|([a-z]))([xbwd]?)(\d+)(?:\.(\d+))?(?::.*)?")
_SIEMENS_TYPES: Final = {"": "bool", "x": "bool", "b": "byte", "w": "int", "d": "real"}
_GERMAN: Final = {"e": "i", "a": "q"}
_HABITS: Final = {
    "float": "real", "float32": "real", "float64": "lreal", "double": "lreal", "int8": "sint", "uint8": "usint",
    "int16": "int", "uint16": "uint", "int32": "dint", "uint32": "udint", "int64": "lint", "uint64": "ulint",
    "boolean": "bool", "bit": "bool", "text": "string32", "date_and_time": "dt", "datetime": "dtl",
}  # fmt: skip
_HINT: Final = "write db1.0:real, db1.4.0:bool, m10:int, i0.0:bool or q2:byte"


@dataclass(frozen=True, slots=True)
class Place:
    """Where and how a value stands in a controller."""

    area: str
    """`db`, `i` (inputs), `q` (outputs) or `m` (memory)."""
    block: int
    """Number of the data block; 0 in other areas."""
    byte: int
    bit: int
    """Of a `bool`; else 0."""
    type: str
    """`bool`, of `NUMBERS`, of `MOMENTS`, `char`, `string` or `wstring`."""
    length: int = 0
    """Characters of a text."""

    def __str__(self) -> str:
        area = f"db{self.block}." if self.area == "db" else self.area
        bit = f".{self.bit}" if self.type == "bool" else ""
        return f"{area}{self.byte}{bit}:{self.type}{self.length or ''}"

    @property
    def size(self) -> int:
        """Bytes it takes."""
        if self.type in _HEADS:
            return _HEADS[self.type] + self.length * (2 if self.type == "wstring" else 1)
        return MOMENTS.get(self.type) or (int(NUMBERS[self.type][2:]) if self.type in NUMBERS else 1)


def parse(text: str) -> Place:
    """The place `text` writes; raises IsthmusError, with the nearest right writing, when it cannot be one."""
    said = text.strip().lower()
    match = _TEXT.fullmatch(said)
    if match is None or not said.isascii():
        raise IsthmusError(f"{text[:80]!r} is not an S7 address", hint=_meant(said))
    block, area, byte, bit, type_, length = match.groups()
    if block is None and area not in ("i", "q", "m"):
        raise IsthmusError(f"{text[:80]!r}: there is no area {area!r}", hint=_meant(said))
    place = _typed("db" if area is None else area, _number(block or "0", text), _number(byte, text), bit,
                   type_, length, text)  # fmt: skip
    if place.byte + place.size > LAST + 1:
        raise IsthmusError(f"{text!r} ends behind the last byte, {LAST}")
    if place.area == "db" and not place.block:
        raise IsthmusError(f"{text!r}: data blocks count from 1")
    return place


def check_address(text: str) -> str:
    """`text` in its canonical writing; raises IsthmusError when it cannot be an address."""
    return str(parse(text))


def _number(digits: str, whole: str) -> int:
    if len(digits) > 5 or int(digits) > LAST:
        raise IsthmusError(f"{whole[:80]!r}: numbers go from 0 to {LAST}")
    return int(digits)


def _typed(
    area: str, block: int, byte: int, bit: str | None, type_: str | None, length: str | None, whole: str
) -> Place:
    if bit is not None:
        if type_ not in (None, "bool"):
            raise IsthmusError(f"{whole!r}: a bit is a bool", hint=f"leave out .{bit}, or what follows the :")
        if int(bit) > 7:
            raise IsthmusError(f"{whole!r}: the bits of a byte are 0 (the lowest) to 7")
        return Place(area, block, byte, int(bit), "bool")
    if type_ is None:
        raise IsthmusError(f"{whole!r} has no type", hint=_HINT)
    if type_ == "bool":
        raise IsthmusError(f"{whole!r} names no bit", hint=f"write {whole.partition(':')[0]}.0:bool")
    if type_ in _HEADS:
        return Place(area, block, byte, 0, type_, _length(type_, length, whole))
    word = type_ + (length or "")
    if word not in NUMBERS and word not in MOMENTS:
        raise _unknown(word, whole)
    return Place(area, block, byte, 0, word)


def _length(type_: str, length: str | None, whole: str) -> int:
    if length is None or not 1 <= int(length) <= LONGEST:
        hint = f"write {type_}20 for {type_.upper()}[20]"
        raise IsthmusError(f"{whole!r}: a {type_} has a length from 1 to {LONGEST}", hint=hint)
    return int(length)


def _unknown(word: str, whole: str) -> IsthmusError:
    types = [*NUMBERS, *MOMENTS, "char", "string", "wstring", "bool"]
    near = _HABITS.get(word) or next(iter(get_close_matches(word, types, 1)), None)
    hint = f"did you mean {near!r}?" if near else f"{', '.join(types[:-4])}, char8, string20, wstring20"
    return IsthmusError(f"{whole!r}: there is no type {word!r}", hint=hint)


def _meant(said: str) -> str:
    """What was probably meant: Siemens' own DB1.DBD4 is `db1.4:real`, E0.0 is `i0.0:bool`."""
    match = _SIEMENS.fullmatch(said)
    if match is None or _GERMAN.get(match[2] or "i", match[2]) not in ("i", "q", "m", None):
        return _HINT
    block, area, size, byte, bit = match.groups()
    where = f"db{block}." if area is None else _GERMAN.get(area, area)
    type_ = "bool" if bit is not None else _SIEMENS_TYPES[size]
    return f"did you mean {where}{byte}{f'.{bit or 0}' if type_ == 'bool' else ''}:{type_}?"
