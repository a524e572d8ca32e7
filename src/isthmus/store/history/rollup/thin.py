# SPDX-License-Identifier: Apache-2.0
"""Thinning puts rows in the place of their samples: the few samples that a row tells of, and a fold for the others."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from isthmus.core.quality import Mark
from isthmus.store.history.aggregates.folds import Folds
from isthmus.store.history.columns import Columns, join
from isthmus.store.history.rollup.rows import Remark, Rows


def thinned(samples: Columns, rows: Rows, number: int, *, whole: bool) -> tuple[Columns, Folds | None]:
    """Samples of one tag with those that the rows tell of put between them, under this number; and the folds.

    Those of one time are ordered, and none lies in a row; the rows are plain ones, in order of time. What is not told
    of a row's samples is made up: they were seen in time.
    """
    if not len(rows):
        return samples.pick(np.argsort(samples.time, kind="stable")), None
    told, first, last = _told(rows)
    between = _samples(told, rows, number, whole=whole)
    order = np.argsort(np.concatenate((samples.time, between.time)), kind="stable")
    places = np.empty(len(order), np.intp)
    places[order] = np.arange(len(order))
    places = places[len(samples) :]
    return join((samples, between)).pick(order), _folds(rows, places[first], places[last])


def told_sample(row: Rows, point: int, number: int, *, whole: bool) -> Columns:
    """The `FIRST` or the `LAST` sample of one plain row."""
    return _samples(np.array([point], np.intp), row, number, whole=whole)


def _told(rows: Rows) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Which row, and which of its `_POINTS`, is each sample: (k,) 6 * row + point; first and last by row."""
    times = _times(rows)
    order = np.argsort(times, kind="stable")
    ordered = times[order]
    told = order[np.append(True, ordered[1:] != ordered[:-1])]
    row = told // len(_POINTS)
    begins = np.flatnonzero(np.append(True, row[1:] != row[:-1]))
    return told, begins, np.append(begins[1:], len(told)) - 1


def _times(rows: Rows) -> NDArray[np.int64]:
    """(6 m,) when the `_POINTS` of each row were."""
    found: NDArray[np.int64] = np.column_stack([getattr(rows, f"{name}_{when}") for name, when in _POINTS]).reshape(-1)
    return found


_POINTS: Final = (
    ("first", "time"), ("min", "time"), ("min", "again"), ("max", "time"), ("max", "again"), ("last", "time"),
)  # fmt: skip
FIRST: Final = 0
LAST: Final = len(_POINTS) - 1


def _samples(told: NDArray[np.intp], rows: Rows, number: int, *, whole: bool) -> Columns:
    """What the rows tell of these samples."""
    row = told // len(_POINTS)
    n = len(told)
    time = _times(rows)[told]
    value = np.column_stack([getattr(rows, name) for name, _ in _POINTS]).reshape(-1)[told]
    historical = rows.marked(Remark.HISTORICAL)[row]
    return Columns(
        words=(),
        tag=np.full(n, number, np.uint32),
        time=time,
        seen=time,
        value=value,
        integer=value.astype(np.int64) if whole else np.zeros(n, np.int64),
        whole=np.full(n, whole),
        text=np.zeros(n, np.int32),
        quality=rows.quality[row],
        mark=np.where(historical, np.uint8(Mark.HISTORICAL), np.uint8(0)),
    )


def _folds(rows: Rows, first: NDArray[np.intp], last: NDArray[np.intp]) -> Folds:
    return Folds(
        first=first,
        last=last,
        count=rows.count,
        sum=rows.sum,
        squares=rows.squares,
        line=rows.line,
        held=rows.held,
        zero_time=rows.zero_time,
        changes=rows.changes,
    )
