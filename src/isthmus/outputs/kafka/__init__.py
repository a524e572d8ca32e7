# SPDX-License-Identifier: Apache-2.0
"""The kind `kafka`: samples into a topic of a Kafka cluster."""

from __future__ import annotations

from typing import Final

from isthmus.outputs.contract import OutputKind
from isthmus.outputs.kafka.topic import KafkaSpec, ToTopic

_EXAMPLE: Final = """\
outputs:
  stream:
    kind: kafka
    servers: [kafka-1.acme.example:9093, kafka-2.acme.example:9093]
    topic: plant.lyon.samples
    tls: true
    user: isthmus
    password: !secret kafka
"""

_ABOUT: Final = """\
Every sample, also late and recalled ones, is a message of its own in one topic. Its key is the path of its tag, so the
samples of a tag lie in one partition, in their order, and a compacted topic keeps the last of each tag.

```json
{"tag":"acme/lyon/mixing/line-1/reactor-1/temperature","value":81.5,"at":"2026-11-23T06:30:00.250Z","quality":"Good","unit":"Cel"}
```

Value, time, quality, unit, name and marks are written as in the unified namespace over MQTT. The time of the Kafka
message is that of sending; the device's is `at`.

Samples are delivered when all in-sync replicas have them (`acks=all`); how many these are is the topic's affair
(`min.insync.replicas`). The producer is idempotent: what it sends again by itself is in the topic once. After a lost
connection to the cluster, or a sudden end of Isthmus, samples of up to about a second come a second time: tag, time,
value, quality and marks together are the key of a sample. A message that is too large for `largest` or for the broker
is parked; a topic that is not there, or that we may not write to, is waited for. A broker refuses a batch of messages
as a whole: the batch is then sent in halves until what is refused stands alone, and its messages may come behind later
ones of their tags.

A broker whose certificate is not good is named with the reason, such as an expired one, and asked again every few
seconds; the samples wait.

This was tested against librdkafka's own mock cluster of three brokers, in a process of its own: delivery, refusals,
brokers that go away and come back, slow and frozen ones; and, through a piece of TLS put in front of it, certificates
that are good, expired, unknown, or another's. It cannot show what real brokers do with disks, replicas and elections,
with `min.insync.replicas`, access rights and quotas, with their own TLS and with SASL (`mechanism`, `certificate` and
`key` were only checked to be accepted by librdkafka); and it is of the same library as our producer, so it would share
a mistake in the protocol.
"""

KIND: Final = OutputKind(
    name="kafka",
    title="Kafka topic",
    spec=KafkaSpec,
    connect=ToTopic,
    example=_EXAMPLE,
    secrets=("password",),
    about=_ABOUT,
    tested=("librdkafka's mock cluster (it has its client side in common with the output)",),
)
