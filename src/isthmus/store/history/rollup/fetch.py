# SPDX-License-Identifier: Apache-2.0
"""Fetching reads what roll-ups have of some tags and days."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import Damaged
from isthmus.store.history.kept import Kept, Kind
from isthmus.store.history.read import History
from isthmus.store.history.rollup.rows import Rows
from isthmus.store.history.rollup.sheaf import NEEDED, Sheaves, Unpacked, bundle, rows_of, unpacked

_NOTHING: Final = bundle(())


def fetch(history: History, kind: Kind, numbers: Sequence[int] | NDArray[np.uint32], first: int, last: int) -> Sheaves:
    """What there is of these tags and UTC days (included), the rows in order of time.

    Of a file that is damaged there is nothing.
    """
    found = _found(history, kind, list(map(int, numbers)), first, last)
    return _by_time(bundle(found)) if found else _NOTHING


def fetch_rows(history: History, kind: Kind, number: int, day: int) -> tuple[Rows, Callable[[], Sheaves]]:
    """The rows of what `fetch` finds of one tag and UTC day; and all of it, for who needs more than these."""
    found = _found(history, kind, [number], day, day)
    return in_time(rows_of(found)), lambda: _by_time(bundle(found))


def fetch_each(history: History, kind: Kind, numbers: Sequence[int], first: int, last: int) -> dict[int, Sheaves]:
    """What `fetch` finds of each of these tags, of those of which it finds anything."""
    parts: dict[int, list[Unpacked]] = {}
    for number, part in (pair for found in _found(history, kind, numbers, first, last) for pair in found.by_tag()):
        parts.setdefault(number, []).append(part)
    return {number: _by_time(bundle(found)) for number, found in parts.items()}


def _found(history: History, kind: Kind, numbers: Sequence[int], first: int, last: int) -> list[Unpacked]:
    found: list[tuple[Kept, Unpacked]] = []
    for file, table in history.derived(kind, numbers, first, last, NEEDED):
        try:
            found.append((file, unpacked(table, numbers)))
        except Damaged:  # packed by a later version: the samples are there
            continue
    return [part for file, part in found if history.is_sound(file)]


def _by_time(sheaves: Sheaves) -> Sheaves:
    return replace(sheaves, rows=in_time(sheaves.rows))


def in_time(rows: Rows) -> Rows:
    """Of one tag or several, in order of time."""
    if not (rows.time[1:] < rows.time[:-1]).any():
        return rows
    return rows.pick(np.argsort(rows.time, kind="stable"))
