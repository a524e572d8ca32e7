# SPDX-License-Identifier: Apache-2.0
"""Nearest: the sample that bounds a range, as roll-ups tell it, so that no day has to be read for one sample."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from isthmus.plant.revision import TagSetting
from isthmus.store.history.columns import Columns, current
from isthmus.store.history.excerpt import first_good, last_good
from isthmus.store.history.kept import Kind, day_of
from isthmus.store.history.read import History
from isthmus.store.history.rollup.fetch import fetch_rows
from isthmus.store.history.rollup.rows import MINUTE, QUARTER, Remark, Rows
from isthmus.store.history.rollup.sheaf import WIDTHS, Sheaves
from isthmus.store.history.rollup.thin import FIRST, LAST, told_sample

_KINDS: Final = (Kind.QUARTERS, Kind.MINUTES)


def nearest_before(history: History, setting: TagSetting, gaps: NDArray[np.int64], edge: int) -> Columns | None:
    """What `excerpt.leading` gives of the samples before `edge` (ns); None where rows cannot tell.

    `gaps` (g, 2) are those that were told of the tag.
    """
    return _nearest(history, setting, gaps, edge, before=True)


def nearest_after(history: History, setting: TagSetting, gaps: NDArray[np.int64], edge: int) -> Columns | None:
    """What `excerpt.trailing` gives of the samples from `edge` (ns) on; None where rows cannot tell."""
    return _nearest(history, setting, gaps, edge, before=False)


def _nearest(
    history: History, setting: TagSetting, gaps: NDArray[np.int64], edge: int, *, before: bool
) -> Columns | None:
    number, day = setting.tag.number, day_of(edge - before)
    if setting.formers:
        return None
    for kind in _KINDS:
        found = fetch_rows(history, kind, number, day)
        samples = _of(*found, WIDTHS[kind], setting, gaps, edge, before=before) if found is not None else None
        if samples is None:
            continue
        low, high = (int(samples.time[0]), edge) if before else (edge, int(samples.time[-1]) + 1)
        return None if len(history.loose([number], low, high)) else samples
    return None


def _of(
    rows: Rows,
    sheaves: Callable[[], Sheaves[Rows]],
    width: int,
    setting: TagSetting,
    gaps: NDArray[np.int64],
    edge: int,
    *,
    before: bool,
) -> Columns | None:
    """The samples of the row next to the edge; None where it does not tell, or lies across the edge."""
    place = int(np.searchsorted(rows.time, edge))
    if place and rows.time[place - 1] + width > edge:
        return None
    place -= before
    if not 0 <= place < len(rows):
        return None
    row = rows.pick(slice(place, place + 1))
    if not row.marked(Remark.ROUGH).any():
        sample = told_sample(row, LAST if before else FIRST, setting.tag.number, whole=setting.tag.whole)
        return None if _doubtful(row, sample, gaps) else sample
    if not row.marked(Remark.BESIDE).any():
        return None
    found = sheaves()
    if len(found.minutes) and width > MINUTE:
        finer = found.minutes.pick(np.argsort(found.minutes.time, kind="stable"))
        return _of(finer, lambda: found, MINUTE, setting, gaps, edge, before=before)
    time = found.samples.time
    samples = current(found.samples.pick((time >= row.time[0]) & (time < row.time[0] + width)))
    return last_good(samples) if before else first_good(samples)


def _doubtful(row: Rows, sample: Columns, gaps: NDArray[np.int64]) -> bool:
    """Whether it matters when exactly the sample was seen: it may be the end of a gap."""
    strange = bool(row.marked(Remark.DELAYED | Remark.HISTORICAL).any())
    return bool(len(gaps)) and (strange or bool((np.abs(gaps[:, 1] - sample.time[0]) <= QUARTER).any()))
