# SPDX-License-Identifier: Apache-2.0
"""The systems of a plant file, each checked by the Spec of its kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from pydantic import BaseModel

from isthmus.core.errors import IsthmusError
from isthmus.plant import forms
from isthmus.plant.alone import Alone
from isthmus.plant.findings import Findings, closest, nearest, one_of
from isthmus.plant.grammar import SYSTEM
from isthmus.plant.load import Loaded
from isthmus.plant.nodes import Map, Scalar
from isthmus.plant.reading import as_map, below, read
from isthmus.plant.revision import Place, SystemSetting
from isthmus.plant.specs import configured, guarded, keys
from isthmus.plant.template import instances, is_template


class KindLike(Alone, Protocol):
    """What the plant file needs to know of a kind of system; `systems.contract.Kind` is one."""

    @property
    def check_address(self) -> Any: ...
    @property
    def check_fit(self) -> Any: ...
    @property
    def warn_address(self) -> Any: ...
    @property
    def check_write(self) -> Any: ...
    @property
    def local_times(self) -> Any: ...


Kinds = Mapping[str, KindLike]

MOST_SYSTEMS: Final = 20_000
ZONE: Final = "time_zone"
"""The key of the plant file, and of a system whose times without an offset are in another zone."""


@dataclass(frozen=True, slots=True)
class Door:
    """One checked system; `kind` is None where the plant file names one that does not exist."""

    setting: SystemSetting
    kind: KindLike | None
    key: Scalar
    """Where its name stands."""
    spec: BaseModel | None = None
    """What it says, as its kind understands it; None where that is wrong."""
    zoned: bool = False
    """Its times without an offset are in the plant's time zone, because it says none."""

    def address(self, text: str) -> str:
        """The canonical writing of an address; raises IsthmusError when it cannot be one, or not of this system."""
        if self.kind is None:
            return text
        address = str(guarded(self.kind, self.kind.check_address, text))
        if self.spec is not None:
            guarded(self.kind, self.kind.check_fit, self.spec, address)
        return address

    def doubt(self, address: str) -> str:
        """A warning about a valid address, empty for none."""
        return str(guarded(self.kind, self.kind.warn_address, address)) if self.kind is not None else ""

    def unwritable(self, address: str) -> str:
        """Why nothing can be written to a valid address, empty: something can."""
        return str(guarded(self.kind, self.kind.check_write, address)) if self.kind is not None else ""


def read_doors(loaded: Loaded, kinds: Kinds, findings: Findings) -> dict[str, Door]:
    """Every system of the plant, name → door."""
    doors: dict[str, Door] = {}
    for name, (key, node) in loaded.systems.items():
        found = as_map(node, SYSTEM, f"systems.{name}", findings)
        if found is None:
            continue
        if is_template(name, found):
            _template(key, found, doors, loaded, kinds, findings)
        else:
            _add(name, key, found, doors, loaded, kinds, findings)
    findings.repeating = False
    return doors


def _template(key: Scalar, node: Map, doors: dict[str, Door], loaded: Loaded, kinds: Kinds, findings: Findings) -> None:
    """A system for each number of a range in its name, or for each row of a file."""
    path = f"systems.{key.text}"

    def say(spot: Scalar, what: str, hint: str) -> None:
        findings.problem(spot, path, what, hint)
        findings.settle(spot)

    findings.repeating = False
    try:
        for count, instance in enumerate(instances(key, node, loaded, say)):
            if len(doors) >= MOST_SYSTEMS:
                raise IsthmusError(f"more than {MOST_SYSTEMS:,} systems")
            findings.repeating = count > 0
            name = forms.NAME.read(instance.key)
            _add(name, instance.key, instance.node, doors, loaded, kinds, findings)
    except IsthmusError as error:
        findings.repeating = False
        findings.problem(key, path, error.what, error.hint)
    findings.repeating = False


def _add(
    name: str, key: Scalar, node: Map, doors: dict[str, Door], loaded: Loaded, kinds: Kinds, findings: Findings
) -> None:
    first = doors.get(name)
    if first is not None:
        hint = f"the first is at {first.key.file}:{first.key.line}"
        findings.problem(key, f"systems.{name}", "is there twice", hint)
        return
    doors[name] = _door(name, key, node, loaded, kinds, findings)


def _door(name: str, key: Scalar, node: Map, loaded: Loaded, kinds: Kinds, findings: Findings) -> Door:
    path = f"systems.{name}"
    said = read(node, SYSTEM, path, findings, others=True)
    said.pop("rows", None)
    word = said.pop("kind", None)
    kind = kinds.get(word) if word else None
    if word and kind is None:
        findings.problem(
            node.entries["kind"][1], below(path, "kind"), f"there is no kind of system {word!r}", one_of(word, kinds)
        )
        kind = _meant(word, kinds)
    if kind is None:
        _unknown(node, path, kinds, findings)
    config, spec = configured(kind, node, SYSTEM, path, findings) if kind is not None else ({}, None)
    zoned = kind is not None and ZONE not in config and bool(guarded(kind, kind.local_times, config))
    if zoned and ZONE in loaded.header:
        config[ZONE] = loaded.header[ZONE]
    place = Place(loaded.relative(key), key.line)
    return Door(SystemSetting(name=name, kind=word or "", config=config, place=place, **said), kind, key, spec, zoned)


def _meant(word: str, kinds: Kinds) -> KindLike | None:
    """The kind that a misspelt word was meant to be: what else is wrong is then said at once."""
    return kinds[name] if (name := closest(word, kinds)) else None


def _unknown(node: Map, path: str, kinds: Kinds, findings: Findings) -> None:
    """Reports the keys that no kind of system has."""
    known = {*SYSTEM.by_name, *(key for kind in kinds.values() for key in keys(kind.spec))}
    for key, (spot, _) in node.entries.items():
        if key not in known:
            findings.problem(spot, below(path, key), f"no kind of system has a key {key!r}", nearest(key, known))
