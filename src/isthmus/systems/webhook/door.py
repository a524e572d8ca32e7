# SPDX-License-Identifier: Apache-2.0
"""Where messages are pushed to: a small HTTP server that answers 202 once the log has a message, and else says why."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, Final

import msgspec
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from isthmus.core import time
from isthmus.core.errors import Disconnected
from isthmus.systems.files.rows import Row
from isthmus.systems.http.signing import key_of
from isthmus.systems.webhook.memory import Known, Memory
from isthmus.systems.webhook.message import Message, Turned, digest_of, proved, rows_of, unpacked
from isthmus.systems.webhook.spec import WebhookSpec

MOST_CONNECTIONS: Final = 100
"""Connections at once; who comes then is told to come again."""
MOST_WAITING: Final = 200
"""Messages that nobody has taken, at which senders are told to come again."""
MOST_BYTES: Final = 64 << 20
"""Bytes of rows that the log does not have yet, at which senders are told the same."""
COME_AGAIN: Final = "5"
"""Seconds."""
_AGAIN: Final = "send it again, with the same id"
SWEEP: Final = 0.5
"""Seconds between two looks at connections that say nothing."""


class Door:
    """The webhook as its senders see it."""

    def __init__(self, spec: WebhookSpec, memory: Memory) -> None:
        self._spec, self._memory = spec, memory
        self._key = key_of(spec.secret.get_secret_value())
        self._patience = spec.seconds("patience")
        self._loop = asyncio.get_running_loop()
        self._allowed, self._counted = float(spec.rate), self._loop.time()
        self._under_way: dict[str, Message] = {}
        """Messages that are not in the log yet, by id."""
        self._held = 0
        """Bytes of their rows."""
        self._quiet: dict[Any, float] = {}
        """Connections that we wait for, and since when."""
        self._coming = 0
        """Connections that the server does not count yet."""
        self.waiting: asyncio.Queue[Message] = asyncio.Queue(MOST_WAITING)
        """Messages to take."""

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Listens; raises Disconnected when something else does. Who still waits at the end is told to come again."""
        server = web.Server(
            self._answer, access_log=None, keepalive_timeout=60, auto_decompress=False, lingering_time=1
        )
        host, port = self._spec.place
        try:
            listening = await self._loop.create_server(partial(self._accept, server), host, port)
        except OSError as error:
            hint = "does another system, or another program, have this port?"
            raise Disconnected(
                f"cannot listen: {error.strerror or error}", where=self._spec.listen, hint=hint
            ) from error
        sweeping = asyncio.create_task(self._sweep(server))
        try:
            yield
        finally:
            sweeping.cancel()
            listening.close()
            for message in self._under_way.values():
                if not message.logged.done():
                    message.logged.set_exception(_closing())
                    message.logged.exception()  # nobody has to wait for it
            await asyncio.sleep(0)
            await server.shutdown(1.0)
            await asyncio.gather(sweeping, return_exceptions=True)

    def _accept(self, server: web.Server) -> asyncio.Protocol:
        """What speaks over a new connection."""
        if len(server.connections) + self._coming >= MOST_CONNECTIONS:
            return _Full()
        connection = server()
        self._coming += 1
        self._loop.call_soon(self._came)
        self._quiet[connection] = self._loop.time()
        return connection

    def _came(self) -> None:
        self._coming -= 1

    async def _sweep(self, server: web.Server) -> None:
        """Closes connections that have not made a request, or not the whole of one, in time."""
        while True:
            await asyncio.sleep(SWEEP)
            late = self._loop.time() - self._patience
            there = set(server.connections)
            for connection, since in list(self._quiet.items()):
                if connection not in there and since < late:
                    del self._quiet[connection]
                elif since < late:
                    connection.force_close()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = request.protocol
        self._quiet.pop(connection, None)
        try:
            said = await self._taken(request)
            return web.Response(status=202, body=msgspec.json.encode(said), content_type="application/json")
        except Turned as no:
            return web.Response(
                status=no.status, body=no.body(), headers=no.headers, content_type="application/problem+json"
            )
        finally:
            self._quiet[connection] = self._loop.time()

    async def _taken(self, request: web.BaseRequest) -> dict[str, Any]:
        """What is said of a message that the log has; raises Turned."""
        self._admit(request)
        body = await self._body(request)
        now = time.now()
        id_, at = proved(request.headers, body, self._key, self._spec, now)
        digest = digest_of(body)
        message = self._under_way.get(id_)
        if message is None:
            rows = self._rows(request, body, at)
            known = await self._noted(id_, digest, at, now)
            _check_same(known.digest, digest, id_)
            if known.taken:
                return {"id": id_, "repeated": True}
            rows = rows if known.at == at else self._rows(request, body, known.at)
            message = self._under_way.get(id_) or self._put(_message(id_, digest, rows))
        _check_same(message.digest, digest, id_)
        await self._logged(message)
        return {"id": id_, "rows": len(message.rows), "samples": message.samples, "spoilt": message.spoilt}

    def _admit(self, request: web.BaseRequest) -> None:
        """Raises Turned where path, method or pace are not right."""
        if request.path != self._spec.path:
            raise Turned(404, f"nothing is here; push to {self._spec.path}")
        if request.method != "POST":
            raise Turned(405, f"{request.method} is not taken here; push with POST", Allow="POST")
        now, rate = self._loop.time(), self._spec.rate
        self._allowed = min(float(rate), self._allowed + (now - self._counted) * rate)
        self._counted = now
        if self._allowed < 1:
            raise Turned(429, f"more than {rate} messages a second", Retry_After="1")
        self._allowed -= 1

    async def _body(self, request: web.BaseRequest) -> bytes:
        """As it was sent; raises Turned when it is too long or too slow."""
        largest = self._spec.largest
        if (request.content_length or 0) > largest:
            raise Turned(413, f"the body has more than {largest:,} bytes", Connection="close")
        if request.headers.get("Expect", "").lower() == "100-continue" and request.transport is not None:
            request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = bytearray()
        try:
            async with asyncio.timeout(self._patience):
                async for piece in request.content.iter_any():
                    body += piece
                    if len(body) > largest:
                        raise Turned(413, f"the body has more than {largest:,} bytes", Connection="close")
        except TimeoutError:
            raise Turned(408, f"the body was not here within {self._spec.patience}", Connection="close") from None
        except (HttpProcessingError, web.RequestPayloadError) as error:
            raise Turned(400, f"the body is not what its headers say: {error}", Connection="close") from error
        return bytes(body)

    async def _noted(self, id_: str, digest: bytes, at: int, now: int) -> Known:
        try:
            return await self._memory.note(id_, digest, at, now)
        except Disconnected as error:
            raise Turned(503, error.what, Retry_After=COME_AGAIN) from error

    def _rows(self, request: web.BaseRequest, body: bytes, at: int) -> list[Row]:
        """What a body holds; raises Turned when that is no rows."""
        plain = unpacked(body, request.headers.get("Content-Encoding", ""), self._spec.largest)
        return rows_of(plain, request.content_type, request.charset or "", at, self._spec)

    def _put(self, message: Message) -> Message:
        """A message for the log; raises Turned when there is no room."""
        if self.waiting.full() or (self._held and self._held + message.size > MOST_BYTES):
            raise _full()
        self.waiting.put_nowait(message)
        self._held += message.size
        self._under_way[message.id] = message
        return message

    async def _logged(self, message: Message) -> None:
        """Waits until the log has it; raises Turned when that takes too long. It goes on its way nevertheless."""
        try:
            async with asyncio.timeout(self._patience):
                await asyncio.shield(message.logged)
        except TimeoutError:
            raise _full() from None

    async def accepted(self, message: Message) -> None:
        """The log has it: whoever waits is told, and whoever comes again."""
        with suppress(Disconnected):  # when it is repeated it gives the same samples
            await self._memory.taken(message.id)
        if self._under_way.pop(message.id, None) is not None:
            self._held -= message.size
        if not message.logged.done():
            message.logged.set_result(None)


class _Full(asyncio.Protocol):
    """In place of a connection that is one too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        with suppress(OSError):
            transport.write(
                b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )
        transport.close()


def _message(id_: str, digest: bytes, rows: Sequence[Row]) -> Message:
    size = sum(len(row.raw) for row in rows)
    return Message(id_, digest, rows, size, asyncio.get_running_loop().create_future())


def _check_same(known: bytes, digest: bytes, id_: str) -> None:
    if known != digest:
        raise Turned(
            409, f"another message had the id {id_!r}", "give each message an id of its own, and keep it over retries"
        )


def _full() -> Turned:
    return Turned(
        503, "the log does not take more at the moment", "send it again, with the same id", Retry_After=COME_AGAIN
    )


def _closing() -> Turned:
    return Turned(503, "the webhook is being closed", _AGAIN, Retry_After=COME_AGAIN)
