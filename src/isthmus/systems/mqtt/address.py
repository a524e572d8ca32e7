# SPDX-License-Identifier: Apache-2.0
"""An MQTT address is a topic, and where its payload is JSON `#` and a JSON Pointer (RFC 6901) into it."""

from __future__ import annotations

from typing import Final

from isthmus.core.errors import IsthmusError
from isthmus.systems.mqtt import packet
from isthmus.systems.pointer import steps

PATTERN: Final = r"[^+#\u0000]+(#(/[^/]*)+)?"
"""Of addresses in their canonical writing."""


def check_address(text: str) -> str:
    """The address itself; raises IsthmusError when it cannot be one."""
    topic, sign, pointer = text.partition("#")
    if not topic or "+" in topic:
        hint = "write the topic in full, and after a # where in a JSON payload: line-1/oven#/temperature"
        raise IsthmusError(f"{text[:80]!r} is no topic of one value", hint=hint)
    packet.text(topic)
    if sign:
        steps(pointer)
    return topic if not pointer else text


def split(address: str) -> tuple[str, tuple[str, ...]]:
    """(topic, steps into the payload) of an address in its canonical writing."""
    topic, _, pointer = address.partition("#")
    return topic, steps(pointer)
