# SPDX-License-Identifier: Apache-2.0
"""A piece of network between a driver and its peer that a test can cut, freeze and mend."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Self

PIECE = 65_536


class Network:
    """Forwards one TCP port to another."""

    def __init__(self, port: int) -> None:
        self._to = port
        self.port = 0
        self.down = False
        self.delay = 0.0
        """Seconds every piece is on its way, one after the other: a slow line, or a slow server."""
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.forwarded = 0
        """Connections made so far."""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server
        self._server.close()
        self._abort()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._writers.add(writer)
        try:
            await self._join(reader, writer)
        except OSError:
            writer.transport.abort()
            self._writers.discard(writer)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Raises OSError where it is cut, also in the meantime."""
        if self.down:
            raise ConnectionResetError
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._to)
        if writer.transport.is_closing():
            far_writer.transport.abort()
            raise ConnectionResetError
        self.forwarded += 1
        self._writers |= {writer, far_writer}
        for source, target in ((reader, far_writer), (far_reader, writer)):
            task = asyncio.create_task(self._forward(source, target))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _forward(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(PIECE):
                await self._flowing.wait()
                await asyncio.sleep(self.delay)
                target.write(data)
                await target.drain()
        target.transport.abort()
        self._writers.discard(target)

    def _abort(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    def cut(self) -> None:
        """Every connection breaks and none can be made."""
        self.down = True
        self._abort()

    def freeze(self) -> None:
        """Nothing arrives any more and nobody is told."""
        self._flowing.clear()

    def mend(self) -> None:
        self.down = False
        self._flowing.set()
