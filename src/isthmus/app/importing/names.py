# SPDX-License-Identifier: Apache-2.0
"""Which tag a name in a file is: by the mapping file, by its path, or by its address in the system it is read from.

A name that is a tag's address has values as the device gives them: the plant file's scaling applies, as to live ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cached_property
from typing import Final

import msgspec

from isthmus.app.importing.mapping import Names, Rule
from isthmus.core import unit as units
from isthmus.core.errors import IsthmusError
from isthmus.flow.standardise import Standard, standards
from isthmus.plant.revision import Revision, TagSetting

UNKNOWN: Final = -1
LEFT_OUT: Final = -2
"""A row whose mapping says `skip`."""

_MOST_KNOWN: Final = 1_000_000
_SEVERAL: Final = ""


class Tags:
    """Names become entries: tags with the scaling that values under this name need."""

    def __init__(self, revision: Revision, mapping: Names) -> None:
        self.revision, self.mapping = revision, mapping
        self.settings: list[TagSetting] = []
        """The entries, by number."""
        self.unknown: Counter[str] = Counter()
        """Rows of every name that is no tag."""
        self._known: dict[tuple[str, str], int] = {}
        self._entries: dict[tuple[int, float, float], int] = {}
        self._rules: tuple[Standard, ...] = ()
        self._exact = {rule.name: rule for rule in mapping.rules if not rule.pattern}
        self._patterns = [rule for rule in mapping.rules if rule.pattern]
        for rule in self._exact.values():
            if rule.tag:
                self._checked(rule)

    def entry(self, name: str, unit: str = "") -> int:
        """The number of a name's entry, UNKNOWN or LEFT_OUT; `unit` is what the row says its value is in."""
        key = (name, unit)
        if key not in self._known:
            if len(self._known) > _MOST_KNOWN:
                self._known.clear()
            self._known[key] = self._found(name, unit)
        return self._known[key]

    def rules(self) -> tuple[Standard, ...]:
        """How the entries are standardised."""
        if sum(len(rule.tags.tags) for rule in self._rules) != len(self.settings):
            self._rules = standards(self.settings)
        return self._rules

    def near(self, name: str) -> str:
        """Did you mean ...? Empty when nothing is near."""
        near = get_close_matches(name, self._nearable, n=2, cutoff=0.6)
        return f"did you mean {' or '.join(repr(self._nearable[one]) for one in near)}?" if near else ""

    def _found(self, name: str, unit: str) -> int:
        rule, target = self._rule(name)
        if rule is not None and not rule.tag:
            return LEFT_OUT
        if rule is not None and target is not None:
            setting = self.named(target)
            return UNKNOWN if setting is None else self._add(setting, *self._scaling(rule, setting, unit))
        setting = self.named(name.strip(), near=False)
        if setting is not None:
            return self._add(setting, *_conversion(unit, setting))
        path = self._addressed(name.strip())
        if path is None:
            return UNKNOWN
        setting = self.revision.by_path[path]
        return self._add(setting, setting.scale, setting.offset)

    def _rule(self, name: str) -> tuple[Rule | None, str | None]:
        rule = self._exact.get(name)
        if rule is not None:
            return rule, rule.tag
        for rule in self._patterns:
            target = rule.target(name)
            if target is not None:
                return rule, target
        return None, None

    def _checked(self, rule: Rule) -> None:
        """Raises IsthmusError when a rule names no tag, or a unit that does not become the tag's."""
        setting = self.named(rule.tag)
        if setting is None:
            near = get_close_matches(rule.tag, self._paths, n=2, cutoff=0.5)
            hint = f"did you mean {' or '.join(map(repr, near))}?" if near else ""
            raise IsthmusError(f"{rule.name}: there is no tag {rule.tag!r}", where=rule.where, hint=hint)
        try:
            self._scaling(rule, setting, "")
        except IsthmusError as error:
            raise IsthmusError(f"{rule.name}: {error.what}", where=rule.where, hint=error.hint) from error

    @staticmethod
    def _scaling(rule: Rule, setting: TagSetting, unit: str) -> tuple[float, float]:
        scale, offset = _conversion(rule.unit or unit, setting)
        return rule.scale * scale, rule.offset * scale + offset

    def _add(self, setting: TagSetting, scale: float, offset: float) -> int:
        key = (setting.tag.number, scale, offset)
        if key not in self._entries:
            self._entries[key] = len(self.settings)
            self.settings.append(msgspec.structs.replace(setting, scale=scale, offset=offset))
        return self._entries[key]

    def named(self, text: str, *, near: bool = True) -> TagSetting | None:
        """The tag with this path, whole or within the plant; where `near`, also the only one that ends so."""
        text = text.strip("/")
        path = self._paths.get(text) or (self._endings.get(text) if near else None)
        return self.revision.by_path[path] if path else None

    @cached_property
    def _paths(self) -> Mapping[str, str]:
        """Path, whole and within the plant → whole path."""
        inside = len(self.revision.plant) + 1
        return {path[inside:]: path for path in self.revision.by_path} | {path: path for path in self.revision.by_path}

    @cached_property
    def _endings(self) -> Mapping[str, str]:
        found: dict[str, str] = {}
        for path in self.revision.by_path:
            parts = path.split("/")
            for begin in range(1, len(parts)):
                ending = "/".join(parts[begin:])
                found[ending] = _SEVERAL if ending in found else path
        return found

    def _addressed(self, name: str) -> str | None:
        return self._addresses.get(name) or None

    @cached_property
    def _addresses(self) -> Mapping[str, str]:
        """Address, and the identifier in it → path; empty where several tags have it."""
        found: dict[str, str] = {}
        for setting in self.revision.tags:
            names = {setting.address, setting.address.rpartition(";")[2].partition("=")[2] or setting.address}
            for name in names - {""}:
                found[name] = _SEVERAL if name in found else setting.tag.path
        return found

    @cached_property
    def _nearable(self) -> Mapping[str, str]:
        inside = len(self.revision.plant) + 1
        paths = {path[inside:]: path[inside:] for path in self.revision.by_path}
        return {name: path[inside:] for name, path in self._addresses.items() if path} | paths


def _conversion(unit: str, setting: TagSetting) -> tuple[float, float]:
    """How values in `unit` become the tag's; raises IsthmusError when they do not."""
    if not unit or unit == setting.tag.unit:
        return 1.0, 0.0
    return units.conversion(units.HABITS.get(unit, unit), setting.tag.unit)
