# SPDX-License-Identifier: Apache-2.0
"""A host application: listens to the edge nodes of a broker, asks for births where it needs them, makes readings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from hashlib import sha256
from typing import Final

from isthmus.core import time
from isthmus.core.errors import Disconnected
from isthmus.core.event import Event, EventKind, Severity
from isthmus.systems.bare import no_values
from isthmus.systems.contract import Address, Found, Readings, Surroundings, nothing
from isthmus.systems.durations import seconds
from isthmus.systems.mqtt import packet
from isthmus.systems.mqtt.broker import client_of, greeting, reached
from isthmus.systems.mqtt.client import Connection
from isthmus.systems.mqtt.packet import Published, Will
from isthmus.systems.sparkplug import message
from isthmus.systems.sparkplug.address import split
from isthmus.systems.sparkplug.columns import columns
from isthmus.systems.sparkplug.node import Node, nodes
from isthmus.systems.sparkplug.remarks import Remarks
from isthmus.systems.sparkplug.scope import Take
from isthmus.systems.sparkplug.spec import SparkplugSpec
from isthmus.systems.sparkplug.topic import SPACE, UP, Topic, said, state, state_topic, topic
from isthmus.systems.telling import happened, names

IDLE: Final = 1.0
"""Seconds without a message after which the connection alone is a sign of life."""

AT_ONCE: Final = 500
"""Messages made readings at once."""

FILTERS: Final = 100
"""Topics in one SUBSCRIBE."""

SETTLE: Final = 0.2
"""Seconds after connecting in which edge nodes that saw us come tell of themselves; then we ask the others."""

AGAIN: Final = 60.0
"""Seconds until an edge node that has not told of itself is asked again: questions are not acknowledged."""

TICK: Final = 0.1
"""Seconds between two looks at what is due."""

QUESTIONS: Final = 20
"""Edge nodes asked at one such look: all at once would answer all at once."""


class SparkplugSource:
    """One broker, as its edge nodes are read; knows from connection to connection what could not be."""

    def __init__(self, spec: SparkplugSpec, surroundings: Surroundings) -> None:
        self._spec, self._house = spec, surroundings
        self._remarks = Remarks(surroundings.system)
        self._host = spec.host or f"isthmus-{surroundings.system}"
        place = sha256(str(surroundings.folder.absolute()).encode()).hexdigest()[:8]
        self._client = client_of(surroundings.system, place)
        self._until = time.UNKNOWN
        """Until when we listened, over all connections."""

    @asynccontextmanager
    async def open(self, addresses: Sequence[Address]) -> AsyncIterator[AsyncIterator[Readings]]:
        """Listens, then says that we do (Sparkplug 3.0, 5.1)."""
        if not self._until:
            self._until = min(max(self._house.resume.values(), default=time.UNKNOWN), time.now())
        self._remarks.texts = [address.text for address in addresses]
        began, greeted = time.now() // time.MILLISECOND, greeting(self._spec, self._client, clean=True)
        will = Will(state_topic(self._host), said(False, began))
        async with reached(self._spec, greeted, self._house.folder / "pki", will) as connection:
            wanted = [(position, *split(address.text)) for position, address in enumerate(addresses)]
            found = nodes(wanted, self._remarks, seconds(self._spec.reorder), connection.now())
            listening = _Listening(connection, found, self._spec, self._host, began, self._house.system)
            take = Take(time.now())
            take.events += await listening.begin()
            if self._until:
                take.events.append(self._remarks.outage(self._until, take.seen))
            try:
                yield self._readings(listening, take)
            finally:
                with suppress(Disconnected, TimeoutError):
                    async with asyncio.timeout(2):
                        await listening.say_state(False)

    async def _readings(self, listening: _Listening, take: Take) -> AsyncIterator[Readings]:
        done: Callable[[], None] = nothing
        while True:
            self._until = take.seen
            for one in readings(take, done):
                yield one
            take, done = await listening.next()

    async def browse(self, start: str | None = None) -> AsyncIterator[Found]:
        """What edge nodes declare that are heard within a few seconds, or those of `group` or `group/node`."""
        from isthmus.systems.sparkplug.browse import browse

        greeted = greeting(self._spec, f"{self._client}-browse", clean=True)
        async with reached(self._spec, greeted, self._house.folder / "pki") as connection:
            async for one in browse(connection, start or "", ask=self._spec.ask):
                yield one


class _Listening:
    """One connection, and the edge nodes that are listened to."""

    def __init__(
        self,
        connection: Connection,
        nodes_: dict[tuple[str, str], Node],
        spec: SparkplugSpec,
        host: str,
        began: int,
        system: str,
    ) -> None:
        # began: what the STATE that belongs to this connection has as its time, in ms
        self._connection, self._nodes, self._spec = connection, nodes_, spec
        self._host, self._began, self._system = host, began, system
        self._pause = seconds(spec.rebirth)
        self._ticked = 0.0
        self._settled = connection.now() + SETTLE
        self._rival = False

    async def begin(self) -> list[Event]:
        """Subscribes, and says that we listen; events of what the broker refuses."""
        filters = [state_topic(self._host), *(f"{SPACE}/{group}/+/{node}/#" for group, node in self._nodes)]
        refused: list[str] = []
        for first in range(0, len(filters), FILTERS):
            refused += await self._connection.subscribe(filters[first : first + FILTERS])
        events = [self._told(f"the broker refuses to tell of {names(refused, 3)}")] if refused else []
        if why := await self.say_state(True):
            events.append(self._told(f"the broker does not take what we say on {state_topic(self._host)}: {why}"))
        return events

    def _told(self, what: str) -> Event:
        return happened(self._system, EventKind.TAG, Severity.ERROR, what)

    async def say_state(self, online: bool) -> str:
        """Says whether we listen; why the broker does not take that, or nothing."""
        at = self._began if online else time.now() // time.MILLISECOND
        messages = [(packet.text(state_topic(self._host)), said(online, at))]
        refused = await self._connection.publish(messages, retain=True)
        return refused[0][1] if refused else ""

    async def next(self) -> tuple[Take, Callable[[], None]]:
        """What came, and how to say that it is kept."""
        now = self._connection.now()
        due = [node.deadline for node in self._nodes.values()]
        due += [self._settled] if now < self._settled else []
        messages = await self._connection.received(AT_ONCE, max(TICK, min([now + IDLE, *due]) - now))
        take, now = Take(time.now()), self._connection.now()
        for one in messages:
            await self._hear(one, now, take)
        if now - self._ticked >= TICK:
            self._ticked = now
            for node in self._nodes.values():
                node.tick(now, take)
            await self._ask(now)
        ids = [one.id for one in messages if one.qos]
        return take, partial(self._connection.acknowledge, ids) if ids else nothing

    async def _hear(self, one: Published, now: float, take: Take) -> None:
        found = topic(one.topic)
        if found is None:
            if one.topic == state_topic(self._host) and not one.retained:
                await self._hear_state(one, take)
            return
        node = self._nodes.get((found.group, found.node))
        if node is not None and found.verb in UP and not one.retained:
            node.take(found, one.payload, now, take)

    async def _hear_state(self, one: Published, take: Take) -> None:
        """What somebody says of us: an end that is not ours is corrected (3.0, 5.1: a will that came late)."""
        told = state(one.payload)
        if told is None or (told.online and told.timestamp == self._began):
            return
        if not told.online:
            await self.say_state(True)
        elif not self._rival:
            self._rival = True
            take.events.append(self._told(f"another host application calls itself {self._host}; give one another host"))

    async def _ask(self, now: float) -> None:
        """Asks edge nodes for their births, not too many at once, and none too often."""
        if not self._spec.ask or now < self._settled:
            return
        due = [node for node in self._nodes.values() if self._is_due(node, now)][:QUESTIONS]
        for node in due:
            node.asked, node.ask = now, False
        at = time.now()
        topics = [packet.text(str(Topic(node.place.group, "NCMD", node.place.node))) for node in due]
        await self._connection.tell([(one, message.rebirth(at)) for one in topics])

    def _is_due(self, node: Node, now: float) -> bool:
        wait = self._pause if node.ask else AGAIN
        return (node.ask or not node.alive) and now - node.asked >= wait


def readings(take: Take, done: Callable[[], None]) -> Iterator[Readings]:
    """What was taken: what edge nodes had kept first, then what is live."""
    if take.historical:
        yield replace(columns([take.historical], take.seen), historical=True)
    live = columns(parts, take.seen) if (parts := take.parts()) else no_values(seen=take.seen)
    yield replace(live, events=take.events, oddities=take.oddities, done=done)
