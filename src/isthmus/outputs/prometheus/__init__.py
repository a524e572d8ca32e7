# SPDX-License-Identifier: Apache-2.0
"""The kind `prometheus`: what chosen tags are now, among the figures at `/metrics`."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from isthmus.outputs.contract import OutputKind, nowhere
from isthmus.systems.contract import Spec


class PrometheusSpec(Spec):
    """What chosen tags are now, for a Prometheus that scrapes `/metrics` of Isthmus."""

    most: int = Field(
        1_000,
        ge=1,
        le=20_000,
        description="The most tags shown, in the order of their paths: each is three time series in Prometheus.",
    )


_EXAMPLE: Final = """\
outputs:
  figures:
    kind: prometheus
    tags: ["utilities/**", "mixing/*/reactor-*/temperature"]
"""

_ABOUT: Final = """\
Nothing is sent: the tags stand at `/metrics` of the API, where the figures of Isthmus itself are, and Prometheus comes
for them. Choose them with `tags`: Prometheus is made for figures of machines and programs, and counts in time series.

```
isthmus_tag_value{path="acme/lyon/boiler-1/pressure",asset="acme/lyon/boiler-1",tag="pressure",unit="bar"} 7.25
isthmus_tag_good{path="acme/lyon/boiler-1/pressure",asset="acme/lyon/boiler-1",tag="pressure",unit="bar"} 1.0
isthmus_tag_time_seconds{path="acme/lyon/boiler-1/pressure",asset="acme/lyon/boiler-1",tag="pressure",unit="bar"} 1e+09
```

- `isthmus_tag_value`: the last value; 0 and 1 of a boolean, the number of an enumeration. It is absent while the
  quality is Bad, while the tag is stale (its source is silent or has lost the far end), and where it is no number: what
  is absent Prometheus shows as a gap and not as the last value. Values marked, as out of range, are shown as they are.
- `isthmus_tag_good`: 1 when the quality is Good and the tag is not stale, else 0. So an Uncertain value is there, with
  0. The quality is a series and no label, for a label that changes would begin a new series each time.
- `isthmus_tag_time_seconds`: the device's time of the last value, also of a stale one, and
  `time() - isthmus_tag_time_seconds` its age. A value that is steady at its source is old without being stale.

Tags with texts are not shown. `isthmus_tags_left_out` counts what `most` left out. A sample that comes between two
scrapes is not seen: for every sample use another output. `isthmus status` shows the output as connected while the
service `serve` is ready; it has no position, and nothing of it is parked.
"""

KIND: Final = OutputKind(
    name="prometheus",
    title="Chosen tags for Prometheus",
    spec=PrometheusSpec,
    connect=nowhere,
    shown=True,
    example=_EXAMPLE,
    about=_ABOUT,
    tested=("the parser of prometheus-client",),
)
