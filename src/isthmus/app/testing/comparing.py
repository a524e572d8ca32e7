# SPDX-License-Identifier: Apache-2.0
"""What came of a test beside what was expected: every difference, each with the line that expects otherwise."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Final

from isthmus.app.quarantined import escaped
from isthmus.app.testing.bench import Come, Result
from isthmus.app.testing.case import Difference, Expected, Sample
from isthmus.core import quality, time
from isthmus.core.samples import Value, plain
from isthmus.core.tag import DataType
from isthmus.plant.nodes import Node
from isthmus.plant.revision import TagSetting

TOLERANCE: Final = 1e-6
"""How far a number may be off, as a part of it: a 32-bit float has seven digits."""


def differences(expected: Expected, result: Result) -> Iterator[Difference]:
    """Everything that is not as expected."""
    spot = expected.spot
    if result.error or expected.error:
        yield from _words(expected.error, [result.error] if result.error else [], "error", spot)
        if result.error and not expected.error:
            return
    come: dict[str, list[Come]] = {}
    for one in result.samples:
        come.setdefault(one.setting.tag.path, []).append(one)
    for path, samples in expected.samples.items():
        yield from _of_tag(path, samples, come.pop(path, []), _at(expected, path))
    for path, others in come.items() if expected.only else ():
        for other in others:
            yield Difference(spot, f"{path}: {shown(other)} came, and only others are expected")
    said = [oddity.reason for oddity in result.oddities]
    yield from _words(expected.quarantine, said, "quarantine", spot, [oddity.payload for oddity in result.oddities])
    if expected.events is not None:
        yield from _words(expected.events, [event.message for event in result.events], "event", spot)


def problems(expected: Expected, found: Sequence[str]) -> Iterator[Difference]:
    """What is not as expected of the problems of a plant file."""
    return _words(expected.error, found, "error", expected.spot)


def _at(expected: Expected, path: str) -> Node:
    samples = expected.samples[path]
    return samples[0].spot if samples else expected.spot


def _of_tag(path: str, samples: Sequence[Sample], come: Sequence[Come], spot: Node) -> Iterator[Difference]:
    for wanted, got in zip_longest(samples, come):
        if got is None:
            yield Difference(wanted.spot, f"{path}: no sample came")
        elif wanted is None:
            yield Difference(spot, f"{path}: {shown(got)} came beside what is expected")
        else:
            for what in _unlike(wanted, got):
                yield Difference(wanted.spot, f"{path}: {what}")


def _unlike(wanted: Sample, got: Come) -> Iterator[str]:
    value = value_of(got)
    if not _same(wanted, value, got.setting):
        yield f"value is {_say(value, got.setting)}, not {_say(wanted.value, got.setting)}{_doubt(got)}"
    if wanted.text is not None and wanted.text != got.text:
        yield f"text is {got.text!r}, not {wanted.text!r}"
    if wanted.quality != got.quality:
        yield f"quality is {quality.name(got.quality)}, not {quality.name(wanted.quality)}"
    if wanted.marks != got.mark:
        yield f"marks are {_marks(got.mark)}, not {_marks(wanted.marks)}"
    if wanted.at is not None and wanted.at != got.at:
        yield f"time is {time.to_iso(got.at)}, not {time.to_iso(wanted.at)}"


def value_of(come: Come) -> Value:
    """A sample's value; of a text of the wrong type none."""
    return plain(come.setting.tag.type, come.value, come.integer, come.text)


def _same(wanted: Sample, value: Value, setting: TagSetting) -> bool:
    said = wanted.value
    if said is None or value is None:
        return said is None and value is None
    if isinstance(said, bool) != isinstance(value, bool) or isinstance(said, str) != isinstance(value, str):
        return False
    if setting.tag.type is not DataType.FLOAT or isinstance(said, str) or isinstance(value, str):
        return said == value
    if wanted.tolerance is not None:
        return abs(said - value) <= wanted.tolerance
    return said == value or math.isclose(said, value, rel_tol=TOLERANCE)


def _doubt(got: Come) -> str:
    """Why a value may be another one than was meant."""
    setting = got.setting
    if (setting.scale, setting.offset) != (1.0, 0.0) and got.value == got.value:
        raw = (got.value - setting.offset) / setting.scale
        plus = f" plus {setting.offset:g}" if setting.offset else ""
        return f" (the device's {raw:.7g} times {setting.scale:g}{plus})"
    return ""


def _say(value: Value, setting: TagSetting) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and value in setting.labels:
        return f"{value} ({setting.labels[value]})"
    return repr(value)


def shown(come: Come) -> str:
    """`81.5 Good at 2026-11-23T06:30:00Z`."""
    said = _say(value_of(come), come.setting)
    marks = f" ({_marks(come.mark)})" if come.mark else ""
    return f"{said} {quality.name(come.quality)}{marks} at {time.to_iso(come.at)}"


def _marks(mark: int) -> str:
    return quality.marks(mark) or "none"


def _words(
    wanted: Sequence[str], said: Sequence[str], noun: str, spot: Node, payloads: Sequence[bytes] = ()
) -> Iterator[Difference]:
    """Each of `said` holds the words of `wanted` at its place, and there are as many."""
    for i, (words, text) in enumerate(zip_longest(wanted, said)):
        if words is None:
            beside = f": {escaped(payloads[i])}" if i < len(payloads) else ""
            yield Difference(spot, f"{noun} that is not expected: {text}{beside}")
        elif text is None:
            yield Difference(spot, f"no {noun} with {words!r}")
        elif words not in text:
            yield Difference(spot, f"{noun} is {text!r}, without {words!r}")
