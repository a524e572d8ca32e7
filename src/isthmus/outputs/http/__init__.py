# SPDX-License-Identifier: Apache-2.0
"""The kind `http`: samples pushed to a web service, signed, many in a message."""

from __future__ import annotations

from typing import Final

from isthmus.outputs.contract import OutputKind
from isthmus.outputs.http.push import Push, PushSpec

_EXAMPLE: Final = """\
outputs:
  analytics:
    kind: http
    url: https://data.acme.example/plant/samples
    token: !secret analytics
    secret: !secret analytics-signature
    tags: ["mixing/**"]
"""

_ABOUT: Final = """\
Every sample, also late and recalled ones, is pushed with POST, up to 2,000 in a message: an object in each line
(`application/x-ndjson`), or one list of them with `format: json`; packed with gzip unless `gzip: false`.

```json
{"tag":"acme/lyon/mixing/line-1/reactor-1/temperature","value":81.5,"at":"2026-11-23T06:30:00.250Z","quality":"Good","unit":"Cel"}
```

Value, time, quality, unit, name and marks are written as in the unified namespace over MQTT. Bad samples come too, with
a value of null where they have none.

A message has a key, in `webhook-id` and `Idempotency-Key`. It is made of what the message says, so a message that is
sent again because its answer was lost has the same one: take each key once, or keep samples once by tag, time, value,
quality and marks. After a sudden end of Isthmus samples may come again in messages that are divided otherwise.

With `secret` messages are signed as Standard Webhooks has it: `webhook-signature` is `v1,` and the Base64 of the
HMAC-SHA256 of `ID.TIMESTAMP.BODY`, the body as it is sent. That is what the
[webhook](systems.md#webhook-webhook-pushed-json) of another Isthmus takes, with `time: at` and `quality: quality`
there, and addresses such as
`value[tag=acme/lyon/mixing/line-1/reactor-1/temperature]`.

| the answer | what becomes of the samples |
| --- | --- |
| 2xx | they are delivered: answer so only when they are stored |
| 400, 413, 422 | the message is sent in halves until the samples that are refused stand alone: these are parked |
| 401, 403 | they are sent again after a minute |
| 429, 503, or any with `Retry-After` | they are sent again, not before the time it says (an hour at most), or 5 s |
| any other, none in time, a redirect | they are sent again; redirects are not followed |

The reason of what is parked is `detail`, `error` or `message` of an answer in JSON, else its text.
"""

KIND: Final = OutputKind(
    name="http",
    title="Web service (pushed JSON)",
    spec=PushSpec,
    connect=Push,
    example=_EXAMPLE,
    secrets=("token", "password", "secret"),
    about=_ABOUT,
    tested=("a Node.js server", "our own webhook"),
)
