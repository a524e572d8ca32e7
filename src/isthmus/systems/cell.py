# SPDX-License-Identifier: Apache-2.0
"""A cell of rows, as an address says it: a column, and which rows count, `value[tag=TT101]`, `pH[tank=T1,by=lab]`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from isthmus.core.errors import IsthmusError

_WORD: Final = r"[^\[\]=,\x00-\x1f]+"
PATTERN: Final = rf"{_WORD}(\[{_WORD}={_WORD}(,{_WORD}={_WORD})*\])?"
"""Of canonical writing."""
LONGEST: Final = 1000
_TEXT = re.compile(rf"({_WORD})(?:\[([^\[\]]*)\])?")


@dataclass(frozen=True, slots=True)
class Cell:
    """Where the values of one tag stand."""

    column: str
    rows: tuple[tuple[str, str], ...]
    """(column, its text) that a row must have to count; in order of the columns."""

    def __str__(self) -> str:
        rows = ",".join(f"{column}={text}" for column, text in self.rows)
        return f"{self.column}[{rows}]" if rows else self.column

    @property
    def columns(self) -> tuple[str, ...]:
        """All that it speaks of."""
        return (self.column, *(column for column, _ in self.rows))


def parse(text: str, whole: str, noun: str, hint: str) -> Cell:
    """The cell `text` names, which is `whole` or a part of it; raises IsthmusError when it is not an address `noun`."""
    match = _TEXT.fullmatch(text.strip()) if len(whole) <= LONGEST else None
    if match is None or not match[1].strip():
        raise IsthmusError(f"{whole[:80]!r} is not an address {noun}", hint=hint)
    conditions = [_condition(part, whole, hint) for part in match[2].split(",")] if match[2] is not None else []
    if len({column for column, _ in conditions}) < len(conditions):
        raise IsthmusError(f"{whole!r} wants two things of one column", hint=hint)
    return Cell(match[1].strip(), tuple(sorted(conditions)))


def _condition(part: str, whole: str, hint: str) -> tuple[str, str]:
    column, equals, text = (piece.strip() for piece in part.partition("="))
    if not equals or not re.fullmatch(_WORD, column) or not re.fullmatch(_WORD, text):
        raise IsthmusError(f"{whole!r}: {part!r} does not say which rows count", hint=hint)
    return column, text


class Wanted:
    """Which cells a row holds, looked up by what stands beside them."""

    def __init__(self, cells: Mapping[int, Cell], written: Callable[[Any], str]) -> None:
        # cells: position of each address → its cell; written: what is in a column, as text to be compared
        self._written = written
        self._groups: dict[tuple[str, ...], dict[tuple[str, ...], list[tuple[int, str]]]] = {}
        for position, cell in cells.items():
            keys, texts = tuple(key for key, _ in cell.rows), tuple(text for _, text in cell.rows)
            self._groups.setdefault(keys, {}).setdefault(texts, []).append((position, cell.column))

    def of(self, row: Mapping[str, Any]) -> list[tuple[int, str]]:
        """(position, column) of each cell that counts in a row."""
        found, written = list[tuple[int, str]](), self._written
        for keys, known in self._groups.items():
            found += known.get(tuple([written(row.get(key)) for key in keys]), ())
        return found
