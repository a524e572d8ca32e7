# SPDX-License-Identifier: Apache-2.0
"""Messages become readings, and are acknowledged when the log has them: what Isthmus does not take the broker keeps."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

from isthmus.core import quality, time
from isthmus.core.errors import IsthmusError
from isthmus.systems.bare import bad, no_values
from isthmus.systems.contract import Address, Found, Readings, Surroundings
from isthmus.systems.mqtt.broker import greeting, own_client, reached
from isthmus.systems.mqtt.client import Connection
from isthmus.systems.mqtt.packet import Published
from isthmus.systems.mqtt.reading import Reader, Topics, topics_of
from isthmus.systems.mqtt.spec import MqttSpec
from isthmus.systems.payload import leaves

IDLE: Final = 1.0
"""Seconds without a message after which the connection alone is a sign of life."""

AT_ONCE: Final = 500
"""Messages made readings at once."""

FILTERS: Final = 100
"""Topics in one SUBSCRIBE."""

LISTEN: Final = 5.0
"""Seconds that browsing listens."""


class MqttSource:
    """One broker, as it is read; knows from connection to connection what could not be read."""

    def __init__(self, spec: MqttSpec, surroundings: Surroundings) -> None:
        self._spec, self._house = spec, surroundings
        self._reader = Reader(spec, surroundings.system)
        self._client = own_client(surroundings.system, surroundings.folder)

    @asynccontextmanager
    async def open(self, addresses: Sequence[Address]) -> AsyncIterator[AsyncIterator[Readings]]:
        """Subscribes; the broker goes on where the log left off, as long as it has kept the session."""
        topics = topics_of(addresses)
        expiry = time.duration(self._spec.kept) // time.SECOND
        said = greeting(self._spec, self._client, clean=False, expiry=expiry, receive=self._spec.window)
        async with reached(self._spec, said, self._house.folder / "pki") as connection:
            refused = [one async for one in self._subscribe(connection, topics)]
            yield self._readings(connection, topics, refused)

    async def _subscribe(self, connection: Connection, topics: Topics) -> AsyncIterator[Readings]:
        """Readings that say of the topics which the broker refused that they cannot be read."""
        names_ = list(topics)
        for first in range(0, len(names_), FILTERS):
            for topic in await connection.subscribe(names_[first : first + FILTERS]):
                targets = topics[topic]
                positions = {target.position: quality.BAD_COMMUNICATION for target in targets}
                event = self._reader.told([target.text for target in targets], "the broker refuses the subscription")
                yield bad(positions, [event])

    async def _readings(
        self, connection: Connection, topics: Topics, first: Sequence[Readings]
    ) -> AsyncIterator[Readings]:
        for one in first:
            yield one
        while True:
            messages = await connection.received(AT_ONCE, IDLE)
            yield self._read(connection, topics, messages) if messages else no_values()

    def _read(self, connection: Connection, topics: Topics, messages: Sequence[Published]) -> Readings:
        for message in messages:
            if message.topic not in topics:  # a session from before the plant file changed
                connection.forget(message.topic)
        ids = [message.id for message in messages if message.qos]
        return self._reader.read(topics, messages, partial(connection.acknowledge, ids))

    async def browse(self, start: str | None = None) -> AsyncIterator[Found]:
        """What is said on topics that match a filter (everything, unless `start` gives one) within a few seconds."""
        said = greeting(self._spec, f"{self._client}-browse", clean=True)
        told: set[str] = set()
        async with reached(self._spec, said, self._house.folder / "pki") as connection:
            for refused in await connection.subscribe([start or "#"]):
                raise IsthmusError(f"the broker refuses to tell of {refused!r}", where=self._house.system)
            end = connection.now() + LISTEN
            while (left := end - connection.now()) > 0:
                messages = await connection.received(AT_ONCE, left)
                connection.acknowledge([message.id for message in messages if message.qos])
                for message in messages:
                    for one in _told_of(message):
                        if one.address not in told:
                            told.add(one.address)
                            yield one


def _told_of(message: Published) -> Iterator[Found]:
    """The single values in a message."""
    if "+" not in message.topic and "#" not in message.topic:
        yield from leaves(message.topic, message.payload)
