# SPDX-License-Identifier: Apache-2.0
"""A Modbus address is one line: `holding.100:float32`, `7/input.3:int16:DCBA`, `coil.12`, `holding.40:bits4-7`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from isthmus.core.errors import IsthmusError

TABLES: Final = ("holding", "input", "coil", "discrete")
ORDERS: Final = ("ABCD", "CDAB", "BADC", "DCBA")
"""Where the bytes of a 32-bit number, A the most significant, stand in its registers; wider ones go the same way."""
REGISTERS: Final = 125
"""Registers that one answer can carry (Modbus Application Protocol V1.1b3, 6.3)."""
BITS: Final = 16 * REGISTERS
"""Coils or inputs that one answer can carry (6.1): 2,000."""

SIZES: Final = {
    **{f"{sign}{bits}": max(1, bits // 16) for sign in ("int", "uint") for bits in (8, 16, 32, 64)},
    "int8-high": 1,
    "uint8-high": 1,
    "float32": 2,
    "float64": 4,
}
"""Type → registers it takes; `bit3`, `bits4-7` and `text20` besides."""

PATTERN: Final = (
    r"^((0|[1-9]\d{0,2})/)?((coil|discrete)\.(0|[1-9]\d{0,4})"
    r"|(holding|input)\.(0|[1-9]\d{0,4}):(u?int(8|8-high|16|32|64)|float(32|64)|bit(\d|1[0-5])|bits\d{1,2}-\d{1,2}"
    r"|text[1-9]\d{0,2})(:(CDAB|BADC|DCBA|ABCD))?)$"
)
"""Of canonical addresses; what it lets pass may still be too large a number."""

_TEXT = re.compile(r"(?:([^/]*)/)?([^.:/]+)\.([^:]*)(?::([^:]*))?(?::([^:]*))?")
_MODICON = re.compile(r"([0134])(\d{4,5})(?::.*)?")
_MODICON_TABLES: Final = {"0": "coil", "1": "discrete", "3": "input", "4": "holding"}
_BITS = re.compile(r"bits(\d{1,2})-(\d{1,2})")
_BIT = re.compile(r"bit(\d{1,2})")
_WORDS = re.compile(r"text(\d{1,4})")
_HABITS: Final = {
    "hr": "holding", "holdings": "holding", "holdingregister": "holding", "holding-register": "holding",
    "register": "holding", "ir": "input", "inputs": "input", "inputregister": "input", "input-register": "input",
    "coils": "coil", "co": "coil", "do": "coil", "di": "discrete", "discretes": "discrete",
    "discrete-input": "discrete", "discreteinput": "discrete",
}  # fmt: skip
_TYPE_HABITS: Final = {
    "float": "float32", "real": "float32", "f32": "float32", "double": "float64", "lreal": "float64", "f64": "float64",
    "int": "int16", "short": "int16", "integer": "int16", "word": "uint16", "uint": "uint16", "dword": "uint32",
    "udint": "uint32", "long": "int32", "dint": "int32", "lint": "int64", "ulint": "uint64", "byte": "uint8",
    "bool": "bit0", "boolean": "bit0", "bit": "bit0", "string": "text20", "text": "text20",
    "bits": "bits0-3",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    """Where and how a value stands in a device."""

    unit: int | None
    """The unit behind the gateway; None: the system's own."""
    table: str
    number: int
    """As the device's manual counts."""
    type: str
    """`bit` for coils and discrete inputs, else as written."""
    order: str | None
    """One of `ORDERS`; None: the system's own."""

    def __str__(self) -> str:
        unit = "" if self.unit is None else f"{self.unit}/"
        type_ = f":{self.type}" if self.registers else ""
        return f"{unit}{self.table}.{self.number}{type_}{f':{self.order}' if self.order else ''}"

    @property
    def registers(self) -> bool:
        """In a table of registers, not of single bits."""
        return self.table in ("holding", "input")

    @property
    def size(self) -> int:
        """Registers (or bits) it takes."""
        if not self.registers or self.type in SIZES:
            return SIZES.get(self.type, 1)
        return (int(self.type[4:]) + 1) // 2 if self.type.startswith("text") else 1

    @property
    def span(self) -> tuple[int, int]:
        """(lowest, highest) bit of a bit field."""
        if match := _BIT.fullmatch(self.type):
            return int(match[1]), int(match[1])
        match = _BITS.fullmatch(self.type)
        return (int(match[1]), int(match[2])) if match else (0, 0)


def parse(text: str) -> Place:
    """The place `text` writes; raises IsthmusError, with the nearest right writing, when it cannot be one."""
    match = _TEXT.fullmatch(text.strip())
    if match is None:
        raise IsthmusError(f"{text[:80]!r} is not a Modbus address", hint=_meant(text.strip()))
    unit, word, number, type_, order = match.groups()
    table = _table(word, text)
    place = Place(_unit(unit, text), table, _number(number, text), _type(table, type_, text), _order(order, text))
    if place.number + place.size > 0x1_0001:
        raise IsthmusError(f"{text!r} ends behind the last address, 65535")
    return place


def check_address(text: str) -> str:
    """`text` in its canonical writing; raises IsthmusError when it cannot be an address."""
    return str(parse(text))


def check_write(text: str) -> str:
    """Why nothing can be written to a valid address; empty: something can."""
    place = parse(text)
    if place.table in ("input", "discrete"):
        noun = "an input register" if place.registers else "a discrete input"
        return f"{place} is {noun}, which nobody can write"
    return ""


def _meant(text: str) -> str:
    """What was probably meant: Modicon's 40101 is `holding.100`, because that counts from 1."""
    match = _MODICON.fullmatch(text)
    if match and 1 <= int(match[2]) <= 65_536:
        table = _MODICON_TABLES[match[1]]
        return f"did you mean {table}.{int(match[2]) - 1}? Numbers count from 0 unless the system says first: 1"
    if text in TABLES:
        return f"write {text}.100, with the number of a register"
    return "write holding.100:float32, input.7, coil.3 or discrete.3; 7/holding.100 is unit 7 behind a gateway"


def _unit(text: str | None, whole: str) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > 3 or int(text) > 255:
        raise IsthmusError(f"{whole!r}: the unit before the / is a number from 0 to 255, not {text!r}")
    return int(text)


def _table(word: str, whole: str) -> str:
    if word.lower() in TABLES:
        return word.lower()
    near = _HABITS.get(word.lower()) or next(iter(get_close_matches(word.lower(), TABLES, 1)), None)
    hint = f"did you mean {near!r}?" if near else f"there are {', '.join(TABLES)}"
    raise IsthmusError(f"{whole!r}: there is no table {word!r}", hint=hint)


def _number(text: str, whole: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 5 or int(text) > 65_536:
        raise IsthmusError(f"{whole!r}: after the point comes a number from 0 to 65535, not {text!r}")
    return int(text)


def _type(table: str, said: str | None, whole: str) -> str:
    if table in ("coil", "discrete"):
        if said is not None:
            raise IsthmusError(
                f"{whole!r}: a {table} is one bit and takes no type", hint="leave out what follows the :"
            )
        return "bit"
    word = "uint16" if said is None else said.lower()
    if word in SIZES:
        return word
    return _field(word, whole) or _text(word, whole) or _unknown(word, whole)


def _field(word: str, whole: str) -> str:
    """A bit or a run of bits in its canonical writing; empty when `word` is neither."""
    single, several = _BIT.fullmatch(word), _BITS.fullmatch(word)
    if single is None and several is None:
        return ""
    low, high = (int(single[1]),) * 2 if single else (int(several[1]), int(several[2])) if several else (0, 0)
    if not low <= high <= 15:
        raise IsthmusError(f"{whole!r}: the bits of a register are 0 (the lowest) to 15", hint="write bits4-7 or bit3")
    return f"bit{low}" if single else f"bits{low}-{high}"


def _text(word: str, whole: str) -> str:
    match = _WORDS.fullmatch(word)
    if match is None:
        return ""
    if not 1 <= int(match[1]) <= 2 * REGISTERS:
        raise IsthmusError(f"{whole!r}: a text has 1 to {2 * REGISTERS} bytes, two in a register")
    return f"text{int(match[1])}"


def _unknown(word: str, whole: str) -> str:
    near = _TYPE_HABITS.get(word) or next(iter(get_close_matches(word, SIZES, 1)), None)
    types = "int16, uint16, int32, uint32, int64, uint64, float32, float64, int8, uint8, bit3, bits4-7, text20"
    raise IsthmusError(f"{whole!r}: there is no type {word!r}", hint=f"did you mean {near!r}?" if near else types)


def _order(said: str | None, whole: str) -> str | None:
    if said is None:
        return None
    if said.upper() not in ORDERS:
        near = next(iter(get_close_matches(said.upper(), ORDERS, 1)), None)
        hint = f"did you mean {near!r}? " if near else ""
        raise IsthmusError(f"{whole!r}: there is no order {said!r}", hint=f"{hint}{', '.join(ORDERS)}")
    return said.upper()
