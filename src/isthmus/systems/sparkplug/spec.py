# SPDX-License-Identifier: Apache-2.0
"""What the plant file may say of a broker whose Sparkplug edge nodes are read."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from isthmus.systems.durations import Duration, between
from isthmus.systems.mqtt.broker import Broker, said_in_mqtt
from isthmus.systems.sparkplug.topic import plain


def id_(text: str) -> str:
    """`text` itself; raises ValueError when Sparkplug has no such ids."""
    said_in_mqtt(text)
    if text and not plain(text):
        raise ValueError(f"{text[:80]!r} cannot be an id of Sparkplug: no / and no + and no # in it")
    return text


Id = Annotated[str, AfterValidator(id_)]


class SparkplugSpec(Broker):
    """The Sparkplug B edge nodes of an MQTT broker; Isthmus is a host application to them."""

    host: Id = Field(
        "",
        description="Our id as a host application: `spBv1.0/STATE/<host>` says whether we listen, and edge nodes may "
        "wait for that. No two hosts may have the same. Without one it is `isthmus-` and the system's name.",
    )
    reorder: Annotated[Duration, between("0s", "1m")] = Field(
        "2s", description="How long a message that is missing may still come before it counts as lost."
    )
    ask: bool = Field(
        True,
        description="Ask edge nodes for their births where we need them. Without it values that have only an alias are "
        "not understood until the edge node tells of itself.",
    )
    rebirth: Annotated[Duration, between("1s", "1h")] = Field(
        "10s", description="The shortest time between two such questions to one edge node."
    )
