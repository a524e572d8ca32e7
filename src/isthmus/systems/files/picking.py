# SPDX-License-Identifier: Apache-2.0
"""Rows become readings: which addresses a row speaks of, its time and quality, and each cell by its tag's type."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from math import isfinite
from typing import Any, Final, Protocol
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from isthmus.core import quality, time
from isthmus.core.errors import IsthmusError
from isthmus.core.tag import DataType
from isthmus.systems.cell import Wanted
from isthmus.systems.contract import Address, Form, Oddity
from isthmus.systems.files.address import parse
from isthmus.systems.files.rows import Row, Spoilt
from isthmus.systems.growing import Growing

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?")
_WHOLE = re.compile(r"[+-]?\d{1,20}")
_SWAPPED: Final = str.maketrans(",.", ".,")
"""Of a decimal comma: a point is then none of a number, for it may part thousands."""
_EPOCH: Final = {10: time.SECOND, 13: time.MILLISECOND, 16: 1000, 19: 1}
_TRUTH: Final = {"true": 1.0, "yes": 1.0, "on": 1.0, "1": 1.0, "false": 0.0, "no": 0.0, "off": 0.0, "0": 0.0}
_ROUND: Final = (DataType.INTEGER, DataType.UNSIGNED, DataType.ENUMERATION)
REMEMBERED: Final = 1_000
"""Times, and qualities, whose writing is remembered."""
LARGEST: Final = 65_536
"""Bytes of a spoilt row that are kept."""


class Manner(Protocol):
    """How rows are written; see `FilesSpec`."""

    @property
    def format(self) -> str: ...
    @property
    def time(self) -> str: ...
    @property
    def time_format(self) -> str | None: ...
    @property
    def time_zone(self) -> str: ...
    @property
    def quality(self) -> str | None: ...
    @property
    def decimal(self) -> str: ...


class Unfit(Exception):
    """A cell does not hold what it should."""


@dataclass(slots=True)
class Piece(Growing):
    """Some rows of a file."""

    file: str = ""
    line: int = 0
    """The last line it holds."""
    rows: int = 0
    missing: list[int] = field(default_factory=list)
    """Positions of addresses whose columns the file does not have, and the one before had, or there was none."""
    back: list[int] = field(default_factory=list)
    """Positions whose columns it has again."""
    last: bool = False
    """Nothing follows it in its file."""

    def spoil(self, line: int, raw: bytes, reason: str, position: int | None = None) -> None:
        """What could not be understood goes to quarantine."""
        self.oddities.append(Oddity(f"{self.file}:{line}: {reason}", raw[:LARGEST], position))


class Picker:
    """What the rows of a system mean."""

    def __init__(self, addresses: Sequence[Address], spec: Manner) -> None:
        self._spec, self._zone = spec, ZoneInfo(spec.time_zone)
        self._types = [address.type for address in addresses]
        self.cells = [parse(address.text) for address in addresses]
        self._columns: frozenset[str] = frozenset()
        self._known: tuple[dict[str, int], dict[str, int]] = ({}, {})
        """Times and qualities as they were written → what they are: rows repeat them."""
        self._missing: set[int] = set()
        self._cells = Wanted(dict(enumerate(self.cells)), _plain)

    def take(self, found: Row | Spoilt, piece: Piece) -> None:
        """Adds what a row says to `piece`."""
        piece.line, piece.rows = found.line, piece.rows + 1
        if isinstance(found, Spoilt):
            piece.spoil(found.line, found.raw, found.reason)
            return
        new = self._spec.format == "csv" and found.cells.keys() != self._columns
        wanted = list(self._wanted(found.cells))
        if not wanted and not new:
            return
        try:
            at, status = self._time(found.cells), self._quality(found.cells)
        except Unfit as error:
            piece.spoil(found.line, found.raw, str(error))
            return
        if new:
            self._look(found.cells.keys(), at, piece)
        for position, column in wanted:
            if found.cells[column] is None:
                if status >= quality.BAD:
                    piece.add(position, at, status, Form.NONE, np.nan, 0, None)
                continue
            try:
                piece.add(position, at, status, *self._value(found.cells[column], self._types[position]))
            except Unfit as error:
                piece.spoil(found.line, found.raw, f"column {column!r} holds {error}", position)

    def _look(self, columns: Set[str], at: int, piece: Piece) -> None:
        """A file with other columns than the one before: an address without its column is bad from its first row on."""
        self._columns = frozenset(columns)
        lost = {position for position, cell in enumerate(self.cells) if not self._columns.issuperset(cell.columns)}
        for position in sorted(lost - self._missing):
            piece.missing.append(position)
            piece.add(position, at, quality.BAD_NODE_ID_UNKNOWN, Form.NONE, np.nan, 0, None)
        piece.back += sorted(self._missing - lost)
        self._missing = lost

    def _wanted(self, cells: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
        """(position, column) of the addresses whose row this is and that it says something of: a value, or a null."""
        for position, column in self._cells.of(cells):
            cell = cells.get(column, "")
            if not isinstance(cell, str) or cell.strip():
                yield position, column

    def _time(self, cells: Mapping[str, Any]) -> int:
        said, known = _plain(cells.get(self._spec.time)), self._known[0]
        if (at := known.get(said)) is None:
            at = self._timed(said)
            if len(known) >= REMEMBERED:
                known.clear()
            known[said] = at
        return at

    def _timed(self, said: str) -> int:
        try:
            at = self._moment(said)
        except (IsthmusError, ValueError, OverflowError):
            raise Unfit(f"column {self._spec.time!r} holds {said[:60]!r}, no time") from None
        if not time.EARLIEST <= at <= time.LATEST or at == time.UNKNOWN:
            raise Unfit(f"column {self._spec.time!r} holds {said[:60]!r}, outside the years 1678 to 2261")
        return at

    def _moment(self, said: str) -> int:
        if self._spec.time_format is not None:
            moment = datetime.strptime(said, self._spec.time_format)
            moment = moment if moment.tzinfo else moment.replace(tzinfo=self._zone)
            return time.from_iso(moment.isoformat())
        if said.isascii() and said.isdigit():
            return int(said) * _EPOCH.get(len(said), 0)
        return time.from_iso(said, self._zone)

    def _quality(self, cells: Mapping[str, Any]) -> int:
        if self._spec.quality is None:
            return quality.GOOD
        said, known = _plain(cells.get(self._spec.quality)), self._known[1]
        code = known.get(said)
        if code is None:
            code = quality.code(said) if said else quality.GOOD
            if code is None:
                raise Unfit(
                    f"column {self._spec.quality!r} holds {said[:60]!r}, no quality; write Good or BadSensorFailure"
                )
            if len(known) < REMEMBERED:
                known[said] = code
        return code

    def _value(self, cell: Any, type_: DataType) -> tuple[int, float, int, str | None]:
        """(form, value, integer, text) of a cell."""
        if type(cell) is float and type_ is DataType.FLOAT and isfinite(cell):
            return Form.FLOAT, cell, 0, None
        said = _plain(cell)
        if type_ is DataType.TEXT:
            return Form.TEXT, np.nan, 0, said
        if isinstance(cell, bool) or type_ is DataType.BOOLEAN:
            if said.lower() not in _TRUTH:
                raise Unfit(f"{said[:60]!r}, neither true nor false")
            return Form.BOOLEAN, _TRUTH[said.lower()], 0, None
        return _number(said, type_, isinstance(cell, str) and self._spec.decimal == ",")


def _number(said: str, type_: DataType, comma: bool) -> tuple[int, float, int, str | None]:
    """(form, value, integer, text) of a number as it is written, perhaps with a decimal comma."""
    if type_ in _ROUND and _WHOLE.fullmatch(said) and -(2**63) <= int(said) < 2**64:
        whole = int(said)
        return (Form.SIGNED if whole < 2**63 else Form.UNSIGNED), float(whole), whole, None
    plain = said.translate(_SWAPPED) if comma else said
    if not _NUMBER.fullmatch(plain) or not np.isfinite(number := float(plain)):
        raise Unfit(f"{said[:60]!r}, no number{' with a decimal comma' if comma else ''}")
    return Form.FLOAT, number, 0, None


def _plain(cell: Any) -> str:
    """A cell as text: of CSV without the blanks around it, of JSON as JSON writes it."""
    if type(cell) is str:
        return cell.strip()
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return repr(cell)
    if isinstance(cell, list):
        return msgspec.json.encode(cell).decode()
    return "" if cell is None else str(cell).strip()
