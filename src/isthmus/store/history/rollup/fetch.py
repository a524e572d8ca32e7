# SPDX-License-Identifier: Apache-2.0
"""Fetching reads what roll-ups have of some tags and days."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import Damaged
from isthmus.store.history.kept import Kept, Kind
from isthmus.store.history.read import History
from isthmus.store.history.rollup.sheaf import Sheaves, Unpacked, bundle, unpacked

_NOTHING: Final = bundle(())


def fetch(history: History, kind: Kind, numbers: Sequence[int] | NDArray[np.uint32], first: int, last: int) -> Sheaves:
    """What there is of these tags and UTC days (included), the rows in order of time.

    Of a file that is damaged there is nothing.
    """
    wanted = list(map(int, numbers))
    found: list[tuple[Kept, Unpacked]] = []
    for file, table in history.derived(kind, wanted, first, last):
        try:
            found.append((file, unpacked(table, wanted)))
        except Damaged:  # packed by a later version: the samples are there
            continue
    sound = [sheaves for file, sheaves in found if history.is_sound(file)]
    return _by_time(bundle(sound)) if sound else _NOTHING


def told(history: History, kind: Kind, numbers: Sequence[int], first: int, last: int) -> set[int]:
    """Of which of these tags there are rows on any of these UTC days (included)."""
    wanted, found = set(numbers), set[int]()
    for _, table in history.derived(kind, numbers, first, last):
        found |= wanted.intersection(table["tag"].to_pylist())
    return found


def _by_time(sheaves: Sheaves) -> Sheaves:
    rows = sheaves.rows
    if not (rows.time[1:] < rows.time[:-1]).any():
        return sheaves
    return replace(sheaves, rows=rows.pick(np.argsort(rows.time, kind="stable")))
