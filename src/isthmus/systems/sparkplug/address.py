# SPDX-License-Identifier: Apache-2.0
"""A Sparkplug address is `group/node:metric` or `group/node/device:metric`; the metric's name is as it is declared."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from isthmus.core.errors import IsthmusError
from isthmus.systems.mqtt import packet
from isthmus.systems.sparkplug.topic import plain

PATTERN: Final = r"[^/:+#\u0000]+(/[^/:+#\u0000]+){1,2}:[^\u0000]+"
"""Of addresses in their canonical writing."""

_ESCAPED: Final = re.compile("%(25|3A)", re.IGNORECASE)
_HINT: Final = "write group/node:metric or group/node/device:metric, such as plant/boiler/pump 1:Motor/speed"


class Place(NamedTuple):
    """Who declares a metric."""

    group: str
    node: str
    device: str = ""
    """Empty: the edge node itself."""

    def __str__(self) -> str:
        return "/".join(_escaped(part) for part in self if part)


def check_address(text: str) -> str:
    """The address in its canonical writing; raises IsthmusError when it is none."""
    place, metric = split(text)
    return address(place, metric)


def address(place: Place, metric: str) -> str:
    """The address of a metric."""
    return f"{place}:{metric}"


def split(text: str) -> tuple[Place, str]:
    """(who declares it, name of the metric) of an address; raises IsthmusError when it is none."""
    before, colon, metric = text.partition(":")
    parts = before.split("/")
    if not colon or not metric or not 2 <= len(parts) <= 3 or "\0" in text:
        raise IsthmusError(f"{text[:80]!r} names no metric of an edge node or device", hint=_HINT)
    if "%" in _ESCAPED.sub("", before):
        raise IsthmusError(
            f"{text[:80]!r} has a % before the colon", hint="write %25 for it there, and %3A for a colon"
        )
    ids = [_ESCAPED.sub(_unescaped, part) for part in parts]
    if not all(map(plain, ids)):
        raise IsthmusError(f"{text[:80]!r} has an id that is empty or has + or # in it", hint=_HINT)
    try:
        packet.text(text)
    except UnicodeEncodeError as error:
        raise IsthmusError(f"{text[:80]!r} is no text", hint=_HINT) from error
    return Place(*ids), metric


def _unescaped(found: re.Match[str]) -> str:
    return "%" if found[1] == "25" else ":"


def _escaped(part: str) -> str:
    return part.replace("%", "%25").replace(":", "%3A")
