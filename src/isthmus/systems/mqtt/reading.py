# SPDX-License-Identifier: Apache-2.0
"""What messages on topics say, as readings: from a broker, or from a test."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator

from isthmus.core import quality, time
from isthmus.core.event import Event
from isthmus.systems.bare import no_values
from isthmus.systems.captured import Hexadecimal, one_of_two, payload_of
from isthmus.systems.contract import Address, Oddity, Readings, Spec, nothing
from isthmus.systems.mqtt.address import split
from isthmus.systems.mqtt.packet import Published
from isthmus.systems.mqtt.spec import MqttSpec
from isthmus.systems.payload import UNITS, Reading, Stamps, Target, columns, unreadable
from isthmus.systems.pointer import steps
from isthmus.systems.telling import Oddities, can_be_read, cannot_be_read

LAST_USABLE: Final = 0x4090_0000
"""UncertainLastUsableValue: a retained message that does not say when it was true."""

Topics: TypeAlias = Mapping[str, Sequence[Target]]
"""Topic → the addresses its messages give values to."""


def topics_of(addresses: Sequence[Address]) -> Topics:
    """What is subscribed to for these addresses."""
    topics: dict[str, list[Target]] = {}
    for position, address in enumerate(addresses):
        topic, path = split(address.text)
        topics.setdefault(topic, []).append(Target(position, path, address.type, address.text))
    return topics


class Reader:
    """Knows from connection to connection what could not be read."""

    def __init__(self, spec: MqttSpec, system: str) -> None:
        zone = ZoneInfo(spec.time_zone)
        self._stamps = Stamps(steps(spec.time), UNITS[spec.time_unit], steps(spec.quality), zone)
        self._system = system
        self._wrong: set[int] = set()
        """Positions that were told as unreadable."""
        self._oddities = Oddities()

    def read(self, topics: Topics, messages: Sequence[Published], done: Callable[[], None] = nothing) -> Readings:
        """The readings of these messages; those on other topics are passed over."""
        seen, rows = time.now(), list[Reading]()
        oddities, events = list[Oddity](), list[Event]()
        for message in messages:
            targets = topics.get(message.topic, ())
            unknown = LAST_USABLE if message.retained else quality.GOOD
            for target, result in zip(targets, self._stamps.results(message.payload, targets, unknown), strict=True):
                events += self._said(target, result)
                if isinstance(result, str):
                    odd = f"what cannot be read: {result}"
                    oddities += self._oddities.keep(target.position, target.text, odd, message.payload, seen)
                    rows.append(unreadable(target.position))
                else:
                    rows.append(result)
        if not rows:
            return no_values(events, oddities, seen, done)
        return columns(rows, seen, events, oddities, done)

    def _said(self, target: Target, result: Reading | str) -> Iterator[Event]:
        """An event when an address cannot be read, or can again."""
        if isinstance(result, str) and target.position not in self._wrong:
            self._wrong.add(target.position)
            yield self.told([target.text], result)
        elif not isinstance(result, str) and target.position in self._wrong:
            self._wrong.discard(target.position)
            yield can_be_read(self._system, [target.text])

    def told(self, addresses: Sequence[str], why: str) -> Event:
        """An event: these addresses cannot be read."""
        return cannot_be_read(self._system, addresses, why)


class Message(Spec):
    """A message, as a test writes it."""

    topic: str = Field(min_length=1, description="The topic it was published on.")
    payload: Any = Field(
        None, description="What it says: a text as it stands, a number, true or false; a mapping or a list is JSON."
    )
    bytes: Hexadecimal | None = Field(None, description="Its payload in hexadecimal, in place of `payload`.")
    retained: bool = Field(False, description="It was published before we subscribed, and the broker had kept it.")

    @model_validator(mode="after")
    def _whole(self) -> Message:
        one_of_two(self.payload, self.bytes, "payload and bytes")
        return self


def begin(spec: MqttSpec, system: str, addresses: Sequence[Address]) -> Callable[[Message], Readings]:
    """Reads messages of a test one after the other."""
    reader, topics = Reader(spec, system), topics_of(addresses)

    def read(message: Message) -> Readings:
        payload = payload_of(message.payload, message.bytes)
        return reader.read(topics, [Published(message.topic, payload, 0, message.retained, False, 0)])

    return read
