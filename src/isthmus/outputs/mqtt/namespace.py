# SPDX-License-Identifier: Apache-2.0
"""The unified namespace: what every tag is now, as a retained message under its path, sent when it changes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import Any, Final

import msgspec
import numpy as np
from pydantic import Field, field_validator

from isthmus.core import time
from isthmus.core.errors import Disconnected, Refused
from isthmus.core.quality import Mark
from isthmus.core.tag import DataType
from isthmus.outputs.contract import Delivery, Refusal, Surroundings
from isthmus.outputs.mqtt.topic import plain_topic
from isthmus.outputs.words import Words, described
from isthmus.store.history.columns import Columns
from isthmus.systems.mqtt import packet
from isthmus.systems.mqtt.broker import Broker, greeting, own_client, reached
from isthmus.systems.mqtt.client import Connection
from isthmus.systems.mqtt.packet import Will

SCHEMA: Final = "_schema"
"""Below an asset: its description."""

OURS: Final = "_isthmus"
"""Below the plant: whether an output is online."""

MEMORY: Final = "topics.json"
"""In the output's folder: what lies retained on the broker."""

BARRED: Final = 60.0
"""Seconds."""

_HISTORICAL: Final = int(Mark.HISTORICAL)  # the flag itself is slow to compare with


class NamespaceSpec(Broker):
    """The unified namespace on an MQTT broker: what every tag is now, retained under its path, sent when it changes."""

    prefix: str = Field("uns", description="What topics begin with: `uns/acme/lyon/mixing/...`. May be empty.")
    deadband: float = Field(
        0.0,
        ge=0,
        lt=100,
        description="Changes up to this part of a tag's range, in percent, are not sent. Of floats only.",
    )
    describe: bool = Field(True, description="Also publish what each asset is, under its path and `_schema`.")

    @field_validator("prefix")
    @classmethod
    def _topic(cls, prefix: str) -> str:
        return plain_topic(prefix)


Known = tuple[int, float, int, str | None, int, int]
"""What was sent of a tag: time, value, integer, text, quality, mark."""


class Namespace:
    """One namespace; remembers from connection to connection what each topic shows."""

    def __init__(self, spec: NamespaceSpec, surroundings: Surroundings) -> None:
        self._spec, self._house = spec, surroundings
        self._client = own_client(f"{surroundings.revision.plant}-{surroundings.output}", surroundings.data)
        self.words = Words.of(surroundings.tags)
        self.topics = {number: self._topic(one.tag.path) for number, one in surroundings.tags.items()}
        self.encoded = {number: packet.text(topic) for number, topic in self.topics.items()}
        self._bands = {number: _band(spec.deadband, one.range) for number, one in surroundings.tags.items()}
        self._floats = {number for number, one in surroundings.tags.items() if one.tag.type is DataType.FLOAT}
        self.shown: dict[int, Known] = {}
        """What was sent last of each tag."""
        self.barred: dict[int, tuple[float, str]] = {}
        """Tag → until when (monotonic) its topic is not tried, and why."""
        self.last: dict[int, bytes] = {}
        """Of each tag the last message, for a broker that forgets."""
        self._begun = False

    def _topic(self, path: str) -> str:
        return f"{self._spec.prefix}/{path}" if self._spec.prefix else path

    @property
    def state_topic(self) -> str:
        """Where it says whether it is online."""
        return self._topic(f"{self._house.revision.plant}/{OURS}/{self._house.output}")

    def state(self, word: str) -> bytes:
        return msgspec.json.encode(
            {"state": word, "at": time.to_iso(time.now() // time.MILLISECOND * time.MILLISECOND)}
        )

    @asynccontextmanager
    async def open(self) -> AsyncIterator[_Sink]:
        """Connects, says what there is, shows what every tag is, and goes online."""
        will = Will(self.state_topic, msgspec.json.encode({"state": "offline"}))
        said = greeting(self._spec, self._client, clean=True)
        async with reached(self._spec, said, self._house.data / "pki", will) as connection:
            if not connection.welcome.retains:
                raise Refused("the broker retains no messages", where=self._house.output)
            await self._introduce(connection)
            try:
                yield _Sink(self, connection)
            finally:
                with suppress(Disconnected, TimeoutError):
                    async with asyncio.timeout(2):
                        await self._say(connection, [(self.state_topic, self.state("offline"))])

    async def clear(self) -> int:
        """Clears every topic that was ever ours and still is: a retained message without bytes does that."""
        topics = _topics(self._house.folder / MEMORY)
        said = greeting(self._spec, self._client, clean=True)
        async with reached(self._spec, said, self._house.data / "pki") as connection:
            await self._say(connection, [(topic, b"") for topic in sorted({*topics, self.state_topic})])
        return len(topics)

    async def _introduce(self, connection: Connection) -> None:
        if not self._begun:
            columns = await self._house.last()
            columns = columns.pick(np.array(list(self.changed(columns)), np.intp))
            self.last = dict(zip(columns.tag.tolist(), self.words.messages(columns), strict=True))
            self._begun = True
        texts = self._descriptions()
        await self._forget(connection, {*texts, *self.topics.values()})
        await self._say(connection, list(texts.items()))
        await connection.publish([(self.encoded[tag], message) for tag, message in self.last.items()], retain=True)
        await self._say(connection, [(self.state_topic, self.state("online"))])

    def _descriptions(self) -> dict[str, bytes]:
        if not self._spec.describe:
            return {}
        found = described(self._house.revision, self._house.tags)
        return {self._topic(f"{path}/{SCHEMA}"): text for path, text in found.items()}

    async def _forget(self, connection: Connection, topics: set[str]) -> None:
        """Clears what was retained under topics that are not ours any more: a message without bytes does that."""
        memory = self._house.folder / MEMORY
        before = _topics(memory)
        if gone := sorted(before - topics):
            _keep(memory, before | topics)
            await self._say(connection, [(topic, b"") for topic in gone])
        if before != topics:
            _keep(memory, topics)

    async def _say(self, connection: Connection, messages: Sequence[tuple[str, bytes]]) -> None:
        """Publishes what is not a sample; raises Refused when the broker does not take it."""
        encoded = [(packet.text(topic), payload) for topic, payload in messages]
        refused = await connection.publish(encoded, retain=True)
        if refused:
            row, why = refused[0]
            hint = f"user {self._spec.user or '(none)'} has to be allowed to publish below {self._spec.prefix}"
            raise Refused(f"the broker does not take {messages[row][0]}: {why}", where=self._house.output, hint=hint)

    def changed(self, columns: Columns) -> Iterator[int]:
        """Rows that say something new of their tag: later than what was sent, and another value, quality or mark."""
        shown, bands = self.shown, self._bands
        for row, (tag, *new) in enumerate(_rows(columns)):
            at, value, integer, text, quality, mark = new
            if mark & _HISTORICAL:
                continue
            known = shown.get(tag)
            if known is not None:
                if at < known[0]:
                    continue
                if quality == known[4] and mark == known[5] and text == known[3] and integer == known[2]:
                    moved = abs(value - known[1]) if tag in self._floats else float(value != known[1])
                    if moved <= bands[tag] or value == known[1] or (value != value and known[1] != known[1]):
                        continue
            shown[tag] = (at, value, integer, text, quality, mark)
            yield row

    def bar(self, refused: Iterable[tuple[int, str]]) -> None:
        """A broker that hung up after it refused something is not asked for those topics again for a while.

        mosquitto before 2.0.12 does so: without this it would hang up again and again over the same message.
        """
        until = monotonic() + BARRED
        self.barred.update((tag, (until, why)) for tag, why in refused)

    def why_barred(self, tag: int) -> str:
        """Why a tag's topic is not to be tried now; empty: it is."""
        until, why = self.barred.get(tag, (0.0, ""))
        return why if monotonic() < until else ""


class _Sink:
    """An open namespace."""

    def __init__(self, namespace: Namespace, connection: Connection) -> None:
        self._namespace, self._connection = namespace, connection

    async def write(self, delivery: Delivery) -> Sequence[Refusal]:
        self._connection.check()
        if not len(delivery):
            return ()
        namespace, before = self._namespace, dict(self._namespace.shown)
        if delivery.retried:
            namespace.barred.clear()
        rows = list(namespace.changed(delivery.columns))
        tags = delivery.columns.tag.tolist()
        barred = {row: why for row in rows if (why := namespace.why_barred(tags[row]))} if namespace.barred else {}
        refused = [Refusal(row, why) for row, why in barred.items()]
        rows = [row for row in rows if row not in barred] if barred else rows
        try:
            refused += await self._publish(delivery, rows)
        except BaseException:
            namespace.shown = before
            namespace.bar((tags[rows[position]], why) for position, why in self._connection.refused())
            raise
        for one in refused:
            namespace.shown.pop(tags[one.row], None)
        return refused

    async def _publish(self, delivery: Delivery, rows: Sequence[int]) -> list[Refusal]:
        namespace, columns = self._namespace, delivery.columns.pick(np.array(rows, np.intp))
        tags, messages = columns.tag.tolist(), namespace.words.messages(columns)
        encoded = map(namespace.encoded.__getitem__, tags)
        refused = await self._connection.publish(list(zip(encoded, messages, strict=True)), retain=True)
        namespace.last.update(zip(tags, messages, strict=True))
        return [Refusal(rows[position], why) for position, why in refused]


def _band(percent: float, limits: tuple[float, float] | None) -> float:
    return (limits[1] - limits[0]) * percent / 100 if limits is not None else 0.0


def _rows(columns: Columns) -> Iterator[tuple[Any, ...]]:
    words = (None, *columns.words)
    lists: list[list[Any]] = [c.tolist() for c in (columns.tag, columns.time, columns.value, columns.integer)]
    lists += [[words[code] for code in columns.text.tolist()], columns.quality.tolist(), columns.mark.tolist()]
    return zip(*lists, strict=True)


def _topics(memory: Path) -> set[str]:
    try:
        return msgspec.json.decode(memory.read_bytes(), type=set[str])
    except (OSError, msgspec.DecodeError):
        return set()


def _keep(memory: Path, topics: set[str]) -> None:
    temporary = memory.with_suffix(".tmp")
    with temporary.open("wb") as file:
        file.write(msgspec.json.encode(sorted(topics)))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(memory)
