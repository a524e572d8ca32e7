# SPDX-License-Identifier: Apache-2.0
"""A link is one TCP connection with one question in flight; answers are matched by their transaction number."""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

from isthmus.core.errors import Disconnected

CLOSING: Final = 1.0
"""Seconds the socket may take to close."""


class Alien(Exception):
    """Bytes that are not of the protocol: nothing behind them can be found again."""


class Framing(Protocol):
    """How questions and answers are told apart in a stream of bytes."""

    def packed(self, transaction: int, question: bytes) -> bytes:
        """The question as it is sent."""

    def taken(self, data: bytes, start: int) -> tuple[int, bytes, int] | None:
        """(transaction, answer, where the next begins) of what begins at `start`; None: it is not whole yet.

        Raises Alien.
        """


class Link(asyncio.Protocol):
    """A connection to the device or gateway at `where`; broken for good once anything is wrong with its bytes."""

    def __init__(self, where: str, framing: Framing) -> None:
        self.where, self._framing = where, framing
        self.turn = asyncio.Lock()
        """Held while a question is in flight, or several that belong together; who waited longest is next."""
        self.strays = 0
        """Answers that carried no transaction number we waited for, since the last one that did."""
        self.heard = 0.0
        """When something answered last, by the loop's clock."""
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._closed = asyncio.Event()
        self._failure: Disconnected | None = None
        self._waiter: asyncio.Future[bytes] | None = None
        self._resting: asyncio.Future[None] | None = None
        self._transaction = 0
        self._rest = b""

    @classmethod
    async def open(cls, host: str, port: int, timeout: float, framing: Framing) -> Link:
        """Connects; raises Disconnected when that cannot be done in time."""
        where = f"{host}:{port}"
        try:
            async with asyncio.timeout(timeout):
                _, link = await asyncio.get_running_loop().create_connection(lambda: cls(where, framing), host, port)
        except TimeoutError:
            raise Disconnected("no answer in time", where=where) from None
        except ConnectionRefusedError:
            raise Disconnected("nothing listens there (connection refused)", where=where) from None
        except OSError as error:
            raise Disconnected(error.strerror or str(error), where=where) from error
        return link

    async def ask(self, question: bytes, timeout: float) -> bytes:
        """What answers `question`; raises TimeoutError, or Disconnected when the link is broken. Hold `turn`."""
        if self._failure is not None or self._transport is None:
            raise self._failure or Disconnected("the connection is closed", where=self.where)
        self._transaction = (self._transaction + 1) & 0xFFFF
        self._waiter = self._loop.create_future()
        timer = self._loop.call_later(timeout, self._expire)
        try:
            self._transport.write(self._framing.packed(self._transaction, question))
            return await self._waiter
        finally:
            timer.cancel()
            self._waiter = None

    async def rest(self, seconds: float) -> None:
        """Waits; raises Disconnected as soon as the connection breaks."""
        if self._failure is not None:
            raise self._failure
        self._resting = self._loop.create_future()
        timer = self._loop.call_later(seconds, self._rested)
        try:
            await self._resting
        finally:
            timer.cancel()
            self._resting = None

    async def close(self) -> None:
        """Closes the socket."""
        if self._transport is None:
            return
        self._transport.abort()
        try:
            async with asyncio.timeout(CLOSING):
                await self._closed.wait()
        except TimeoutError:
            return

    def _rested(self) -> None:
        if self._resting is not None and not self._resting.done():
            self._resting.set_result(None)

    def _expire(self) -> None:
        """Half an answer that stopped would be taken for the beginning of the next one."""
        if self._rest:
            self._fail(f"an answer broke off after {len(self._rest)} bytes")
        elif self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(TimeoutError())

    def _fail(self, what: str) -> None:
        if self._failure is None:
            self._failure = Disconnected(what, where=self.where)
        for future in (self._waiter, self._resting):
            if future is not None and not future.done():
                future.set_exception(self._failure)
        if self._transport is not None:
            self._transport.abort()

    # what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        said = (exc.strerror or str(exc)) if isinstance(exc, OSError) else ""
        self._fail(said.lower() or "the far end closed the connection")
        self._closed.set()

    def data_received(self, data: bytes) -> None:
        if self._rest:
            data = self._rest + data
        start = 0
        try:
            while found := self._framing.taken(data, start):
                transaction, frame, start = found
                self._arrived(transaction, frame)
        except Alien as error:
            self._fail(f"{error}: {data[start : start + 16].hex(' ')}")
        self._rest = data[start:]

    def _arrived(self, transaction: int, frame: bytes) -> None:
        """An answer that comes late, or to nobody, changes nothing."""
        if transaction == self._transaction and self._waiter is not None and not self._waiter.done():
            self.heard, self.strays = self._loop.time(), 0
            self._waiter.set_result(frame)
        else:
            self.strays += 1
