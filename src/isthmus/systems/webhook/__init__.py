# SPDX-License-Identifier: Apache-2.0
"""Webhook: rows that other programs push, signed, each message once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from isthmus.systems.contract import Kind, Replay, Surroundings
from isthmus.systems.files.address import PATTERN, check_address
from isthmus.systems.hosts import known_as
from isthmus.systems.webhook.spec import WebhookSpec

_TEST = """\
body: {tag: TT101, value: 81.5, time: "2026-11-23T06:30:00Z"}
"""


def _connect(spec: WebhookSpec, surroundings: Surroundings) -> Any:
    from isthmus.systems.webhook.source import WebhookSource

    return WebhookSource(spec, surroundings)


def _replay() -> Replay:
    from isthmus.systems.webhook.replay import Pushed, begin

    return Replay(Pushed, begin, _TEST)


def _port(config: Mapping[str, Any]) -> tuple[str, ...]:
    """What these keys of a plant file listen on, if they say it."""
    said = config.get("listen")
    if not isinstance(said, str):
        return ()
    host, _, port = said.rpartition(":")
    return (f"the webhook on {known_as(host)}:{port}",)


KIND = Kind(
    name="webhook",
    title="Webhook (pushed JSON)",
    spec=WebhookSpec,
    connect=_connect,
    check_address=check_address,
    local_times=lambda config: True,
    powers=("reads",),
    secrets=("secret",),
    replay=_replay,
    sole=_port,
    sole_hint="give each a port of its own",
    waits=True,
    tested=("curl and openssl",),
    pattern=PATTERN,
    addresses="""\
A program pushes rows with POST: a JSON object, a list of objects, or an object in each line (`Content-Type:
application/x-ndjson`); gzip is unpacked. An address is a member of a row, and which rows count where not all do:

| address | is |
| --- | --- |
| `temperature` | the member of that name; `air.temperature` is `temperature` inside `air` |
| `value[tag=TT101]` | `value`, of the rows that have `TT101` in `tag` |
| `result[tank=T-101,test=pH]` | of the rows in which both are so |

A row has the time in its member `time`, else the time that was signed. A null is no value; where the row has a bad
quality it is a bad sample. What is no number where a number is wanted, or no time, goes to quarantine.

Messages are signed as Standard Webhooks has it: `webhook-signature` is `v1,` and the Base64 of the HMAC-SHA256 of
`ID.TIMESTAMP.BODY`, with ID as in `webhook-id` and TIMESTAMP, seconds since 1970, as in `webhook-timestamp`. With curl
and openssl, the secret in `$SECRET`:

```sh
body='{"tag": "TT101", "value": 81.5, "time": "2026-11-23T06:30:00Z"}'
id=$(openssl rand -hex 16); at=$(date +%s)
signature=$(printf '%s.%s.%s' "$id" "$at" "$body" | openssl dgst -sha256 -hmac "$SECRET" -binary | base64)
curl -sS --fail-with-body http://127.0.0.1:8090/results -H "webhook-id: $id" -H "webhook-timestamp: $at" \\
  -H "webhook-signature: v1,$signature" -H "Content-Type: application/json" --data-binary "$body"
```

It is answered with 202 once the log has it, and not before: `{"id":"...","rows":1,"samples":1,"spoilt":0}` says how
many values it gave, and how many went to quarantine. An id that came before is answered with 202 and not stored again,
also after a restart, within `remember` (a million ids at most); with another body it is a 409. Whoever is not answered,
or with 408, 429 or 503 (with `Retry-After`: the log is away or full, or too many push), sends it again with the same
id; the timestamp may be a new one. It is in history once then, also when Isthmus was killed in between. After a power
cut that is so for rows with a time of their own; others may be there twice.

400 is no JSON, or no rows; 401 a wrong signature, or a time further from ours than `window`; 413 too long; 415 in
another charset than UTF-8. Each says in words what is wrong.

It listens on this machine alone until Isthmus has people and roles. That nobody pushes is no fault: how old a value is
its time tells. Where somebody has to push now and then, `silence` says how long without makes the tags stale.
""",
    example="""\
systems:
  results:
    kind: webhook
    listen: 127.0.0.1:8090
    path: /results
    secret: !secret results

assets:
  tanks/tank-{101..104}:
    system: results
    tags:
      temperature: {address: "value[tag=TT{n}]", unit: Cel}
      level: {address: "value[tag=LT{n}]", unit: "%"}
""",
)
