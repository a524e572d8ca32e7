# SPDX-License-Identifier: Apache-2.0
"""Runs of DataValues as columns: one numpy view where all rows share a layout, gathered by layout where they do not.

Nothing is assumed: the encoding mask and type byte of every row are checked before a view is believed, and rows that
have no fixed size go through `wire.data_value`, one by one.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from isthmus.core import time
from isthmus.systems.contract import Form
from isthmus.systems.opcua import wire
from isthmus.systems.opcua.wire import Cell, Malformed

T = TypeVar("T", bound=np.generic)

HANDLE: Final = 4
"""Bytes of the client handle before each DataValue of a notification; a history has none."""

_SCALARS: Final = {
    1: ("u1", Form.BOOLEAN),
    2: ("i1", Form.SIGNED),
    3: ("u1", Form.UNSIGNED),
    4: ("<i2", Form.SIGNED),
    5: ("<u2", Form.UNSIGNED),
    6: ("<i4", Form.SIGNED),
    7: ("<u4", Form.UNSIGNED),
    8: ("<i8", Form.SIGNED),
    9: ("<u8", Form.UNSIGNED),
    10: ("<f4", Form.FLOAT),
    11: ("<f8", Form.FLOAT),
    19: ("<u4", Form.UNSIGNED),
}
"""Built-in types of fixed size, as numpy names them, and their form."""


@dataclass(slots=True)
class Columns:
    """n DataValues as equal-length columns."""

    handle: NDArray[np.uint32]
    ticks: NDArray[np.int64]
    """Source times in 100 ns since 1601; 0: none."""
    quality: NDArray[np.uint32]
    form: NDArray[np.uint8]
    value: NDArray[np.float64]
    integer: NDArray[np.int64] | None = None
    text: list[str | None] | None = None
    odd: list[tuple[int, str, bytes]] = field(default_factory=list)
    """(row, reason, the DataValue's bytes) of what could not be understood."""

    def __len__(self) -> int:
        return len(self.handle)

    def at(self) -> NDArray[np.int64]:
        """Source times in ns since 1970; UNKNOWN where there is none, or none that 64 bits of ns can hold."""
        at = (self.ticks - wire.TICKS_TO_1970) * 100
        if len(at) and not (self.ticks.min() >= wire.FIRST_TICK and self.ticks.max() <= wire.LAST_TICK):
            at[(self.ticks < wire.FIRST_TICK) | (self.ticks > wire.LAST_TICK)] = time.UNKNOWN
        return at


def empty(n: int) -> Columns:
    """n rows without a value."""
    return Columns(
        handle=np.zeros(n, np.uint32),
        ticks=np.zeros(n, np.int64),
        quality=np.zeros(n, np.uint32),
        form=np.zeros(n, np.uint8),
        value=np.full(n, np.nan),
    )


def join(parts: Sequence[Columns]) -> Columns:
    """Several columns as one, in order."""
    if len(parts) == 1:
        return parts[0]
    whole = any(part.integer is not None for part in parts)
    texts = any(part.text is not None for part in parts)
    joined = empty(0)
    for name in ("handle", "ticks", "quality", "form", "value"):
        setattr(joined, name, np.concatenate([getattr(part, name) for part in parts] or [getattr(joined, name)]))
    if whole:
        zeros = [np.zeros(len(part), np.int64) if part.integer is None else part.integer for part in parts]
        joined.integer = np.concatenate(zeros)
    if texts:
        joined.text = [text for part in parts for text in (part.text or [None] * len(part))]
    first = 0
    for part in parts:
        joined.odd += [(row + first, reason, data) for row, reason, data in part.odd]
        first += len(part)
    return joined


def _layout(key: int, lead: int) -> np.dtype[np.void]:
    """The row of encoding mask `key & 255` and, where it has a value, type `key >> 8`."""
    mask, fields = key & 255, [("handle", "<u4")] if lead else []
    fields.append(("mask", "u1"))
    if mask & wire.VALUE:
        fields += [("type", "u1"), ("value", _SCALARS[key >> 8][0])]
    fields += [(name, kind) for bit, name, kind in _TAIL if mask & bit]
    return np.dtype(fields)


_TAIL: Final = (
    (wire.STATUS, "status", "<u4"),
    (wire.SOURCE_TIME, "ticks", "<i8"),
    (wire.SOURCE_PICO, "pico", "<u2"),
    (wire.SERVER_TIME, "server", "<i8"),
    (wire.SERVER_PICO, "server_pico", "<u2"),
)
"""What may follow the value, in its order (Part 6, 5.2.2.17)."""


def _layouts(lead: int) -> dict[int, np.dtype[np.void]]:
    masks = range(64)
    keys = [mask | type_ << 8 for mask in masks if mask & wire.VALUE for type_ in _SCALARS]
    keys += [mask for mask in masks if not mask & wire.VALUE]
    return {key: _layout(key, lead) for key in keys}


_LAYOUTS: Final = {lead: _layouts(lead) for lead in (0, HANDLE)}
_SIZES: Final = {lead: {key: layout.itemsize for key, layout in of.items()} for lead, of in _LAYOUTS.items()}


def read(b: bytes, p: int, n: int, lead: int = HANDLE) -> tuple[Columns, int]:
    """The n DataValues at `p` (each after `lead` bytes of client handle) and the position after them.

    Raises Malformed when the bytes are not n DataValues.
    """
    if n == 0:
        return empty(0), p
    try:
        return _alike(b, p, n, lead) or _unlike(b, p, n, lead)
    except (struct.error, IndexError) as error:
        raise Malformed("a notification cut short") from error


def _key(b: bytes, p: int) -> int:
    mask = b[p]
    return mask | b[p + 1] << 8 if mask & wire.VALUE else mask


def _alike(b: bytes, p: int, n: int, lead: int) -> tuple[Columns, int] | None:
    """All rows in one view, or None when they do not share one layout of fixed size."""
    key = _key(b, p + lead)
    layout = _LAYOUTS[lead].get(key)
    if layout is None:
        return None
    size, mask = layout.itemsize, p + lead
    end = p + n * size
    if end > len(b) or b[mask:end:size] != b[mask : mask + 1] * n:
        return None
    if key & wire.VALUE and b[mask + 1 : end : size] != b[mask + 1 : mask + 2] * n:
        return None
    return _of(np.frombuffer(b, layout, n, p), key), end


def _unlike(b: bytes, p: int, n: int, lead: int) -> tuple[Columns, int]:
    """Rows of several layouts: found by walking, then gathered layout by layout; the rest one by one."""
    sizes, starts, keys = _SIZES[lead], np.zeros(n, np.int64), np.full(n, -1, np.int32)
    columns = empty(n)
    for row in range(n):
        key = _key(b, p + lead)
        size = sizes.get(key)
        if size is None:
            p = _one(b, p, lead, columns, row)
        else:
            starts[row], keys[row], p = p, key, p + size
    if p > len(b):
        raise Malformed("a notification cut short")
    raw = np.frombuffer(b, np.uint8)
    for key in np.unique(keys[keys >= 0]).tolist():
        where = np.flatnonzero(keys == key)
        _scatter(columns, where, _of(_gathered(raw, starts[where], _LAYOUTS[lead][key]), key))
    return columns, p


def _gathered(raw: NDArray[np.uint8], starts: NDArray[np.int64], layout: np.dtype[np.void]) -> NDArray[np.void]:
    rows: NDArray[np.void] = raw[starts[:, None] + np.arange(layout.itemsize)].view(layout)[:, 0]
    return rows


def _of(rows: NDArray[np.void], key: int) -> Columns:
    """Rows of one layout as columns."""
    n, form, value, integer = len(rows), int(Form.NONE), None, None
    if key & wire.VALUE:
        values, form = rows["value"], _SCALARS[key >> 8][1]
        value = (values != 0 if form == Form.BOOLEAN else values).astype(np.float64)
        if form in (Form.SIGNED, Form.UNSIGNED):
            integer = values.astype(np.uint64 if form == Form.UNSIGNED else np.int64).view(np.int64)
    return Columns(
        handle=_column(rows, "handle", np.uint32),
        ticks=_column(rows, "ticks", np.int64),
        quality=_column(rows, "status", np.uint32),
        form=np.frombuffer(bytes((form,)) * n, np.uint8),
        value=np.full(n, np.nan) if value is None else value,
        integer=integer,
    )


def _column(rows: NDArray[np.void], name: str, kind: type[T]) -> NDArray[T]:
    """One field of the rows; zeros where they do not have it."""
    return rows[name].astype(kind) if name in (rows.dtype.names or ()) else np.zeros(len(rows), kind)


def _scatter(columns: Columns, where: NDArray[np.intp], part: Columns) -> None:
    """Puts a part into the columns at `where`."""
    for name in ("handle", "ticks", "quality", "form", "value"):
        getattr(columns, name)[where] = getattr(part, name)
    if part.integer is not None:
        if columns.integer is None:
            columns.integer = np.zeros(len(columns), np.int64)
        columns.integer[where] = part.integer


def _one(b: bytes, p: int, lead: int, columns: Columns, row: int) -> int:
    """Puts the row at `p` into the columns and returns the position after it."""
    cell, end = wire.data_value(b, p + lead)
    if lead:
        columns.handle[row] = int.from_bytes(b[p : p + lead], "little")
    _put(columns, row, cell)
    if cell.odd:
        columns.odd.append((row, cell.odd, b[p + lead : end]))
    return end


def _put(columns: Columns, row: int, cell: Cell) -> None:
    columns.ticks[row], columns.quality[row] = cell.ticks, cell.quality
    columns.form[row], columns.value[row] = cell.form, cell.value
    if cell.form in (Form.SIGNED, Form.UNSIGNED):
        if columns.integer is None:
            columns.integer = np.zeros(len(columns), np.int64)
        columns.integer[row] = cell.integer
    if cell.text is not None:
        if columns.text is None:
            columns.text = [None] * len(columns)
        columns.text[row] = cell.text
