# SPDX-License-Identifier: Apache-2.0
"""HTTP: JSON of web services, asked for at an interval; sites and requests for all that speak it."""

from __future__ import annotations

from typing import Any

from isthmus.systems.contract import Kind, Replay, Surroundings
from isthmus.systems.http.address import PATTERN, check_address
from isthmus.systems.http.spec import HttpSpec

_TEST = """\
path: /now
body: {air: {temperature: 81.5}, wind: {speed: 3.2}, rain: false, observed: "2026-11-23T06:30:00Z"}
"""


def _connect(spec: HttpSpec, surroundings: Surroundings) -> Any:
    from isthmus.systems.http.source import HttpSource

    return HttpSource(spec, surroundings)


def _replay() -> Replay:
    from isthmus.systems.http.reading import Answered, begin

    return Replay(Answered, begin, _TEST)


KIND = Kind(
    name="http",
    title="Web service (polled JSON)",
    spec=HttpSpec,
    connect=_connect,
    check_address=check_address,
    local_times=lambda config: bool(config.get("time")),
    powers=("reads", "browses"),
    secrets=("token", "password"),
    replay=_replay,
    tested=("a Node.js server",),
    pattern=PATTERN,
    addresses="""\
An address is a path below the system's `url`, with a query where it needs one. Where the answer is JSON, `#` and a JSON
Pointer (RFC 6901) say which value in it. Tags of one path and one interval are read with one request.

| address | is |
| --- | --- |
| `/status#/temperature` | `81.5` of `{"temperature": 81.5, "at": "2026-11-23T06:30:00Z"}` |
| `/read?unit=3#/zones/2/actual` | inside objects and lists; lists count from 0 |
| `/status#/a~1b` | the member called `a/b`: `~1` stands for `/`, `~0` for `~` |
| `/temperature` | the whole answer: `81.5`, `true`, `"running"`, or plain text for a tag of type text |

`isthmus browse --kind http URL --start /status` prints what stands there as tags, but for what stands in lists.

A sample has the time that `time` points to, else that at which the answer came; the quality that `quality` points to,
else Good. A null is BadNoData. What is not there, is no JSON, or has a time or a quality that cannot be read is
BadTypeMismatch: the answer goes to quarantine, one a minute for each address and reason, and an event names the
address. Of two members with one name the last counts. An answer in another charset than UTF-8 is read where its headers
name it (UTF-16, ISO 8859-1, Windows-1252).

Each path has its own phase in its interval. A path is asked again only when it has answered; an `overrun` event says
how many readings were left out when the service cannot keep up. A server that gives an `ETag` is asked with
`If-None-Match`: its 304 means that all is as it was, and counts as a reading. Where `time` says that an answer is the
same as before, no sample is made.

| the answer | its addresses | then |
| --- | --- | --- |
| 404, 410 | BadNodeIdUnknown | named in an event, asked less often: after 1 s, 2 s, down to every 30 s |
| 403 | BadUserAccessDenied | the same; where it is all that the server says, the system is refused |
| another 4xx, a redirect that is not followed | BadConfigurationError | the same |
| 401 | | the system is refused: asked again after 30 s, later every 5 minutes, for each try may lock an account |
| 429, 503 | BadResourceUnavailable | not asked as long as `Retry-After` says (at most 1 h), else 5 s; 429: nor others |
| 408, 504, no answer in time | BadTimeout | the same |
| 500 and others, an answer that breaks off | BadDeviceFailure, BadDecodingError | the same |
| a body longer than `largest` | BadEncodingLimitsExceeded | the same; its beginning goes to quarantine |

When nothing answers any more the system is disconnected; what nobody read meanwhile is a gap. Between two rare readings
the last answer counts as a sign of life; while one is waited for it does not.
""",
    example="""\
systems:
  weather:
    kind: http
    url: https://station.acme.example/api/v1
    token: !secret weather
    every: 30s
    time: /observed

assets:
  site/weather:
    system: weather
    tags:
      temperature: {address: "/now#/air/temperature", unit: Cel}
      wind: {address: "/now#/wind/speed", unit: m/s}
      rain: {address: "/now#/rain", type: boolean}
""",
)
