# SPDX-License-Identifier: Apache-2.0
"""A connection to an MQTT broker: messages published in a window and acknowledged, messages received and acknowledged.

Written for what the libraries do not give: thousands of QoS 1 messages handed over at once, and it is known of each
that the broker has it (or why not); and received messages that are acknowledged when somebody else says so.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final, TypeVar

from isthmus.core.errors import Disconnected, Refused
from isthmus.systems.mqtt import packet
from isthmus.systems.mqtt.packet import Garbled, Greeting, Published, Type, Version, Welcome
from isthmus.systems.tls import remedy

_T = TypeVar("_T")

MOST_UNACKNOWLEDGED: Final = 2_000
"""Messages on their way at once, where the broker allows as many. (Without a limit of its own mosquitto says 20.)"""

_QUICK: Final = getattr(socket, "TCP_QUICKACK", None)
"""Linux has it."""

_FAREWELL: Final = 2.0
"""Seconds that what was written last has to be sent."""

AT_ONCE: Final = 100
"""Messages at QoS 0 that are written before the socket is waited for."""

MOST_WAITING: Final = 2_000
"""Received messages nobody has taken, at which the socket is not read further."""


@dataclass(frozen=True, slots=True)
class Where:
    """One broker."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Connection(asyncio.Protocol):
    """An open connection. Everything raises Disconnected once it is gone."""

    def __init__(self, where: Where, greeting: Greeting, patience: float) -> None:
        self._where, self._version, self._patience = where, greeting.version, patience
        self._nothing = _NONE[greeting.version]
        self._stream = packet.Stream()
        self._transport: asyncio.Transport | None = None
        self._socket: socket.socket | None = None
        self._error: Disconnected | Refused | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._welcomed: asyncio.Future[Welcome] = asyncio.get_running_loop().create_future()
        self._loop = asyncio.get_running_loop()
        self._heard = self._loop.time()
        self._spoke = self._heard
        """When something was sent: the broker has to hear of us too (3.1.2.10), however much it tells."""
        self._asked = 0.0
        """When something was sent that has to be answered; 0: nothing is."""
        self._id = 0
        self._sent: dict[int, int] = {}
        """Packet identifier → position in what is being published."""
        self._refused: list[tuple[int, int]] = []
        self._room: asyncio.Future[None] | None = None
        """Somebody waits until at most `_most` messages are unacknowledged."""
        self._most = 0
        self._arrived: deque[Published] = deque()
        self._something = asyncio.Event()
        self._subscribing: dict[int, asyncio.Future[bytes]] = {}
        self._pings: deque[asyncio.Future[None]] = deque()
        """Questions for a sign of life that were not answered yet, in their order."""
        self.welcome = Welcome(0, False)

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._socket = transport.get_extra_info("socket")

    def data_received(self, data: bytes) -> None:
        self._heard, self._asked = self._loop.time(), 0.0
        try:
            for first, body in self._stream.feed(data):
                self._take(first, body)
        except Garbled as error:
            self._end(Disconnected(f"the broker sent {error}", where=str(self._where)))
        if self._sent:
            self._asked = self._heard
            self._hurry()
        if self._room is not None and len(self._sent) <= self._most and not self._room.done():
            self._room.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        why = f": {error}" if error else ""
        self._end(Disconnected(f"the broker closed the connection{why}", where=str(self._where)))

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def _hurry(self) -> None:
        """Has the kernel tell the broker at once what arrived.

        mosquitto holds acknowledgements back until it hears that the ones before arrived (Nagle), and our kernel would
        wait 40 ms before it says so: with its window of 20 messages that is 450 of them in a second.
        """
        if self._socket is not None and _QUICK is not None:
            with suppress(OSError):
                self._socket.setsockopt(socket.IPPROTO_TCP, _QUICK, 1)

    # What arrives

    def _take(self, first: int, body: bytes) -> None:
        match first >> 4:
            case Type.PUBACK:
                self._acknowledged(*packet.acknowledged(body))
            case Type.PUBLISH:
                self._arrive(packet.published(self._version, first, body))
            case Type.CONNACK:
                if not self._welcomed.done():
                    self._welcomed.set_result(packet.connack(self._version, body))
            case Type.SUBACK:
                id_, codes = packet.subscribed(self._version, body)
                future = self._subscribing.pop(id_, None)
                if future is not None and not future.done():
                    future.set_result(codes)
            case Type.PINGRESP:
                if self._pings and not (answered := self._pings.popleft()).done():
                    answered.set_result(None)
            case Type.DISCONNECT:
                code, words = packet.farewell(self._version, body)
                why = words or packet.reason(self._version, code)
                self._end(Disconnected(f"the broker says goodbye: {why}", where=str(self._where)))

    def _acknowledged(self, id_: int, code: int) -> None:
        position = self._sent.pop(id_, None)
        if position is not None and code >= 0x80:
            self._refused.append((position, code))

    def _arrive(self, message: Published) -> None:
        self._arrived.append(message)
        self._something.set()
        if len(self._arrived) >= MOST_WAITING and self._transport is not None:
            self._transport.pause_reading()

    def _end(self, error: Disconnected | Refused) -> None:
        """The connection is over: everybody who waits is told."""
        if self._error is None:
            self._error = error
        if self._transport is not None:
            self._transport.abort()
        futures: list[asyncio.Future[Welcome] | asyncio.Future[bytes] | asyncio.Future[None]] = [self._welcomed]
        futures += [*self._subscribing.values(), *self._pings]
        futures += [self._room] if self._room is not None else []
        for future in futures:
            if not future.done():
                future.set_exception(self._error)
                future.exception()  # looked at: nobody may be waiting
        self._something.set()
        self._writable.set()

    # What others call

    @property
    def window(self) -> int:
        """QoS 1 messages that may be on their way at once."""
        return min(self.welcome.receive, MOST_UNACKNOWLEDGED)

    def check(self) -> None:
        """Raises Disconnected when the connection is gone."""
        if self._error is not None:
            raise self._error

    async def greet(self, greeting: Greeting) -> None:
        """Introduces us; raises Refused when the broker does not take us, ever."""
        self._write(packet.connect(greeting))
        self.welcome = await self._answer(self._welcomed)
        code = self.welcome.code
        if not code:
            return
        why = self.welcome.reason or packet.reason(self._version, code)
        if code in packet.PASSING[self._version]:
            raise Disconnected(f"the broker does not take us now: {why}", where=str(self._where))
        hint = "version: 3.1.1 speaks to older brokers" if code in (1, 0x84) else "look at user, password and rights"
        raise Refused(f"the broker does not take us: {why}", where=str(self._where), hint=hint)

    async def publish(self, messages: Sequence[tuple[bytes, bytes]], *, retain: bool) -> list[tuple[int, str]]:
        """Publishes (`packet.text` of the topic, payload) at QoS 1; returns once the broker has answered for each.

        What it refused comes back as (position, why).
        """
        self.check()
        refused: list[tuple[int, str]] = []
        first, largest, done = 0x33 if retain else 0x32, self.welcome.largest or packet.LARGEST, 0
        self._refused = []
        while done < len(messages):
            room = self.window - len(self._sent)
            pieces, begin = [], done
            for topic, payload in messages[begin : begin + room]:
                piece = self._packet(first, topic, payload)
                if len(piece) > largest:
                    refused.append((done, f"the message has {len(piece):,} bytes, and the broker takes {largest:,}"))
                else:
                    self._sent[self._id] = done
                    pieces.append(piece)
                done += 1
            self._ask(b"".join(pieces))
            await self._writable.wait()
            await self._until(self.window - 1 if done < len(messages) else 0)
        return sorted([*refused, *self.refused()])

    async def tell(self, messages: Sequence[tuple[bytes, bytes]]) -> None:
        """Publishes (`packet.text` of the topic, payload) at QoS 0: the broker says of none that it has it."""
        self.check()
        for first in range(0, len(messages), AT_ONCE):
            some = messages[first : first + AT_ONCE]
            self._write(b"".join(packet.packet(0x30, topic, self._nothing, body) for topic, body in some))
            await self._writable.wait()
            self.check()

    async def ping(self) -> None:
        """Returns once the broker has answered a ping, and so has read all that was sent before it."""
        self.check()
        await self._answer(self._ping())

    def _ping(self) -> asyncio.Future[None]:
        answered: asyncio.Future[None] = self._loop.create_future()
        self._pings.append(answered)
        self._ask(packet.PINGREQ)
        return answered

    def refused(self) -> list[tuple[int, str]]:
        """(position, why) of what the broker refused of what was published last, also when it was gone in between."""
        return [(row, packet.reason(self._version, code)) for row, code in self._refused]

    def _packet(self, first: int, topic: bytes, payload: bytes) -> bytes:
        self._id = self._id % packet.LONGEST_TEXT + 1
        body = b"%b%b%b%b" % (topic, self._id.to_bytes(2, "big"), self._nothing, payload)
        return b"%c%b%b" % (first, packet.length(len(body)), body)

    async def _until(self, most: int) -> None:
        """Waits until at most so many messages are unacknowledged."""
        self._most = most
        while len(self._sent) > most and self._error is None:
            self._room = self._loop.create_future()
            try:
                await self._room
            finally:
                self._room = None
        self.check()

    async def subscribe(self, filters: Sequence[str]) -> list[str]:
        """Subscribes at QoS 1; the filters that the broker refused."""
        self.check()
        self._id = self._id % packet.LONGEST_TEXT + 1
        future: asyncio.Future[bytes] = self._loop.create_future()
        self._subscribing[self._id] = future
        self._ask(packet.subscribe(self._version, self._id, filters))
        codes = await self._answer(future)
        return [one for one, code in zip(filters, codes, strict=False) if code >= 0x80]

    async def received(self, most: int, idle: float) -> list[Published]:
        """What has arrived, at most so many; nothing when nothing came for `idle` seconds."""
        if not self._arrived:
            self.check()
            self._something.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(idle):
                    await self._something.wait()
        taken = [self._arrived.popleft() for _ in range(min(most, len(self._arrived)))]
        if len(self._arrived) < MOST_WAITING // 2 and self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()
        if not taken:
            self.check()
        return taken

    def now(self) -> float:
        """Seconds of the clock that waits go by."""
        return self._loop.time()

    def forget(self, topic: str) -> None:
        """Unsubscribes from a topic that nobody wants any more; the broker's answer does not matter."""
        if self._error is None:
            self._id = self._id % packet.LONGEST_TEXT + 1
            self._ask(packet.unsubscribe(self._version, self._id, topic))

    def acknowledge(self, ids: Sequence[int]) -> None:
        """Says that these QoS 1 messages are taken; of a connection that is gone they come again."""
        if self._error is None and ids:
            self._write(b"".join(map(packet.puback, ids)))

    async def keep_alive(self, every: float) -> None:
        """Asks for a sign of life when one side has been silent, and ends the connection when the broker gives none."""
        while self._error is None:
            await asyncio.sleep(min(every / 2, self._patience / 4))
            now = self._loop.time()
            if self._transport is not None and not self._transport.is_reading():
                self._wait_for_takers(now, every)
            elif self._asked and now - self._asked > self._patience:
                self._end(Disconnected(f"the broker does not answer for {self._patience:g} s", where=str(self._where)))
            elif not self._asked and now - min(self._heard, self._spoke) > every / 2:
                self._ping()

    def _wait_for_takers(self, now: float, every: float) -> None:
        """Nothing is read while nobody takes what came: the broker is to hear of us, and its answers count later."""
        self._asked = now if self._asked else 0.0
        if now - self._spoke > every / 2:
            self._ping()

    def close(self) -> None:
        """Says goodbye, where it has not ended yet; what is not sent in a moment is not sent at all."""
        if self._error is None and self._transport is not None:
            self._write(packet.DISCONNECT)
            self._error = Disconnected("we closed the connection", where=str(self._where))
            self._transport.close()
            self._loop.call_later(_FAREWELL, self._transport.abort)

    def _ask(self, data: bytes) -> None:
        """Sends what has to be answered."""
        if data:
            self._asked = self._asked or self._loop.time()
            self._write(data)

    def _write(self, data: bytes) -> None:
        assert self._transport is not None
        self._spoke = self._loop.time()
        self._transport.write(data)

    async def _answer(self, future: asyncio.Future[_T]) -> _T:
        try:
            async with asyncio.timeout(self._patience):
                return await asyncio.shield(future)
        except TimeoutError as error:
            what = f"the broker does not answer for {self._patience:g} s"
            raise Disconnected(what, where=str(self._where)) from error


_NONE: Final = {Version.V5: b"\0", Version.V311: b""}
"""No properties."""


@asynccontextmanager
async def connected(where: Where, greeting: Greeting, patience: float) -> AsyncIterator[Connection]:
    """A connection to the broker for as long as the block runs; we say goodbye at its end.

    Raises Disconnected when the broker cannot be reached, does not answer within `patience` seconds or shows a
    certificate that we do not take, Refused when it will not take us.
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(patience):
            _, connection = await loop.create_connection(
                lambda: Connection(where, greeting, patience), where.host, where.port, ssl=where.tls
            )
    except ssl.SSLCertVerificationError as error:
        what = f"the broker's certificate is not good: {error.verify_message}"
        raise Disconnected(what, where=str(where), hint=remedy(error.verify_message, "ca")) from error
    except TimeoutError as error:
        raise Disconnected(f"the broker does not answer for {patience:g} s", where=str(where)) from error
    except ConnectionRefusedError as error:
        raise Disconnected("nothing listens there (connection refused)", where=str(where)) from error
    except (OSError, ssl.SSLError) as error:
        raise Disconnected(f"the broker cannot be reached: {error}", where=str(where)) from error
    keeping: asyncio.Task[None] | None = None
    try:
        await connection.greet(greeting)
        every = connection.welcome.keep_alive or greeting.keep_alive
        keeping = asyncio.create_task(connection.keep_alive(float(every)))
        yield connection
    finally:
        if keeping is not None:
            keeping.cancel()
        connection.close()
