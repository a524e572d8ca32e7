# SPDX-License-Identifier: Apache-2.0
"""Findings gathers everything that is wrong or doubtful in a plant file, so that all of it is said at once."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Protocol

from isthmus.core.errors import PlantFileError, Problem


class Spot(Protocol):
    """A place in a file; lines and columns count from 1."""

    @property
    def file(self) -> str: ...
    @property
    def line(self) -> int: ...
    @property
    def column(self) -> int: ...


class Findings:
    """Problems and warnings in the order they were found.

    `repeating` is set while the second and later instances of a template are checked: what their template already
    said at the same place is counted, not said again.
    """

    def __init__(self) -> None:
        self.repeating = False
        self._found: list[Problem] = []
        self._settled: set[tuple[str, int, int]] = set()
        self._said: set[tuple[str, int, int, bool]] = set()
        self._repeats: Counter[tuple[str, int, int, bool]] = Counter()

    def problem(self, spot: Spot, path: str, what: str, hint: str = "") -> None:
        self._add(Problem(spot.file, spot.line, spot.column, path, what, hint))

    def warning(self, spot: Spot, path: str, what: str, hint: str = "") -> None:
        self._add(Problem(spot.file, spot.line, spot.column, path, what, hint, warning=True))

    def settle(self, spot: Spot) -> None:
        """Enough is said about this place: what else is wrong there follows from it."""
        self._settled.add((spot.file, spot.line, spot.column))

    @property
    def failed(self) -> bool:
        return any(not found.warning for found in self._found)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        return tuple(sorted(found for found in self._counted() if found.warning))

    def raise_problems(self) -> None:
        """Raises PlantFileError with every problem (and the warnings beside them) when there is one."""
        if self.failed:
            raise PlantFileError(self._counted())

    def _add(self, found: Problem) -> None:
        if (found.file, found.line, found.column) in self._settled:
            return
        place = (found.file, found.line, found.column, found.warning)
        if self.repeating and place in self._said:
            self._repeats[place] += 1
            return
        self._said.add(place)
        self._found.append(found)

    def _counted(self) -> list[Problem]:
        return [self._with_count(found) for found in dict.fromkeys(self._found)]

    def _with_count(self, found: Problem) -> Problem:
        more = self._repeats[(found.file, found.line, found.column, found.warning)]
        return replace(found, what=f"{found.what} (and {more:,} more like it)") if more else found


def article(noun: str) -> str:
    """`an asset`, `a tag`."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def closest(word: str, words: Iterable[str]) -> str:
    """The one of `words` that is close to `word`; empty when none is."""
    known = {name.lower(): name for name in words}
    close = difflib.get_close_matches(word[:200].lower(), known, n=1, cutoff=0.6)
    return known[close[0]] if close else ""


def nearest(word: str, words: Iterable[str]) -> str:
    """`did you mean 'x'?` when one of `words` is close to `word`, else nothing."""
    close = closest(word, words)
    return f"did you mean {close!r}?" if close else ""


def one_of(word: str, words: Iterable[str]) -> str:
    """The nearest of `words`, or all of them when none is near and they are few."""
    known = sorted(words)
    return nearest(word, known) or (f"one of {', '.join(known)}" if 0 < len(known) <= 12 else "")
