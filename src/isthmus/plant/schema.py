# SPDX-License-Identifier: Apache-2.0
"""The JSON Schema of a plant file, for editors: the grammar's shapes, and the Spec of every kind of system."""

from __future__ import annotations

from typing import Any, Final

from isthmus.plant.doors import Kinds
from isthmus.plant.forms import Form
from isthmus.plant.grammar import INCLUDED, OUTPUT, PLANT, SHAPES, SYSTEM, Entries, Held, Key, Listed, Shape
from isthmus.plant.outputs import NO_OUTPUTS, OutputKinds
from isthmus.plant.specs import Specified

DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"

_PLACEHOLDER: Final = {"type": "string", "pattern": r"\{[^{}]+\}"}
_NOTHING: Final = {"type": "null"}

Json = dict[str, Any]


def schema(kinds: Kinds, outputs: OutputKinds = NO_OUTPUTS) -> Json:
    """The schema of a plant file and of the files it includes, with these kinds of systems and of outputs."""
    definitions = {shape.name: _shape(shape) for shape in SHAPES.values() if shape not in (SYSTEM, OUTPUT)}
    for shape, known in ((SYSTEM, kinds), (OUTPUT, outputs)):
        definitions[shape.name] = _specified(shape, known)
        for name in sorted(known):
            definitions |= _kind(shape, known[name])
    of_main = [{"required": [key.name]} for key in PLANT.keys if key.name not in INCLUDED.by_name]
    return {
        "$schema": DRAFT,
        "title": "Isthmus plant file",
        "if": {"anyOf": of_main},
        "then": _ref(PLANT.name),
        "else": _ref(INCLUDED.name),
        "$defs": definitions,
    }


def _ref(name: str) -> Json:
    return {"$ref": f"#/$defs/{name.replace(' ', '%20')}"}


def _shape(shape: Shape) -> Json:
    made: Json = {
        "type": "object",
        "description": shape.text,
        "properties": {key.name: _key(key, shape) for key in shape.keys},
        "additionalProperties": False,
    }
    if shape.required:
        made["required"] = list(shape.required)
    untyped = {key.name: key.takes for key in shape.keys if isinstance(key.takes, Entries) and key.takes.untyped}
    for name, takes in untyped.items():
        tags = {"properties": {name: _entries(takes.untyped)}}
        made |= {"if": {"required": ["type"]}, "then": {"properties": {name: _entries(takes.holds)}}, "else": tags}
    return made


def _key(key: Key, shape: Shape) -> Json:
    return {"description": key.text, **_held(key.takes, shape)}


def _held(takes: Held, shape: Shape) -> Json:
    if isinstance(takes, Form):
        return {"anyOf": [dict(takes.schema), _PLACEHOLDER]} if shape.templated else dict(takes.schema)
    if isinstance(takes, Listed):
        return {"anyOf": [dict(takes.of.schema), {"type": "array", "items": dict(takes.of.schema)}]}
    if isinstance(takes, Entries):
        return {"type": ["object", "null"]} if takes.untyped else _entries(takes.holds)
    return _entry(takes.holds)


def _entries(holds: str) -> Json:
    return {"type": ["object", "null"], "additionalProperties": _entry(holds)}


def _entry(holds: str) -> Json:
    """One mapping of a shape; a lone value where it has a short form, nothing where no key is required."""
    shape = SHAPES[holds]
    ways = [_ref(holds)]
    if shape.short:
        takes = shape.by_name[shape.short].takes
        ways.append(_held(takes, shape))
    if not shape.required:
        ways.append(_NOTHING)
    return {"anyOf": ways} if len(ways) > 1 else ways[0]


def _specified(shape: Shape, kinds: OutputKinds) -> Json:
    """A system or an output: its kind decides what else it says."""
    names = sorted(kinds)
    ways = [
        {"if": {"properties": {"kind": {"const": name}}, "required": ["kind"]}, "then": _ref(f"{shape.name} {name}")}
        for name in names
    ]
    return {
        "type": "object",
        "description": shape.text,
        "required": list(shape.required),
        "properties": {"kind": {"enum": names, "description": shape.by_name["kind"].text}},
        **({"allOf": ways} if ways else {}),
    }


def _or_placeholder(said: Json) -> Json:
    """What a template may also fill in."""
    described = {"description": said["description"]} if "description" in said else {}
    return {"anyOf": [said, _PLACEHOLDER], **described}


def _kind(shape: Shape, kind: Specified) -> dict[str, Json]:
    """The definitions of one kind: its Spec's own, and the whole of such a system or output."""
    prefix = f"{shape.name}.{kind.name}"
    spec = kind.spec.model_json_schema(ref_template=f"#/$defs/{prefix}.{{model}}")
    inner = {f"{prefix}.{name}": definition for name, definition in spec.pop("$defs", {}).items()}
    for definition in (spec, *inner.values()) if shape.templated else ():
        if "properties" in definition:
            definition["properties"] = {name: _or_placeholder(said) for name, said in definition["properties"].items()}
    common = {key.name: _key(key, shape) for key in shape.keys}
    properties = {**common, **spec.get("properties", {}), "kind": {"const": kind.name}}
    for name in kind.secrets:
        properties[name] = {"type": "string", "description": properties[name].get("description", "")}
    required = [*shape.required, *spec.get("required", [])]
    whole: Json = {
        "type": "object",
        "title": kind.title,
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }
    return {**inner, f"{shape.name} {kind.name}": whole}
