# SPDX-License-Identifier: Apache-2.0
"""Reading takes a mapping by its shape in the grammar: values for what is right, findings for the rest."""

from __future__ import annotations

from typing import Any

from isthmus.core.errors import IsthmusError
from isthmus.plant.findings import Findings, article, one_of
from isthmus.plant.forms import Form
from isthmus.plant.grammar import Entries, Listed, Shape
from isthmus.plant.nodes import List, Map, Node, Scalar


def read(
    node: Node,
    shape: Shape,
    path: str,
    findings: Findings,
    *,
    others: bool = False,
    elsewhere: tuple[Shape, str] | None = None,
) -> dict[str, Any]:
    """What stands under each of the shape's keys.

    A form's value is read; an Entries or Nested key gives its Map, for the caller to go on with; a key that is missing
    or wrong is absent. With `others` unknown keys are left to the caller. `elsewhere`: another shape whose keys have
    their place there, and what to do about them.
    """
    found = as_map(node, shape, path, findings)
    if found is None:
        return {}
    values: dict[str, Any] = {}
    known = shape.by_name
    for name, (key, value) in found.entries.items():
        entry = known.get(name)
        if entry is not None:
            _take(values, name, entry.takes, value, path, findings)
        elif not others:
            what = f"{article(shape.name)} has no key {name!r}"
            hint = _hint(name, value, found, shape)
            if elsewhere is not None and name in elsewhere[0].by_name:
                hint = elsewhere[1]
            findings.problem(key, below(path, name), what, hint)
    for name in shape.required:
        if name not in found.entries:
            findings.problem(node, path, f"{name!r} is missing", sentence(known[name].text))
    return values


def _hint(name: str, value: Node, found: Map, shape: Shape) -> str:
    """What an unknown key was perhaps meant to be."""
    if name == "<<":
        return "YAML 1.2 has no merge keys: say it in a type or a template"
    if shape.short and len(found.entries) == 1 and isinstance(value, Scalar) and value.empty:
        return "put a text that begins with { in quotes"
    return one_of(name, shape.by_name)


def sentence(text: str) -> str:
    """A description as it follows a semicolon."""
    return (text[:1].lower() + text[1:]).rstrip(".") if text[1:2].islower() else text.rstrip(".")


def as_map(node: Node, shape: Shape, path: str, findings: Findings) -> Map | None:
    """The node as a mapping: a lone value becomes one where the shape has a short form, nothing an empty one."""
    if isinstance(node, Map):
        return node
    if isinstance(node, Scalar):
        if node.empty:
            return Map(node.file, node.line, node.column, {})
        if shape.short:
            return Map(node.file, node.line, node.column, {shape.short: (node, node)})
    findings.problem(node, path, f"wants a mapping: keys and values of {article(shape.name)}")
    return None


def _take(values: dict[str, Any], name: str, takes: Any, value: Node, path: str, findings: Findings) -> None:
    try:
        if isinstance(takes, Form):
            values[name] = takes.read(value)
        elif isinstance(takes, Listed):
            items = value.items if isinstance(value, List) else [value]
            values[name] = [takes.of.read(item) for item in items]
        else:
            values[name] = _mapping(value)
    except IsthmusError as error:
        findings.problem(value, below(path, name), error.what, error.hint)


def _mapping(value: Node) -> Map:
    if isinstance(value, Map):
        return value
    if isinstance(value, Scalar) and value.empty:
        return Map(value.file, value.line, value.column, {})
    raise IsthmusError("wants a mapping", hint="name: value, one per line")


def entries(found: Map | None, takes: Entries, path: str, findings: Findings) -> list[tuple[str, Scalar, Node]]:
    """(key as read, where it stands, value) of the entries whose key is right."""
    right: list[tuple[str, Scalar, Node]] = []
    for key, value in found.entries.values() if found is not None else ():
        try:
            right.append((takes.key.read(key), key, value))
        except IsthmusError as error:
            findings.problem(key, below(path, key.text), error.what, error.hint)
    return right


def below(path: str, name: str) -> str:
    """The path of a key inside a plant file: `assets.mixing/line-1.tags.level`."""
    return f"{path}.{name[:200]}" if path else name[:200]
