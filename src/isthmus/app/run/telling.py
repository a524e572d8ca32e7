# SPDX-License-Identifier: Apache-2.0
"""What happens to the processes goes into the log as events, as soon as the log takes them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from isthmus.core import time
from isthmus.core.errors import IsthmusError
from isthmus.core.event import Event, EventKind, Severity
from isthmus.stream.endpoint import Endpoint
from isthmus.stream.log import open_log

MOST: Final = 1000
"""Events that wait while the log is away; of more than these the oldest go (they are in the log files too)."""

AGAIN: Final = 2.0


@dataclass(slots=True)
class Telling:
    """Events on their way into the log."""

    endpoint: Callable[[], Endpoint]
    _waiting: deque[Event] = field(default_factory=lambda: deque(maxlen=MOST))
    _something: asyncio.Event = field(default_factory=asyncio.Event)
    _nothing: asyncio.Event = field(default_factory=asyncio.Event)

    def died(self, service: str, how: str) -> None:
        """A process ended that should not have."""
        self.say(service, Severity.WARNING, f"{service} {how}; it is started again")

    def say(self, service: str, severity: Severity, message: str) -> None:
        """Something happened to a service."""
        at = time.now()
        event = Event(
            id=f"service-{service}-{at}",
            kind=EventKind.SERVICE,
            severity=severity,
            source=service,
            at=at,
            message=message,
        )
        self._waiting.append(event)
        self._nothing.clear()
        self._something.set()

    async def told(self, within: float) -> bool:
        """Whether the log has all that was said within so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._nothing.wait()
        return self._nothing.is_set()

    async def tell(self) -> None:
        """Puts what waits into the log, for ever."""
        while True:
            await self._something.wait()
            try:
                async with open_log(self.endpoint(), name="run") as log:
                    while self._waiting:
                        await log.emit(self._waiting[0])
                        self._waiting.popleft()
                    self._something.clear()
                    self._nothing.set()
            except IsthmusError:
                await asyncio.sleep(AGAIN)
