# SPDX-License-Identifier: Apache-2.0
"""The OPC UA binary encoding (Part 6, 5.2), row by row: reads what a tag can hold, skips what it cannot.

Every function takes the bytes and a position and returns the position after what it read; none trusts a length.
How values become readings: numbers and booleans as they are; String, XmlElement and the text of a LocalizedText as
text; DateTime as ISO 8601 text, to 100 ns; Guid, NodeId and QualifiedName in the standard's own writing (Part 6,
5.3.1); ByteString in Base64; a StatusCode as the unsigned number it is. Arrays and structures are oddities.
"""

from __future__ import annotations

import base64
import struct
import uuid
from collections.abc import Callable
from typing import Final, NamedTuple

from isthmus.core import time
from isthmus.core.quality import BAD, BAD_TYPE_MISMATCH, GOOD
from isthmus.systems.contract import Form

TICKS_TO_1970: Final = 116_444_736_000_000_000
"""100 ns ticks from 1601-01-01 to 1970-01-01."""
FIRST_TICK: Final = TICKS_TO_1970 + time.EARLIEST // 100 + 1
LAST_TICK: Final = TICKS_TO_1970 + time.LATEST // 100
"""The ticks that 64 bits of nanoseconds since 1970 can hold: years 1677 to 2262."""

VALUE, STATUS, SOURCE_TIME, SERVER_TIME, SOURCE_PICO, SERVER_PICO = 1, 2, 4, 8, 16, 32
"""Bits of a DataValue's encoding mask (Part 6, 5.2.2.17)."""
ARRAY, DIMENSIONS, TYPE = 128, 64, 63
"""Bits of a Variant's encoding byte (Part 6, 5.2.2.16)."""
DEEPEST: Final = 32
"""Variants, DataValues and DiagnosticInfos may hold themselves; deeper than this nobody means it."""

_i4 = struct.Struct("<i").unpack_from
_u2 = struct.Struct("<H").unpack_from
_u4 = struct.Struct("<I").unpack_from
_i8 = struct.Struct("<q").unpack_from


class Malformed(ValueError):
    """The bytes are not what they should be."""


class Cell(NamedTuple):
    """One DataValue as a reading."""

    form: int
    value: float
    integer: int
    text: str | None
    quality: int
    ticks: int
    """Source time in 100 ns ticks since 1601; 0: none."""
    odd: str
    """Why the value is an oddity; empty when it is not."""


Scalar = tuple[int, float, int, str | None, int]
"""(form, value, integer, text, position after it)."""

_NAN: Final = float("nan")


def length(b: bytes, p: int) -> tuple[int, int]:
    """A length prefix (-1: null) that is known to fit what follows, and the position after it."""
    n = _i4(b, p)[0]
    p += 4
    if n < -1 or p + n > len(b):
        raise Malformed(f"a length of {n} with {len(b) - p} bytes left")
    return n, p


def count(b: bytes, p: int, smallest: int = 1) -> tuple[int, int]:
    """The number of elements of an array (null counts as empty), each of at least `smallest` bytes."""
    n = _i4(b, p)[0]
    p += 4
    if n < -1 or p + n * smallest > len(b):
        raise Malformed(f"an array of {n} with {len(b) - p} bytes left")
    return max(n, 0), p


def ns_of(ticks: int) -> int:
    """Ticks as ns since 1970; UNKNOWN for a null time and for one that 64 bits of ns cannot hold."""
    return (ticks - TICKS_TO_1970) * 100 if FIRST_TICK <= ticks <= LAST_TICK else time.UNKNOWN


def iso_of(ticks: int) -> str:
    """Ticks as ISO 8601, to 100 ns; years past 9999 as the last moment of 9999, as the standard says."""
    last = 2_650_467_743_990_000_000
    return time.to_iso((min(ticks, last) - TICKS_TO_1970) * 100)


def _number(form: int, layout: str) -> Callable[[bytes, int], Scalar]:
    read = struct.Struct(layout)
    unpack, size = read.unpack_from, read.size
    signed_limit = 1 << 63

    def whole(b: bytes, p: int) -> Scalar:
        value = unpack(b, p)[0]
        return form, float(value), value - (1 << 64) if value >= signed_limit else value, None, p + size

    def plain(b: bytes, p: int) -> Scalar:
        return form, float(unpack(b, p)[0]), 0, None, p + size

    return whole if form in (Form.SIGNED, Form.UNSIGNED) else plain


def _text(text: str | None, p: int) -> Scalar:
    return (Form.NONE if text is None else Form.TEXT), _NAN, 0, text, p


def string(b: bytes, p: int) -> tuple[str | None, int]:
    """A String; bytes that are no UTF-8 show as `\\xff`."""
    n, p = length(b, p)
    return (None, p) if n < 0 else (b[p : p + n].decode("utf-8", "backslashreplace"), p + n)


def _string(b: bytes, p: int) -> Scalar:
    return _text(*string(b, p))


def _bytes(b: bytes, p: int) -> Scalar:
    n, p = length(b, p)
    return _text(None, p) if n < 0 else _text(base64.b64encode(b[p : p + n]).decode(), p + n)


def _date_time(b: bytes, p: int) -> Scalar:
    ticks = _i8(b, p)[0]
    return _text(iso_of(ticks) if ticks > 0 else None, p + 8)


def _guid(b: bytes, p: int) -> Scalar:
    if p + 16 > len(b):
        raise Malformed("a Guid cut short")
    return _text(str(uuid.UUID(bytes_le=b[p : p + 16])), p + 16)


def _null(b: bytes, p: int) -> Scalar:
    return _text(None, p)


def _node_id(b: bytes, p: int) -> Scalar:
    kind = b[p]
    form = kind & 63
    if form == 0:
        text, p = f"i={b[p + 1]}", p + 2
    elif form == 1:
        text, p = _spaced(b[p + 1], f"i={_u2(b, p + 2)[0]}"), p + 4
    elif form == 2:
        text, p = _spaced(_u2(b, p + 1)[0], f"i={_u4(b, p + 3)[0]}"), p + 7
    elif form in _NAMED:
        space, letter = _u2(b, p + 1)[0], _NAMED[form][0]
        *_, name, p = _NAMED[form][1](b, p + 3)
        text = _spaced(space, f"{letter}={name or ''}")
    else:
        raise Malformed(f"a NodeId of encoding {form}")
    return _expanded(b, p, kind, text)


def _spaced(space: int, rest: str) -> str:
    return f"ns={space};{rest}" if space else rest


def _expanded(b: bytes, p: int, kind: int, text: str) -> Scalar:
    """The tail of an ExpandedNodeId (Part 6, 5.2.2.10)."""
    if kind & 128:
        uri, p = string(b, p)
        if uri:
            text = f"nsu={uri.replace('%', '%25').replace(';', '%3B')};{text.partition(';')[2] or text}"
    if kind & 64:
        server, p = _u4(b, p)[0], p + 4
        text = f"svr={server};{text}" if server else text
    return _text(text, p)


_NAMED: Final = {3: ("s", _string), 4: ("g", _guid), 5: ("b", _bytes)}


def _qualified_name(b: bytes, p: int) -> Scalar:
    space = _u2(b, p)[0]
    name, p = string(b, p + 2)
    return _text(f"{space}:{name}" if name is not None and space else name, p)


def _localized_text(b: bytes, p: int) -> Scalar:
    mask, text = b[p], None
    p += 1
    if mask & 1:
        _, p = string(b, p)
    if mask & 2:
        text, p = string(b, p)
    return _text(text, p)


SCALARS: Final[dict[int, Callable[[bytes, int], Scalar]]] = {
    0: _null,
    1: _number(Form.BOOLEAN, "<?"),
    2: _number(Form.SIGNED, "<b"),
    3: _number(Form.UNSIGNED, "<B"),
    4: _number(Form.SIGNED, "<h"),
    5: _number(Form.UNSIGNED, "<H"),
    6: _number(Form.SIGNED, "<i"),
    7: _number(Form.UNSIGNED, "<I"),
    8: _number(Form.SIGNED, "<q"),
    9: _number(Form.UNSIGNED, "<Q"),
    10: _number(Form.FLOAT, "<f"),
    11: _number(Form.FLOAT, "<d"),
    12: _string,
    13: _date_time,
    14: _guid,
    15: _bytes,
    16: _string,
    17: _node_id,
    18: _node_id,
    19: _number(Form.UNSIGNED, "<I"),
    20: _qualified_name,
    21: _localized_text,
}
"""Readers of the built-in types a tag can hold, by their numbers (Part 6, 5.1.2)."""

_ODD: Final = {22: "a structure", 23: "a DataValue", 24: "a Variant", 25: "a DiagnosticInfo"}


def data_value(b: bytes, p: int, depth: int = 0) -> tuple[Cell, int]:
    """The DataValue at `p` as a reading."""
    mask = b[p]
    p += 1
    form, value, integer, text, odd = Form.NONE, _NAN, 0, None, ""
    if mask & VALUE:
        read = SCALARS.get(b[p])
        if read is not None:
            form, value, integer, text, p = read(b, p + 1)
        else:
            odd, p = _oddity(b[p]), skip_variant(b, p, depth)
    quality, ticks, p = _status_and_time(b, p, mask)
    if odd and quality < BAD:
        quality = BAD_TYPE_MISMATCH
    return Cell(form, value, integer, text, quality, ticks, odd), p


def _status_and_time(b: bytes, p: int, mask: int) -> tuple[int, int, int]:
    quality, ticks = GOOD, 0
    if mask & STATUS:
        quality, p = _u4(b, p)[0], p + 4
    if mask & SOURCE_TIME:
        ticks, p = _i8(b, p)[0], p + 8
    p += 2 * (mask >> 4 & 1) + 8 * (mask >> 3 & 1) + 2 * (mask >> 5 & 1)
    if p > len(b):
        raise Malformed("a DataValue cut short")
    return quality, ticks, p


def _oddity(encoding: int) -> str:
    return "an array" if encoding & ARRAY else _ODD.get(encoding & TYPE, f"a value of type {encoding & TYPE}")


def skip_variant(b: bytes, p: int, depth: int = 0) -> int:
    """The position after the Variant at `p`."""
    encoding = b[p]
    type_ = encoding & TYPE
    p += 1
    if encoding & ARRAY:
        n, p = count(b, p, _SMALLEST.get(type_, 1))
        p = p + n * _SIZES[type_] if type_ in _SIZES else _skip_each(b, p, type_, n, depth)
    else:
        p = _skip(b, p, type_, depth)
    if encoding & DIMENSIONS:
        n, p = count(b, p, 4)
        p += 4 * n
    if p > len(b):
        raise Malformed("a Variant cut short")
    return p


def _skip_each(b: bytes, p: int, type_: int, n: int, depth: int) -> int:
    for _ in range(n):
        p = _skip(b, p, type_, depth)
    return p


def _skip(b: bytes, p: int, type_: int, depth: int) -> int:
    if depth > DEEPEST:
        raise Malformed("values nested too deep")
    if type_ in _SIZES:
        return p + _SIZES[type_]
    if type_ == 22:
        return skip_extension(b, p)
    if type_ in _NESTED:
        return _NESTED[type_](b, p, depth + 1)
    if type_ in SCALARS:
        return SCALARS[type_](b, p)[-1]
    return _bytes(b, p)[-1]  # 26 to 31 are read as ByteStrings (Part 6, 5.1.2)


_SIZES: Final = {1: 1, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 4, 8: 8, 9: 8, 10: 4, 11: 8, 13: 8, 14: 16, 19: 4, 0: 0}
_SMALLEST: Final = _SIZES | {12: 4, 15: 4, 16: 4, 17: 2, 18: 2, 20: 6, 21: 1, 22: 3}


def _skip_data_value(b: bytes, p: int, depth: int) -> int:
    mask = b[p]
    p += 1
    if mask & VALUE:
        p = skip_variant(b, p, depth)
    return _status_and_time(b, p, mask)[2]


def skip_diagnostics(b: bytes, p: int, depth: int = 0) -> int:
    """The position after the DiagnosticInfo at `p` (Part 6, 5.2.2.12)."""
    if depth > DEEPEST:
        raise Malformed("diagnostics nested too deep")
    mask = b[p]
    p += 1 + 4 * (mask & 15).bit_count()
    if mask & 16:
        _, p = string(b, p)
    p += 4 * (mask >> 5 & 1)
    return skip_diagnostics(b, p, depth + 1) if mask & 64 else p


_NESTED: Final[dict[int, Callable[[bytes, int, int], int]]] = {
    23: _skip_data_value,
    24: skip_variant,
    25: skip_diagnostics,
}


def node_number(b: bytes, p: int) -> tuple[int | None, int]:
    """The number of a NodeId of namespace 0 (None for any other), and the position after it."""
    form = b[p]
    if form == 1 and b[p + 1] == 0:
        return _u2(b, p + 2)[0], p + 4
    if form == 0:
        return b[p + 1], p + 2
    if form == 2 and _u2(b, p + 1)[0] == 0:
        return _u4(b, p + 3)[0], p + 7
    return None, _node_id(b, p)[-1]


def extension(b: bytes, p: int) -> tuple[int | None, int, int]:
    """An ExtensionObject: number of its encoding (None when it is not the standard's), start and end of its body."""
    number, p = node_number(b, p)
    encoding = b[p]
    p += 1
    if encoding == 0:
        return number, p, p
    if encoding > 2:
        raise Malformed(f"an ExtensionObject of encoding {encoding}")
    n, p = length(b, p)
    return number, p, p + max(n, 0)


def skip_extension(b: bytes, p: int) -> int:
    """The position after the ExtensionObject at `p`."""
    return extension(b, p)[2]
