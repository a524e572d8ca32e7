# SPDX-License-Identifier: Apache-2.0
"""Placing gives every asset its path: templates expanded, overrides laid over their instances."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Final

from isthmus.core import path as paths
from isthmus.core.errors import IsthmusError
from isthmus.plant.findings import Findings, nearest
from isthmus.plant.grammar import ASSET
from isthmus.plant.load import Loaded
from isthmus.plant.nodes import List, Map, Node, Scalar
from isthmus.plant.reading import as_map
from isthmus.plant.template import instances, is_template

MOST_ASSETS: Final = 200_000


@dataclass(frozen=True, slots=True)
class Placed:
    """One asset as the file describes it, templates expanded; `path` is still below the plant."""

    key: Scalar
    node: Map
    repeating: bool = False
    """A second or later instance of a template."""
    template: Scalar | None = None
    """The key of the template it is an instance of."""


def place_assets(loaded: Loaded, findings: Findings) -> dict[str, Placed]:
    """Every asset by its path below the plant."""
    placed: dict[str, Placed] = {}
    overrides: list[tuple[Scalar, Map]] = []
    for key, node in loaded.assets:
        found = as_map(node, ASSET, f"assets.{key.text}", findings)
        if found is None:
            continue
        if _overrides(found):
            overrides.append((key, found))
        elif is_template(key.text, found):
            _place_template(key, found, loaded, placed, findings)
        else:
            _place(placed, Placed(key, found), findings)
    findings.repeating = False
    for key, found in overrides:
        _lay_over(key, found, placed, findings)
    return placed


def _overrides(node: Map) -> bool:
    said = node.get("override")
    return isinstance(said, Scalar) and said.value() is True


def _place_template(key: Scalar, node: Map, loaded: Loaded, placed: dict[str, Placed], findings: Findings) -> None:
    path = f"assets.{key.text}"
    findings.repeating = False
    try:
        say = partial(_say, findings, path)
        for count, instance in enumerate(instances(key, node, loaded, say)):
            findings.repeating = count > 0
            if len(placed) >= MOST_ASSETS:
                raise IsthmusError(f"more than {MOST_ASSETS:,} assets")
            _place(placed, Placed(instance.key, instance.node, count > 0, template=key), findings)
    except IsthmusError as error:
        findings.problem(key, path, error.what, error.hint)
    findings.repeating = False


def _say(findings: Findings, path: str, spot: Scalar, what: str, hint: str) -> None:
    findings.problem(spot, path, what, hint)
    findings.settle(spot)


def _place(placed: dict[str, Placed], asset: Placed, findings: Findings) -> None:
    name = asset.key.text
    try:
        paths.check(name)
    except IsthmusError as error:
        findings.problem(asset.key, f"assets.{name[:200]}", error.what, error.hint)
        return
    first = placed.get(name)
    if first is None:
        placed[name] = asset
        return
    hint = f"the first is at {first.key.file}:{first.key.line}"
    if first.template:
        hint += "; say override: true to change one instance of a template"
    findings.problem(asset.key, f"assets.{name}", "is there twice", hint)


def _lay_over(key: Scalar, node: Map, placed: dict[str, Placed], findings: Findings) -> None:
    path = f"assets.{key.text}"
    first = placed.get(key.text)
    if first is None:
        hint = nearest(key.text, placed)
        findings.problem(key, path, "overrides nothing: no template has this instance", hint)
    elif not first.template:
        hint = f"the first is at {first.key.file}:{first.key.line}"
        findings.problem(key, path, "overrides an asset that is not an instance of a template", hint)
    elif "rows" in node.entries:
        findings.problem(node.key("rows"), path, "an override is one asset and has no rows")
    else:
        placed[key.text] = Placed(key, _merged(first.node, node))


def _merged(under: Map, over: Map) -> Map:
    """`over` laid on `under`: mappings key by key, lone addresses counting as `address:`, an empty tag taken out."""
    merged = dict(under.entries)
    for name, (key, value) in over.entries.items():
        below_it = under.get(name)
        if name in ("tags", "parts") and isinstance(value, Map) and isinstance(below_it, Map):
            merged[name] = (key, _merged_parts(below_it, value))
        elif name != "override":
            merged[name] = (key, value)
    return Map(over.file, over.line, over.column, merged)


def _merged_parts(under: Map, over: Map) -> Map:
    merged = dict(under.entries)
    for name, (key, value) in over.entries.items():
        if isinstance(value, Scalar) and value.empty:
            merged.pop(name, None)
            continue
        first = under.get(name)
        joined = first is not None and not isinstance(value, List)
        merged[name] = (key, _merged(_spelled(first), _spelled(value)) if joined and first is not None else value)
    return Map(over.file, over.line, over.column, merged)


def _spelled(node: Node) -> Map:
    """A tag with its short form written out."""
    if isinstance(node, Map):
        return node
    named = {"address": (node, node)} if isinstance(node, Scalar) and not node.empty else {}
    return Map(node.file, node.line, node.column, {**named})
