# SPDX-License-Identifier: Apache-2.0
"""The water treatment skid tells a broker what it measures and does: a retained JSON object on each of its topics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from isthmus.app.demo.chemical.desk import Change
from isthmus.app.demo.chemical.field.calling import called, greeting
from isthmus.app.demo.chemical.field.mirror import Mirror
from isthmus.core import quality, time
from isthmus.systems.mqtt import packet
from isthmus.systems.mqtt.address import split
from isthmus.systems.mqtt.client import Connection

AWAY = "BadNoCommunication"


async def tell(mirror: Mirror, port: int) -> None:
    """Tells the broker on this port of the loopback, and calls it again when it is gone; until cancelled."""
    await called(port, lambda: greeting("water-treatment"), lambda connection: _tell(mirror, connection))


async def _tell(mirror: Mirror, connection: Connection) -> None:
    """All at first, then what changes."""
    changes: Sequence[Change] = list(mirror.last.values())
    while True:
        messages = [(packet.text(topic), body) for topic, body in said(mirror, changes)]
        await connection.publish(messages, retain=True)
        changes = await mirror.news() or list(mirror.last.values())


def said(mirror: Mirror, changes: Sequence[Change]) -> Iterator[tuple[str, bytes]]:
    """(topic, payload) of each topic of which something changed: all values of the topic, and when the latest was."""
    touched = {split(mirror.nodes[change.position].id)[0] for change in changes}
    for topic in sorted(touched):
        yield topic, msgspec.json.encode(_payload(mirror, topic))


def _payload(mirror: Mirror, topic: str) -> dict[str, Any]:
    parts = {position: split(node.id) for position, node in enumerate(mirror.nodes)}
    mine = {steps[0]: mirror.last[position] for position, (of, steps) in parts.items() if of == topic}
    values = {name: _value(mirror, change) for name, change in mine.items()}
    if not mirror.there:
        return values | {"at": time.to_iso(time.now()), "quality": AWAY}
    at = datetime.fromtimestamp(max(change.at for change in mine.values()) / 1e6, UTC)
    worst = max(change.quality for change in mine.values())
    return values | {"at": at.isoformat(timespec="milliseconds"), "quality": quality.name(worst)}


def _value(mirror: Mirror, change: Change) -> float | str | bool:
    return bool(change.value) if mirror.nodes[change.position].type == "Boolean" else change.value
