# SPDX-License-Identifier: Apache-2.0
"""Walks a server's address space from a node downwards and says of each variable what a plant file needs to know."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from asyncua import ua
from asyncua.ua.ua_binary import struct_from_binary

from isthmus.core.errors import NotFound
from isthmus.core.tag import DataType
from isthmus.systems.contract import Found
from isthmus.systems.opcua import units
from isthmus.systems.opcua.address import STANDARD, NodeAddress, parse
from isthmus.systems.opcua.link import Link

AT_ONCE: Final = 100
"""Nodes browsed in one request."""
REFERENCES: Final = 1000
"""References of one node in one answer; more come with a continuation point."""
MOST: Final = 1_000_000
"""Nodes after which the walk ends: a server that makes them up as we go must not keep us for ever."""
DEEPEST: Final = 50
_WRITE: Final = 2
_TYPES: Final = {
    1: DataType.BOOLEAN,
    **dict.fromkeys((2, 4, 6, 8, 27), DataType.INTEGER),
    **dict.fromkeys((3, 5, 7, 9, 19, 28), DataType.UNSIGNED),
    **dict.fromkeys((10, 11, 26), DataType.FLOAT),
    **dict.fromkeys((12, 13, 14, 15, 16, 17, 18, 20, 21), DataType.TEXT),
    29: DataType.INTEGER,
}
"""Data types of namespace 0 (Part 6, A.1) as a tag has them; derived types count as what they derive from."""
_REMARKS: Final = {
    13: "a DateTime, read as text in ISO 8601",
    15: "a ByteString, read as text in Base64",
    19: "a StatusCode, read as its number",
}
"""What values of some of these become, which the tag's type does not say."""
_DEPTH_OF_TYPES: Final = 20
_HISTORY: Final = ua.NodeId(ua.ObjectIds.HasHistoricalConfiguration)
"""From a variable to what says how its history is kept (Part 11, 5.2.4)."""


@dataclass(slots=True)
class _Node:
    id: ua.NodeId
    name: str
    path: str
    variable: bool
    depth: int
    properties: dict[str, ua.NodeId] = field(default_factory=dict)


class Walk:
    """One walk over one server; loops in the address space are walked once."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._seen: set[ua.NodeId] = set()
        self._types: dict[ua.NodeId, int] = {}
        self.looked_at = 0

    async def below(self, start: str | None) -> AsyncIterator[Found]:
        """Everything below the node `start` (the Objects folder without one), each thing once."""
        root = await self._root(start)
        level, deep = [root], root.id.NamespaceIndex == 0
        self._seen.add(root.id)
        while level and self.looked_at < MOST:
            following: list[_Node] = []
            for i in range(0, len(level), AT_ONCE):
                some = level[i : i + AT_ONCE]
                self.looked_at += len(some)
                children = await self._children(some, deep and start is None)
                following += [child for child in children if child.depth <= DEEPEST]
                for found in await self._described([node for node in some if node is not root or node.variable]):
                    yield found
            level = following

    async def _root(self, start: str | None) -> _Node:
        if start is None:
            return _Node(ua.NodeId(ua.ObjectIds.ObjectsFolder), "", "", False, 0)
        address = parse(start)
        index = address.resolve(self._link.namespaces)
        node = ua.NodeId(address.identifier, index) if index is not None else None
        kind, name = (await self._attributes([node], (2, 3)))[0] if node is not None else (None, None)
        if node is None or kind is None or name is None:
            raise NotFound(f"the server has no node {start}", where=self._link.url)
        return _Node(node, name.Name or "", (name.Name or "").replace("/", "-"), int(kind) == ua.NodeClass.Variable, 0)

    async def _attributes(self, nodes: Sequence[Any], attributes: Sequence[int]) -> list[tuple[Any, ...]]:
        columns = [await self._link.read_values(nodes, attribute) for attribute in attributes]
        return list(zip(*columns, strict=True))

    async def _children(self, nodes: Sequence[_Node], skip_standard: bool) -> list[_Node]:
        limit = self._link.limits.get("browse", 0)
        answers = await self._link.batched([node.id for node in nodes], limit or AT_ONCE, self._browse)
        children = []
        for node, references in zip(nodes, answers, strict=True):
            for reference in references:
                child = self._child(node, reference, skip_standard)
                if child is not None:
                    children.append(child)
        return children

    def _child(self, node: _Node, reference: Any, skip_standard: bool) -> _Node | None:
        target, name = reference.NodeId, reference.BrowseName.Name or ""
        if getattr(target, "ServerIndex", 0) or getattr(target, "NamespaceUri", None):
            return None  # lives in another server
        target = ua.NodeId(target.Identifier, target.NamespaceIndex)
        if node.variable and reference.ReferenceTypeId == ua.NodeId(ua.ObjectIds.HasProperty):
            node.properties[name] = target
            return None
        if target in self._seen or (skip_standard and target.NamespaceIndex == 0):
            return None
        if reference.ReferenceTypeId == _HISTORY:
            return None  # how history is kept is no value of the plant
        self._seen.add(target)
        variable = reference.NodeClass == ua.NodeClass.Variable
        part = name.replace("/", "-")  # in a path it would be another level
        path = f"{node.path}/{part}" if node.path else part
        return _Node(target, name, path, variable, node.depth + 1)

    async def _browse(self, nodes: Sequence[ua.NodeId]) -> list[list[Any]]:
        parameters = ua.BrowseParameters()
        parameters.View = ua.ViewDescription()
        parameters.RequestedMaxReferencesPerNode = REFERENCES
        parameters.NodesToBrowse = [_down(node) for node in nodes]
        request = ua.BrowseRequest(Parameters=parameters)
        results = (await self._link.call(request, ua.BrowseResponse)).Results or []
        found = [list(result.References or []) for result in results]
        open_ = [(i, result.ContinuationPoint) for i, result in enumerate(results) if result.ContinuationPoint]
        while open_:
            request = ua.BrowseNextRequest()
            request.Parameters.ReleaseContinuationPoints = False
            request.Parameters.ContinuationPoints = [point for _, point in open_]
            more = (await self._link.call(request, ua.BrowseNextResponse)).Results or []
            for (i, _), result in zip(open_, more, strict=True):
                found[i] += result.References or []
            pairs = zip(open_, more, strict=True)
            open_ = [(i, r.ContinuationPoint) for (i, _), r in pairs if r.ContinuationPoint and len(found[i]) < MOST]
        return found

    async def _described(self, nodes: Sequence[_Node]) -> list[Found]:
        variables = [node for node in nodes if node.variable]
        rows = await self._attributes([node.id for node in variables], (14, 15, 18, 5)) if variables else []
        extras = await self._extras(variables)
        described = dict(zip((node.id for node in variables), zip(rows, extras, strict=True), strict=True))
        found = []
        for node in nodes:
            row, extra = described.get(node.id, ((None, None, None, None), ("", None)))
            found.append(await self._found(node, row, extra))
        return found

    async def _found(self, node: _Node, row: tuple[Any, ...], extra: tuple[str, Any]) -> Found:
        data_type, rank, access, description = row
        scalar = node.variable and data_type is not None and (rank is None or int(rank) in (-1, -2, -3))
        base = await self._base(node.id, data_type) if scalar else 0
        type_ = _TYPES.get(base)
        return Found(
            address=self._address(node.id),
            name=node.name,
            path=node.path,
            type=type_,
            left_out="not a single value" if node.variable and type_ is None else "",
            unit=extra[0],
            description=(getattr(description, "Text", "") or "").strip(),
            writable=bool(isinstance(access, int) and access & _WRITE),
            range=extra[1],
            remark=_REMARKS.get(base, ""),
        )

    def _address(self, node: ua.NodeId) -> str:
        index, names = node.NamespaceIndex, self._link.namespaces
        kind = {ua.NodeIdType.String: "s", ua.NodeIdType.Guid: "g", ua.NodeIdType.ByteString: "b"}
        uri = names[index] if 0 < index < len(names) and names[index] != STANDARD else None
        letter = kind.get(node.NodeIdType, "i")
        return str(NodeAddress(uri, index if uri is None else 0, letter, node.Identifier))

    async def _extras(self, variables: Sequence[_Node]) -> list[tuple[str, tuple[float, float] | None]]:
        """Unit and range of each, from the properties `EngineeringUnits` and `EURange` (Part 8, 5.3.2)."""
        wanted = [node.properties.get(name) for node in variables for name in ("EngineeringUnits", "EURange")]
        values = iter(await self._link.read_values([node for node in wanted if node is not None]))
        read = [None if node is None else next(values) for node in wanted]
        return [(_unit(read[i]), _range(read[i + 1])) for i in range(0, len(read), 2)]

    async def _base(self, node: ua.NodeId, data_type: ua.NodeId) -> int:
        """The data type of namespace 0 that a variable's values are of; 0 when it is none that we know."""
        if data_type not in self._types:
            self._types[data_type] = await self._derived(data_type)
        known = self._types[data_type]
        if not known and data_type == ua.NodeId(ua.ObjectIds.BaseDataType):
            return await self._by_value(node)
        return known

    async def _derived(self, data_type: ua.NodeId) -> int:
        """What a data type derives from, up to one we know; 0 when there is none."""
        for _ in range(_DEPTH_OF_TYPES):
            if data_type.NamespaceIndex == 0 and data_type.Identifier in _TYPES:
                return int(data_type.Identifier)
            request = ua.BrowseRequest()
            request.Parameters.View = ua.ViewDescription()
            request.Parameters.NodesToBrowse = [_up(data_type)]
            results = (await self._link.call(request, ua.BrowseResponse)).Results
            references = results[0].References if results else None
            if not references:
                return 0
            above = references[0].NodeId
            data_type = ua.NodeId(above.Identifier, above.NamespaceIndex)
        return 0

    async def _by_value(self, node: ua.NodeId) -> int:
        """A variable that may hold anything is what it holds now."""
        values = await self._link.send(ua.ReadRequest(Parameters=_reading(node)))
        answer = struct_from_binary(ua.ReadResponse, values)
        variant = answer.Results[0].Value if answer.Results else None
        return 0 if variant is None or variant.is_array else int(variant.VariantType.value)


def _reading(node: ua.NodeId) -> Any:
    parameters = ua.ReadParameters()
    parameters.NodesToRead = [ua.ReadValueId(NodeId=node, AttributeId=ua.AttributeIds.Value)]
    return parameters


def _description(node: ua.NodeId, direction: Any, reference: int, classes: int) -> Any:
    return ua.BrowseDescription(
        NodeId=node,
        BrowseDirection=direction,
        ReferenceTypeId=ua.NodeId(reference),
        IncludeSubtypes=True,
        NodeClassMask=classes,
        ResultMask=ua.BrowseResultMask.All,
    )


def _down(node: ua.NodeId) -> Any:
    classes = ua.NodeClass.Object | ua.NodeClass.Variable
    return _description(node, ua.BrowseDirection.Forward, ua.ObjectIds.HierarchicalReferences, int(classes))


def _up(node: ua.NodeId) -> Any:
    return _description(node, ua.BrowseDirection.Inverse, ua.ObjectIds.HasSubtype, 0)


def _unit(value: Any) -> str:
    if not isinstance(value, ua.EUInformation):
        return ""
    return units.of(value.UnitId, (value.DisplayName.Text if value.DisplayName else "") or "")


def _range(value: Any) -> tuple[float, float] | None:
    if not isinstance(value, ua.Range) or not value.Low < value.High:
        return None
    return (value.Low, value.High)
