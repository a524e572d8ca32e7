# SPDX-License-Identifier: Apache-2.0
"""A model is a checked asset type: what its tags mean and which parts it has."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from isthmus.core.tag import DataType
from isthmus.plant.findings import Findings, article, one_of
from isthmus.plant.grammar import TYPE, TYPE_PART, TYPE_TAG, WRITE, Entries, Shape
from isthmus.plant.nodes import Map, Node, Scalar
from isthmus.plant.reading import as_map, below, entries, read
from isthmus.plant.revision import Writing

LARGEST_MODEL: Final = 10_000
"""Assets and tags that one asset of a type may bring with it, parts in parts included."""

DEEPEST_MODEL: Final = 20

_NUMBERS: Final = frozenset({DataType.FLOAT, DataType.INTEGER, DataType.UNSIGNED})
_NUMBERS_ONLY: Final = ("unit", "range", "normal", "deadband", "scale", "offset")


class TagModel(msgspec.Struct, frozen=True, kw_only=True):
    """What one tag means."""

    name: str
    type: DataType = DataType.FLOAT
    unit: str = ""
    unit_wrong: bool = False
    """Its unit was said and is none, which is reported: nothing is judged by it."""
    stepped: bool = False
    labels: dict[int, str] = {}
    description: str = ""
    range: tuple[float, float] | None = None
    normal: tuple[float, float] | None = None
    every: int = 0
    deadband: float = 0.0
    queue: int = 0
    keep: str = ""
    write: Writing | None = None
    was: str = ""


class PartModel(msgspec.Struct, frozen=True, kw_only=True):
    """Equipment inside an asset, of a type of its own."""

    name: str
    type: str
    description: str = ""
    was: str = ""


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """One version of one type."""

    name: str
    """With its version: `reactor@1`."""
    tags: dict[str, TagModel]
    parts: dict[str, PartModel]
    spots: dict[str, Scalar]
    """Tag or part → where the type names it."""
    symbol: str = ""
    """How the screen draws it; empty where the type does not say."""
    size: int = 1
    """Assets and tags that one asset of it brings with it."""
    depth: int = 1
    """Levels of parts in parts, itself included."""


Models = dict[str, Model]


def shown_type(name: str) -> str:
    """A type as people write it: `reactor`, `reactor@2`."""
    return name.removesuffix("@1")


def read_models(types: dict[str, tuple[Scalar, Node]], findings: Findings) -> Models:
    """Every type of the plant, canonical name → model."""
    models = {name: _model(name, key, node, findings) for name, (key, node) in types.items()}
    for name in models:
        _known_parts(models, name, types, findings)
    return _measured(models, types, findings)


def _model(name: str, key: Scalar, node: Node, findings: Findings) -> Model:
    path = f"types.{key.text}"
    values = read(node, TYPE, path, findings)
    tags, parts, spots = {}, {}, {}
    for tag, spot, value in _held(values, TYPE, "tags", path, findings):
        spots[tag] = spot
        tags[tag] = tag_model(tag, value, TYPE_TAG, below(f"{path}.tags", spot.text), findings)
    for part, spot, value in _held(values, TYPE, "parts", path, findings):
        said = read(value, TYPE_PART, below(f"{path}.parts", spot.text), findings)
        if part in tags:
            findings.problem(spot, below(f"{path}.parts", part), "is a tag of this type already")
        elif "type" in said:
            parts[part] = PartModel(name=part, **said)
            spots[part] = spot
    _former_names(values.get("tags"), tags, f"{path}.tags", findings)
    _former_names(values.get("parts"), parts, f"{path}.parts", findings)
    return Model(name=name, tags=tags, parts=parts, spots=spots, symbol=values.get("symbol", ""))


def _held(
    values: dict[str, Any], shape: Shape, name: str, path: str, findings: Findings
) -> list[tuple[str, Scalar, Node]]:
    takes = shape.by_name[name].takes
    assert isinstance(takes, Entries)  # by the grammar
    return entries(values.get(name), takes, below(path, name), findings)


def _former_names(node: Map | None, named: dict[str, Any], path: str, findings: Findings) -> None:
    """A former name must be free, and nobody else's."""
    claimed: dict[str, str] = {}
    for name, model in named.items():
        if not model.was or node is None:
            continue
        said = node.get(name)
        spot = said.key("was") if isinstance(said, Map) else node
        if model.was in named:
            findings.problem(
                spot, f"{path}.{name}.was", f"{model.was!r} is still there", "a rename leaves the old name free"
            )
        elif model.was in claimed:
            findings.problem(
                spot, f"{path}.{name}.was", f"{claimed[model.was]!r} says so too", "only one can have its history"
            )
        claimed[model.was] = name


def tag_model(name: str, node: Node, shape: Shape, path: str, findings: Findings) -> TagModel:
    """What a tag's mapping says it means; what is wrong is reported and left out."""
    found = as_map(node, shape, path, findings)
    if found is None:
        return TagModel(name=name)
    return meaning(name, read(found, shape, path, findings), found, path, findings)


def meaning(name: str, said: dict[str, Any], node: Map, path: str, findings: Findings) -> TagModel:
    """A tag's meaning from its values as read; checks that they fit together."""
    type_: DataType = said.get("type", DataType.FLOAT)
    labels = said.get("values", {})
    fitting = dict(said)
    if labels and type_ is not DataType.ENUMERATION:
        hint = "add type: enumeration" if "type" not in said else ""
        findings.problem(node.key("values"), below(path, "values"), f"a tag of type {type_} has no named values", hint)
        fitting.pop("values")
    if type_ is DataType.ENUMERATION and "values" not in node.entries:
        findings.problem(node, path, "an enumeration needs values", "write values: {0: stopped, 1: running}")
    drop_unfit(fitting, type_, node, path, findings)
    within(fitting.get("normal"), fitting.get("range"), node, path, findings)
    write = writing(fitting, type_, fitting.get("range"), path, findings)
    return TagModel(
        name=name,
        type=type_,
        unit_wrong="unit" in node.entries and "unit" not in said,
        stepped=said.get("stepped", type_ is not DataType.FLOAT),
        labels=fitting.get("values", {}),
        write=write,
        **{key: fitting[key] for key in _PLAIN if key in fitting},
    )


_PLAIN: Final = ("unit", "description", "range", "normal", "every", "deadband", "queue", "keep", "was")


def drop_unfit(said: dict[str, Any], type_: DataType, node: Map, path: str, findings: Findings) -> None:
    """Takes out, and reports, what only numbers have when the tag is none."""
    if type_ in _NUMBERS:
        return
    for key in _NUMBERS_ONLY:
        if said.pop(key, None) is not None:
            findings.problem(
                node.key(key), below(path, key), f"{article(type_)} tag has no {key}", "only numbers have one"
            )


def within(
    normal: tuple[float, float] | None,
    limits: tuple[float, float] | None,
    node: Map,
    path: str,
    findings: Findings,
) -> None:
    """Reports a normal band that reaches beyond the range; it stands where the last of the two is said."""
    if normal is None or limits is None or limits[0] <= normal[0] <= normal[1] <= limits[1]:
        return
    key = "normal" if "normal" in node.entries else "range"
    what = f"the normal band {_shown(normal)} reaches beyond the tag's range {_shown(limits)}"
    findings.problem(node.key(key), below(path, key), what, "" if key == "normal" else "say normal here too")


def _shown(ends: tuple[float, float]) -> str:
    return f"[{ends[0]:g}, {ends[1]:g}]"


def writing(
    said: dict[str, Any], type_: DataType, limits: tuple[float, float] | None, path: str, findings: Findings
) -> Writing | None:
    """The limits of writing, None where the tag is not written."""
    node = said.get("write")
    if node is None:
        return None
    path = below(path, "write")
    values = read(node, WRITE, path, findings)
    for key in ("range", "step"):
        if key in values and type_ not in _NUMBERS:
            findings.problem(
                node.key(key), below(path, key), f"a {type_} tag has no {key} to write", "only numbers have one"
            )
            values.pop(key)
    inner = values.get("range")
    if inner and limits and not limits[0] <= inner[0] <= inner[1] <= limits[1]:
        what = f"{_shown(inner)} reaches beyond the tag's range {_shown(limits)}"
        findings.problem(node.key("range"), below(path, "range"), what)
    return Writing(**values)


def _known_parts(models: Models, name: str, types: dict[str, tuple[Scalar, Node]], findings: Findings) -> None:
    """Reports and takes out parts whose type does not exist."""
    parts = models[name].parts
    for part in list(parts.values()):
        if part.type not in models:
            path = f"types.{shown_type(name)}.parts.{part.name}"
            unknown_type(part.type, models, _spot(types, name, part.name), path, findings)
            del parts[part.name]


def unknown_type(name: str, models: Models, spot: Any, path: str, findings: Findings) -> None:
    plain = name.split("@")[0]
    versions = sorted(shown_type(known) for known in models if known.split("@")[0] == plain)
    hint = f"there is {', '.join(versions)}" if versions else one_of(shown_type(name), map(shown_type, models))
    findings.problem(spot, below(path, "type"), f"there is no type {shown_type(name)!r}", hint)


def _spot(types: dict[str, tuple[Scalar, Node]], name: str, part: str) -> Scalar | Map:
    """Where a part of a type stands."""
    key, node = types[name]
    parts = node.get("parts") if isinstance(node, Map) else None
    return parts.key(part) if isinstance(parts, Map) else key


def _measured(models: Models, types: dict[str, tuple[Scalar, Node]], findings: Findings) -> Models:
    """The models with their sizes; parts that lead back to their own type, too deep or to too much are taken out."""
    done: Models = {}

    def measure(name: str, chain: tuple[str, ...]) -> Model:
        if name not in done:
            model = models[name]
            kept, size, depth = {}, 1 + len(model.tags), 1
            for part in model.parts.values():
                trouble = _endless(part.type, (*chain, name))
                if not trouble:
                    inner = measure(part.type, (*chain, name))
                    trouble = _too_much(size + inner.size, 1 + inner.depth)
                if trouble:
                    path = f"types.{shown_type(name)}.parts.{part.name}"
                    findings.problem(_spot(types, name, part.name), path, trouble)
                    continue
                size, depth = size + inner.size, max(depth, 1 + inner.depth)
                kept[part.name] = part
            done[name] = msgspec.structs.replace(model, parts=kept, size=size, depth=depth)
        return done[name]

    for name in models:
        measure(name, ())
    return done


def _endless(part: str, chain: tuple[str, ...]) -> str:
    if part in chain:
        around = " in ".join(shown_type(step) for step in (part, *reversed(chain[chain.index(part) :])))
        return f"a type cannot be a part of itself: {around[:400]}"
    return _too_much(0, len(chain) + 1)


def _too_much(size: int, depth: int) -> str:
    if depth > DEEPEST_MODEL:
        return f"parts in parts more than {DEEPEST_MODEL} deep"
    return f"one asset of this type would be more than {LARGEST_MODEL:,} tags and parts" if size > LARGEST_MODEL else ""
