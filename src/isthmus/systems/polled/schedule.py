# SPDX-License-Identifier: Apache-2.0
"""When each scan is due: on a grid of its interval, shifted by a hash so that many devices do not speak at once."""

from __future__ import annotations

import hashlib
import heapq
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic

from isthmus.core import time
from isthmus.systems.polled.language import Block, Language, W
from isthmus.systems.polled.layout import Layout, Spot

SOON: Final = 1.0
"""Seconds over which first readings are spread, however long the interval is."""
TICK: Final = 0.02
"""Seconds: scans begin on whole ticks, so that many devices wake the process together and not each by itself."""
AGAIN: Final = 30.0
"""Seconds between two tries to read what the device refused."""


@dataclass(slots=True)
class Scan(Generic[W]):
    """What is read of one unit at one interval; outlives connections, so that what was learnt of a device is kept."""

    unit: int
    interval: float
    """Seconds."""
    blocks: tuple[Block[W], ...]
    phase: float
    """Seconds by which its grid is shifted."""
    dead: dict[int, tuple[W, int]] = field(default_factory=dict)
    """Position → the address and the code with which the device refused it."""
    again: float = 0.0
    """When the dead ones are tried again, by the loop's clock."""
    _layout: tuple[tuple[Block[W], ...], Layout] | None = None

    def layout(self, blocks: tuple[Block[W], ...]) -> Layout:
        """How the joined answers to `blocks` are decoded."""
        if self._layout is None or self._layout[0] != blocks:
            offset, spots = 0, list[Spot]()
            for number, block in enumerate(blocks):
                spots += block.spots(offset, number)
                offset += block.size
            self._layout = blocks, Layout(spots)
        return self._layout[1]

    def idle(self, now: float) -> bool:
        """There is nothing to ask for: the device refused everything, and it is too early to try that again."""
        return not self.blocks and now < self.again

    def due_after(self, now: float) -> float:
        """The first time of its grid after `now`."""
        return (math.floor((now - self.phase) / self.interval) + 1) * self.interval + self.phase


def scans(wanted: Iterable[tuple[W, int, int]], language: Language[W], system: str) -> list[Scan[W]]:
    """One scan per unit and interval (ns) of `wanted`: (address, unit, interval) of each."""
    groups: dict[tuple[int, int], list[W]] = {}
    for one, unit, interval in wanted:
        groups.setdefault((unit, interval), []).append(one)
    return [
        Scan(unit, interval / time.SECOND, tuple(language.coalesce(group)), phase(system, unit, interval))
        for (unit, interval), group in groups.items()
    ]


def phase(system: str, unit: int, interval: int) -> float:
    """Seconds, from 0 to the interval (ns), that the same scan always has and that few others share."""
    digest = hashlib.blake2b(f"{system}/{unit}/{interval}".encode(), digest_size=8).digest()
    seconds = int.from_bytes(digest) / 2**64 * interval / time.SECOND
    return seconds // TICK * TICK


class Schedule(Generic[W]):
    """Which scan is next."""

    def __init__(self, scans: Sequence[Scan[W]], now: float) -> None:
        self._queue = [(min(scan.due_after(now), now + scan.phase % SOON), i, scan) for i, scan in enumerate(scans)]
        heapq.heapify(self._queue)

    @property
    def due(self) -> float:
        """When the next scan is due; infinity when there is none."""
        return self._queue[0][0] if self._queue else math.inf

    @property
    def next(self) -> Scan[W]:
        """The scan that is due then."""
        return self._queue[0][2]

    def done(self, now: float) -> int:
        """Puts the next scan back for its next time; how many of its times have passed meanwhile."""
        due, i, scan = self._queue[0]
        wanted, following = scan.due_after(due), scan.due_after(now)
        heapq.heapreplace(self._queue, (max(wanted, following), i, scan))
        return max(0, round((following - wanted) / scan.interval))
