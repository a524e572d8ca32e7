# SPDX-License-Identifier: Apache-2.0
"""`docs/tests.md`: how tests beside a plant file are written, from their grammar and the inputs of the kinds."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import indent

from isthmus.app.testing.grammar import EXPECTATION, FILE, GIVEN, SAMPLE, TEST, VALUE
from isthmus.plant.forms import Form
from isthmus.plant.grammar import Entries, Held, Listed, Nested, Shape
from isthmus.plant.reference import field_rows
from isthmus.systems.contract import Kind
from isthmus.systems.registry import kinds

_OPENING = """\
# Tests of a plant file

A plant file says how millimetres become metres, which register is the flow, where a payload has its time. Tests beside
it say what that should come to: given this from a source, expect these samples. `isthmus test` runs them without any
device, by the code that runs in the plant: the kind's own decoding, then unit, type, range, time and marks.

```yaml
# tests/boilers.yaml, beside plant.yaml
tests:
  the gateway's tenths of a psi become bar:
    given: {system: utilities, unit: 1, holding: {0: 1305}}
    expect:
      only: true
      samples: {utilities/steam/header-pressure: {value: 8.9976582, tolerance: 0.00001}}

  what is no JSON goes to quarantine:
    given: {system: treatment, topic: water-treatment/dosing, bytes: "7b ff"}
    expect:
      quarantine: [the payload is no JSON, the payload is no JSON]
```

```
isthmus test                                  # all of them
isthmus test -k boiler -v                     # some, and name those that pass
isthmus test --junit report.xml               # for a CI server; exit code 1 when one fails
isthmus test --example > tests/first.yaml     # one for each system of the plant, to begin with
```

A test that fails says with file, line and column what came in the place of what. Something that goes to quarantine
fails a test that does not expect it. The bytes that
[`isthmus quarantine --json`](command-line.md#isthmus-quarantine) tells of a payload can stand under `bytes`: what the
plant did not understand yesterday is a test tomorrow.

Each test begins as after a start; what `given` lists is read in its order. Without `now` our clock is that of this
machine, so that times of the past are never in the future.
"""


def page() -> str:
    """The page as Markdown."""
    parts = [_OPENING, *map(_shape, (FILE, TEST, GIVEN, VALUE, EXPECTATION, SAMPLE)), *_kinds()]
    return "\n".join(part.rstrip() + "\n" for part in parts)


def _shape(shape: Shape) -> str:
    lines = [f"## {shape.title}", "", *([shape.text, ""] if shape.text else [])]
    lines += ["| key | takes | meaning |", "| --- | --- | --- |"]
    lines += [
        f"| `{key.name}` | {_takes(key.takes)} | {key.text}{' **Required.**' * key.required} |" for key in shape.keys
    ]
    return "\n".join(lines)


def _takes(takes: Held) -> str:
    match takes:
        case Form():
            return takes.name
        case Listed():
            return f"{takes.of.name}, or a list"
        case Nested():
            return takes.holds
        case Entries():
            return f"{takes.key.name} → {takes.holds}"


def _kinds() -> Iterator[str]:
    yield "## What a system of each kind is given\n\nBeside `system`. `values` fits kinds without a form of their own."
    yield from (_kind(kind) for kind in kinds().values() if kind.replay is not None)


def _kind(kind: Kind) -> str:
    assert kind.replay is not None
    replay = kind.replay()
    lines = [
        f"### {kind.name}",
        "",
        (replay.input.__doc__ or "").strip(),
        "",
        *field_rows(replay.input.model_json_schema()),
    ]
    return "\n".join([*lines, "", "```yaml", "given:", "  system: ...", indent(replay.example, "  ").rstrip(), "```"])
