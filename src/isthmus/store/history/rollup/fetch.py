# SPDX-License-Identifier: Apache-2.0
"""Fetching reads what roll-ups have of some tags and days."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import Damaged
from isthmus.store.history.kept import Kept, Kind
from isthmus.store.history.read import History
from isthmus.store.history.rollup.sheaf import Sheaves, Unpacked, bundle, unpacked


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
    return _by_time(bundle([sheaves for file, sheaves in found if history.is_sound(file)]))


def _by_time(sheaves: Sheaves) -> Sheaves:
    rows = sheaves.rows
    if not (rows.time[1:] < rows.time[:-1]).any():
        return sheaves
    return replace(sheaves, rows=rows.pick(np.argsort(rows.time, kind="stable")))
