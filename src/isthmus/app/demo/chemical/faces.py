# SPDX-License-Identifier: Apache-2.0
"""The systems of the plant: what each speaks, and how it shows a tag: name, id, type, unit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from isthmus.app.demo.chemical.tag import Letter, PlantTag
from isthmus.core.tag import DataType

Kind = Literal["opcua", "modbus", "sparkplug", "mqtt", "files", "sql"]


@dataclass(frozen=True, slots=True)
class Face:
    """One system."""

    letter: Letter
    system: str
    """Its name in the plant file; of an OPC UA server also that of its process."""
    kind: Kind
    title: str
    namespace: str = ""
    """Of an OPC UA server."""

    @property
    def path(self) -> str:
        """The end of an OPC UA server's address."""
        return f"/{self.system}"

    def address(self, tag: PlantTag) -> str:
        """The tag's address as the plant file has it."""
        return f"nsu={self.namespace};s={tag.address}" if self.namespace else tag.address


FACES: Final[Mapping[str, Face]] = {
    face.system: face
    for face in (
        Face("A", "dcs", "opcua", "Reactor control system", "urn:isthmus:chemical:dcs"),
        Face("B", "packages", "opcua", "Package units", "urn:isthmus:chemical:packages"),
        Face("utilities", "utilities", "modbus", "Gateway of the utilities"),
        Face("meters", "meters", "sparkplug", "Energy and flow meters"),
        Face("treatment", "treatment", "mqtt", "Water treatment skid"),
        Face("laboratory", "laboratory", "files", "Laboratory"),
        Face("quality", "quality", "sql", "Quality database"),
    )
}
"""By the system's name."""
SERVERS: Final[Mapping[str, Face]] = {name: face for name, face in FACES.items() if face.kind == "opcua"}
"""The OPC UA servers."""


class Node(msgspec.Struct, frozen=True):
    """A variable as its server offers it."""

    id: str
    """Text identifier in an OPC UA server's namespace, elsewhere the address as the plant file has it."""
    path: tuple[str, ...]
    """Browse names from the objects folder on, its own last."""
    type: str
    """OPC UA's name of its data type."""
    description: str
    unit: str = ""
    """UCUM; empty where the server does not say."""
    range: tuple[float, float] | None = None
    labels: tuple[str, ...] = ()
    """Names of the values from 0 on, where the server says them."""


_TYPES: Final = {
    DataType.BOOLEAN: "Boolean",
    DataType.INTEGER: "Int32",
    DataType.UNSIGNED: "UInt32",
    DataType.FLOAT: "Double",
    DataType.TEXT: "String",
    DataType.ENUMERATION: "Int32",
}
_SPOKEN: Final = {
    "[psi]": "psi",
    "[degF]": "deg F",
    "[lb_av]/h": "lb/h",
    "[lb_av]": "lb",
    "[gal_us]/min": "gpm",
    "[Btu_IT]/h": "Btu/h",
    "[in_i]/s": "in/s",
    "kW.h": "kWh",
}
_SMALL: Final = 1e5
"""Registers count further than a 32-bit float can tell apart."""


def nodes(face: Face, tags: Iterable[PlantTag]) -> list[Node]:
    """The face's variables in the order of `tags`, of which it takes those of its server."""
    offer = _OFFERS.get(face.letter, _offer)
    return [offer(tag) for tag in tags if tag.server == face.letter]


def _offer_a(tag: PlantTag) -> Node:
    """Short names by unit and instrument, 64-bit floats; units, ranges and names of states are there to be read."""
    labels = tuple(tag.labels.get(i, "") for i in range(max(tag.labels) + 1)) if tag.labels else ()
    return Node(tag.address, tuple(tag.name.split(".")), _TYPES[tag.type], tag.description, tag.unit, tag.range, labels)


def _offer_b(tag: PlantTag) -> Node:
    """Long paths and small types; units stand in the description, as everything beyond the value does."""
    said = f"{tag.description}, {_SPOKEN.get(tag.unit, tag.unit)}" if tag.unit else tag.description
    if tag.labels:
        said += f" ({', '.join(f'{number} {name}' for number, name in tag.labels.items())})"
    return Node(tag.address, tuple(tag.address.split("/")), small(tag), said)


def _offer(tag: PlantTag) -> Node:
    """What its process needs to show it in its own way."""
    kind = small(tag) if tag.server == "utilities" else _TYPES[tag.type]
    return Node(tag.address, (tag.property,), kind, tag.description, tag.unit, tag.range)


def small(tag: PlantTag) -> str:
    """The smallest type that its maker finds large enough."""
    most = max(map(abs, tag.range)) / tag.scale if tag.range else 0.0
    if tag.type is DataType.FLOAT and most < _SMALL:
        return "Float"
    if tag.type is DataType.INTEGER and most < 30_000:
        return "Int16"
    return "Byte" if tag.type is DataType.ENUMERATION else _TYPES[tag.type]


_OFFERS: Final = {"A": _offer_a, "B": _offer_b}

REGISTERS: Final = {"Float": "float32", "Double": "float64", "Int16": "int16", "Int32": "int32", "Byte": "uint16"}
"""OPC UA's name of a type → Modbus'."""
SIZES: Final = {"float32": 2, "float64": 4, "int16": 1, "int32": 2, "uint16": 1}
"""Registers that it takes."""
