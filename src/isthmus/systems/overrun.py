# SPDX-License-Identifier: Apache-2.0
"""Readings that are left out because the far end is slower than it is asked: gathered, and told ever more rarely."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final

PACE: Final = 10.0
RAREST: Final = 3600.0
"""Seconds over which readings that were left out are one event, at first and when it goes on."""


@dataclass(slots=True)
class Late:
    """Rounds since the first one that was late, by a clock that only goes forward."""

    since: float
    wait: float
    """Seconds until it is told of."""
    rounds: int = 0
    missed: int = 0
    longest: float = 0.0
    span: float = 0.0
    """Seconds that they took in all."""


class Overruns:
    """Of all that one system is asked for; outlives connections."""

    def __init__(self, pace: float) -> None:
        self._pace = pace
        self._late: dict[Hashable, Late] = {}
        self._told: dict[Hashable, tuple[float, float]] = {}
        """When it was last told of, and the seconds that the telling covered."""

    def round(self, key: Hashable, interval: float, began: float, ended: float, missed: int) -> Late | None:
        """Notes a round of what is asked for every `interval` seconds; what there is to tell, where it is due."""
        late = self._late.get(key)
        if late is None:
            if not missed:
                return None
            late = self._late[key] = Late(began, self._wait(key, interval, began))
        late.rounds, late.missed = late.rounds + 1, late.missed + missed
        late.longest, late.span = max(late.longest, ended - began), ended - late.since
        if late.span < late.wait:
            return None
        self._told[key] = ended, late.wait
        return self._late.pop(key)

    def _wait(self, key: Hashable, interval: float, now: float) -> float:
        """What goes on is told of ever more rarely."""
        told, span = self._told.get(key, (-RAREST, 0.0))
        return max(self._pace, 2 * interval, min(2 * span, RAREST) if now - told < span else 0.0)
