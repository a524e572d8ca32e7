# SPDX-License-Identifier: Apache-2.0
"""What clients read and look for: attributes of nodes, references between them; nothing that they may write."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.server.address_space import AddressSpace, ViewService
from asyncua.ua.ua_binary import variant_to_binary

from isthmus.core import time
from isthmus.outputs.opcua import wire
from isthmus.outputs.opcua.items import Variable
from isthmus.outputs.opcua.library import Call, Service
from isthmus.outputs.opcua.space import Space
from isthmus.outputs.opcua.wire import Value

MOST: Final = 10_000
"""Operations of one request (OperationLimits)."""
BRANCHES: Final = 10_000
"""References in one answer of one node."""
POINTS: Final = 10_000
"""Continuation points of one session; the oldest goes when there are more."""

_One = TypeVar("_One")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def several(asked: Sequence[_One] | None) -> Sequence[_One]:
    """The operations of a request; raises ServiceError when there is none, or there are too many."""
    if not asked:
        raise ServiceError(ua.StatusCodes.BadNothingToDo)
    if len(asked) > MOST:
        raise ServiceError(ua.StatusCodes.BadTooManyOperations)
    return asked


def keep_point(points: dict[bytes, Any], what: Any) -> bytes:
    """A new continuation point."""
    while len(points) >= POINTS:
        points.pop(next(iter(points)))
    point = secrets.token_bytes(12)
    points[point] = what
    return point


class Attributes:
    """The services that read and browse."""

    def __init__(self, address_space: AddressSpace, space: Space) -> None:
        self._library, self._space = address_space, space
        self._view = _View(address_space)

    def services(self) -> dict[int, Service]:
        """By the number of the request's encoding."""
        ids = ua.ObjectIds
        return {
            ids.ReadRequest_Encoding_DefaultBinary: Service(ua.ReadParameters, self._read),
            ids.WriteRequest_Encoding_DefaultBinary: Service(ua.WriteParameters, self._write),
            ids.BrowseRequest_Encoding_DefaultBinary: Service(ua.BrowseParameters, self._browse),
            ids.BrowseNextRequest_Encoding_DefaultBinary: Service(ua.BrowseNextParameters, self._browse_next),
            ids.TranslateBrowsePathsToNodeIdsRequest_Encoding_DefaultBinary: Service(
                ua.TranslateBrowsePathsToNodeIdsParameters, self._translate
            ),
            ids.RegisterNodesRequest_Encoding_DefaultBinary: Service(ua.RegisterNodesParameters, self._register),
            ids.UnregisterNodesRequest_Encoding_DefaultBinary: Service(ua.UnregisterNodesParameters, self._unregister),
            ids.CallRequest_Encoding_DefaultBinary: Service(ua.CallParameters, self._call),
        }

    async def _read(self, call: Call) -> None:
        asked, stamps = call.parameters, int(call.parameters.TimestampsToReturn)
        if asked.MaxAge < 0:
            raise ServiceError(ua.StatusCodes.BadMaxAgeInvalid)
        if not wire.SOURCE <= stamps <= wire.NEITHER:
            raise ServiceError(ua.StatusCodes.BadTimestampsToReturnInvalid)
        found = [self.value(one).encoded(stamps) for one in several(asked.NodesToRead)]
        call.answer(wire.array(found) + wire.NO_DIAGNOSTICS)

    def value(self, asked: ua.ReadValueId) -> Value:
        """An attribute's value; Bad where there is none."""
        now = time.now()
        is_value = asked.AttributeId == ua.AttributeIds.Value
        if asked.DataEncoding.Name and not (is_value and asked.DataEncoding.Name == "Default Binary"):
            code = ua.StatusCodes.BadDataEncodingUnsupported if is_value else ua.StatusCodes.BadDataEncodingInvalid
            return Value(b"", code, None, now)
        if asked.IndexRange:
            return Value(b"", ua.StatusCodes.BadIndexRangeNoData, None, now)
        if is_value and (variable := self._space.variables.get(asked.NodeId)) is not None:
            return variable.current
        found = value_of(self._library.read_attribute_value(asked.NodeId, asked.AttributeId), now)
        return found if is_value else Value(found.variant, found.status, None, now)

    def variable(self, asked: ua.ReadValueId) -> tuple[Variable, Callable[[], None]]:
        """What has the value of an attribute, to be watched, and what to call once nobody does.

        Raises ServiceError when there is no such thing.
        """
        found = self.value(asked)
        if found.status in _NEVER:
            raise ServiceError(found.status)
        ours = self._space.variables.get(asked.NodeId)
        if ours is not None and asked.AttributeId == ua.AttributeIds.Value:
            return ours, _nothing
        watched = Variable(found)
        if asked.NodeId.NamespaceIndex != 0:
            return watched, _nothing  # what of our nodes is no value of ours stays as it is

        async def changed(_: int, value: ua.DataValue, __: Any = None) -> None:
            watched.change(value_of(value, time.now()), 0.0)

        _, handle = self._library.add_datachange_callback(asked.NodeId, asked.AttributeId, changed)
        return watched, lambda: self._library.delete_datachange_callback(handle)

    async def _write(self, call: Call) -> None:
        """Nobody writes."""
        refused = []
        for one in several(call.parameters.NodesToWrite):
            node = self._library.get(one.NodeId)
            known = node is not None and one.AttributeId in node.attributes
            missing = ua.StatusCodes.BadNodeIdUnknown if node is None else ua.StatusCodes.BadAttributeIdInvalid
            refused.append(ua.StatusCodes.BadNotWritable if known else missing)
        call.answer(wire.codes(refused) + wire.NO_DIAGNOSTICS)

    async def _browse(self, call: Call) -> None:
        most = min(call.parameters.RequestedMaxReferencesPerNode or BRANCHES, BRANCHES)
        if not call.parameters.View.ViewId.is_null():
            raise ServiceError(ua.StatusCodes.BadViewIdUnknown)
        response = ua.BrowseResponse()
        for one in several(call.parameters.NodesToBrowse):
            result = self._view.browsed(one)
            response.Results.append(_portion(call, result.StatusCode, result.References, most))
        call.reply(response)

    async def _browse_next(self, call: Call) -> None:
        response = ua.BrowseNextResponse()
        for point in several(call.parameters.ContinuationPoints):
            rest = call.visit.points.pop(point, None)
            if not isinstance(rest, _Rest):
                status = ua.StatusCode(ua.StatusCodes.BadContinuationPointInvalid)
                response.Parameters.Results.append(ua.BrowseResult(StatusCode=status))
            elif call.parameters.ReleaseContinuationPoints:
                response.Parameters.Results.append(ua.BrowseResult())
            else:
                response.Parameters.Results.append(_portion(call, ua.StatusCode(), rest.references, rest.most))
        call.reply(response)

    async def _translate(self, call: Call) -> None:
        response = ua.TranslateBrowsePathsToNodeIdsResponse()
        paths = several(call.parameters.BrowsePaths)
        response.Results = [self._translated(path) for path in paths]
        call.reply(response)

    def _translated(self, path: ua.BrowsePath) -> ua.BrowsePathResult:
        if not path.RelativePath.Elements:
            return ua.BrowsePathResult(StatusCode=ua.StatusCode(ua.StatusCodes.BadNothingToDo))
        found: ua.BrowsePathResult = self._view.translate_browsepaths_to_nodeids([path])[0]
        return found

    async def _register(self, call: Call) -> None:
        """NodeIds are as quick as they can be already."""
        response = ua.RegisterNodesResponse()
        response.Parameters.RegisteredNodeIds = list(several(call.parameters.NodesToRegister))
        call.reply(response)

    async def _unregister(self, call: Call) -> None:
        several(call.parameters.NodesToUnregister)
        call.reply(ua.UnregisterNodesResponse())

    async def _call(self, call: Call) -> None:
        """There are no methods."""
        response = ua.CallResponse()
        for one in several(call.parameters.MethodsToCall):
            known = one.ObjectId in self._library
            status = ua.StatusCodes.BadMethodInvalid if known else ua.StatusCodes.BadNodeIdUnknown
            response.Results.append(ua.CallMethodResult(StatusCode=ua.StatusCode(status)))
        call.reply(response)


_NEVER: Final = (
    ua.StatusCodes.BadNodeIdUnknown,
    ua.StatusCodes.BadAttributeIdInvalid,
    ua.StatusCodes.BadIndexRangeNoData,
    ua.StatusCodes.BadDataEncodingInvalid,
    ua.StatusCodes.BadDataEncodingUnsupported,
)


class _Rest:
    """References that were not given yet."""

    __slots__ = ("most", "references")

    def __init__(self, references: list[ua.ReferenceDescription], most: int) -> None:
        self.references, self.most = references, most


def _portion(call: Call, status: ua.StatusCode, references: list[Any], most: int) -> ua.BrowseResult:
    result = ua.BrowseResult(StatusCode=status, References=references[:most])
    if len(references) > most:
        result.ContinuationPoint = keep_point(call.visit.points, _Rest(references[most:], most))
    return result


class _View(ViewService):  # type: ignore[misc]  # asyncua has no types that mypy knows
    """The library's, with what it works out again for every reference worked out once, and masks respected."""

    def __init__(self, space: AddressSpace) -> None:
        super().__init__(space)
        self._subtypes: dict[ua.NodeId, frozenset[ua.NodeId]] = {}

    def _suitable_reftype(self, ref1: ua.NodeId, ref2: ua.NodeId, subtypes: bool) -> bool:
        if ref1.is_null() or ref1 == ref2:
            return True
        if not subtypes:
            return False
        known = self._subtypes.get(ref1)
        if known is None:
            known = self._subtypes[ref1] = frozenset(self._get_sub_ref(ref1))
        return ref2 in known

    def browsed(self, asked: ua.BrowseDescription) -> ua.BrowseResult:
        """What the library finds; an unknown node is that."""
        if asked.NodeId not in self._aspace:
            return ua.BrowseResult(StatusCode=ua.StatusCode(ua.StatusCodes.BadNodeIdUnknown))
        if not asked.ReferenceTypeId.is_null() and asked.ReferenceTypeId not in self._aspace:
            return ua.BrowseResult(StatusCode=ua.StatusCode(ua.StatusCodes.BadReferenceTypeIdInvalid))
        result: ua.BrowseResult = self._browse(asked)
        if asked.ResultMask & 0x3F != 0x3F:
            result.References = [_masked(one, asked.ResultMask) for one in result.References]
        return result


def _masked(reference: ua.ReferenceDescription, mask: int) -> ua.ReferenceDescription:
    """Only the fields that were asked for (BrowseResultMask, Part 4, 5.9.2)."""
    blank = ua.ReferenceDescription()
    gone = {name: getattr(blank, name) for bit, name in enumerate(_FIELDS) if not mask & (1 << bit)}
    return replace(reference, **gone)


_FIELDS: Final = ("ReferenceTypeId", "IsForward", "NodeClass", "BrowseName", "DisplayName", "TypeDefinition")


def value_of(found: ua.DataValue, now: int) -> Value:
    """A DataValue of the library's as one of ours."""
    status = found.StatusCode.value if found.StatusCode is not None else 0
    variant = found.Value
    if variant is None or variant.Value is None:
        return Value(b"", status, _ns(found.SourceTimestamp), now)
    plain = variant.Value
    number = float(plain) if isinstance(plain, int | float) and not isinstance(plain, bool) else float("nan")
    return Value(variant_to_binary(variant), status, _ns(found.SourceTimestamp), now, number)


def _ns(moment: datetime | None) -> int | None:
    if moment is None:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    apart = moment - _EPOCH
    return ((apart.days * 86_400 + apart.seconds) * 1_000_000 + apart.microseconds) * 1000


def _nothing() -> None:
    """There is nothing to undo."""
