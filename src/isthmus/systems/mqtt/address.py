# SPDX-License-Identifier: Apache-2.0
"""An MQTT address is a topic, and where its payload is JSON `#` and a JSON Pointer (RFC 6901) into it."""

from __future__ import annotations

from typing import Any, Final

from isthmus.core.errors import IsthmusError
from isthmus.systems.mqtt import packet

PATTERN: Final = r"[^+#\u0000]+(#(/[^/]*)+)?"
"""Of addresses in their canonical writing."""


class Nothing(Exception):
    """The payload has nothing at that place."""


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


def steps(pointer: str) -> tuple[str, ...]:
    """The steps of a JSON Pointer, none for the whole; raises IsthmusError when it is none."""
    if not pointer:
        return ()
    if not pointer.startswith("/") or "~" in pointer.replace("~0", "").replace("~1", ""):
        hint = "write #/temperature, #/values/0; ~1 stands for / in a name and ~0 for ~"
        raise IsthmusError(f"{pointer[:80]!r} is no JSON Pointer", hint=hint)
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in pointer[1:].split("/"))


def found(payload: Any, path: tuple[str, ...]) -> Any:
    """What a payload has at a place; raises Nothing when it has nothing there."""
    for step in path:
        if isinstance(payload, dict) and step in payload:
            payload = payload[step]
        elif isinstance(payload, list) and step.isascii() and step.isdigit() and int(step) < len(payload):
            payload = payload[int(step)]
        else:
            raise Nothing
    return payload
