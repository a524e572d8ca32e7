# SPDX-License-Identifier: Apache-2.0
"""Messages of a test are taken like those of a broker: births first, for only they say what data mean."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final, Literal

from pydantic import Field, model_validator

from isthmus.core import time
from isthmus.core.errors import IsthmusError
from isthmus.systems.bare import no_values
from isthmus.systems.captured import Hexadecimal, one_of_two
from isthmus.systems.contract import Address, Readings, Spec
from isthmus.systems.sparkplug.address import split
from isthmus.systems.sparkplug.columns import columns
from isthmus.systems.sparkplug.node import CYCLE, nodes
from isthmus.systems.sparkplug.payload import Garbled, Payload, parsed
from isthmus.systems.sparkplug.quality import QUALITY
from isthmus.systems.sparkplug.remarks import Remarks
from isthmus.systems.sparkplug.scope import Take
from isthmus.systems.sparkplug.spec import SparkplugSpec
from isthmus.systems.sparkplug.topic import UP, Topic, topic
from isthmus.systems.sparkplug.values import Type, Unfit, put

_TYPES: Final = {
    "Int8": Type.INT8, "Int16": Type.INT16, "Int32": Type.INT32, "Int64": Type.INT64,
    "UInt8": Type.UINT8, "UInt16": Type.UINT16, "UInt32": Type.UINT32, "UInt64": Type.UINT64,
    "Float": Type.FLOAT, "Double": Type.DOUBLE, "Boolean": Type.BOOLEAN, "String": Type.STRING,
    "DateTime": Type.DATETIME, "Text": Type.TEXT, "UUID": Type.UUID,
}  # fmt: skip
_NATURAL: Final = {bool: Type.BOOLEAN, int: Type.INT64, float: Type.DOUBLE, str: Type.STRING}


def _milliseconds(said: str) -> int:
    """ms since 1970; raises IsthmusError for what Sparkplug cannot say."""
    found = time.from_iso(said) // time.MILLISECOND if said else 0
    if found < 0:
        raise IsthmusError(f"{said[:60]!r} lies before 1970: Sparkplug has no such time")
    return found


class Metric(Spec):
    """One metric of a message."""

    name: str = Field("", description="Its name; in data its alias may do.")
    alias: int | None = Field(None, ge=0, lt=2**64, description="Its alias.")
    type: Literal[tuple(_TYPES)] | None = Field(  # type: ignore[valid-type]  # mypy reads no table
        None, description="Its data type. Without it that of its birth, else the one its value looks like."
    )
    value: bool | int | float | str | None = Field(None, description="Its value; without one it is null.")
    time: str = Field("", description="Its time, in ISO 8601; without it that of the message.")
    quality: int | None = Field(None, ge=0, le=0xFFFF_FFFF, description="Its property `Quality`: 192, 0, 500.")
    historical: bool = Field(False, description="It is told later than it was.")


class Message(Spec):
    """A message of an edge node, as a test writes it."""

    topic: str = Field(description="Its topic: `spBv1.0/utilities/DDATA/gateway/meter 1`.")
    metrics: list[Metric] | None = Field(
        None,
        description="What it holds, each a mapping of `name`, `alias`, `type` (`Double`, `Int32`, `String`, ...; "
        "without it that of the birth, else the one its value looks like), `value` (none: null), `time`, `quality` "
        "(the property `Quality`) and `historical`.",
    )
    bytes: Hexadecimal | None = Field(None, description="In its place the payload in hexadecimal.")
    time: str = Field("", description="Its time, in ISO 8601; without it, when it came.")
    seq: int | None = Field(None, ge=0, le=255, description="Its number; without it, the one that is next.")

    @model_validator(mode="after")
    def _whole(self) -> Message:
        one_of_two(self.metrics, self.bytes, "metrics and bytes")
        found = topic(self.topic)
        if found is None or found.verb not in UP:
            raise ValueError(f"{self.topic[:80]!r} is no topic of an edge node; write spBv1.0/group/DDATA/node/device")
        try:
            for said in (self.time, *(one.time for one in self.metrics or ())):
                _milliseconds(said)
        except IsthmusError as error:
            raise ValueError(str(error)) from error
        return self


class _EdgeNode:
    """Writes messages as an edge node would, and knows which births it gave."""

    def __init__(self) -> None:
        self._types: dict[tuple[str, str | int], Type] = {}
        """(device, name or alias) → the type of its birth."""
        self._next = 1
        self.born: set[str] = set()
        """Devices, and empty for itself, that told of themselves."""

    def written(self, said: Message, verb: str, device: str) -> bytes:
        """The payload; raises IsthmusError where a value is none of its type."""
        if verb.endswith("BIRTH"):
            self.born.add(device)
        if verb == "NDEATH":
            self.born.clear()
        if said.bytes is not None:
            return bytes.fromhex(said.bytes)
        made = Payload(timestamp=_milliseconds(said.time))
        if verb != "NDEATH":
            made.seq = 0 if verb == "NBIRTH" else self._next if said.seq is None else said.seq
        for metric in said.metrics or ():
            self._add(made.metrics.add(), metric, verb, device)
        return bytes(made.SerializeToString())

    def sent(self, raw: bytes, verb: str) -> None:
        """It sent this: the next message has the number after it."""
        if verb != "NDEATH":
            self._next = (_number(raw) + 1) % CYCLE

    def _add(self, added: Any, metric: Metric, verb: str, device: str) -> None:
        type_ = self._type(metric, verb, device)
        added.name, added.timestamp, added.is_historical = metric.name, _milliseconds(metric.time), metric.historical
        added.datatype = type_
        if metric.alias is not None:
            added.alias = metric.alias
        if metric.quality is not None:
            added.properties.keys.append(QUALITY)
            put(added.properties.values.add(type=Type.INT64), Type.INT64, metric.quality)
        if metric.value is None:
            added.is_null = True
            return
        try:
            put(added, type_, _milliseconds(str(metric.value)) if type_ is Type.DATETIME else metric.value)
        except (Unfit, IsthmusError) as error:
            raise IsthmusError(f"the metric {metric.name or metric.alias!r}: {error}") from error
        except OverflowError as error:
            raise IsthmusError(
                f"the metric {metric.name or metric.alias!r}: a number that is no {type_.name}"
            ) from error

    def _type(self, metric: Metric, verb: str, device: str) -> Type:
        keys = [(device, metric.name)] if metric.name else []
        said: list[tuple[str, str | int]] = [*keys, *([(device, metric.alias)] if metric.alias is not None else [])]
        known = next((self._types[key] for key in said if key in self._types), None)
        type_ = _TYPES[metric.type] if metric.type else known or _NATURAL.get(type(metric.value), Type.STRING)
        if verb.endswith("BIRTH"):
            self._types |= dict.fromkeys(said, type_)
        return type_


def _number(raw: bytes) -> int:
    try:
        return int(parsed(raw).seq)
    except Garbled:
        return 1


def begin(spec: SparkplugSpec, system: str, addresses: Sequence[Address]) -> Callable[[Message], Readings]:
    """Reads messages of a test one after the other; one that is missing counts as lost at once."""
    remarks = Remarks(system)
    remarks.texts = [address.text for address in addresses]
    wanted = [(position, *split(address.text)) for position, address in enumerate(addresses)]
    found = nodes(wanted, remarks, 0.0, 0.0)
    written = {key: _EdgeNode() for key in found}

    def read(said: Message) -> Readings:
        place = topic(said.topic)
        assert place is not None  # by the Spec
        key = (place.group, place.node)
        if key not in found:
            hint = f"there are {', '.join('/'.join(one) for one in list(found)[:5])}"
            raise IsthmusError(f"no tag is read from the edge node {'/'.join(key)}", where=system, hint=hint)
        node, edge = found[key], written[key]
        raw, take = edge.written(said, place.verb, place.device), Take(time.now())
        if place.verb.endswith("DATA") and place.device not in edge.born:
            hint = f"give its {place.verb[0]}BIRTH before"
            raise IsthmusError(f"{said.topic} comes before what says what it means", where=system, hint=hint)
        if not node.alive and place.verb[0] == "D":  # its own birth is left out, for it has no tags
            before = bytes(Payload(seq=(_number(raw) - 1) % CYCLE).SerializeToString())
            node.take(Topic(place.group, "NBIRTH", place.node), before, 0.0, Take(take.seen))
        node.take(place, raw, 0.0, take)
        edge.sent(raw, place.verb)
        if take.historical and take.parts():
            raise IsthmusError("a message of a test is historical or not, not both", hint="make two of it")
        parts = [take.historical] if take.historical else take.parts()
        came = columns(parts, take.seen) if parts else no_values(seen=take.seen)
        return replace(came, events=take.events, oddities=take.oddities, historical=bool(take.historical))

    return read
