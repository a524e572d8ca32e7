# SPDX-License-Identifier: Apache-2.0
"""TLS in front of librdkafka's mock cluster, which has none: a door before each broker, with a test's certificate.

A broker tells where the brokers are (Metadata: host, and port behind it); the doors put their own ports in place of
those, so that a producer stays on TLS. What they show is the producer's side of TLS: whom it trusts and what it says
when it does not. They say nothing of a real broker's TLS, and nothing of SASL.
"""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Self

HOST = b"127.0.0.1"


class Doors:
    """One for each of these brokers (`host:port`)."""

    def __init__(self, brokers: list[str], certificate: str | Path, key: str | Path) -> None:
        self._ports = [int(broker.rpartition(":")[2]) for broker in brokers]
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.sni_callback = self._greeted
        self.show(certificate, key)
        self.greeted = 0
        """Who came so far, whether or not they stayed."""
        self.servers: list[str] = []
        self._doors: list[asyncio.Server] = []
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._moved: list[tuple[bytes, bytes]] = []

    def show(self, certificate: str | Path, key: str | Path) -> None:
        """The certificate for whoever comes from now on; those who are in stay."""
        self._tls.load_cert_chain(certificate, key)

    def _greeted(self, *_: Any) -> None:
        self.greeted += 1

    async def __aenter__(self) -> Self:
        for port in self._ports:
            door = await asyncio.start_server(partial(self._accept, port), "127.0.0.1", 0)
            self._doors.append(door)
            mine = door.sockets[0].getsockname()[1]
            self.servers.append(f"127.0.0.1:{mine}")
            self._moved.append((HOST + port.to_bytes(4), HOST + mine.to_bytes(4)))
        return self

    async def __aexit__(self, *_: object) -> None:
        for door in self._doors:
            door.close()
        self.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Every connection breaks; new ones can be made."""
        for writer in self._open:
            writer.transport.abort()
        self._open.clear()

    async def _accept(self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        far_writer = None
        try:
            await writer.start_tls(self._tls)
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
            self._open.add(far_writer)
            await asyncio.gather(self._ask(reader, far_writer), self._answer(far_reader, writer))
        except OSError:
            return
        finally:
            for one in (writer, far_writer):
                if one is not None:
                    one.transport.abort()
                    self._open.discard(one)

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readexactly(4)
                body = await reader.readexactly(int.from_bytes(head))
                for before, after in self._moved:
                    body = body.replace(before, after)
                writer.write(head + body)
                await writer.drain()
        writer.transport.abort()
