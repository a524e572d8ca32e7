# SPDX-License-Identifier: Apache-2.0
"""Tests to begin with: one for each system of a plant, whose expectation is what came of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from isthmus.app.testing.bench import Bench, Wired
from isthmus.app.testing.case import Given, Saying
from isthmus.app.testing.comparing import value_of
from isthmus.core import quality, time
from isthmus.core.errors import IsthmusError
from isthmus.core.samples import Value
from isthmus.core.tag import DataType
from isthmus.outputs.registry import output_kinds
from isthmus.plant.check import check_plant
from isthmus.plant.nodes import Scalar
from isthmus.plant.revision import TagSetting
from isthmus.systems.registry import kinds

_WHOLE = (DataType.INTEGER, DataType.UNSIGNED)


def example_of(plant: Path) -> str:
    """A file of tests for the plant file; raises PlantFileError."""
    bench = Bench(check_plant(plant, kinds(), outputs=output_kinds()))
    lines = [
        "# What a source gives, and what comes of it. The values are made up: put yours in.",
        "tests:",
    ]
    for name in bench.systems:
        try:
            lines += _test(bench, bench.wired(name))
        except IsthmusError:  # no tag is read from it
            continue
    return "\n".join(lines) + "\n"


def _test(bench: Bench, wired: Wired) -> Iterator[str]:
    setting = wired.tags[0]
    value = _made_up(setting)
    at = time.now() // time.SECOND * time.SECOND
    spot = Scalar("", 1, 1, "", True)
    come = bench.run([Given(spot, wired.setting.name, [Saying([0], value, quality.GOOD, at)])], at).samples[0]
    given = {"address": setting.address, "value": value, "time": time.to_iso(at)}
    path = setting.tag.path.removeprefix(f"{bench.checked.plant}/")
    expected: dict[str, Any] = {"value": value_of(come), "time": time.to_iso(at)}
    if come.mark:
        expected["marks"] = quality.marks(come.mark)
    yield f"  a value of {wired.setting.name} becomes a sample:"
    yield f"    now: {time.to_iso(at)}"
    yield "    given:"
    yield f"      system: {wired.setting.name}"
    yield f"      values: [{_flow(given)}]"
    if wired.replay is not None:
        yield "      # or, in place of values, as its far end says it, for example:"
        yield from (f"      # {line}" for line in wired.replay.example.splitlines())
    yield "    expect:"
    yield "      samples:"
    yield f"        {json.dumps(path)}: {_flow(expected)}"


def _made_up(setting: TagSetting) -> Value:
    """A value in the device's own unit that its tag takes without a mark."""
    match setting.tag.type:
        case DataType.BOOLEAN:
            return True
        case DataType.TEXT:
            return "running"
        case DataType.ENUMERATION:
            return next(iter(setting.labels), 1)
    low, high = setting.range or (0.0, 100.0)
    middle = (max(low, -1e9) + min(high, 1e9)) / 2
    if setting.tag.type in _WHOLE:
        return round(middle)
    return float(f"{(middle - setting.offset) / setting.scale:.6g}")


def _flow(said: dict[str, Any]) -> str:
    return "{" + ", ".join(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in said.items()) + "}"
