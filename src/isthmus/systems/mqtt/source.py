# SPDX-License-Identifier: Apache-2.0
"""Messages become readings, and are acknowledged when the log has them: what Isthmus does not take the broker keeps."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from functools import partial
from hashlib import sha256
from math import inf
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np

from isthmus.core import quality, time
from isthmus.core.errors import IsthmusError
from isthmus.core.event import Event, EventKind, Severity
from isthmus.core.tag import DataType
from isthmus.systems.bare import bad, no_values
from isthmus.systems.contract import Address, Form, Found, Oddity, Readings, Surroundings
from isthmus.systems.mqtt.address import Nothing, found, split, steps
from isthmus.systems.mqtt.broker import client_of, greeting, reached
from isthmus.systems.mqtt.client import Connection
from isthmus.systems.mqtt.packet import Published
from isthmus.systems.mqtt.spec import UNITS, MqttSpec
from isthmus.systems.telling import Oddities, happened, names

IDLE: Final = 1.0
"""Seconds without a message after which the connection alone is a sign of life."""

AT_ONCE: Final = 500
"""Messages made readings at once."""

FILTERS: Final = 100
"""Topics in one SUBSCRIBE."""

LAST_USABLE: Final = 0x4090_0000
"""UncertainLastUsableValue: a retained message that does not say when it was true."""

LISTEN: Final = 5.0
"""Seconds that browsing listens."""


class _Target(NamedTuple):
    """One address that a topic gives."""

    position: int
    path: tuple[str, ...]
    type: DataType
    text: str


class _Reading(NamedTuple):
    position: int
    at: int
    quality: int
    form: int
    value: float
    integer: int
    text: str | None


class MqttSource:
    """One broker, as it is read; knows from connection to connection what could not be read."""

    def __init__(self, spec: MqttSpec, surroundings: Surroundings) -> None:
        self._spec, self._house = spec, surroundings
        self._time, self._quality = steps(spec.time), steps(spec.quality)
        self._wrong: set[int] = set()
        """Positions that were told as unreadable."""
        self._oddities = Oddities()
        place = sha256(str(surroundings.folder.absolute()).encode()).hexdigest()[:8]
        self._client = client_of(surroundings.system, place)

    @asynccontextmanager
    async def open(self, addresses: Sequence[Address]) -> AsyncIterator[AsyncIterator[Readings]]:
        """Subscribes; the broker goes on where the log left off, as long as it has kept the session."""
        topics: dict[str, list[_Target]] = {}
        for position, address in enumerate(addresses):
            topic, path = split(address.text)
            topics.setdefault(topic, []).append(_Target(position, path, address.type, address.text))
        expiry = time.duration(self._spec.kept) // time.SECOND
        said = greeting(self._spec, self._client, clean=False, expiry=expiry, receive=self._spec.window)
        async with reached(self._spec, said, self._house.folder / "pki") as connection:
            refused = [one async for one in self._subscribe(connection, topics)]
            yield self._readings(connection, topics, refused)

    async def _subscribe(self, connection: Connection, topics: dict[str, list[_Target]]) -> AsyncIterator[Readings]:
        """Readings that say of the topics which the broker refused that they cannot be read."""
        names_ = list(topics)
        for first in range(0, len(names_), FILTERS):
            for topic in await connection.subscribe(names_[first : first + FILTERS]):
                targets = topics[topic]
                positions = {target.position: quality.BAD_COMMUNICATION for target in targets}
                event = self._told([target.text for target in targets], "the broker refuses the subscription")
                yield bad(positions, [event])

    async def _readings(
        self, connection: Connection, topics: dict[str, list[_Target]], first: Sequence[Readings]
    ) -> AsyncIterator[Readings]:
        for one in first:
            yield one
        while True:
            messages = await connection.received(AT_ONCE, IDLE)
            yield self._read(connection, topics, messages) if messages else no_values()

    def _read(
        self, connection: Connection, topics: dict[str, list[_Target]], messages: Sequence[Published]
    ) -> Readings:
        seen, rows = time.now(), list[_Reading]()
        oddities, events = list[Oddity](), list[Event]()
        for message in messages:
            targets = topics.get(message.topic)
            if targets is None:  # a session from before the plant file changed
                connection.forget(message.topic)
                continue
            for target, result in zip(targets, self._results(message, targets), strict=True):
                events += self._said(target, result)
                if isinstance(result, str):
                    odd = f"what cannot be read: {result}"
                    oddities += self._oddities.keep(target.position, target.text, odd, message.payload, seen)
                    rows.append(_Reading(target.position, 0, quality.BAD_TYPE_MISMATCH, Form.NONE, np.nan, 0, None))
                else:
                    rows.append(result)
        ids = [message.id for message in messages if message.qos]
        done = partial(connection.acknowledge, ids)
        if not rows:
            return no_values(events, oddities, seen, done)
        return _columns(rows, seen, events, oddities, done)

    def _results(self, message: Published, targets: Sequence[_Target]) -> Iterator[_Reading | str]:
        """The reading of each target, or why there is none, in few different words: they are remembered."""
        payload: Any = _PLAIN
        if any(target.path or target.type is not DataType.TEXT for target in targets):
            try:
                payload = msgspec.json.decode(message.payload)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                payload = _PLAIN
        try:
            at, status = self._moment(payload), self._status(payload)
        except IsthmusError as error:
            yield from (error.what for _ in targets)
            return
        if message.retained and at == time.UNKNOWN and status == quality.GOOD:
            status = LAST_USABLE
        for target in targets:
            yield _result(target, message.payload, payload, at, status)

    def _moment(self, payload: Any) -> int:
        if not self._spec.time or payload is _PLAIN:
            return time.UNKNOWN
        try:
            said = found(payload, self._time)
        except Nothing:
            return time.UNKNOWN
        with suppress(IsthmusError):
            if isinstance(said, str):
                return time.from_iso(said)
            if isinstance(said, int | float) and not isinstance(said, bool):
                ns = int(Decimal(repr(said)) * UNITS[self._spec.time_unit])  # a float's product is off by 100 ns
                if time.EARLIEST <= ns <= time.LATEST:
                    return ns
        raise IsthmusError("its time is none")

    def _status(self, payload: Any) -> int:
        if not self._spec.quality or payload is _PLAIN:
            return quality.GOOD
        try:
            said = found(payload, self._quality)
        except Nothing:
            return quality.GOOD
        if isinstance(said, int) and not isinstance(said, bool) and 0 <= said <= 0xFFFF_FFFF:
            return said
        if isinstance(said, str) and (code := quality.code(said)) is not None:
            return code
        raise IsthmusError("its quality is none")

    def _said(self, target: _Target, result: _Reading | str) -> Iterator[Event]:
        """An event when an address cannot be read, or can again."""
        if isinstance(result, str) and target.position not in self._wrong:
            self._wrong.add(target.position)
            yield self._told([target.text], result)
        elif not isinstance(result, str) and target.position in self._wrong:
            self._wrong.discard(target.position)
            what = f"{target.text} can be read again"
            yield happened(self._house.system, EventKind.TAG, Severity.INFORMATION, what)

    def _told(self, addresses: Sequence[str], why: str) -> Event:
        what = f"{names(addresses, 3)} cannot be read: {why}"
        return happened(self._house.system, EventKind.TAG, Severity.ERROR, what)

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
                    for one in _leaves(message):
                        if one.address not in told:
                            told.add(one.address)
                            yield one


_PLAIN: Final = object()
"""In the place of a payload that is no JSON, or is not looked at as such."""


def _result(target: _Target, raw: bytes, payload: Any, at: int, status: int) -> _Reading | str:
    """One target's reading, or why there is none."""
    if payload is _PLAIN or (target.type is DataType.TEXT and not target.path):
        if target.path:
            return "the payload is no JSON"
        try:
            value: Any = raw.decode("utf-8")
        except UnicodeDecodeError:
            return "the payload is no text"
    else:
        try:
            value = found(payload, target.path)
        except Nothing:
            return "the payload has nothing there"
    if isinstance(value, dict | list):
        if target.type is not DataType.TEXT:
            return "it is not a single value"
        value = msgspec.json.encode(value).decode()
    return _Reading(target.position, at, *_valued(value, status))


def _valued(value: Any, status: int) -> tuple[int, int, float, int, str | None]:
    """(quality, form, value, integer, text)."""
    if value is None:
        return status if status >= quality.BAD else quality.BAD_NO_DATA, Form.NONE, np.nan, 0, None
    if isinstance(value, bool):
        return status, Form.BOOLEAN, float(value), 0, None
    if isinstance(value, int) and -(2**63) <= value < 2**64:
        signed = value if value < 2**63 else value - 2**64
        return status, Form.SIGNED if value < 2**63 else Form.UNSIGNED, float(value), signed, None
    if isinstance(value, str):
        return status, Form.TEXT, np.nan, 0, value
    try:
        return status, Form.FLOAT, float(value), 0, None
    except OverflowError:  # a whole number of more than 308 digits
        return status, Form.FLOAT, inf if value > 0 else -inf, 0, None


def _columns(rows: Sequence[_Reading], seen: int, events: Any, oddities: Any, done: Any) -> Readings:
    position, at, status, form, value, integer, text = zip(*rows, strict=True)
    return Readings(
        index=np.array(position, np.uint32),
        at=np.array(at, np.int64),
        quality=np.array(status, np.uint32),
        form=np.array(form, np.uint8),
        value=np.array(value, np.float64),
        integer=np.array(integer, np.int64),
        text=text,
        seen=seen,
        events=events,
        oddities=oddities,
        done=done,
    )


def _leaves(message: Published) -> Iterator[Found]:
    """The single values in a message."""
    try:
        payload = msgspec.json.decode(message.payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        payload = None if b"\0" in message.payload else message.payload.decode("utf-8", "replace")
    if "+" in message.topic or "#" in message.topic:
        return
    waiting = [("", payload)]
    while waiting:
        pointer, value = waiting.pop(0)
        if isinstance(value, dict):
            waiting += [(f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}", one) for key, one in value.items()]
        elif not isinstance(value, list):
            address = f"{message.topic}#{pointer}" if pointer else message.topic
            yield Found(address, address.rsplit("/", 1)[-1], f"{message.topic}{pointer}", _type(value))


def _type(value: Any) -> DataType | None:
    if isinstance(value, bool):
        return DataType.BOOLEAN
    if isinstance(value, int | float):
        return DataType.FLOAT
    return DataType.TEXT if isinstance(value, str) else None
