# SPDX-License-Identifier: Apache-2.0
"""A collector's loop without a log: opens, keeps what comes, reopens; what tests of drivers look into."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.core.errors import Disconnected, IsthmusError, Refused
from isthmus.core.event import Event, EventKind
from isthmus.systems.contract import Address, Kind, Readings, Surroundings
from tests.contract.adapters import eventually


class Collected:
    """What came, and a loop that reopens as the collector does."""

    def __init__(
        self, kind: Kind, config: dict[str, Any], folder: Path, addresses: Sequence[Address], system: str = "far"
    ) -> None:
        self.resume: dict[str, int] = {}
        spec = kind.spec.model_validate(config)
        self.driver: Any = kind.connect(spec, Surroundings(system, folder, self.resume))
        self.addresses = list(addresses)
        self.readings: list[Readings] = []
        self.errors: list[IsthmusError] = []
        self.opened = 0
        self.keep = True
        """Acknowledge at once."""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Collected]:
        task = asyncio.create_task(self._run())
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                async with self.driver.open(self.addresses) as stream:
                    self.opened += 1
                    async for readings in stream:
                        self.readings.append(readings)
                        if self.keep:
                            readings.done()
            except (Disconnected, Refused) as error:
                self.errors.append(error)
                await asyncio.sleep(0.1)

    def rows(self, position: int) -> Iterator[tuple[int, int, float]]:
        """(at, quality, value) of one address, in order."""
        for readings in self.readings:
            for row in np.flatnonzero(readings.index == position):
                yield int(readings.at[row]), int(readings.quality[row]), float(readings.value[row])

    def values(self, position: int) -> list[float]:
        return [value for *_, value in self.rows(position)]

    def saw(self, position: int, value: float) -> Callable[[], bool]:
        return lambda: any(math.isclose(seen, value) for seen in self.values(position))

    @property
    def events(self) -> list[Event]:
        return [event for readings in self.readings for event in readings.events]

    def told(self, kind: EventKind) -> list[Event]:
        return [event for event in self.events if event.kind is kind]


async def read_alike(systems: Sequence[Collected], rounds: int) -> None:
    """Returns when each was read so many times since all of them are; nobody was at the cost of another."""

    def each() -> list[int]:
        return [len(system.readings) for system in systems]

    await eventually(lambda: min(each()) > 0, 120)
    before = np.array(each())
    await eventually(lambda: bool((np.array(each()) - before).min() >= rounds), 120 + 2 * rounds)
    counts = np.sort(np.array(each()) - before)
    assert counts[-1] <= 2 * counts[0] + 2, counts
