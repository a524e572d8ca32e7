# SPDX-License-Identifier: Apache-2.0
"""Sparkplug's topics, `spBv1.0/group/verb/node[/device]` (Sparkplug 3.0, section 4), and the state of a host."""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

SPACE: Final = "spBv1.0"
UP: Final = frozenset(("NBIRTH", "NDATA", "NDEATH", "DBIRTH", "DDATA", "DDEATH"))
"""Verbs of messages from an edge node."""


class Topic(NamedTuple):
    """What a topic says."""

    group: str
    verb: str
    node: str
    device: str = ""
    """Empty: the edge node itself."""

    def __str__(self) -> str:
        device = f"/{self.device}" if self.device else ""
        return f"{SPACE}/{self.group}/{self.verb}/{self.node}{device}"


def topic(text: str) -> Topic | None:
    """The topic of a message from an edge node, or of a command to it; None for any other."""
    parts = text.split("/")
    if parts[0] != SPACE or not 4 <= len(parts) <= 5 or not all(parts):
        return None
    found = Topic(*parts[1:])
    verbs = (*UP, "NCMD", "DCMD")
    return found if found.verb in verbs and (len(parts) == 5) == (found.verb[0] == "D") else None


def state_topic(host: str) -> str:
    """Where a host application says whether it listens."""
    return f"{SPACE}/STATE/{host}"


class State(msgspec.Struct, frozen=True):
    """What a host application says of itself (6.4.25)."""

    online: bool
    timestamp: int
    """ms since 1970: when the connection that this is said of was made, or ended."""


def state(payload: bytes) -> State | None:
    """What a STATE message says; None when it says nothing, or the two words of Sparkplug 2.2."""
    try:
        return msgspec.json.decode(payload, type=State)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def said(online: bool, timestamp: int) -> bytes:
    """A STATE message."""
    return msgspec.json.encode(State(online, timestamp))


def plain(text: str) -> bool:
    """Whether a text can be the id of a group, an edge node, a device or a host (4.1)."""
    return bool(text) and not any(sign in text for sign in "/+#\0")
