# SPDX-License-Identifier: Apache-2.0
"""What a metric's value is: Sparkplug's data types, read from and written into its messages (Sparkplug 3.0, 6.4.16)."""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Callable, Mapping
from enum import IntEnum
from functools import cache
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec
import numpy as np

from isthmus.core import time
from isthmus.core.tag import DataType
from isthmus.systems.contract import Form


class Type(IntEnum):
    """Data types by their numbers in a payload."""

    UNKNOWN = 0
    INT8 = 1
    INT16 = 2
    INT32 = 3
    INT64 = 4
    UINT8 = 5
    UINT16 = 6
    UINT32 = 7
    UINT64 = 8
    FLOAT = 9
    DOUBLE = 10
    BOOLEAN = 11
    STRING = 12
    DATETIME = 13
    TEXT = 14
    UUID = 15
    DATASET = 16
    BYTES = 17
    FILE = 18
    TEMPLATE = 19
    PROPERTYSET = 20
    PROPERTYSETLIST = 21
    INT8_ARRAY = 22
    INT16_ARRAY = 23
    INT32_ARRAY = 24
    INT64_ARRAY = 25
    UINT8_ARRAY = 26
    UINT16_ARRAY = 27
    UINT32_ARRAY = 28
    UINT64_ARRAY = 29
    FLOAT_ARRAY = 30
    DOUBLE_ARRAY = 31
    BOOLEAN_ARRAY = 32
    STRING_ARRAY = 33
    DATETIME_ARRAY = 34


def type_of(number: int) -> Type:
    """The type of a number in a payload; UNKNOWN for one that a later specification may have."""
    return Type(number) if number in _NUMBERS else Type.UNKNOWN


_NUMBERS: Final = frozenset(Type)

Cell: TypeAlias = tuple[int, float, int, str | None]
"""One value as (form, value, integer, text), see `Readings`."""


class Unfit(Exception):
    """The value is none of its type; says what it is, in few different words."""


NOTHING: Final[Cell] = (Form.NONE, math.nan, 0, None)

_WIDTHS: Final = {
    Type.INT8: 8, Type.INT16: 16, Type.INT32: 32, Type.INT64: 64,
    Type.UINT8: 8, Type.UINT16: 16, Type.UINT32: 32, Type.UINT64: 64,
}  # fmt: skip

SIGNED: Final = frozenset((Type.INT8, Type.INT16, Type.INT32, Type.INT64))
UNSIGNED: Final = frozenset((Type.UINT8, Type.UINT16, Type.UINT32, Type.UINT64))
_TEXTS: Final = frozenset((Type.STRING, Type.TEXT, Type.UUID))


def cell(holder: Any, type_: Type) -> Cell:
    """The value that a Metric (or what else has one) holds, of a type that was declared; raises Unfit."""
    which = holder.WhichOneof("value")
    if which is None:
        return NOTHING
    read = readers(type_).get(which)
    if read is None:
        raise Unfit(f"a value of another type than {type_.name}")
    return read(getattr(holder, which))


@cache
def readers(type_: Type) -> Mapping[str, Callable[[Any], Cell]]:
    """Where a value of this type may be → how it is read from there; those of UNKNOWN are what they look like."""
    if type_ is Type.UNKNOWN:
        return {which: _READ[natural, which] for which, natural in _NATURAL.items()}
    return {which: read for (one, which), read in _READ.items() if one is type_}


def _float(value: float) -> Cell:
    return Form.FLOAT, value, 0, None


def _boolean(value: bool) -> Cell:
    return Form.BOOLEAN, float(value), 0, None


def _text(value: str) -> Cell:
    return Form.TEXT, math.nan, 0, value


def _whole(type_: Type) -> Callable[[int], Cell]:
    """Reads whole numbers: negative ones come as they are in 32 or 64 bits, or in their own width."""
    width, form = _WIDTHS[type_], Form.SIGNED if type_ in SIGNED else Form.UNSIGNED
    end = 1 << width
    half = end >> 1

    def read(raw: int) -> Cell:
        value = raw
        if form == Form.SIGNED and raw >= half:
            value = raw - end
            if raw >= end:
                value = raw - ((1 << 32) if raw < 1 << 32 else 1 << 64)
            if not -half <= value < half:
                raise Unfit(f"a number that is no {type_.name}")
        elif raw >= end:
            raise Unfit(f"a number that is no {type_.name}")
        return form, float(value), value if value < 1 << 63 else value - (1 << 64), None

    return read


def _short(raw: int) -> Cell:
    """An Int64 in 32 bits: from 2^31 on nobody can say whether it is negative."""
    if raw >= 1 << 31:
        raise Unfit("a number that is no INT64")
    return Form.SIGNED, float(raw), raw, None


def _moment(ms: int) -> Cell:
    signed = ms if ms < 1 << 63 else ms - (1 << 64)
    if not time.EARLIEST <= signed * time.MILLISECOND <= time.LATEST:
        raise Unfit("a DATETIME outside the years 1678 to 2261")
    return _text(time.to_iso(signed * time.MILLISECOND))


def _bytes(value: bytes) -> Cell:
    return _text(b64encode(value).decode())


def _json(value: Any) -> Cell:
    return _text(msgspec.json.encode(value).decode())


def _dataset(table: Any) -> Cell:
    return _json(table_of(table))


def _template(template: Any) -> Cell:
    return _json(structure_of(template))


_NATURAL: Final = {
    "int_value": Type.UINT32, "long_value": Type.UINT64, "float_value": Type.FLOAT, "double_value": Type.DOUBLE,
    "boolean_value": Type.BOOLEAN, "string_value": Type.STRING, "bytes_value": Type.BYTES,
    "dataset_value": Type.DATASET, "template_value": Type.TEMPLATE,
}  # fmt: skip
"""What a value is whose type nobody declared."""


class _Elements(NamedTuple):
    """How an array lies in its bytes."""

    layout: str
    of: Type


_ARRAYS: Final = {
    Type.INT8_ARRAY: _Elements("<i1", Type.INT8), Type.INT16_ARRAY: _Elements("<i2", Type.INT16),
    Type.INT32_ARRAY: _Elements("<i4", Type.INT32), Type.INT64_ARRAY: _Elements("<i8", Type.INT64),
    Type.UINT8_ARRAY: _Elements("<u1", Type.UINT8), Type.UINT16_ARRAY: _Elements("<u2", Type.UINT16),
    Type.UINT32_ARRAY: _Elements("<u4", Type.UINT32), Type.UINT64_ARRAY: _Elements("<u8", Type.UINT64),
    Type.FLOAT_ARRAY: _Elements("<f4", Type.FLOAT), Type.DOUBLE_ARRAY: _Elements("<f8", Type.DOUBLE),
    Type.DATETIME_ARRAY: _Elements("<i8", Type.DATETIME),
}  # fmt: skip


def _array(type_: Type) -> Callable[[bytes], Cell]:
    layout, of = _ARRAYS[type_]

    def read(raw: bytes) -> Cell:
        if len(raw) % np.dtype(layout).itemsize:
            raise Unfit(f"bytes that are no {type_.name}")
        found = np.frombuffer(raw, layout)
        if of is Type.DATETIME:
            return _json([_moment(int(ms) & 0xFFFF_FFFF_FFFF_FFFF)[3] for ms in found])
        return _json(found.tolist())

    return read


def _booleans(raw: bytes) -> Cell:
    """A count, then a bit each, the first one highest."""
    count = int.from_bytes(raw[:4], "little")
    if len(raw) < 4 or len(raw) - 4 != -(-count // 8):
        raise Unfit("bytes that are no BOOLEAN_ARRAY")
    return _json(np.unpackbits(np.frombuffer(raw[4:], np.uint8))[:count].astype(bool).tolist())


def _strings(raw: bytes) -> Cell:
    """Texts, each with a zero at its end."""
    if raw and raw[-1]:
        raise Unfit("bytes that are no STRING_ARRAY")
    try:
        return _json(raw.decode("utf-8").split("\0")[:-1])
    except UnicodeDecodeError as error:
        raise Unfit("bytes that are no STRING_ARRAY") from error


_READ: Final[dict[tuple[Type, str], Callable[[Any], Cell]]] = {
    **{(type_, which): _whole(type_) for type_ in _WIDTHS for which in ("int_value", "long_value")},
    **{(type_, which): _float for type_ in (Type.FLOAT, Type.DOUBLE) for which in ("float_value", "double_value")},
    **{(type_, "string_value"): _text for type_ in _TEXTS},
    **{(type_, "bytes_value"): _bytes for type_ in (Type.BYTES, Type.FILE)},
    **{(type_, "bytes_value"): _array(type_) for type_ in _ARRAYS},
    (Type.INT64, "int_value"): _short,
    (Type.BOOLEAN, "boolean_value"): _boolean,
    (Type.DATETIME, "long_value"): _moment,
    (Type.DATASET, "dataset_value"): _dataset,
    (Type.TEMPLATE, "template_value"): _template,
    (Type.BOOLEAN_ARRAY, "bytes_value"): _booleans,
    (Type.STRING_ARRAY, "bytes_value"): _strings,
}
"""(type, where the value is) → how it is read. Encoders put UInt32 into either of two places."""


def table_of(table: Any) -> dict[str, Any]:
    """A DataSet as `{"columns": [...], "rows": [[...], ...]}`; raises Unfit when its rows do not fit its columns."""
    columns, types = list(table.columns), [type_of(number) for number in table.types]
    if len(columns) != len(types) or any(len(row.elements) != len(columns) for row in table.rows):
        raise Unfit("a DATASET whose rows and columns differ")
    rows = [[simple(one, type_) for one, type_ in zip(row.elements, types, strict=True)] for row in table.rows]
    return {"columns": columns, "rows": rows}


def structure_of(template: Any) -> dict[str, Any]:
    """A Template as `{"template": name, "metrics": {...}, "parameters": {...}}`; raises Unfit."""
    said: dict[str, Any] = {"template": template.template_ref} if template.template_ref else {}
    said |= {"version": template.version} if template.version else {}
    said["metrics"] = {one.name: _member(one) for one in template.metrics}
    if template.parameters:
        said["parameters"] = {one.name: simple(one, type_of(one.type)) for one in template.parameters}
    return said


def _member(metric: Any) -> Any:
    which = None if metric.is_null else metric.WhichOneof("value")
    if which == "template_value":
        return structure_of(metric.template_value)
    if which == "dataset_value":
        return table_of(metric.dataset_value)
    return None if which is None else simple(metric, type_of(metric.datatype))


def simple(holder: Any, type_: Type) -> bool | int | float | str | None:
    """A single value as Python has it; raises Unfit. Infinities and NaN are texts: JSON has no numbers for them."""
    form, value, integer, text = cell(holder, type_)
    if form == Form.FLOAT:
        return value if math.isfinite(value) else repr(value)
    if form in (Form.SIGNED, Form.UNSIGNED):
        return integer & 0xFFFF_FFFF_FFFF_FFFF if form == Form.UNSIGNED else integer
    return bool(value) if form == Form.BOOLEAN else text


def tag_type(type_: Type) -> DataType:
    """What a tag of such a metric would be."""
    if type_ in SIGNED:
        return DataType.INTEGER
    if type_ in UNSIGNED:
        return DataType.UNSIGNED
    if type_ in (Type.FLOAT, Type.DOUBLE):
        return DataType.FLOAT
    return DataType.BOOLEAN if type_ is Type.BOOLEAN else DataType.TEXT


REMARKS: Final = {
    Type.DATETIME: "a DateTime, read as text in ISO 8601",
    Type.BYTES: "Bytes, read as text in Base64",
    Type.FILE: "a File, read as text in Base64",
    Type.DATASET: "a DataSet, read as text in JSON",
    Type.TEMPLATE: "a Template, read as text in JSON",
    **dict.fromkeys((*_ARRAYS, Type.BOOLEAN_ARRAY, Type.STRING_ARRAY), "an array, read as text in JSON"),
}
"""What the values of a type become, where that does not go without saying."""


def put(holder: Any, type_: Type, value: bool | int | float | str) -> None:
    """Writes a value of a simple type into a Metric, a PropertyValue or the like; raises Unfit when it is none."""
    try:
        _WRITE[type_](holder, value)
    except (TypeError, ValueError, KeyError) as error:
        raise Unfit(f"{value!r:.40} is no {type_.name}") from error


def _put_whole(type_: Type) -> Callable[[Any, Any], None]:
    """Writes whole numbers; negative ones in 32 bits, or in 64 where the type has as many."""
    width = _WIDTHS[type_]
    low, high = (-(1 << width - 1), 1 << width - 1) if type_ in SIGNED else (0, 1 << width)
    place, bits = ("long_value", (1 << 64) - 1) if width == 64 else ("int_value", (1 << 32) - 1)

    def write(holder: Any, value: Any) -> None:
        whole = int(value)
        if not low <= whole < high:
            raise ValueError(value)
        setattr(holder, place, whole & bits)

    return write


def _put(place: str) -> Callable[[Any, Any], None]:
    def write(holder: Any, value: Any) -> None:
        setattr(holder, place, value)

    return write


def _put_double(holder: Any, value: Any) -> None:
    holder.double_value = value


def _put_moment(holder: Any, value: Any) -> None:
    holder.long_value = int(value) & 0xFFFF_FFFF_FFFF_FFFF


_WRITERS: Final = {
    **{type_: _put_whole(type_) for type_ in _WIDTHS},
    **dict.fromkeys(_TEXTS, _put("string_value")),
    Type.DATETIME: _put_moment,
    Type.FLOAT: _put("float_value"),
    Type.DOUBLE: _put_double,
    Type.BOOLEAN: _put("boolean_value"),
}
"""How values of simple types are written. UInt32 in 32 bits, as the specification has it."""


def _put_nothing(holder: Any, value: Any) -> None:
    raise TypeError(value)


_WRITE: Final = tuple(_WRITERS.get(type_, _put_nothing) for type_ in Type)
"""By the type's number: an enumeration is a slow key."""

TYPES: Final = {
    DataType.FLOAT: Type.DOUBLE,
    DataType.INTEGER: Type.INT64,
    DataType.UNSIGNED: Type.UINT64,
    DataType.ENUMERATION: Type.INT64,
    DataType.BOOLEAN: Type.BOOLEAN,
    DataType.TEXT: Type.STRING,
}
"""What a tag is as a metric."""
