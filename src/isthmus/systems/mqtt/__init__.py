# SPDX-License-Identifier: Apache-2.0
"""MQTT 3.1.1 and 5: topics of a broker read as tags; packets and connections for all that speak it."""

from __future__ import annotations

from typing import Any

from isthmus.systems.contract import Kind, Replay, Surroundings
from isthmus.systems.mqtt.address import PATTERN, check_address
from isthmus.systems.mqtt.broker import SOLE_HINT, clients
from isthmus.systems.mqtt.spec import MqttSpec

_TEST = """\
topic: line-1/oven-1
payload: {temperature: 81.5, running: true, at: "2026-11-23T06:30:00Z"}
"""


def _connect(spec: MqttSpec, surroundings: Surroundings) -> Any:
    from isthmus.systems.mqtt.source import MqttSource

    return MqttSource(spec, surroundings)


def _replay() -> Replay:
    from isthmus.systems.mqtt.reading import Message, begin

    return Replay(Message, begin, _TEST)


KIND = Kind(
    name="mqtt",
    title="MQTT broker",
    spec=MqttSpec,
    connect=_connect,
    check_address=check_address,
    local_times=lambda config: bool(config.get("time")),
    powers=("reads", "browses"),
    secrets=("password",),
    replay=_replay,
    sole=clients,
    sole_hint=SOLE_HINT,
    tested=("mosquitto and its command-line clients",),
    pattern=PATTERN,
    addresses="""\
An address is a topic, written in full. Where the payload is JSON, `#` and a JSON Pointer (RFC 6901) say which value in
it; a topic may give many tags.

| address | is |
| --- | --- |
| `line-1/oven/temperature` | the whole payload: `81.5`, `true`, `"running"`, or plain text for a tag of type text |
| `line-1/oven#/temperature` | `81.5` of `{"temperature": 81.5, "at": "2026-11-23T06:30:00Z"}` |
| `line-1/oven#/zones/2/actual` | inside objects and lists; lists count from 0 |
| `line-1/oven#/a~1b` | the member called `a/b`: `~1` stands for `/`, `~0` for `~` |

A template of the plant file makes many of one: `"line-{n}/oven#/temperature"`.

A sample has the time that `time` points to, else that at which the message came. It has the quality that `quality`
points to, else Good; a retained message without a time is UncertainLastUsableValue, for nobody knows how old it is. A
null is BadNoData. What is not there, is no JSON, or has a time or a quality that cannot be read is BadTypeMismatch: the
payload goes to quarantine, one a minute for each address and reason, and an event names the address.

Messages are subscribed to at QoS 1, in a session that the broker keeps, and acknowledged once the log has them. What
was published at QoS 1 while Isthmus was away, or was not acknowledged when it died, comes when it is back; a message
may come twice, and is stored once where it has a time of its own. How many messages the broker holds for us is its own
affair (`max_queued_messages` of mosquitto is 1,000 unless said), and so is how many it sends before the first is
acknowledged (`max_inflight_messages`, 20): for more than 200 messages a second set it higher, or to 0.
""",
    example="""\
systems:
  shopfloor:
    kind: mqtt
    url: mqtts://broker.acme.example:8883
    user: isthmus
    password: !secret broker
    time: /at

assets:
  baking/oven-{1..3}:
    system: shopfloor
    tags:
      temperature: {address: "line-1/oven-{n}#/temperature", unit: Cel}
      running: {address: "line-1/oven-{n}#/running", type: boolean}
""",
)
