# SPDX-License-Identifier: Apache-2.0
"""What one column of a row holds, as time, quality or value of a tag's type."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import tzinfo
from decimal import Decimal
from typing import Any, Final

import msgspec
import numpy as np

from isthmus.core import quality, time
from isthmus.core.errors import IsthmusError
from isthmus.core.tag import DataType
from isthmus.systems.contract import Form

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?")
_WHOLE = re.compile(r"[+-]?\d{1,20}")
_OFFSET = re.compile(r"(:\d\d(?:\.\d+)?)([+-]\d\d)$")
_EPOCH: Final = {10: time.SECOND, 13: time.MILLISECOND, 16: 1000, 19: 1}
_TRUTH: Final = {
    word: float(word in ("true", "t", "yes", "y", "on", "1"))
    for word in ("true", "t", "yes", "y", "on", "1", "false", "f", "no", "n", "off", "0")
}
_ROUND: Final = (DataType.INTEGER, DataType.UNSIGNED, DataType.ENUMERATION)
_FAR = re.compile(r"[+-]?infinity|nan|\d{5,}-.*", re.IGNORECASE)

Reading = tuple[int, float, int, str | None]
"""(form, value, integer, text) of one value."""
NOTHING: Final[Reading] = (Form.NONE, math.nan, 0, None)


class Unfit(Exception):
    """A column does not hold what it should."""


def plain(cell: Any) -> Any:
    """What can be kept and compared again: a number, or the text that the database writes; None for NULL."""
    if cell is None or isinstance(cell, int | float | str):
        return cell
    return cell.hex() if isinstance(cell, bytes) else str(cell)


def written(cell: Any) -> str:
    """A column as text, without the blanks around it; empty for NULL."""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return "" if cell is None else str(plain(cell)).strip()


def as_json(row: Mapping[str, Any]) -> bytes:
    """A row as the quarantine keeps it."""
    return msgspec.json.encode({name: written(cell) if cell is not None else None for name, cell in row.items()})


def moment(cell: Any, zone: tzinfo) -> int:
    """The time in a column, ns; raises Unfit. One that does not say its zone is in `zone`."""
    try:
        at = _moment(cell, zone)
    except (IsthmusError, ValueError, OverflowError):
        raise Unfit(f"{written(cell)[:60]!r}, no time") from None
    if not time.EARLIEST <= at <= time.LATEST or at == time.UNKNOWN:
        raise Unfit(f"{written(cell)[:60]!r}, no time from 1678 to 2261")
    return at


def _moment(cell: Any, zone: tzinfo) -> int:
    if isinstance(cell, float | Decimal) and not isinstance(cell, bool):
        seconds = math.floor(cell)
        return seconds * time.SECOND + round((cell - seconds) * time.SECOND)
    said = written(cell)
    if said.isascii() and said.isdigit():
        return int(said) * _EPOCH.get(len(said), 0)
    if said.endswith("+00"):  # as PostgreSQL writes UTC
        return time.from_iso(f"{said[:-3]}Z")
    return time.from_iso(_OFFSET.sub(r"\1\2:00", said), zone)


def is_future(cell: Any, zone: tzinfo, limit: int) -> bool:
    """Whether a column of `order` holds a time beyond `limit` (ns), or what no number comes after."""
    if not isinstance(cell, str):
        return isinstance(cell, float) and not math.isfinite(cell)
    try:
        return moment(cell, zone) > limit
    except Unfit:
        return _FAR.fullmatch(cell.strip()) is not None


def status(cell: Any) -> int:
    """The quality in a column, Good for NULL; raises Unfit."""
    said = written(cell)
    if said.isascii() and said.isdigit():
        if int(said) < 2**32:
            return int(said)
        raise Unfit(f"{said[:60]!r}, no quality")
    code = quality.code(said) if said else quality.GOOD
    if code is None:
        raise Unfit(f"{said[:60]!r}, no quality; write Good or BadSensorFailure")
    return code


def reading(cell: Any, type_: DataType) -> Reading:
    """The value in a column, for a tag of that type; raises Unfit."""
    if type_ is DataType.TEXT:
        return Form.TEXT, math.nan, 0, written(cell) if not isinstance(cell, str) else cell
    if type(cell) is float:
        return Form.FLOAT, cell, 0, None
    if isinstance(cell, bool):
        return Form.BOOLEAN, float(cell), 0, None
    if type_ is DataType.BOOLEAN:
        said = written(cell).lower()
        if said not in _TRUTH:
            raise Unfit(f"{said[:60]!r}, neither true nor false")
        return Form.BOOLEAN, _TRUTH[said], 0, None
    if isinstance(cell, int | Decimal):
        return _number(cell, type_)
    return _read(written(cell), type_)


def _number(cell: int | Decimal, type_: DataType) -> Reading:
    """An exact number: a whole one of 64 bits where the tag is one, else the nearest float."""
    if type_ in _ROUND and (isinstance(cell, int) or (cell.is_finite() and cell == cell.to_integral_value())):
        whole = int(cell)
        if -(2**63) <= whole < 2**64:
            return (Form.SIGNED if whole < 2**63 else Form.UNSIGNED), float(whole), whole, None
    try:
        return Form.FLOAT, float(cell), 0, None
    except OverflowError:
        raise Unfit(f"{str(cell)[:60]!r}, more than a float can be") from None


def _read(said: str, type_: DataType) -> Reading:
    """A number in a column of text."""
    if type_ in _ROUND and _WHOLE.fullmatch(said):
        return _number(int(said), type_)
    if not _NUMBER.fullmatch(said) or not np.isfinite(number := float(said)):
        raise Unfit(f"{said[:60]!r}, no number")
    return Form.FLOAT, number, 0, None
