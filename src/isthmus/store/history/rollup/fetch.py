# SPDX-License-Identifier: Apache-2.0
"""Fetching reads what roll-ups have of some tags and days."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import Damaged
from isthmus.store.history.kept import Kept, Kind
from isthmus.store.history.read import History
from isthmus.store.history.rollup.rows import R, Rows
from isthmus.store.history.rollup.sheaf import NEEDED, Sheaves, Unpacked, bundle, rows_of, unpacked


def fetch(
    history: History, kind: Kind, numbers: Sequence[int] | NDArray[np.uint32], first: int, last: int, rows: type[R]
) -> Sheaves[R]:
    """What there is of these tags and UTC days (included), the rows (so much of them) in order of time.

    Of a file that is damaged there is nothing.
    """
    return _by_time(bundle(_found(history, kind, list(map(int, numbers)), first, last), rows))


def fetch_rows(history: History, kind: Kind, number: int, day: int) -> tuple[Rows, Callable[[], Sheaves[Rows]]] | None:
    """The rows of what `fetch` finds of one tag and UTC day; and all of it, for who needs more than these.

    None where it finds nothing.
    """
    found = _found(history, kind, [number], day, day)
    return (in_time(rows_of(found, Rows)), lambda: _by_time(bundle(found, Rows))) if found else None


def fetch_each(
    history: History, kind: Kind, numbers: Sequence[int], first: int, last: int, rows: type[R]
) -> dict[int, Sheaves[R]]:
    """What `fetch` finds of each of these tags, of those of which it finds anything."""
    parts: dict[int, list[Unpacked]] = {}
    for number, part in (pair for found in _found(history, kind, numbers, first, last) for pair in found.by_tag()):
        parts.setdefault(number, []).append(part)
    return {number: _by_time(bundle(found, rows)) for number, found in parts.items()}


def _found(history: History, kind: Kind, numbers: Sequence[int], first: int, last: int) -> list[Unpacked]:
    found: list[tuple[Kept, Unpacked]] = []
    for file, table in history.derived(kind, numbers, first, last, NEEDED):
        try:
            found.append((file, unpacked(table, numbers)))
        except Damaged:  # packed by a later version: the samples are there
            continue
    return [part for file, part in found if history.is_sound(file) and (part.packed or part.former is not None)]


def _by_time(sheaves: Sheaves[R]) -> Sheaves[R]:
    return replace(sheaves, rows=in_time(sheaves.rows))


def in_time(rows: R) -> R:
    """Of one tag or several, in order of time."""
    if not (rows.time[1:] < rows.time[:-1]).any():
        return rows
    return rows.pick(np.argsort(rows.time, kind="stable"))
