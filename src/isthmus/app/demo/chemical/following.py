# SPDX-License-Identifier: Apache-2.0
"""A server follows the simulation: its nodes once, then every scan; and is told when the simulation is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Final

import msgspec

from isthmus.app.demo.chemical.desk import LONGEST, Ask, Opening, Scan, where
from isthmus.core.errors import Disconnected, IsthmusError

AGAIN: Final = 0.3
"""s before the simulation is called again."""
SILENCE: Final = 15.0
"""s without a scan after which the simulation counts as away."""


async def follow(folder: Path, system: str) -> AsyncGenerator[Opening | Scan]:
    """What the simulation tells one server, from now on; raises Disconnected when it is away."""
    place = where(folder)
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", place.port, limit=LONGEST)
    except OSError as error:
        raise Disconnected(f"the simulation does not listen: {error}") from error
    try:
        writer.write(msgspec.json.encode(Ask(do="follow", system=system, token=place.token)) + b"\n")
        yield msgspec.json.decode(await _line(reader), type=Opening)
        while True:
            yield msgspec.json.decode(await _line(reader), type=Scan)
    except (OSError, ValueError, TimeoutError) as error:
        raise Disconnected(f"the simulation is away: {error}") from error
    finally:
        writer.close()


async def _line(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(SILENCE):
        line = await reader.readline()
    if not line:
        raise OSError("it hung up")
    return line


async def opening(folder: Path, system: str) -> Opening:
    """The nodes of one server, as soon as the simulation says them."""
    while True:
        try:
            async with aclosing(follow(folder, system)) as said:
                async for first in said:
                    if isinstance(first, Opening):
                        return first
        except IsthmusError:
            await asyncio.sleep(AGAIN)
