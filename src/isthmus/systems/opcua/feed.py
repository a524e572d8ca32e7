# SPDX-License-Identifier: Apache-2.0
"""What the driver has and the collector has not taken yet: a short queue that makes the driver wait when it is full."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from isthmus.systems.contract import Readings

ROOM: Final = 64
"""Readings that wait; a full feed stops asking the server, whose own queues then fill and say so."""


class Feed:
    """Readings in order; a failure is raised after the last of them was taken."""

    def __init__(self) -> None:
        self._waiting: deque[Readings] = deque()
        self._ready, self._room = asyncio.Event(), asyncio.Event()
        self.failure: BaseException | None = None

    async def put(self, readings: Readings) -> None:
        """Waits for room."""
        while len(self._waiting) >= ROOM:
            self._room.clear()
            await self._room.wait()
        self._waiting.append(readings)
        self._ready.set()

    def fail(self, error: BaseException) -> None:
        """Nothing more will come, and why; the first failure counts."""
        if self.failure is None:
            self.failure = error
        self._ready.set()

    def __aiter__(self) -> Feed:
        return self

    async def __anext__(self) -> Readings:
        while not self._waiting:
            if self.failure is not None:
                raise self.failure
            self._ready.clear()
            await self._ready.wait()
        self._room.set()
        return self._waiting.popleft()
