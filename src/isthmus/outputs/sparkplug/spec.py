# SPDX-License-Identifier: Apache-2.0
"""What the plant file may say of a broker to which the plant is a Sparkplug edge node."""

from __future__ import annotations

from pydantic import Field

from isthmus.systems.mqtt.broker import Broker
from isthmus.systems.sparkplug.spec import Id


class NodeSpec(Broker):
    """The plant as a Sparkplug B edge node on an MQTT broker."""

    group: Id = Field("", description="The group; without one the first part of the plant's name.")
    node: Id = Field(
        "",
        description="The edge node; without one the second part of the plant's name. No other in its group may be so.",
    )
    primary_host: Id = Field(
        "",
        description="The host application that must be online: while it is not, samples are kept, and sent to it "
        "afterwards as historical. Without one they are sent as long as the broker is there.",
    )
