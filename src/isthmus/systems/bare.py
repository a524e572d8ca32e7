# SPDX-License-Identifier: Apache-2.0
"""Readings without a value: a heartbeat, something that happened, addresses that cannot be read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from isthmus.core import time
from isthmus.core.event import Event
from isthmus.systems.contract import Form, Oddity, Readings, nothing


def no_values(
    events: Sequence[Event] = (),
    oddities: Sequence[Oddity] = (),
    seen: int = 0,
    done: Callable[[], None] = nothing,
    *,
    alive: bool = True,
) -> Readings:
    """Readings of nothing, that something happened beside: a heartbeat, an event, an oddity. `seen` 0: now.

    Not `alive`: nothing was heard, and it is no heartbeat.
    """
    none = np.zeros(0, np.uint32)
    return Readings(
        index=none,
        at=np.zeros(0, np.int64),
        quality=none,
        form=np.zeros(0, np.uint8),
        value=np.zeros(0),
        seen=seen or time.now(),
        events=events,
        oddities=oddities,
        alive=alive,
        done=done,
    )


def bad(codes: Mapping[int, int], events: Sequence[Event] = ()) -> Readings:
    """Readings that say of each position, by its StatusCode, why there is none."""
    n = len(codes)
    return Readings(
        index=np.fromiter(codes.keys(), np.uint32, n),
        at=np.full(n, time.UNKNOWN, np.int64),
        quality=np.fromiter(codes.values(), np.uint32, n),
        form=np.full(n, Form.NONE, np.uint8),
        value=np.full(n, np.nan),
        seen=time.now(),
        events=events,
    )
