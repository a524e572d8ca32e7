# SPDX-License-Identifier: Apache-2.0
"""Nodes are put into asyncua's address space here, straight into its tables: its own way takes 50 times as long.

Attributes that many nodes have alike are one object: nothing of ours writes to them, and our subscriptions watch a
tag's value itself. With `library.py` this is all that depends on how asyncua is made inside.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from asyncua import ua
from asyncua.server.address_space import AddressSpace, AttributeValue, NodeData

_TYPES: Final = {
    ua.AttributeIds.NodeId: ua.VariantType.NodeId,
    ua.AttributeIds.NodeClass: ua.VariantType.Int32,
    ua.AttributeIds.BrowseName: ua.VariantType.QualifiedName,
    ua.AttributeIds.DisplayName: ua.VariantType.LocalizedText,
    ua.AttributeIds.Description: ua.VariantType.LocalizedText,
    ua.AttributeIds.WriteMask: ua.VariantType.UInt32,
    ua.AttributeIds.UserWriteMask: ua.VariantType.UInt32,
    ua.AttributeIds.IsAbstract: ua.VariantType.Boolean,
    ua.AttributeIds.EventNotifier: ua.VariantType.Byte,
    ua.AttributeIds.DataType: ua.VariantType.NodeId,
    ua.AttributeIds.ValueRank: ua.VariantType.Int32,
    ua.AttributeIds.AccessLevel: ua.VariantType.Byte,
    ua.AttributeIds.UserAccessLevel: ua.VariantType.Byte,
    ua.AttributeIds.MinimumSamplingInterval: ua.VariantType.Double,
    ua.AttributeIds.Historizing: ua.VariantType.Boolean,
}

READ: Final = 0x01
HISTORY_READ: Final = 0x04
"""Bits of AccessLevel (Part 3, 8.57)."""


def standard(number: int) -> ua.NodeId:
    """A node of the standard's own namespace."""
    return ua.NodeId(number, 0)


class Nodes:
    """Adds nodes of one namespace."""

    def __init__(self, space: AddressSpace, index: int) -> None:
        self._space, self._index = space, index
        self._alike: dict[tuple[Any, ...], AttributeValue] = {}

    def id(self, text: str) -> ua.NodeId:
        """The NodeId `ns=...;s=text`."""
        return ua.NodeId(text, self._index)

    def add(
        self, node: ua.NodeId, name: str, parent: ua.NodeId, by: int, kind: int, class_: ua.NodeClass,
        *, description: str = "", named: ua.QualifiedName | None = None, attributes: Mapping[int, Any] | None = None,
    ) -> ua.NodeId:  # fmt: skip
        """A node below `parent` by a reference of type `by`; `kind` is its type definition, 0: it has none."""
        return self.typed(
            node, name, parent, by, standard(kind) if kind else None, class_,
            description=description, named=named, attributes=attributes,
        )  # fmt: skip

    def typed(
        self, node: ua.NodeId, name: str, parent: ua.NodeId, by: int, kind: ua.NodeId | None, class_: ua.NodeClass,
        *, description: str = "", named: ua.QualifiedName | None = None, attributes: Mapping[int, Any] | None = None,
    ) -> ua.NodeId:  # fmt: skip
        """`add` with a type definition that may be ours."""
        data = NodeData(node)
        said = {
            ua.AttributeIds.NodeId: node,
            ua.AttributeIds.NodeClass: class_,
            ua.AttributeIds.BrowseName: named or ua.QualifiedName(name, self._index),
            ua.AttributeIds.DisplayName: ua.LocalizedText(name),
            ua.AttributeIds.WriteMask: 0,
            ua.AttributeIds.UserWriteMask: 0,
            **({ua.AttributeIds.Description: ua.LocalizedText(description)} if description else {}),
            **(attributes or {}),
        }
        data.attributes = {key: self._attribute(key, value) for key, value in said.items()}
        self._space[node] = data
        self.refer(parent, by, node, kind)
        if kind is not None:
            self._refer(data, ua.ObjectIds.HasTypeDefinition, kind, forward=True)
        return node

    def variable(
        self, node: ua.NodeId, name: str, parent: ua.NodeId, by: int, kind: int, value: ua.Variant,
        data_type: ua.NodeId, *, named: ua.QualifiedName | None = None, description: str = "", access: int = READ,
        rank: int = -1, historizing: bool = False,
    ) -> ua.NodeId:  # fmt: skip
        attributes = {
            ua.AttributeIds.Value: value,
            ua.AttributeIds.DataType: data_type,
            ua.AttributeIds.ValueRank: rank,
            ua.AttributeIds.AccessLevel: access,
            ua.AttributeIds.UserAccessLevel: access,
            ua.AttributeIds.MinimumSamplingInterval: 0.0,
            ua.AttributeIds.Historizing: historizing,
        }
        return self.add(
            node, name, parent, by, kind, ua.NodeClass.Variable,
            description=description, named=named, attributes=attributes,
        )  # fmt: skip

    def property(self, parent: ua.NodeId, name: str, value: ua.Variant, data_type: int, *, rank: int = -1) -> ua.NodeId:
        """A property of the standard's (BrowseName in namespace 0)."""
        node = self.id(f"{parent.Identifier}#{name}")
        return self.variable(
            node, name, parent, ua.ObjectIds.HasProperty, ua.ObjectIds.PropertyType, value, standard(data_type),
            named=ua.QualifiedName(name, 0), rank=rank,
        )  # fmt: skip

    def refer(self, source: ua.NodeId, by: int, target: ua.NodeId, kind: ua.NodeId | None = None) -> None:
        """A reference, seen from both ends."""
        self._refer(self._space[source], by, target, forward=True, kind=kind)
        self._refer(self._space[target], by, source, forward=False)

    def point(self, source: ua.NodeId, by: int, target: ua.NodeId) -> None:
        """A reference that is only seen from its source: what many share does not list them all."""
        self._refer(self._space[source], by, target, forward=True)

    def _refer(
        self, data: NodeData, by: int, target: ua.NodeId, *, forward: bool, kind: ua.NodeId | None = None
    ) -> None:
        there = self._space[target].attributes
        description = ua.ReferenceDescription()
        description.ReferenceTypeId = standard(by)
        description.IsForward = forward
        description.NodeId = target
        description.NodeClass = there[ua.AttributeIds.NodeClass].value.Value.Value
        description.BrowseName = there[ua.AttributeIds.BrowseName].value.Value.Value
        description.DisplayName = there[ua.AttributeIds.DisplayName].value.Value.Value
        if kind is not None:
            description.TypeDefinition = kind
        data.references.append(description)

    def _attribute(self, key: int, value: Any) -> AttributeValue:
        if key == ua.AttributeIds.Value:
            return AttributeValue(ua.DataValue(value))
        plain = isinstance(value, int | float | bool | ua.NodeId) and key != ua.AttributeIds.NodeId
        if not plain:
            return AttributeValue(ua.DataValue(ua.Variant(value, _TYPES[key])))
        known = self._alike.get((key, value))
        if known is None:
            known = self._alike[key, value] = AttributeValue(ua.DataValue(ua.Variant(value, _TYPES[key])))
        return known
