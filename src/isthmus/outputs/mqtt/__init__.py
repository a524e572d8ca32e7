# SPDX-License-Identifier: Apache-2.0
"""The kind `mqtt`: the unified namespace on an MQTT broker."""

from __future__ import annotations

from typing import Final

from isthmus.outputs.contract import OutputKind
from isthmus.outputs.mqtt.namespace import Namespace, NamespaceSpec
from isthmus.systems.mqtt.broker import SOLE_HINT, clients

_EXAMPLE: Final = """\
outputs:
  namespace:
    kind: mqtt
    url: mqtts://broker.acme.example:8883
    user: isthmus
    password: !secret broker
    deadband: 0.5
"""

_ABOUT: Final = """\
Every tag has a topic, its path: `uns/acme/lyon/mixing/line-1/reactor-1/temperature`. On it lies, retained, what the tag
is now:

```json
{"value":81.5,"at":"2026-11-23T06:30:00.250Z","quality":"Good","unit":"Cel"}
```

- `value`: a number, `true` or `false`, a text, or null where there is none. Whole numbers from 2^53 on, and infinities,
  are texts. An enumeration has its number, and beside it its `name`.
- `at`: the device's time, ISO 8601 in UTC.
- `quality`: the name of the OPC UA StatusCode.
- `unit`: the UCUM code, where the tag has one. `marks`: our own remarks, such as `out of range`, where there are some.

A message is sent when value, quality or marks change, and with QoS 1. What comes late, or was recorded before its time,
does not replace what is newer. Changes within `deadband` are not sent: what lies on the broker stays, with its time.

`uns/acme/lyon/mixing/line-1/reactor-1/_schema` says what the asset is: type, description, owner, and of each tag type,
unit, range, names of values. `uns/acme/lyon/_isthmus/namespace` (the last part is the output's name) says
`{"state":"online"}`; when Isthmus goes, or the broker loses it, `offline`. Topics of tags that are taken out of the
plant file, or out of the output's `tags`, are cleared.

After a new connection everything is published again, so a broker that forgets its retained messages gets them back.
What the broker acknowledged is delivered: one that keeps nothing on disk may lose it after that, and its subscribers
with it. A source that falls silent leaves its last messages as they are; `at` tells how old they are.

Any broker that retains messages will do. mosquitto takes 20 unacknowledged messages at once unless its configuration
says `max_inflight_messages`; over a line with a long way the number of messages per second is at most that, divided by
the time of a round trip. There is no broker in Isthmus. The log's own server could be one, and does not do for this:
with its storage synced to disk it took 1,400 retained messages a second (mosquitto beside it 35,000), speaks only MQTT
3.1.1, and hangs up when a topic has a space in it.
"""

KIND: Final = OutputKind(
    name="mqtt",
    title="Unified namespace over MQTT",
    spec=NamespaceSpec,
    connect=Namespace,
    example=_EXAMPLE,
    secrets=("password",),
    sole=clients,
    sole_hint=SOLE_HINT,
    about=_ABOUT,
    tested=("mosquitto and its command-line clients",),
)
