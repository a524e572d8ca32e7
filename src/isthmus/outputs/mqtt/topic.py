# SPDX-License-Identifier: Apache-2.0
"""A topic of ours in a Spec: one that may be published to, or begins those that are."""

from __future__ import annotations

from isthmus.systems.mqtt.broker import said_in_mqtt


def plain_topic(topic: str) -> str:
    """A topic, or the beginning of some, that we may publish to; raises ValueError for others. May be empty."""
    said_in_mqtt(topic)
    if any(sign in topic for sign in "+#") or topic.startswith("$"):
        raise ValueError(f"{topic[:80]!r} cannot begin a topic: no + and no #, and no $ in front")
    if topic.startswith("/") or topic.endswith("/") or "//" in topic:
        raise ValueError(f"{topic[:80]!r} has an empty level; write it without / at its ends")
    return topic
