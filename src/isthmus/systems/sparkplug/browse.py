# SPDX-License-Identifier: Apache-2.0
"""What edge nodes declare: their births, listened to for a few seconds."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from functools import cache
from typing import Any, Final

from isthmus.core import time, unit
from isthmus.core.errors import IsthmusError
from isthmus.systems.contract import Found
from isthmus.systems.mqtt import packet
from isthmus.systems.mqtt.client import Connection
from isthmus.systems.mqtt.packet import Published
from isthmus.systems.sparkplug import message
from isthmus.systems.sparkplug.address import Place, address
from isthmus.systems.sparkplug.message import ABOUT, BD, HIGH, LOW, UNIT
from isthmus.systems.sparkplug.payload import Garbled, parsed
from isthmus.systems.sparkplug.topic import SPACE, Topic, plain, topic
from isthmus.systems.sparkplug.values import REMARKS, Type, Unfit, simple, tag_type, type_of

LISTEN: Final = 5.0
"""Seconds that browsing listens after the last edge node that was new."""

LONGEST: Final = 20.0
"""Seconds that it listens at most."""

AT_ONCE: Final = 500


async def browse(connection: Connection, start: str, *, ask: bool) -> AsyncIterator[Found]:
    """What is declared by edge nodes that are heard, each of which is asked for its births once.

    Births are not retained by the broker: an edge node that says nothing in these seconds is found only when `start`
    names it (`group/node`).
    """
    group, node = _start(start)
    for refused in await connection.subscribe([f"{SPACE}/{group or '+'}/+/{node or '+'}/#"]):
        raise IsthmusError(f"the broker refuses to tell of {refused!r}")
    asked: set[Place] = set()
    if group and node and ask:
        await _ask(connection, Place(group, node), asked)
    begin = connection.now()
    end = begin + LISTEN
    while (left := end - connection.now()) > 0:
        messages = await connection.received(AT_ONCE, left)
        connection.acknowledge([one.id for one in messages if one.qos])
        for one in messages:
            found = topic(one.topic)
            if found is None or found.verb in ("NCMD", "DCMD"):
                continue
            if ask and await _ask(connection, Place(found.group, found.node), asked):
                end = min(connection.now() + LISTEN, begin + LONGEST)
            if found.verb in ("NBIRTH", "DBIRTH"):
                for item in declared(found, one):
                    yield item


def _start(start: str) -> tuple[str, str]:
    group, _, node = start.partition("/")
    if (group and not plain(group)) or (node and not plain(node)):
        raise IsthmusError(f"{start[:80]!r} is no place to begin at", hint="write group, or group/node")
    return group, node


async def _ask(connection: Connection, place: Place, asked: set[Place]) -> bool:
    """Asks an edge node for its births, unless it was asked already."""
    if place in asked:
        return False
    asked.add(place)
    ncmd = packet.text(str(Topic(place.group, "NCMD", place.node)))
    await connection.tell([(ncmd, message.rebirth(time.now()))])
    return True


def declared(place: Topic, birth: Published) -> Iterator[Found]:
    """The metrics of a birth; none of one that cannot be read."""
    try:
        payload = parsed(birth.payload)
    except Garbled:
        return
    for metric in payload.metrics:
        if metric.name and "\0" not in metric.name:
            yield _found(Place(place.group, place.node, place.device), metric)


def _found(place: Place, metric: Any) -> Found:
    name, type_ = metric.name, type_of(metric.datatype)
    said = _properties(metric.properties)
    definition = type_ is Type.TEMPLATE and metric.template_value.is_definition
    internal = name == BD or name.startswith("Node Control/") or name.startswith("Device Control/")
    left_out = "a part of Sparkplug itself" if internal else "the definition of a Template" if definition else ""
    low, high = said.get(LOW), said.get(HIGH)
    return Found(
        address=address(place, name),
        name=name.rpartition("/")[2] or name,
        path=f"{'/'.join(part for part in place if part)}/{name}",
        type=None if left_out else tag_type(type_),
        unit=ucum(str(said.get(UNIT, ""))),
        description=str(said.get(ABOUT, "")),
        range=(low, high) if isinstance(low, float) and isinstance(high, float) and low < high else None,
        left_out=left_out,
        remark=REMARKS.get(type_, ""),
    )


def _properties(properties: Any) -> dict[str, bool | int | float | str | None]:
    """The properties that have a single value."""
    found: dict[str, bool | int | float | str | None] = {}
    for key, value in zip(properties.keys, properties.values, strict=False):
        try:
            found[key] = simple(value, type_of(value.type))
        except Unfit:
            continue
    return found


@cache
def ucum(text: str) -> str:
    """The UCUM code of a unit as plants write it; empty when it is none."""
    for code in (unit.HABITS.get(text.strip(), ""), text.strip()):
        try:
            if code:
                unit.check(code)
                return code
        except IsthmusError:
            continue
    return ""
