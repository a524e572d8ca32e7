# SPDX-License-Identifier: Apache-2.0
"""An address in a database is a table, its column, and which rows count: `results.value[tank=T-101,test=pH]`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from isthmus.core.errors import IsthmusError

TABLE: Final = r"[A-Za-z_][A-Za-z0-9_-]*"
"""A name under `tables`."""
PATTERN: Final = (
    r"^[A-Za-z_][A-Za-z0-9_-]*\.[^\[\]=,\x00-\x1f]+"
    r"(\[[^\[\]=,\x00-\x1f]+=[^\[\]=,\x00-\x1f]+(,[^\[\]=,\x00-\x1f]+=[^\[\]=,\x00-\x1f]+)*\])?$"
)
"""Of canonical addresses."""
LONGEST: Final = 1000
_TEXT = re.compile(rf"({TABLE})\s*\.([^\[\]=,\x00-\x1f]+)(?:\[([^\[\]]*)\])?")
_WORD = re.compile(r"[^\[\]=,\x00-\x1f]+")
_HINT: Final = "write a table and a column, results.ph, and which rows count where not all do, results.value[test=pH]"


@dataclass(frozen=True, slots=True)
class Cell:
    """Where the values of one tag stand."""

    table: str
    """Its name under `tables`."""
    column: str
    rows: tuple[tuple[str, str], ...]
    """(column, its text) that a row must have to count; in order of the columns."""

    def __str__(self) -> str:
        rows = ",".join(f"{column}={text}" for column, text in self.rows)
        return f"{self.table}.{self.column}[{rows}]" if rows else f"{self.table}.{self.column}"


def parse(text: str) -> Cell:
    """The cell `text` names; raises IsthmusError when it cannot be one."""
    match = _TEXT.fullmatch(text.strip()) if len(text) <= LONGEST else None
    if match is None or not match[2].strip():
        raise IsthmusError(f"{text[:80]!r} is not an address in a database", hint=_HINT)
    conditions = [_condition(part, text) for part in match[3].split(",")] if match[3] is not None else []
    if len({column for column, _ in conditions}) < len(conditions):
        raise IsthmusError(f"{text!r} wants two things of one column", hint=_HINT)
    return Cell(match[1], match[2].strip(), tuple(sorted(conditions)))


def _condition(part: str, whole: str) -> tuple[str, str]:
    column, equals, text = (piece.strip() for piece in part.partition("="))
    if not equals or not _WORD.fullmatch(column) or not _WORD.fullmatch(text):
        raise IsthmusError(f"{whole!r}: {part!r} does not say which rows count", hint=_HINT)
    return column, text


def check_address(text: str) -> str:
    """`text` in its canonical writing; raises IsthmusError when it cannot be an address."""
    return str(parse(text))
