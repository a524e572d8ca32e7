# SPDX-License-Identifier: Apache-2.0
"""What browsing found, as a piece of plant file: a system, types where several things are alike, and assets."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from isthmus.core.tag import DataType

if TYPE_CHECKING:
    from isthmus.systems.contract import Found

_NUMBERS: Final = {DataType.FLOAT, DataType.INTEGER, DataType.UNSIGNED}
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_.\-]*")
_SPECIAL: Final = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
MOST_NAMED: Final = 10
"""Names of things left out that are said."""
LONGEST_PATH: Final = 240
NOWHERE: Final = "browsed"
"""The asset of a tag that stands alone."""

_UNIT: Final = "# unit?"
"""Stands beside a number of which the system tells no unit."""

Tags = dict[str, "Found"]


def plant_file(found: Iterable[Found], system: str, config: Mapping[str, Any]) -> str:
    """YAML to paste into a plant file: `systems`, `types` and `assets`."""
    assets = group(found)
    types = name_types(assets)
    lines = ["systems:", f"  {system}:", *(line for key, value in config.items() for line in _key(key, value))]
    if types:
        lines += ["", "types:"]
        for name, signature in types.items():
            tags = next(tags for tags in assets.values() if _signature(tags) == signature)
            lines += [f"  {name}:", "    tags:"]
            lines += [f"      {tag}: {_mapping(_meaning(one))}{_remark(one)}" for tag, one in tags.items()]
    lines += ["", "assets:"] if assets else ["", "assets: {}"]
    by_signature = {signature: name for name, signature in types.items()}
    for path, tags in assets.items():
        lines += _asset(path, tags, system, by_signature.get(_signature(tags)))
    return "\n".join(lines) + "\n"


def needed(found: Iterable[Found]) -> dict[str, dict[str, Any]]:
    """Own keys that the system has to have for what was found."""
    keys: dict[str, dict[str, Any]] = {}
    for one in found:
        for key, entries in one.needs.items():
            keys.setdefault(key, {}).update(entries)
    return keys


def lacking(found: Iterable[Found]) -> str:
    """A comment line on each thing of whose keys a person has to say more."""
    return "".join(f"# {one.path}: {one.remark}\n" for one in found if one.needs and one.remark)


def left_out(found: Iterable[Found]) -> str:
    """A comment line on what no tag can be made of, by reason; nothing when there is no such thing."""
    names: dict[str, list[str]] = {}
    for one in found:
        if one.left_out:
            names.setdefault(one.left_out, []).append("".join(c if c.isprintable() else " " for c in one.path)[:200])
    return "".join(
        f"# {len(some)} variable{'' if len(some) == 1 else 's'} left out: {why}: {', '.join(some[:MOST_NAMED])}"
        f"{' and others' if len(some) > MOST_NAMED else ''}\n"
        for why, some in names.items()
    )


def without_unit(found: Iterable[Found]) -> str:
    """A comment line on the numbers of which the system tells no unit; nothing when there are none."""
    count = sum(map(_unitless, found))
    numbers = "1 number has" if count == 1 else f"{count:,} numbers have"
    told = f"# {numbers} no unit because the server tells none: where `{_UNIT}` stands add it in the braces: unit: kW\n"
    return told if count else ""


def _unitless(one: Found) -> bool:
    return one.type in _NUMBERS and not one.unit


def _remark(one: Found) -> str:
    said = [*([_UNIT] if _unitless(one) else []), *([f"# {one.remark}"] if one.remark else [])]
    return "".join(f"  {piece}" for piece in said)


def _asset(path: str, tags: Tags, system: str, type_: str | None) -> list[str]:
    lines = [f"  {path}:", *([f"    type: {type_}"] if type_ else []), f"    system: {system}", "    tags:"]
    for name, one in tags.items():
        said = _value(one.address) if type_ else _mapping({"address": one.address, **_meaning(one)}) + _remark(one)
        lines.append(f"      {name}: {said}")
    return lines


def group(found: Iterable[Found]) -> dict[str, Tags]:
    """Asset path → tag name → what was found; only what a tag can be made of. Names become what a path allows."""
    assets: dict[str, Tags] = {}
    taken: set[str] = set()
    variables = {one.path for one in found if one.type is not None} if isinstance(found, Sequence) else set()
    for one in found:
        if one.type is None:
            continue
        above, _, name = one.path.rpartition("/")
        path = _path(f"{above}-parts" if above in variables else above)
        tag = _free(segment(name), path, taken)
        assets.setdefault(path, {})[tag] = one
    return assets


def _path(names: str) -> str:
    """An asset's path of the names above a tag; the nearest ones where there are too many."""
    segments = [segment(name) for name in names.split("/") if name] or [NOWHERE]
    while len("/".join(segments)) > LONGEST_PATH:
        segments = segments[1:]
    return "/".join(segments)


def segment(name: str) -> str:
    """A name as a part of a path: `Tank 1 [m³]` → `Tank-1-m`."""
    short = re.sub(r"[^A-Za-z0-9_.\-]+", "-", name).strip("-.")[:60].strip("-.")
    return short or "unnamed"


def _free(name: str, path: str, taken: set[str]) -> str:
    number, free = 1, name
    while f"{path}/{free}" in taken:
        number += 1
        free = f"{name}-{number}"
    taken.add(f"{path}/{free}")
    return free


def _meaning(one: Found) -> dict[str, Any]:
    """What a tag means, in the plant file's keys."""
    said: dict[str, Any] = {} if one.type in (None, DataType.FLOAT) else {"type": str(one.type)}
    if one.type in _NUMBERS:
        said |= {"unit": one.unit} if one.unit else {}
        said |= {"range": list(one.range)} if one.range else {}
    if one.description and one.description != one.name:
        said["description"] = " ".join(one.description.split())[:200]
    return said


def _signature(tags: Tags) -> str:
    return json.dumps({name: _meaning(one) for name, one in sorted(tags.items())})


def name_types(assets: Mapping[str, Tags]) -> dict[str, str]:
    """Type name → signature, for every set of tags that several assets share."""
    paths: dict[str, list[str]] = {}
    for path, tags in assets.items():
        paths.setdefault(_signature(tags), []).append(path)
    types: dict[str, str] = {}
    for signature, alike in paths.items():
        if len(alike) > 1:
            types[_free(_common(alike), "", {f"/{name}" for name in types})] = signature
    return types


def _common(paths: Sequence[str]) -> str:
    """`reactor-1`, `reactor-2` → `reactor`."""
    name = re.sub(r"[0-9]+", "", paths[0].rpartition("/")[2])
    return (re.sub(r"[-_.]{2,}", "-", name).strip("-_.") or "thing").lower()


def _key(key: str, value: Any) -> Iterable[str]:
    """A system's own key; of one that holds named entries a line for each."""
    if isinstance(value, Mapping) and "!secret" not in value:
        yield f"    {key}:"
        yield from (f"      {_value(name)}: {_mapping(entry)}" for name, entry in value.items())
    else:
        yield f"    {key}: {_value(value)}"


def _mapping(said: Mapping[str, Any]) -> str:
    return "{" + ", ".join(f"{key}: {_value(value)}" for key, value in said.items()) + "}"


def _value(value: Any) -> str:
    if isinstance(value, str):
        return value if _PLAIN.fullmatch(value) and value.lower() not in _SPECIAL else _quoted(value)
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, Mapping) and "!secret" in value:
        return f"!secret {value['!secret']}"
    if isinstance(value, Sequence):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    return str(value)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\x7f").replace("\x85", "\\x85")
