# SPDX-License-Identifier: Apache-2.0
"""Sparkplug B: edge nodes of an MQTT broker, read by a host application; its payloads and topics for all who speak it.

What others use: `message` makes an edge node's messages as bytes, `values.Type` names its data types, `topic.Topic`
its topics.
"""

from __future__ import annotations

from typing import Any

from isthmus.systems.contract import Kind, Replay, Surroundings
from isthmus.systems.mqtt.broker import SOLE_HINT, clients
from isthmus.systems.sparkplug.address import PATTERN, check_address
from isthmus.systems.sparkplug.spec import SparkplugSpec

_TEST = """\
topic: spBv1.0/utilities/DBIRTH/gateway/meter 1
time: "2026-11-23T06:30:00Z"
metrics:
  - {name: Power/Active, alias: 1, type: Double, value: 81.5}
  - {name: Energy/Total, alias: 2, type: Double, value: 40210.5, quality: 192}
"""


def _connect(spec: SparkplugSpec, surroundings: Surroundings) -> Any:
    from isthmus.systems.sparkplug.source import SparkplugSource

    return SparkplugSource(spec, surroundings)


def _replay() -> Replay:
    from isthmus.systems.sparkplug.replay import Message, begin

    return Replay(Message, begin, _TEST)


KIND = Kind(
    name="sparkplug",
    title="Sparkplug B edge nodes",
    spec=SparkplugSpec,
    connect=_connect,
    check_address=check_address,
    powers=("reads", "browses"),
    secrets=("password",),
    sole=clients,
    sole_hint=SOLE_HINT,
    replay=_replay,
    tested=("sparkplug-client and sparkplug-payload (Eclipse Tahu, JavaScript) over mosquitto",),
    pattern=PATTERN,
    addresses="""\
An address is who declares a metric, a colon, and the metric's name as it is declared, slashes, spaces and all.

| address | is |
| --- | --- |
| `plant/boiler:Temperature` | the metric `Temperature` of the edge node `boiler` in the group `plant` |
| `plant/boiler/pump 1:Motor/speed` | the metric `Motor/speed` of its device `pump 1` |
| `plant/east%3A1:level` | an edge node called `east:1`: before the colon `%3A` stands for one, and `%25` for `%` |

`isthmus browse --kind sparkplug mqtt://broker:1883` lists what edge nodes declare, with units and ranges where their
births say them (`engUnit`, `engLow`, `engHigh`). Births are not kept by the broker, so it asks every edge node that it
hears for them; one that says nothing in these seconds is found when it is named: `--start plant/boiler`.

| of type | is |
| --- | --- |
| Int8 to Int64, UInt8 to UInt64, Float, Double, Boolean, String, Text, UUID | what it says |
| DateTime | text in ISO 8601 |
| Bytes, File | text in Base64 |
| DataSet | text: `{"columns": ["a", "b"], "rows": [[1, true]]}` in JSON |
| Template | text: `{"template": "motor", "metrics": {"speed": 81.5}}` in JSON |
| arrays | text: `[1, 2, 3]` in JSON |

A sample has the time of its metric, else that of its message. Its quality is what the property `Quality` says: 192 is
Good, 0 Bad, 500 BadNoCommunication; below 256 it is read as the quality of OPC DA (16 is BadSensorFailure), and what
has the form of an OPC UA StatusCode is one. Without that property it is Good. A null is BadNoData, unless its quality
is worse. What edge nodes send as historical is marked so. A value that is none of the type that the birth declares is
BadTypeMismatch, and its message goes to quarantine.

When an edge node or a device is gone (NDEATH, DDEATH) its tags are BadNoCommunication, and an event says so. An NDEATH
counts only when its `bdSeq` is that of the last birth. A metric that the last birth does not have is BadNodeIdUnknown.

Sparkplug sends data at QoS 0: what is published while Isthmus or the broker is away is gone, unless the edge node keeps
it and sends it later as historical. What is lost on the way is noticed by the sequence numbers: a message that comes
too early waits for `reorder`, then an event tells of the gap, and the edge node is asked for its births, which have the
present values. It is also asked when a message has an alias that nobody declared, or comes before its birth. What
cannot be understood until the birth comes is lost, and an event counts it. 255 messages lost on end are noticed as so;
256, 512 and so on are not. Messages of more than 8 MB (a birth of about 40,000 metrics) are not taken.

Isthmus says on `spBv1.0/STATE/<host>` that it listens, as host applications of Sparkplug 3.0 do; edge nodes whose
primary host it is may wait for that, and keep what they have while it is offline. It does not write to edge nodes; all
it sends them is the question for births.
""",
    example="""\
systems:
  meters:
    kind: sparkplug
    url: mqtts://broker.acme.example:8883
    user: isthmus
    password: !secret broker
    host: isthmus-lyon

assets:
  utilities/meter-{1..3}:
    system: meters
    tags:
      power: {address: "utilities/gateway/meter {n}:Power/Active", unit: kW}
      energy: {address: "utilities/gateway/meter {n}:Energy/Total", unit: kW.h}
""",
)
