# SPDX-License-Identifier: Apache-2.0
"""What the plant file says of a broker that is read from."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from isthmus.systems.durations import Duration, between
from isthmus.systems.mqtt.broker import Broker
from isthmus.systems.pointer import Pointer
from isthmus.systems.zones import BEFORE, Zone


class MqttSpec(Broker):
    """An MQTT broker that machines, gateways or programs publish to."""

    time: Pointer = Field(
        "", description="Where in a JSON payload its time stands, `/at`; ISO 8601 or a number. Else a message has none."
    )
    time_unit: Literal["s", "ms", "us", "ns"] = Field("ms", description="Of a time that is a number, since 1970.")
    time_zone: Zone = BEFORE
    quality: Pointer = Field(
        "",
        description="Where in a JSON payload its quality stands, `/quality`: the name of a StatusCode, or its number.",
    )
    kept: Annotated[Duration, between("0s", "52w")] = Field(
        "1d", description="How long the broker keeps messages for us while we are away (MQTT 5; else it decides)."
    )
    window: int = Field(
        1000,
        ge=1,
        le=65_535,
        description="Messages the broker sends before it waits for the log to have some (MQTT 5).",
    )
