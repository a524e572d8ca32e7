# SPDX-License-Identifier: Apache-2.0
"""An edge node's session with a broker: births, data in their order, births again when a host asks, and its death.

Whoever has values to tell uses it: the output of this kind, and what plays an edge node in the demo and in tests.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Final, TypeAlias

from isthmus.core import time
from isthmus.core.errors import Disconnected, Refused
from isthmus.systems.mqtt import packet
from isthmus.systems.mqtt.broker import Broker, greeting, reached
from isthmus.systems.mqtt.client import Connection
from isthmus.systems.mqtt.packet import Published, Will
from isthmus.systems.sparkplug import message
from isthmus.systems.sparkplug.address import Place
from isthmus.systems.sparkplug.message import Metric, asks_rebirth
from isthmus.systems.sparkplug.payload import Garbled, parsed
from isthmus.systems.sparkplug.topic import Topic, state, state_topic

CYCLE: Final = 256
"""Sequence numbers and those of births begin again after so many."""

PORTION: Final = 500
"""Metrics in one message of data at most."""

HEAD: Final = 16
"""Bytes of a PUBLISH besides topic and payload, at most."""

PAUSE: Final = 1.0
"""Seconds between two births, however often they are asked for."""

Declared: TypeAlias = Mapping[str, Sequence[Metric]]
"""Device, or empty for the edge node itself → its metrics as they are now, with aliases where they shall have some."""


class Edge:
    """An edge node while it is connected. Everything raises Disconnected once it is not."""

    def __init__(
        self, connection: Connection, place: Place, bd: int, declare: Callable[[], Declared], host: str = ""
    ) -> None:
        self._connection, self._place, self._bd = connection, place, bd
        self._declare, self._host = declare, host
        self._seq = 0
        self._turn = asyncio.Lock()
        """Whoever sends: numbers and messages go the same way."""
        self._error: Disconnected | None = None
        self._online = 0
        """Of the primary host's last word the time, ms."""
        self._born = -PAUSE
        self.births = 0

    def check(self) -> None:
        """Raises Disconnected when the connection is gone, or the primary host is."""
        if self._error is not None:
            raise self._error
        self._connection.check()

    async def begin(self, patience: float) -> None:
        """Listens to commands, waits `patience` seconds for the primary host, where there is one, and is born."""
        filters = [str(Topic(self._place.group, "NCMD", self._place.node))]
        filters += [state_topic(self._host)] if self._host else []
        for refused in await self._connection.subscribe(filters):
            raise Refused(f"the broker refuses to tell of {refused}", where=str(self._place))
        if self._host:
            await self._wait(patience)
        await self.be_born()

    async def _wait(self, patience: float) -> None:
        end = self._connection.now() + patience
        while (left := end - self._connection.now()) > 0:
            for one in await self._connection.received(1, left):
                self._connection.acknowledge([one.id] if one.qos else [])
                if self._hear_state(one):
                    return
        raise self._away()

    def _away(self) -> Disconnected:
        return Disconnected(f"the primary host {self._host} is not online", where=str(self._place))

    def _hear_state(self, one: Published) -> bool:
        """Whether a message says that the primary host is online; what is older than its last word does not count."""
        told = state(one.payload) if one.topic == state_topic(self._host) else None
        if told is None or told.timestamp < self._online:
            return False
        self._online = told.timestamp
        if not told.online and self.births:
            self._error = self._away()
        return told.online

    async def be_born(self) -> None:
        """Tells what there is, and what it is now; raises Refused when the broker takes no message of that size."""
        async with self._turn:
            self.births, self._born = self.births + 1, self._connection.now()
            declared, at = self._declare(), time.now()
            payload = message.birth(declared.get("", ()), at=at, seq=self._next(first=True), bd=self._bd)
            messages = [(Topic(self._place.group, "NBIRTH", self._place.node), payload)]
            for device, metrics in declared.items():
                if device:
                    payload = message.birth(metrics, at=at, seq=self._next())
                    messages.append((Topic(self._place.group, "DBIRTH", self._place.node, device), payload))
            await self._send(messages)

    async def tell(self, device: str, metrics: Sequence[Metric]) -> list[int]:
        """Tells new values of metrics that were declared, in as many messages as it takes.

        Positions of those that are too large for the broker, each by itself.
        """
        refused: list[int] = []
        for first in range(0, len(metrics), PORTION):
            refused += await self._tell(device, metrics, first, min(first + PORTION, len(metrics)))
        return refused

    async def _tell(self, device: str, metrics: Sequence[Metric], first: int, end: int) -> list[int]:
        """Tells metrics from `first` to before `end`, by halves where they are too large for one message."""
        topic = Topic(self._place.group, "DDATA" if device else "NDATA", self._place.node, device)
        async with self._turn:
            self.check()
            payload = message.data(metrics[first:end], at=time.now(), seq=(self._seq + 1) % CYCLE)
            if self._fits(topic, payload):
                self._next()
                await self._send([(topic, payload)])
                return []
        if end - first == 1:
            return [first]
        middle = (first + end) // 2
        return [
            *await self._tell(device, metrics, first, middle),
            *await self._tell(device, metrics, middle, end),
        ]

    async def end_device(self, device: str) -> None:
        """Tells that a device is gone; it is back when it is declared in births again."""
        async with self._turn:
            payload = message.device_death(at=time.now(), seq=self._next())
            await self._send([(Topic(self._place.group, "DDEATH", self._place.node, device), payload)])

    async def confirm(self) -> None:
        """Returns once the broker has read all that was told, and the primary host, where there is one, is online."""
        await self._connection.ping()
        self.check()

    async def listen(self) -> None:
        """Answers hosts that ask for births, and notices that the primary host goes, until the connection is gone."""
        try:
            while True:
                for one in await self._connection.received(100, 60.0):
                    self._connection.acknowledge([one.id] if one.qos else [])
                    await self._obey(one)
        except Disconnected as error:
            self._error = self._error or error
        except Refused as error:  # of a birth that has grown: opening anew says so, and no data are blamed for it
            self._error = self._error or Disconnected(error.what, hint=error.hint)
        finally:
            self._error = self._error or Disconnected("nobody listens to hosts any more", where=str(self._place))

    async def _obey(self, one: Published) -> None:
        if self._host and one.topic == state_topic(self._host):
            self._hear_state(one)
            return
        with suppress(Garbled):
            if asks_rebirth(parsed(one.payload)):
                await asyncio.sleep(max(0.0, self._born + PAUSE - self._connection.now()))
                await self.be_born()

    async def die(self) -> None:
        """Tells that the edge node goes: what the broker would say of it had it gone without a word."""
        topic = packet.text(str(Topic(self._place.group, "NDEATH", self._place.node)))
        await self._connection.publish([(topic, message.node_death(bd=self._bd, at=time.now()))], retain=False)

    def _next(self, *, first: bool = False) -> int:
        self._seq = 0 if first else (self._seq + 1) % CYCLE
        return self._seq

    def _most(self) -> int:
        """Bytes that a message may have."""
        return self._connection.welcome.largest or packet.LARGEST

    def _fits(self, topic: Topic, payload: bytes) -> bool:
        return len(str(topic).encode()) + len(payload) + HEAD <= self._most()

    async def _send(self, messages: Sequence[tuple[Topic, bytes]]) -> None:
        for topic, payload in messages:
            if not self._fits(topic, payload):
                hint = "let the broker take larger messages, or give the output fewer tags"
                raise Refused(f"{topic} has {len(payload):,} bytes, and the broker takes {self._most():,}", hint=hint)
        await self._connection.tell([(packet.text(str(topic)), payload) for topic, payload in messages])


@asynccontextmanager
async def opened(
    broker: Broker,
    client: str,
    pki: Path,
    place: Place,
    bd: int,
    declare: Callable[[], Declared],
    *,
    host: str = "",
    patience: float = 10.0,
) -> AsyncIterator[Edge]:
    """An edge node that has been born, until the block ends; then it says that it dies.

    `bd` is another one at each call (0 to 255; see `next_bd`). `declare` is asked at every birth. With `host` it is
    born only while that primary host is online, at the first of several brokers that says so. Raises Disconnected when
    no broker can be reached or none has the primary host, Refused when one will never take us.
    """
    async with AsyncExitStack() as stack:
        edge = await _first(stack, broker, client, pki, place, bd, declare, host, patience)
        listening = asyncio.create_task(edge.listen())
        try:
            yield edge
        finally:
            listening.cancel()
            with suppress(Disconnected, TimeoutError):
                async with asyncio.timeout(2):
                    await edge.die()


async def _first(
    stack: AsyncExitStack,
    broker: Broker,
    client: str,
    pki: Path,
    place: Place,
    bd: int,
    declare: Callable[[], Declared],
    host: str,
    patience: float,
) -> Edge:
    """The edge node, born at the first broker that will do."""
    will = Will(str(Topic(place.group, "NDEATH", place.node)), message.node_death(bd=bd, at=time.now()), retain=False)
    trouble: list[Disconnected | Refused] = []
    for one in [broker.model_copy(update={"url": url}) for url in broker.urls]:
        async with AsyncExitStack() as attempt:
            try:
                said = greeting(one, client, clean=True)
                edge = Edge(await attempt.enter_async_context(reached(one, said, pki, will)), place, bd, declare, host)
                await edge.begin(patience)
            except (Disconnected, Refused) as error:
                trouble.append(error)
                continue
            stack.push_async_exit(attempt.pop_all())
            return edge
    raise next((error for error in trouble if isinstance(error, Refused)), trouble[0])


def next_bd(memory: Path) -> int:
    """The number of the next birth, kept in a file: no two sessions after each other have the same (6.4.8)."""
    try:
        number = (int(memory.read_text()) + 1) % CYCLE
    except (OSError, ValueError):
        number = 0
    temporary = memory.with_suffix(".tmp")
    with temporary.open("w") as file:
        file.write(str(number))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(memory)
    return number
