# SPDX-License-Identifier: Apache-2.0
"""Carried values: of every tag what it was last when a day begins, so that nobody has to look back for it.

The file of a day is written with the day before it, so between two such files the older one holds until the next day
that has samples. When samples come late the values of all later days may change; those files are small.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from isthmus.core.quality import Mark
from isthmus.store.history.border import Borders
from isthmus.store.history.columns import Columns, join, ordered
from isthmus.store.history.flush import final, latest
from isthmus.store.history.kept import DAY


def last_of(columns: Columns) -> Columns:
    """Of ordered samples every tag's last, and its last live one when that is another; ordered."""
    if not (columns.mark & np.uint8(Mark.HISTORICAL)).any():
        return final(columns)
    return ordered(join((final(columns), latest(columns))))


def carried_on(before: Columns, days: Collection[int], last: Columns, borders: Borders | None = None) -> Columns:
    """The carried values `before` with `last`, which are the last samples of the days; what they say counts.

    They say nothing of tags whose samples were let go: of these the values stay.
    """
    kept = before
    if days:
        told = np.isin(before.time // DAY, list(days))
        kept = before.pick(~told | borders.held(before) if borders is not None else ~told)
    return last_of(ordered(join((kept, last))))


def same(one: Columns, other: Columns) -> bool:
    """Whether two lots of ordered samples are the same."""
    if len(one) != len(other):
        return False
    one, other = _alike(one, other)
    return all(a.tobytes() == b.tobytes() for a, b in zip(one.arrays(), other.arrays(), strict=True))


def _alike(one: Columns, other: Columns) -> tuple[Columns, Columns]:
    """Both over one dictionary of words."""
    both = join((one, other))
    return both.pick(slice(0, len(one))), both.pick(slice(len(one), None))
