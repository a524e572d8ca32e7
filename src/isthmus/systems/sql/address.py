# SPDX-License-Identifier: Apache-2.0
"""An address in a database is a table and a cell of its rows: `results.value[tank=T-101,test=pH]`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from isthmus.core.errors import IsthmusError
from isthmus.systems import cell

TABLE: Final = r"[A-Za-z_][A-Za-z0-9_-]*"
"""A name under `tables`."""
PATTERN: Final = rf"^{TABLE}\.{cell.PATTERN}$"
"""Of canonical addresses."""
_TEXT = re.compile(rf"({TABLE})\s*\.(.+)", re.DOTALL)
_NOUN: Final = "in a database"
_HINT: Final = "write a table and a column, results.ph, and which rows count where not all do, results.value[test=pH]"


@dataclass(frozen=True, slots=True)
class Place:
    """Where the values of one tag stand."""

    table: str
    """Its name under `tables`."""
    cell: cell.Cell

    def __str__(self) -> str:
        return f"{self.table}.{self.cell}"


def parse(text: str) -> Place:
    """The place `text` names; raises IsthmusError when it cannot be one."""
    match = _TEXT.fullmatch(text.strip())
    if match is None:
        raise IsthmusError(f"{text[:80]!r} is not an address {_NOUN}", hint=_HINT)
    return Place(match[1], cell.parse(match[2], text, _NOUN, _HINT))


def check_address(text: str) -> str:
    """`text` in its canonical writing; raises IsthmusError when it cannot be an address."""
    return str(parse(text))
