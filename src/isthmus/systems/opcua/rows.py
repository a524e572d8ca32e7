# SPDX-License-Identifier: Apache-2.0
"""Columns become Readings, with what goes with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from isthmus.core import time
from isthmus.core.event import Event
from isthmus.systems.contract import Oddity, Readings
from isthmus.systems.opcua.columns import Columns

LARGEST_ODDITY: Final = 65_536
"""Bytes of one oddity that are kept."""

Done: TypeAlias = Callable[[], None]


def readings(
    columns: Columns,
    at: NDArray[np.int64],
    seen: int,
    events: Sequence[Event],
    oddities: Sequence[Oddity],
    done: Done,
) -> Readings:
    """Live readings; `handle` is the position of the address."""
    return Readings(
        index=columns.handle,
        at=at,
        quality=columns.quality,
        form=columns.form,
        value=columns.value,
        integer=columns.integer,
        text=columns.text,
        seen=seen,
        events=events,
        oddities=oddities,
        done=done,
    )


def recalled(columns: Columns, oddities: Sequence[Oddity]) -> Readings:
    """Readings of what the server kept while we were away."""
    return Readings(
        index=columns.handle,
        at=columns.at(),
        quality=columns.quality,
        form=columns.form,
        value=columns.value,
        integer=columns.integer,
        text=columns.text,
        seen=time.now(),
        historical=True,
        oddities=oddities,
    )


def without_strangers(columns: Columns, known: int) -> tuple[Columns, list[Oddity]]:
    """The rows of addresses we asked for, and an oddity that says how many were not."""
    keep = columns.handle < known
    rows = np.flatnonzero(keep).tolist()
    fewer = Columns(*(getattr(columns, name)[keep] for name in ("handle", "ticks", "quality", "form", "value")))
    fewer.integer = None if columns.integer is None else columns.integer[keep]
    fewer.text = None if columns.text is None else [columns.text[row] for row in rows]
    place = {row: position for position, row in enumerate(rows)}
    fewer.odd = [(place[row], reason, data) for row, reason, data in columns.odd if row in place]
    strangers = columns.handle[~keep].astype("<u4").tobytes()[:LARGEST_ODDITY]
    return fewer, [Oddity(f"{len(keep) - len(rows)} values of client handles nobody gave", strangers)]
