# SPDX-License-Identifier: Apache-2.0
"""The bench that tests run on: a checked plant file, its systems without their far ends, and the real code between."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import numpy as np

from isthmus.app.testing.case import Given, Saying
from isthmus.core import time
from isthmus.core.errors import IsthmusError
from isthmus.core.event import Event
from isthmus.core.samples import Samples
from isthmus.flow.source import without_long_texts
from isthmus.flow.standardise import Standard, standardise, standards
from isthmus.plant.check import Checked
from isthmus.plant.revision import SystemSetting, TagSetting
from isthmus.systems.bare import no_values
from isthmus.systems.contract import Address, Form, Kind, Oddity, Readings, Replay
from isthmus.systems.payload import Reading, columns
from isthmus.systems.registry import kinds

_SECRET = "a-secret-that-no-test-needs"


@dataclass(frozen=True, slots=True)
class Come:
    """A sample that came of a test."""

    setting: TagSetting
    value: float
    integer: int
    text: str | None
    quality: int
    mark: int
    at: int


@dataclass(slots=True)
class Result:
    """All that came of a test."""

    samples: list[Come] = field(default_factory=list)
    oddities: list[Oddity] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    error: str = ""


@dataclass(frozen=True)
class Wired:
    """A system of the plant with its tags."""

    setting: SystemSetting
    tags: Sequence[TagSetting]
    addresses: Sequence[Address]
    rules: tuple[Standard, ...]
    kind: Kind
    replay: Replay | None

    def begin(self) -> Callable[[Any], Readings]:
        """What reads inputs of the kind, from the state it has after a start."""
        assert self.replay is not None  # the test was read by it
        spec = self.kind.spec.model_validate(_without_secrets(self.setting.config))
        return self.replay.begin(spec, self.setting.name, self.addresses)


class Bench:
    """The systems of a plant; made once for all its tests."""

    def __init__(self, checked: Checked) -> None:
        self.checked = checked
        self._tags: dict[str, list[TagSetting]] = {}
        for number, setting in enumerate(checked.tags, start=1):
            tag = msgspec.structs.replace(setting.tag, number=number)
            self._tags.setdefault(setting.system, []).append(msgspec.structs.replace(setting, tag=tag))
        self.paths = {setting.tag.path: setting for setting in checked.tags}
        self.systems = {setting.name: setting for setting in checked.systems}
        self._wired: dict[str, Wired] = {}

    def wired(self, name: str) -> Wired:
        """A system that tests give something to; raises IsthmusError when no tag is read from it."""
        if name not in self._wired:
            tags = self._tags.get(name, [])
            if not tags:
                raise IsthmusError(f"no tag is read from {name!r}")
            kind = kinds()[self.systems[name].kind]
            addresses = [Address(s.address, s.tag.type, s.every, s.deadband, s.queue) for s in tags]
            made = kind.replay() if kind.replay is not None else None
            self._wired[name] = Wired(self.systems[name], tags, addresses, standards(tags), kind, made)
        return self._wired[name]

    def path(self, said: str) -> str | None:
        """The tag's whole path, which may be said without the plant's; None when there is no such tag."""
        return next((path for path in (f"{self.checked.plant}/{said}", said) if path in self.paths), None)

    def run(self, given: Sequence[Given], now: int | None) -> Result:
        """What comes of it when sources say this, one after the other."""
        result, begun = Result(), dict[str, Callable[[Any], Readings]]()
        try:
            for one in given:
                self._take(one, begun, now, result)
        except IsthmusError as error:
            result.error = f"{error.what}; {error.hint}" if error.hint else error.what
        return result

    def _take(self, one: Given, begun: dict[str, Callable[[Any], Readings]], now: int | None, result: Result) -> None:
        wired = self.wired(one.system)
        if one.input is None:
            found = _said(one.values)
        else:
            begun.setdefault(one.system, wired.begin())
            found = begun[one.system](one.input)
        seen = time.now() if now is None else now
        readings = without_long_texts(replace(found, seen=seen, historical=found.historical or one.historical))
        result.oddities += readings.oddities
        result.events += readings.events
        if len(readings):
            for samples in standardise(readings, wired.rules, one.system):
                result.samples += _come(samples, wired)


def _come(samples: Samples, wired: Wired) -> Iterator[Come]:
    first = next(i for i, rule in enumerate(wired.rules) if rule.tags.digest == samples.tags) * len(wired.rules[0].type)
    integer = samples.integer if samples.integer is not None else np.zeros(len(samples), np.int64)
    text = samples.text if samples.text is not None else [None] * len(samples)
    listed = (samples.index, samples.value, integer, samples.quality, samples.mark, samples.at)
    for row, (index, value, whole, quality, mark, at) in enumerate(zip(*(c.tolist() for c in listed), strict=True)):
        yield Come(wired.tags[first + index], value, whole, text[row], quality, mark, at)


def _said(values: Sequence[Saying]) -> Readings:
    """Values as a driver would hand them over."""
    rows = [_row(position, one) for one in values for position in one.positions]
    return columns(rows, 0) if rows else no_values()


def _row(position: int, one: Saying) -> Reading:
    value = one.value
    match value:
        case None:
            form, number, whole, text = Form.NONE, np.nan, 0, None
        case bool():
            form, number, whole, text = Form.BOOLEAN, float(value), 0, None
        case int():
            form, number, text = (Form.SIGNED if value < 2**63 else Form.UNSIGNED), float(value), None
            whole = value if value < 2**63 else value - 2**64
        case float():
            form, number, whole, text = Form.FLOAT, value, 0, None
        case _:
            form, number, whole, text = Form.TEXT, np.nan, 0, value
    return Reading(position, one.at, one.quality, form, number, whole, text)


def _without_secrets(config: Any) -> Any:
    """A system's own keys with something in the place of each secret: no test asks for one."""
    if isinstance(config, dict):
        return _SECRET if "!secret" in config else {key: _without_secrets(value) for key, value in config.items()}
    return config
