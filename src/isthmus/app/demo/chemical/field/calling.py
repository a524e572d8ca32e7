# SPDX-License-Identifier: Apache-2.0
"""Machines call the plant's broker, and call again when it is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from isthmus.core.errors import Disconnected, Refused
from isthmus.systems.mqtt.client import Connection, Where, connected
from isthmus.systems.mqtt.packet import Greeting, Version, Will

AGAIN: Final = 1.0
"""s before the broker is called again."""
PATIENCE: Final = 10.0
"""s that the broker may take to answer."""


def greeting(client: str, will: Will | None = None) -> Greeting:
    """How a machine of the plant introduces itself."""
    return Greeting(Version.V311, client, keep_alive=15, clean=True, will=will)


async def called(port: int, said: Callable[[], Greeting], speak: Callable[[Connection], Awaitable[None]]) -> None:
    """Has `speak` speak over a connection to the broker on this port of the loopback, again and again; until cancelled.

    `said` is asked for the greeting of each connection.
    """
    while True:
        with suppress(Disconnected, Refused):
            async with connected(Where("127.0.0.1", port), said(), PATIENCE) as connection:
                await speak(connection)
        await asyncio.sleep(AGAIN)
