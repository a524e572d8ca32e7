# SPDX-License-Identifier: Apache-2.0
"""A mapping file says which name of another historian is which tag, in which unit, and what its words of quality mean.

tags:
  R1.TT101.PV: mixing/line-1/reactor-1/temperature
  R1.PT101: {tag: mixing/line-1/reactor-1/pressure, unit: "[psi]"}
  "R1.FT*": {tag: "mixing/line-1/reactor-1/flow-*", scale: 0.001}
  "TEST*": skip
qualities: {Questionable: UncertainSensorNotAccurate}
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from isthmus.core import quality, unit
from isthmus.core.errors import IsthmusError
from isthmus.plant.findings import Findings
from isthmus.plant.nodes import Map, Node, Scalar, compose

SKIP: Final = "skip"
_KEYS: Final = ("tag", "unit", "scale", "offset")


@dataclass(frozen=True, slots=True)
class Rule:
    """What one name, or a pattern of names, becomes."""

    name: str
    """`*` stands for anything; a `*` of `tag` for what it stood for, in order."""
    tag: str
    """Empty: its rows are left out on purpose."""
    unit: str = ""
    """The values' unit (UCUM); empty: the tag's own."""
    scale: float = 1.0
    """Values become `value * scale + offset` before the unit is converted."""
    offset: float = 0.0
    where: str = ""
    """File and line, for people."""

    @property
    def pattern(self) -> bool:
        return "*" in self.name

    def target(self, name: str) -> str | None:
        """The tag that this rule makes of a name; None when it is not about it."""
        if not self.pattern:
            return self.tag if name == self.name else None
        match = re.fullmatch("(.*)".join(map(re.escape, self.name.split("*"))), name, re.DOTALL)
        if match is None:
            return None
        parts = self.tag.split("*")
        filled = [*match.groups(), *[""] * len(parts)]
        return "".join(text + (filled[i] if i < len(parts) - 1 else "") for i, text in enumerate(parts))


@dataclass(frozen=True, slots=True)
class Names:
    """What a mapping file says."""

    rules: tuple[Rule, ...] = ()
    """Those without a pattern first; else in the file's order."""
    qualities: Mapping[str, int] = field(default_factory=dict)
    """Word, lower case → StatusCode."""
    text: str = ""
    """The file as it is: part of what an import is."""


def read_mapping(path: Path) -> Names:
    """Raises IsthmusError, PlantFileError with every finding, when it is no mapping file."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise IsthmusError(f"cannot be read: {error.strerror}", where=str(path)) from error
    except UnicodeDecodeError as error:
        raise IsthmusError("is not UTF-8", where=str(path)) from error
    findings = Findings()
    root = compose(text, str(path), findings)
    rules: list[Rule] = []
    qualities: dict[str, int] = {}
    if root is not None and not isinstance(root, Map):
        findings.problem(root, "", "is not a mapping", "write tags: and below it NAME: TAG")
    elif root is not None:
        for key, (spot, node) in root.entries.items():
            if key == "tags":
                rules = _rules(node, findings)
            elif key == "qualities":
                qualities = _qualities(node, findings)
            else:
                findings.problem(spot, key, "is not known here", "known are tags and qualities")
    findings.raise_problems()
    return Names(tuple(sorted(rules, key=lambda rule: rule.pattern)), qualities, text)


def _rules(node: Node, findings: Findings) -> list[Rule]:
    if not isinstance(node, Map):
        findings.problem(node, "tags", "is not a mapping", "write NAME: TAG")
        return []
    return [_rule(name, value, findings) for name, (_, value) in node.entries.items()]


def _rule(name: str, node: Node, findings: Findings) -> Rule:
    path, where = f"tags.{name}", f"{node.file}:{node.line}"
    if isinstance(node, Scalar):
        return Rule(name, "" if node.text == SKIP else node.text, where=where)
    if not isinstance(node, Map) or "tag" not in node.entries:
        findings.problem(node, path, "says no tag", "write NAME: TAG, or NAME: {tag: TAG, unit: UNIT}")
        return Rule(name, "", where=where)
    for key, (spot, _) in node.entries.items():
        if key not in _KEYS:
            near = get_close_matches(key, _KEYS, n=1)
            findings.problem(spot, path, f"{key!r} is not known here", f"did you mean {near[0]!r}?" if near else "")
    said = {key: value for key, (_, value) in node.entries.items() if isinstance(value, Scalar)}
    return Rule(
        name,
        said["tag"].text if "tag" in said else "",
        _unit(said.get("unit"), path, findings),
        _number(said.get("scale"), 1.0, path, findings),
        _number(said.get("offset"), 0.0, path, findings),
        where,
    )


def _unit(node: Scalar | None, path: str, findings: Findings) -> str:
    if node is None:
        return ""
    try:
        unit.check(node.text)
    except IsthmusError as error:
        findings.problem(node, f"{path}.unit", error.what, error.hint)
    return node.text


def _number(node: Scalar | None, default: float, path: str, findings: Findings) -> float:
    if node is None:
        return default
    value = node.value()
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        findings.problem(node, path, f"{node.text!r} is not a number")
        return default
    return float(value)


def _qualities(node: Node, findings: Findings) -> dict[str, int]:
    if not isinstance(node, Map):
        findings.problem(node, "qualities", "is not a mapping", "write WORD: Bad")
        return {}
    found: dict[str, int] = {}
    for word, (_, value) in node.entries.items():
        code = quality.code(value.text) if isinstance(value, Scalar) else None
        if code is None:
            hint = "the standard's names are: Good, Uncertain, Bad, BadSensorFailure, ..."
            findings.problem(value, f"qualities.{word}", "is no name of a StatusCode", hint)
        else:
            found[word.lower()] = code
    return found
