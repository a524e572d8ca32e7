# SPDX-License-Identifier: Apache-2.0
"""The kind `sparkplug`: the plant as a Sparkplug B edge node on an MQTT broker."""

from __future__ import annotations

from typing import Any, Final

from isthmus.outputs.contract import Accepts, OutputKind, Surroundings
from isthmus.outputs.sparkplug.spec import NodeSpec


def _connect(spec: Any, surroundings: Surroundings) -> Accepts:
    from isthmus.outputs.sparkplug.node import Node  # protobuf's import is long: checking a plant file does without

    return Node(spec, surroundings)


_EXAMPLE: Final = """\
outputs:
  scada:
    kind: sparkplug
    url: mqtts://broker.acme.example:8883
    user: isthmus
    password: !secret broker
    primary_host: ignition
"""

_ABOUT: Final = """\
The plant `acme/lyon` is the edge node `lyon` of the group `acme`, unless `node` and `group` say otherwise. Of a tag's
path below the plant the first part is the device, and the rest is the metric's name:
`acme/lyon/mixing/line-1/reactor-1/temperature` is the metric `line-1/reactor-1/temperature` of the device `mixing`. A
host that shows groups, edge nodes, devices and the slashes in names as folders, as Ignition does, shows the plant's own
tree.

| tag | metric |
| --- | --- |
| float, boolean, text | Double, Boolean, String |
| integer, enumeration | Int64 |
| unsigned | UInt64 |

Births declare every tag with its last value, its alias (the number of the tag, the same for ever), and the properties
`engUnit` (UCUM code), `engLow` and `engHigh` (range), `documentation` (description), and `values` (names of an
enumeration's values, JSON). They are sent after connecting, when a host asks (`Node Control/Rebirth`), and when a
revision changes a tag or an asset of the output: then the edge node dies and is born anew.

Every sample is sent, with the time of the device to the millisecond. `Quality` is 192 for Good, 500 for
BadNoCommunication, and 0 for all else that is bad or uncertain; it is left out as long as it stays Good. Beside it
`StatusCode` has the OPC UA StatusCode. A sample without a value is null. Samples from before 1970 are parked: Sparkplug
has no time for them.

What was collected while the broker, or the `primary_host`, was away is sent afterwards as historical, and so is what
comes late; what each tag is now follows as live. When the primary host goes offline (`spBv1.0/STATE/<host>`), the edge
node says that it dies, goes, and comes back when the host does; of several brokers it takes the first that has the
primary host online. STATE is that of Sparkplug 3.0; hosts of 2.2, which say `ONLINE` on `STATE/<host>`, cannot be a
primary host of Isthmus.

Sparkplug sends births and data at QoS 0: nobody acknowledges them. Samples count as delivered once the broker has
answered a ping that was sent after them: it has read them then. What the broker loses after that, on its way to a host
or because it refuses that topic (brokers do not tell at QoS 0), Isthmus does not know. A host that loses a message sees
it by the sequence numbers and asks for births: it gets the present values, and not those between. With `primary_host`
this is the time between the host's end and the broker's noticing it; without one it is all the time a host is away. For
every sample at least once use the kind `mqtt-columns`, or another that acknowledges.

A birth of a device with 10,000 tags has about two megabytes; where the broker takes only smaller messages (and says so,
as brokers of MQTT 5 do) the output is refused in words.
"""

KIND: Final = OutputKind(
    name="sparkplug",
    title="Sparkplug B edge node",
    spec=NodeSpec,
    connect=_connect,
    example=_EXAMPLE,
    secrets=("password",),
    about=_ABOUT,
    tested=("sparkplug-client and sparkplug-payload (Eclipse Tahu, JavaScript) over mosquitto",),
)
