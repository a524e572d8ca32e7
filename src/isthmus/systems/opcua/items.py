# SPDX-License-Identifier: Apache-2.0
"""Monitored items are what the server watches for us: one per address, each with a result of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from asyncua import ua

from isthmus.core.quality import BAD, BAD_NODE_ID_UNKNOWN
from isthmus.core.tag import DataType
from isthmus.core.time import MILLISECOND, duration
from isthmus.systems.contract import Address
from isthmus.systems.opcua.address import NodeAddress, parse
from isthmus.systems.opcua.link import Link

_NO_FILTER: Final = {
    ua.StatusCodes.BadFilterNotAllowed,
    ua.StatusCodes.BadMonitoredItemFilterInvalid,
    ua.StatusCodes.BadMonitoredItemFilterUnsupported,
    ua.StatusCodes.BadDeadbandFilterInvalid,
}
_NUMERIC: Final = {DataType.FLOAT, DataType.INTEGER, DataType.UNSIGNED}
SLOWER: Final = 1.5
"""A server that samples slower than asked by more than this factor is said to do so."""


@dataclass(slots=True)
class Outcome:
    """What came of asking for items, by position in the address list."""

    good: list[int] = field(default_factory=list)
    bad: dict[int, int] = field(default_factory=dict)
    """Position → StatusCode."""
    unfiltered: list[int] = field(default_factory=list)
    """The server refuses their deadband: every change comes."""
    slower: dict[int, float] = field(default_factory=dict)
    """Position → interval (ms) at which the server samples instead of the one asked for."""


class Items:
    """The monitored items of one subscription; the client handle is the position in the address list."""

    def __init__(self, link: Link, subscription: int, addresses: Sequence[Address]) -> None:
        self._link, self._subscription, self._addresses = link, subscription, addresses
        self.nodes: tuple[NodeAddress, ...] = tuple(parse(address.text) for address in addresses)
        self._items: dict[int, int] = {}
        """Position → monitored item id, of those the server watches."""

    def node(self, position: int) -> ua.NodeId | None:
        """The NodeId in this server; None when it lacks the namespace."""
        address = self.nodes[position]
        index = address.resolve(self._link.namespaces)
        return None if index is None else ua.NodeId(address.identifier, index)

    async def create(self, positions: Sequence[int]) -> Outcome:
        """Asks the server to watch these positions."""
        outcome = Outcome()
        known = [position for position in positions if self.node(position) is not None]
        outcome.bad = {p: BAD_NODE_ID_UNKNOWN for p in positions if self.node(p) is None}
        refused = await self._ask(known, outcome, filtered=True)
        if refused:
            outcome.unfiltered = refused
            await self._ask(refused, outcome, filtered=False)
        return outcome

    async def _ask(self, positions: Sequence[int], outcome: Outcome, *, filtered: bool) -> list[int]:
        """Creates items, notes what came of it, and returns the positions whose filter was refused."""
        requests = [(position, self._request(position, filtered)) for position in positions]
        results = await self._link.batched(requests, self._link.limits.get("monitor", 0), self._create)
        refused = []
        for (position, request), result in zip(requests, results, strict=True):
            code = result.StatusCode.value
            if code in _NO_FILTER and filtered and request.RequestedParameters.Filter is not None:
                refused.append(position)
            elif code >= BAD:
                outcome.bad[position] = code
            else:
                self._items[position] = result.MonitoredItemId
                outcome.good.append(position)
                self._note_slower(position, request, result, outcome)
        return refused

    async def _create(self, requests: Sequence[tuple[int, Any]]) -> Sequence[Any]:
        request = ua.CreateMonitoredItemsRequest()
        request.Parameters.SubscriptionId = self._subscription
        request.Parameters.TimestampsToReturn = ua.TimestampsToReturn.Source
        request.Parameters.ItemsToCreate = [item for _, item in requests]
        response = await self._link.call(request, ua.CreateMonitoredItemsResponse)
        results: Sequence[Any] = response.Results
        return results

    def _request(self, position: int, filtered: bool) -> Any:
        address, spec = self._addresses[position], self._link.spec
        item = ua.MonitoredItemCreateRequest()
        item.ItemToMonitor.NodeId = self.node(position)
        item.ItemToMonitor.AttributeId = ua.AttributeIds.Value
        item.MonitoringMode = ua.MonitoringMode.Reporting
        item.RequestedParameters.ClientHandle = position
        item.RequestedParameters.SamplingInterval = (address.sampling or duration(spec.sampling)) / MILLISECOND
        item.RequestedParameters.QueueSize = address.queue or spec.queue
        item.RequestedParameters.DiscardOldest = True
        if filtered and address.deadband > 0 and address.type in _NUMERIC:
            item.RequestedParameters.Filter = _deadband(address.deadband)
        return item

    def _note_slower(self, position: int, request: Any, result: Any, outcome: Outcome) -> None:
        asked, given = request.RequestedParameters.SamplingInterval, result.RevisedSamplingInterval
        if asked > 0 and given > asked * SLOWER:
            outcome.slower[position] = given

    async def forget(self, positions: Sequence[int]) -> None:
        """Takes items off the server's watch; what it says about that does not matter."""
        ids = [self._items.pop(position) for position in positions if position in self._items]

        async def delete(some: Sequence[int]) -> Sequence[Any]:
            request = ua.DeleteMonitoredItemsRequest()
            request.Parameters.SubscriptionId = self._subscription
            request.Parameters.MonitoredItemIds = list(some)
            results: Sequence[Any] = (await self._link.call(request, ua.DeleteMonitoredItemsResponse)).Results
            return results

        await self._link.batched(ids, self._link.limits.get("monitor", 0), delete)


def _deadband(width: float) -> Any:
    """An absolute deadband (Part 4, 7.22.2)."""
    return ua.DataChangeFilter(
        Trigger=ua.DataChangeTrigger.StatusValue, DeadbandType=ua.DeadbandType.Absolute, DeadbandValue=width
    )
