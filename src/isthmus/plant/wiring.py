# SPDX-License-Identifier: Apache-2.0
"""Wiring joins what a tag means to where it is read: address, scale to the tag's unit, interval, limits."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from isthmus.core import unit
from isthmus.core.errors import IsthmusError
from isthmus.core.path import LONGEST
from isthmus.core.tag import DataType, Tag
from isthmus.plant.doors import Door
from isthmus.plant.findings import Findings
from isthmus.plant.grammar import OWN_TAG
from isthmus.plant.models import TagModel, drop_unfit, within, writing
from isthmus.plant.nodes import Map
from isthmus.plant.reading import below
from isthmus.plant.revision import Place, TagSetting


@dataclass(frozen=True, slots=True)
class Wire:
    """Where one tag is, in the plant and in the file."""

    path: str
    said: str
    door: Door
    device: str
    """The unit the device gives it in."""
    keep: str
    """Its class of history; empty: the default one."""
    place: Place
    meant: Place
    """Where its type says what it means."""


def wired(wire: Wire, model: TagModel, values: dict[str, Any], node: Map, findings: Findings) -> TagSetting | None:
    """The setting of a tag that `values` say how to read; None when its address is missing or wrong."""
    if len(wire.path) > LONGEST:
        findings.problem(node, wire.said, f"a path of {len(wire.path)} characters", f"at most {LONGEST}")
    drop_unfit(values, model.type, node, wire.said, findings)
    address = _address(wire, values, node, findings)
    if address is None:
        return None
    scale, offset = _conversion(wire, model, values, node, findings)
    limits, normal = values.get("range", model.range), values.get("normal", model.normal)
    if "range" in values or "normal" in values:
        within(normal, limits, node, wire.said, findings)
    rewritten = "write" in values and values["write"] is not None
    write = writing(values, model.type, limits, wire.said, findings) if rewritten else model.write
    if write is not None and (why := wire.door.unwritable(address)):
        findings.problem(node.entries["address"][1], wire.said, why, "leave out write:, or give another address")
    return TagSetting(
        tag=Tag(0, wire.path, model.unit, model.type, model.stepped),
        system=wire.door.setting.name,
        address=address,
        scale=scale,
        offset=offset,
        range=limits,
        normal=normal,
        every=values.get("every", model.every),
        deadband=_deadband(values.get("deadband", model.deadband), scale),
        queue=values.get("queue", model.queue),
        keep=wire.keep,
        labels=model.labels,
        description=values.get("description", model.description),
        write=write,
        place=wire.place,
        meant=wire.meant,
    )


def _address(wire: Wire, values: dict[str, Any], node: Map, findings: Findings) -> str | None:
    """The canonical address, None (and a problem) when there is none."""
    said = node.entries.get("address")
    text = values.get("address")
    if said is None and node.entries.keys() <= OWN_TAG.by_name.keys():  # else a misspelt one was reported
        findings.problem(node, wire.said, "has no address", "say address: where the system has it")
    if said is None or text is None:
        return None
    at = said[1]
    try:
        address = wire.door.address(text)
        doubt = wire.door.doubt(address)
    except IsthmusError as error:
        findings.problem(at, wire.said, error.what, error.hint)
        return None
    if doubt:
        findings.warning(at, wire.said, doubt)
    return address


def _conversion(
    wire: Wire, model: TagModel, values: dict[str, Any], node: Map, findings: Findings
) -> tuple[float, float]:
    """(scale, offset) from the device's number to the tag's value: its own scaling first, then the unit."""
    scale, offset = values.get("scale", 1.0), values.get("offset", 0.0)
    if model.unit_wrong:
        return 1.0, 0.0
    try:
        units = unit.conversion(wire.device, model.unit)
        whole = scale * units.scale, offset * units.scale + units.offset
    except IsthmusError as error:
        hint = f"the type keeps it in {model.unit}" if model.unit else "the type gives it no unit"
        findings.problem(node.key("unit"), below(wire.said, "unit"), error.what, hint)
        return 1.0, 0.0
    except ArithmeticError as error:
        findings.problem(node.key("unit"), below(wire.said, "unit"), f"cannot be converted: {error}")
        return 1.0, 0.0
    if model.type is not DataType.FLOAT and whole != (1.0, 0.0):
        hint = "give the tag type: float"
        findings.problem(
            node, wire.said, f"a tag of type {model.type} is kept as it comes: no scale, no other unit", hint
        )
        return 1.0, 0.0
    if not all(map(math.isfinite, whole)) or whole[0] == 0:
        findings.problem(node, wire.said, "scale, offset and unit together are out of bounds")
        return 1.0, 0.0
    return whole


def _deadband(deadband: float, scale: float) -> float:
    """In the device's own numbers: there it is applied."""
    raw = deadband / abs(scale)
    return raw if math.isfinite(raw) else 0.0
