# SPDX-License-Identifier: Apache-2.0
"""The plant as OPC UA shows it: object types of its asset types, assets by path, tags as variables with their meaning.

NodeIds are texts that stay the same from one start and one revision to the next: the path of an asset, a place or a
tag; `type:reactor@2` and `type:reactor@2/temperature` for types and what they declare.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from asyncua import ua
from asyncua.server.address_space import AddressSpace

from isthmus.core import time, unit
from isthmus.core.tag import DataType
from isthmus.outputs.opcua import wire
from isthmus.outputs.opcua.items import Variable
from isthmus.outputs.opcua.nodes import HISTORY_READ, READ, Nodes, standard
from isthmus.outputs.opcua.wire import Value
from isthmus.plant.revision import AssetSetting, Revision, TagSetting
from isthmus.store.history.aggregates.catalogue import AGGREGATES
from isthmus.store.history.excerpt import STEPPED
from isthmus.systems.opcua.units import UCUM

TYPES: Final = {
    DataType.BOOLEAN: ua.ObjectIds.Boolean,
    DataType.INTEGER: ua.ObjectIds.Int64,
    DataType.UNSIGNED: ua.ObjectIds.UInt64,
    DataType.FLOAT: ua.ObjectIds.Double,
    DataType.TEXT: ua.ObjectIds.String,
    DataType.ENUMERATION: ua.ObjectIds.Int64,
}
_NUMBERS: Final = (DataType.FLOAT, DataType.INTEGER, DataType.UNSIGNED)

_UNECE: Final = "http://www.opcfoundation.org/UA/units/un/cefact"
_UCUM: Final = "http://unitsofmeasure.org"
_CODES: Final = {code: number for number, code in reversed(UCUM.items())}
"""UCUM code → UNECE number; of several the one that is named first."""
_SIGNS: Final = {code: text for text, code in reversed(unit.HABITS.items()) if not text.isascii()}
"""How units are printed: `°C`."""

AGGREGATE_NODES: Final = {
    getattr(ua.ObjectIds, f"AggregateFunction_{name}"): name
    for name in AGGREGATES
    if hasattr(ua.ObjectIds, f"AggregateFunction_{name}")
}
"""Number of the standard's node → the aggregate."""


class TagVariable(Variable):
    """A tag's variable."""

    __slots__ = ("_labels", "setting", "text")

    def __init__(self, setting: TagSetting, current: Value) -> None:
        super().__init__(current)
        self.setting = setting
        self._labels = {number: wire.localized(label) for number, label in setting.labels.items()}
        self.text = Variable(self._as_text(current)) if setting.tag.type is DataType.ENUMERATION else None
        """What the value is called (ValueAsText)."""

    def change(self, value: Value, now: float) -> None:
        super().change(value, now)
        if self.text is not None:
            self.text.change(self._as_text(value), now)

    def _as_text(self, value: Value) -> Value:
        known = self._labels.get(int(value.number)) if value.number == value.number else None
        variant = b"\x15" + (known or b"\x00") if value.variant else b""
        return Value(variant, value.status, value.at, value.seen)


@dataclass(frozen=True, slots=True)
class Space:
    """What of the address space is ours."""

    uri: str
    variables: Mapping[ua.NodeId, Variable]
    """Every node with a value of ours."""
    tags: Mapping[int, TagVariable]
    """By tag number."""
    by_node: Mapping[ua.NodeId, TagVariable] = field(default_factory=dict)
    """The tags' nodes: those that have a history."""


def namespace(plant: str) -> str:
    """The namespace URI of a plant's nodes."""
    return f"urn:isthmus:{plant}"


def build(space: AddressSpace, index: int, revision: Revision, tags: Mapping[int, TagSetting]) -> Space:
    """Puts the plant below Objects; takes a second for ten thousand tags."""
    return _Building(space, index, revision, tags).run()


class _Building:
    def __init__(self, space: AddressSpace, index: int, revision: Revision, tags: Mapping[int, TagSetting]) -> None:
        self._nodes, self._space = Nodes(space, index), space
        self._revision, self._settings = revision, tags
        self._assets = {asset.path: asset for asset in revision.assets}
        self._variables: dict[ua.NodeId, Variable] = {}
        self._tags: dict[int, TagVariable] = {}
        self._by_node: dict[ua.NodeId, TagVariable] = {}
        self._places: dict[str, ua.NodeId] = {}
        self._waiting = wire.waiting(time.now())

    def run(self) -> Space:
        self._make_types()
        configurations = {stepped: self._configuration(stepped) for stepped in (False, True)}
        for setting in self._settings.values():
            place, _, name = setting.tag.path.rpartition("/")
            parent = self._place(place)
            node = self._tag(self._nodes.id(setting.tag.path), name, parent, setting)
            stepped = setting.tag.stepped or setting.tag.type in STEPPED
            self._nodes.point(node, ua.ObjectIds.HasHistoricalConfiguration, configurations[stepped])
        _tell_abilities(self._space, self._nodes)
        uri = namespace(self._revision.plant)
        return Space(uri, self._variables, self._tags, self._by_node)

    def _make_types(self) -> None:
        """An ObjectType of every asset type: what its assets have, mandatory where all of them have it."""
        members: dict[str, dict[str, TagSetting]] = {}
        counts: dict[tuple[str, str], int] = {}
        assets: dict[str, set[str]] = {}
        for setting in self._settings.values():
            place, _, name = setting.tag.path.rpartition("/")
            if (asset := self._assets.get(place)) is not None and asset.type:
                members.setdefault(asset.type, {}).setdefault(name, setting)
                counts[asset.type, name] = counts.get((asset.type, name), 0) + 1
                assets.setdefault(asset.type, set()).add(place)
        for type_, declared in sorted(members.items()):
            node = self._nodes.add(
                self._nodes.id(f"type:{type_}"), type_, standard(ua.ObjectIds.BaseObjectType),
                ua.ObjectIds.HasSubtype, 0, ua.NodeClass.ObjectType, attributes={ua.AttributeIds.IsAbstract: False},
            )  # fmt: skip
            for name, setting in declared.items():
                every = counts[type_, name] == len(assets[type_])
                self._declare(node, name, setting, mandatory=every)

    def _declare(self, type_: ua.NodeId, name: str, setting: TagSetting, *, mandatory: bool) -> None:
        node = self._analog(self._nodes.id(f"{type_.Identifier}/{name}"), name, type_, setting, access=READ)
        rule = ua.ObjectIds.ModellingRule_Mandatory if mandatory else ua.ObjectIds.ModellingRule_Optional
        self._nodes.point(node, ua.ObjectIds.HasModellingRule, standard(rule))

    def _place(self, path: str) -> ua.NodeId:
        """The asset, or the folder where there is none, at a path."""
        known = self._places.get(path)
        if known is not None:
            return known
        above, _, name = path.rpartition("/")
        parent = self._place(above) if above else standard(ua.ObjectIds.ObjectsFolder)
        asset = self._assets.get(path)
        by = ua.ObjectIds.HasComponent if asset and above in self._assets else ua.ObjectIds.Organizes
        node = self._nodes.typed(
            self._nodes.id(path), name, parent, by, self._type_of(asset), ua.NodeClass.Object,
            description=asset.description if asset else "", attributes={ua.AttributeIds.EventNotifier: 0},
        )  # fmt: skip
        self._places[path] = node
        return node

    def _type_of(self, asset: AssetSetting | None) -> ua.NodeId:
        if asset is None:
            return standard(ua.ObjectIds.FolderType)
        own = self._nodes.id(f"type:{asset.type}")
        return own if asset.type and own in self._space else standard(ua.ObjectIds.BaseObjectType)

    def _tag(self, node: ua.NodeId, name: str, parent: ua.NodeId, setting: TagSetting) -> ua.NodeId:
        self._analog(node, name, parent, setting, access=READ | HISTORY_READ)
        variable = TagVariable(setting, self._waiting)
        self._tags[setting.tag.number] = self._by_node[node] = variable
        self._variables[node] = variable
        if variable.text is not None:
            self._variables[self._nodes.id(f"{node.Identifier}#ValueAsText")] = variable.text
        return node

    def _analog(self, node: ua.NodeId, name: str, parent: ua.NodeId, setting: TagSetting, *, access: int) -> ua.NodeId:
        """A variable with its properties (Part 8, 5.3)."""
        tag, nodes = setting.tag, self._nodes
        ranged = setting.range is not None and tag.type in _NUMBERS
        nodes.variable(
            node, name, parent, ua.ObjectIds.HasComponent, _kind(setting, ranged=ranged), ua.Variant(),
            standard(TYPES[tag.type]), description=setting.description, access=access,
            historizing=bool(access & HISTORY_READ),
        )  # fmt: skip
        if ranged and setting.range is not None:
            range_ = ua.Range(Low=setting.range[0], High=setting.range[1])
            nodes.property(node, "EURange", ua.Variant(range_), ua.ObjectIds.Range)
        if tag.unit and tag.type in _NUMBERS:
            nodes.property(node, "EngineeringUnits", ua.Variant(unit_of(tag.unit)), ua.ObjectIds.EUInformation)
        if tag.type is DataType.ENUMERATION:
            named = [ua.EnumValueType(n, ua.LocalizedText(label)) for n, label in sorted(setting.labels.items())]
            many = ua.Variant(named, ua.VariantType.ExtensionObject, is_array=True)
            nodes.property(node, "EnumValues", many, ua.ObjectIds.EnumValueType, rank=1)
            nodes.property(node, "ValueAsText", ua.Variant(), ua.ObjectIds.LocalizedText)
        return node

    def _configuration(self, stepped: bool) -> ua.NodeId:
        """How values lie between samples, and how aggregates count by themselves (Part 11, 5.2.3; Part 13, 4.2.1)."""
        nodes, word = self._nodes, "stepped" if stepped else "sloped"
        node = nodes.add(
            nodes.id(f"history:{word}"), "HA Configuration", standard(ua.ObjectIds.HistoryServerCapabilities),
            ua.ObjectIds.HasComponent, ua.ObjectIds.HistoricalDataConfigurationType, ua.NodeClass.Object,
            named=ua.QualifiedName("HA Configuration", 0), attributes={ua.AttributeIds.EventNotifier: 0},
        )  # fmt: skip
        nodes.property(node, "Stepped", ua.Variant(stepped), ua.ObjectIds.Boolean)
        inner = nodes.add(
            nodes.id(f"history:{word}/aggregates"), "AggregateConfiguration", node, ua.ObjectIds.HasComponent,
            ua.ObjectIds.AggregateConfigurationType, ua.NodeClass.Object,
            named=ua.QualifiedName("AggregateConfiguration", 0), attributes={ua.AttributeIds.EventNotifier: 0},
        )  # fmt: skip
        for name, value in (("TreatUncertainAsBad", True), ("UseSlopedExtrapolation", False)):
            nodes.property(inner, name, ua.Variant(value), ua.ObjectIds.Boolean)
        for name in ("PercentDataBad", "PercentDataGood"):
            nodes.property(inner, name, ua.Variant(100, ua.VariantType.Byte), ua.ObjectIds.Byte)
        return node


def _kind(setting: TagSetting, *, ranged: bool) -> int:
    """The type of a tag's variable (Part 8, 5.3.2 and 5.3.3)."""
    if setting.tag.type is DataType.ENUMERATION:
        return int(ua.ObjectIds.MultiStateValueDiscreteType)
    united = bool(setting.tag.unit) and setting.tag.type in _NUMBERS
    if ranged:
        return int(ua.ObjectIds.AnalogUnitRangeType if united else ua.ObjectIds.AnalogItemType)
    return int(ua.ObjectIds.AnalogUnitType if united else ua.ObjectIds.BaseDataVariableType)


def unit_of(code: str) -> ua.EUInformation:
    """A UCUM code as Part 8, 5.6.4.3 has units: by their UNECE number; those without one by their code alone."""
    number = _CODES.get(code)
    return ua.EUInformation(
        NamespaceUri=_UNECE if number is not None else _UCUM,
        UnitId=-1 if number is None else number,
        DisplayName=ua.LocalizedText(_SIGNS.get(code, code)),
        Description=ua.LocalizedText(code),
    )


def _tell_abilities(space: AddressSpace, nodes: Nodes) -> None:
    """What the server's history can (Part 11, 5.4): data, and the aggregates of Part 13 that we have."""
    objects = ua.ObjectIds
    for folder in (
        objects.Server_ServerCapabilities_AggregateFunctions,
        objects.HistoryServerCapabilities_AggregateFunctions,
    ):
        for number in AGGREGATE_NODES:
            nodes.refer(standard(folder), objects.Organizes, standard(number))
    said: Iterable[tuple[int, ua.Variant]] = (
        (objects.HistoryServerCapabilities_AccessHistoryDataCapability, ua.Variant(True)),
        (objects.HistoryServerCapabilities_AccessHistoryEventsCapability, ua.Variant(False)),
        (objects.HistoryServerCapabilities_ServerTimestampSupported, ua.Variant(True)),
        (objects.HistoryServerCapabilities_InsertDataCapability, ua.Variant(False)),
        (objects.HistoryServerCapabilities_ReplaceDataCapability, ua.Variant(False)),
        (objects.HistoryServerCapabilities_UpdateDataCapability, ua.Variant(False)),
        (objects.HistoryServerCapabilities_DeleteRawCapability, ua.Variant(False)),
        (objects.HistoryServerCapabilities_DeleteAtTimeCapability, ua.Variant(False)),
        (objects.Server_ServerCapabilities_MaxHistoryContinuationPoints, ua.Variant(1, ua.VariantType.UInt16)),
    )
    for number, value in said:
        space[standard(number)].attributes[ua.AttributeIds.Value].value = ua.DataValue(value)
    space[standard(objects.Server)].attributes[ua.AttributeIds.EventNotifier].value = ua.DataValue(
        ua.Variant(0, ua.VariantType.Byte)
    )
