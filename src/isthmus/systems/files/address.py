# SPDX-License-Identifier: Apache-2.0
"""An address in files is a column, and which rows count: `temperature`, `value[tag=TT101]`, `pH[tank=T1,by=lab]`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from isthmus.core.errors import IsthmusError

PATTERN: Final = (
    r"^[^\[\]=,\x00-\x1f]+(\[[^\[\]=,\x00-\x1f]+=[^\[\]=,\x00-\x1f]+(,[^\[\]=,\x00-\x1f]+=[^\[\]=,\x00-\x1f]+)*\])?$"
)
"""Of canonical addresses."""
LONGEST: Final = 1000
_TEXT = re.compile(r"([^\[\]=,\x00-\x1f]+)(?:\[([^\[\]]*)\])?")
_WORD = re.compile(r"[^\[\]=,\x00-\x1f]+")
_HINT: Final = "write a column, `temperature`, or a column and which rows count, `value[tag=TT101]`"


@dataclass(frozen=True, slots=True)
class Cell:
    """Where the values of one tag stand."""

    column: str
    rows: tuple[tuple[str, str], ...]
    """(column, its text) that a row must have to count; in order of the columns."""

    def __str__(self) -> str:
        rows = ",".join(f"{column}={text}" for column, text in self.rows)
        return f"{self.column}[{rows}]" if rows else self.column


def parse(text: str) -> Cell:
    """The cell `text` names; raises IsthmusError when it cannot be one."""
    match = _TEXT.fullmatch(text.strip()) if len(text) <= LONGEST else None
    if match is None or not match[1].strip():
        raise IsthmusError(f"{text[:80]!r} is not an address in a file", hint=_HINT)
    conditions = [_condition(part, text) for part in match[2].split(",")] if match[2] is not None else []
    if len({column for column, _ in conditions}) < len(conditions):
        raise IsthmusError(f"{text!r} wants two things of one column", hint=_HINT)
    return Cell(match[1].strip(), tuple(sorted(conditions)))


def _condition(part: str, whole: str) -> tuple[str, str]:
    column, equals, text = (piece.strip() for piece in part.partition("="))
    if not equals or not _WORD.fullmatch(column) or not _WORD.fullmatch(text):
        raise IsthmusError(f"{whole!r}: {part!r} does not say which rows count", hint=_HINT)
    return column, text


def check_address(text: str) -> str:
    """`text` in its canonical writing; raises IsthmusError when it cannot be an address."""
    return str(parse(text))
