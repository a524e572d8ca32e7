# SPDX-License-Identifier: Apache-2.0
"""Every sample over MQTT, many in a message: columns of tag, time, value and quality as one JSON object."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from isthmus.core.time import to_iso
from isthmus.outputs.contract import Delivery, OutputKind, Refusal, Surroundings
from isthmus.outputs.mqtt.topic import plain_topic
from isthmus.outputs.words import LONGEST_EXACT, Words
from isthmus.plant.revision import TagSetting
from isthmus.store.history.columns import Columns
from isthmus.systems.mqtt import packet
from isthmus.systems.mqtt.broker import SOLE_HINT, Broker, clients, greeting, own_client, reached
from isthmus.systems.mqtt.client import Connection

_json: Final = msgspec.json.encode

_AROUND: Final = 16
"""Bytes of a packet around topic and message, at most."""


class ColumnsSpec(Broker):
    """Every sample on an MQTT broker, many in one message, for programs that take all of them."""

    topic: str = Field("", description="Where the messages go; without one `columns/` and the plant's path.")

    @field_validator("topic")
    @classmethod
    def _topic(cls, topic: str) -> str:
        return plain_topic(topic)


class InColumns:
    """One such output; remembers nothing."""

    def __init__(self, spec: ColumnsSpec, surroundings: Surroundings) -> None:
        self._spec, self._house = spec, surroundings
        self._topic = packet.text(spec.topic or f"columns/{surroundings.revision.plant}")
        self._client = own_client(f"{surroundings.revision.plant}-{surroundings.output}", surroundings.data)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[_Sink]:
        """Connects, and no more: nothing is retained, so nothing has to be said first."""
        said = greeting(self._spec, self._client, clean=True)
        async with reached(self._spec, said, self._house.data / "pki") as connection:
            yield _Sink(connection, self._topic, Message(self._house.tags))


class _Sink:
    """An open connection; every delivery is one message, or some where the broker takes only smaller ones."""

    def __init__(self, connection: Connection, topic: bytes, message: Message) -> None:
        self._connection, self._topic, self._message = connection, topic, message

    async def write(self, delivery: Delivery) -> Sequence[Refusal]:
        self._connection.check()
        return await self._publish(delivery.columns, 0) if len(delivery) else ()

    async def _publish(self, columns: Columns, begin: int) -> list[Refusal]:
        """Rows from `begin` on; in halves where one message would be too large, or its times too far apart."""
        count = len(columns.time)
        far = int(columns.time.max()) - int(columns.time.min()) >= LONGEST_EXACT
        message = b"" if far else self._message.of(columns)
        largest = self._connection.welcome.largest or packet.LARGEST
        if far or (count > 1 and len(message) + len(self._topic) + _AROUND > largest):
            half = count // 2
            found = await self._publish(columns.pick(slice(0, half)), begin)
            return found + await self._publish(columns.pick(slice(half, count)), begin + half)
        refused = await self._connection.publish([(self._topic, message)], retain=False)
        return [Refusal(begin + row, refused[0][1]) for row in range(count)] if refused else []


class Message:
    """Makes the messages for a set of tags."""

    def __init__(self, tags: Mapping[int, TagSetting]) -> None:
        self._words = Words.of(tags)
        self._paths = {number: _json(one.tag.path) for number, one in tags.items()}
        self._last = b"", b""
        """The tags of the last message, and how it said them: mostly the next one has the same."""

    def of(self, columns: Columns) -> bytes:
        """Samples (n, at least one) as one JSON object."""
        begin = int(columns.time.min())
        after = columns.time - begin
        parts = [b'{"from":"' + to_iso(begin).encode() + b'"', self._tags(columns.tag)]
        if np.count_nonzero(after):
            parts.append(b'"after":' + _json(after.view(np.uint64).tolist()))
        parts.append(b'"value":' + self._words.listed(columns))
        if np.count_nonzero(columns.quality):
            parts.append(b'"quality":' + _json(columns.quality.tolist()))
        if np.count_nonzero(columns.mark):
            parts.append(b'"mark":' + _json(columns.mark.tolist()))
        return b",".join(parts) + b"}"

    def _tags(self, tags: NDArray[np.uint32]) -> bytes:
        key = tags.tobytes()
        if key != self._last[0]:
            self._last = key, self._said(tags)
        return self._last[1]

    def _said(self, tags: NDArray[np.uint32]) -> bytes:
        """The different tags, and which of them each row is of unless they are the rows."""
        numbers, position = np.unique(tags, return_inverse=True)
        same = np.array_equal(numbers, tags)
        named = b'"tags":[' + b",".join(map(self._paths.__getitem__, numbers.tolist())) + b"]"
        return named if same else named + b',"tag":' + _json(position.tolist())


_EXAMPLE: Final = """\
outputs:
  everything:
    kind: mqtt-columns
    url: mqtts://broker.acme.example:8883
    user: isthmus
    password: !secret broker
"""

_ABOUT: Final = """\
All samples, also late and recalled ones, many in one message at QoS 1, on the topic `columns/acme/lyon`: for programs
that want everything and not only what is now. Nothing is retained. Bad values come with their quality, and nothing is
left out that did not change.

```json
{"from":"2026-11-23T06:30:00.250Z",
 "tags":["acme/lyon/mixing/line-1/reactor-1/level","acme/lyon/mixing/line-1/reactor-1/temperature"],
 "tag":[1,0,1],"after":[0,100000000,250000000],"value":[81.5,2.31,81.6],"quality":[0,0,1083179008]}
```

Row by row: which of `tags`; nanoseconds after `from`, which is the earliest of the message; the value, written as in
the unified namespace; the OPC UA StatusCode; our own remarks as bits, `mark`. A column that says nothing is left out:
`tag` where the rows are those of `tags` one by one, as in a scan of all of them, and `after`, `quality` and `mark`
where every one is 0 (one time, all Good, no remarks). In Python:

```python
said = json.loads(payload)
rows, nothing = len(said["value"]), [0] * len(said["value"])
columns = {"tag": range(rows)} | dict.fromkeys(("after", "quality", "mark"), nothing) | said
for tag, after, value, quality in zip(*(columns[name] for name in ("tag", "after", "value", "quality"))):
    print(said["tags"][tag], said["from"], after, value, quality)
```

Tag, time, value, quality and mark together are the key of a sample: after a break of the connection some come a second
time.

A message holds 2,000 samples at most, and less where the broker takes only smaller ones. Compared with a message per
value it costs broker, network and readers a tenth or less.
"""

KIND: Final = OutputKind(
    name="mqtt-columns",
    title="Every sample over MQTT, in columns",
    spec=ColumnsSpec,
    connect=InColumns,
    example=_EXAMPLE,
    secrets=("password",),
    sole=clients,
    sole_hint=SOLE_HINT,
    about=_ABOUT,
    tested=("mosquitto and its command-line clients",),
)
