# SPDX-License-Identifier: Apache-2.0
"""The meters' edge node: Sparkplug B births when its primary host listens, then what changes, births when asked."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from isthmus.app.demo.chemical.desk import Change
from isthmus.app.demo.chemical.field.calling import called, greeting
from isthmus.app.demo.chemical.field.mirror import Mirror
from isthmus.core import time
from isthmus.systems.mqtt import packet
from isthmus.systems.mqtt.client import Connection
from isthmus.systems.mqtt.packet import Greeting, Published, Will
from isthmus.systems.sparkplug import message
from isthmus.systems.sparkplug.address import split
from isthmus.systems.sparkplug.message import ABOUT, UNIT, Metric
from isthmus.systems.sparkplug.payload import Garbled, parsed
from isthmus.systems.sparkplug.topic import Topic, state, state_topic
from isthmus.systems.sparkplug.values import Type

GROUP: Final = "antwerp"
NODE: Final = "energy"
HOST: Final = "isthmus-antwerp"
"""The primary host, as the plant file calls it: nothing is said while it does not listen (Sparkplug 3.0, 6.4.7)."""
_AWAY: Final = 0x8031_0000
"""BadNoCommunication: the meters do not answer their edge node."""
_ASKED: Final = 256
"""Messages taken at once."""


@dataclass(slots=True)
class EdgeNode:
    """The edge node; it counts its births and its messages as Sparkplug 3.0 says (6.4.8)."""

    mirror: Mirror
    _host: bool = False
    """It listens."""
    _bd: int = -1
    _seq: int = 0

    async def tell(self, port: int) -> None:
        """Tells the broker on this port of the loopback, and calls it again when it is gone; until cancelled."""
        await called(port, self._greeting, self._tell)

    def _greeting(self) -> Greeting:
        """Each connection has a number, which its will, its birth and its death have alike."""
        self._bd = (self._bd + 1) % 256
        death = message.node_death(bd=self._bd, at=time.now())
        return greeting(f"{GROUP}-{NODE}", Will(str(Topic(GROUP, "NDEATH", NODE)), death, retain=False))

    async def _tell(self, connection: Connection) -> None:
        while not self.mirror.last:
            await self.mirror.news()
        self._host = False
        await connection.subscribe([state_topic(HOST), str(Topic(GROUP, "NCMD", NODE))])
        answering = asyncio.create_task(self._answer(connection))
        try:
            while not answering.done():
                changes = await self.mirror.news()
                if self._host:
                    await self._changes(connection, changes)
            await answering
        finally:
            answering.cancel()
            await asyncio.wait((answering,))

    async def _answer(self, connection: Connection) -> None:
        """Gives births when the host begins to listen, and to who asks for them."""
        while True:
            for heard in await connection.received(_ASKED, 60.0):
                if heard.qos:
                    connection.acknowledge([heard.id])
                if self._wants(heard):
                    await self._bear(connection)

    def _wants(self, heard: Published) -> bool:
        if heard.topic == state_topic(HOST):
            said = state(heard.payload)
            self._host = said is not None and said.online
            return self._host
        with suppress(Garbled):
            return message.asks_rebirth(parsed(heard.payload))
        return False

    async def _bear(self, connection: Connection) -> None:
        self._seq, now = 0, time.now()
        said = [(Topic(GROUP, "NBIRTH", NODE), message.birth((), at=now, seq=0, bd=self._bd))]
        for device, changes in self._devices(self.mirror.last.values()).items():
            metrics = [self._metric(change, full=True) for change in changes]
            said.append((Topic(GROUP, "DBIRTH", NODE, device), message.birth(metrics, at=now, seq=self._next())))
        await connection.tell([(packet.text(str(topic)), body) for topic, body in said])

    async def _changes(self, connection: Connection, changes: Sequence[Change]) -> None:
        """What changed; all of it when the simulation went away."""
        now, said = time.now(), []
        for device, some in self._devices(changes or self.mirror.last.values()).items():
            metrics = [self._metric(change, full=False) for change in some]
            said.append((Topic(GROUP, "DDATA", NODE, device), message.data(metrics, at=now, seq=self._next())))
        await connection.tell([(packet.text(str(topic)), body) for topic, body in said])

    def _devices(self, changes: Iterable[Change]) -> dict[str, list[Change]]:
        found: dict[str, list[Change]] = {}
        for change in changes:
            place, _ = split(self.mirror.nodes[change.position].id)
            found.setdefault(place.device, []).append(change)
        return found

    def _metric(self, change: Change, *, full: bool) -> Metric:
        node = self.mirror.nodes[change.position]
        at, quality = (change.at * 1000, change.quality) if self.mirror.there else (time.now(), _AWAY)
        said = {UNIT: node.unit, ABOUT: node.description} if full else {}
        return Metric(split(node.id)[1], Type.DOUBLE, float(change.value), at, change.position, quality, False, said)

    def _next(self) -> int:
        self._seq = (self._seq + 1) % 256
        return self._seq
