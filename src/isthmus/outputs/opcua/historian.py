# SPDX-License-Identifier: Apache-2.0
"""Clients read history: HistoryRead of raw, processed and at-time values, with continuation points (Part 11, 6.4)."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.ua.ua_binary import nodeid_from_binary, struct_from_binary

from isthmus.core.errors import IsthmusError, NotFound
from isthmus.core.time import EARLIEST, LATEST
from isthmus.outputs.opcua import wire
from isthmus.outputs.opcua.attributes import keep_point, several
from isthmus.outputs.opcua.library import Call, Service
from isthmus.outputs.opcua.past import (
    PAGE,
    AtTimes,
    Budget,
    Page,
    Past,
    Processed,
    Question,
    Raw,
    Recent,
    with_recent,
)
from isthmus.outputs.opcua.space import AGGREGATE_NODES, Space
from isthmus.plant.revision import Revision, TagSetting
from isthmus.store.history.aggregates.catalogue import AGGREGATES
from isthmus.store.history.aggregates.series import Settings
from isthmus.store.history.read import open_history

VALUES: Final = 50_000
"""Values in one answer, of all nodes together."""
LONGEST: Final = 8.0
"""Seconds that one answer takes, about; what is not found by then comes with the next one."""
AT_ONCE: Final = 2
"""Answers that are looked for at the same time, of all clients."""
TIMES: Final = 10_000
"""Times of one ReadAtTime."""

_GOOD_NO_DATA: Final = 0x00A5_0000


@dataclass(frozen=True, slots=True)
class Asked:
    """A HistoryRead; times are ticks as they came, for the library's lose precision."""

    parameters: Any
    ticks: tuple[int, ...]


def decode(body: Any) -> Asked:
    """Reads the parameters of a HistoryReadRequest."""
    raw = bytes(body.copy())
    rest = body.copy()
    nodeid_from_binary(rest)
    details = raw[len(raw) - len(rest) :][5:]  # behind the encoding byte and the length
    parameters = struct_from_binary(ua.HistoryReadParameters, body)
    match parameters.HistoryReadDetails:
        case ua.ReadRawModifiedDetails():
            return Asked(parameters, struct.unpack_from("<2q", details, 1))
        case ua.ReadProcessedDetails():
            return Asked(parameters, struct.unpack_from("<2q", details))
        case ua.ReadAtTimeDetails():
            count = max(struct.unpack_from("<i", details)[0], 0)
            return Asked(parameters, struct.unpack_from(f"<{count}q", details, 4))
    return Asked(parameters, ())


class Historian:
    """The service that reads history."""

    def __init__(self, folder: Path, revision: Revision, space: Space, recent: Recent) -> None:
        self._folder, self._revision, self._space, self._recent = folder, revision, space, recent
        self._turn = asyncio.Semaphore(AT_ONCE)

    def services(self) -> dict[int, Service]:
        """By the number of the request's encoding."""
        number = ua.ObjectIds.HistoryReadRequest_Encoding_DefaultBinary
        return {number: Service(Asked, self._read, apart=True, decode=decode)}

    async def _read(self, call: Call) -> None:
        asked: Asked = call.parameters
        parameters = asked.parameters
        nodes, stamps = several(parameters.NodesToRead), int(parameters.TimestampsToReturn)
        if parameters.ReleaseContinuationPoints:
            call.answer(wire.array([_released(call.visit.points, one) for one in nodes]) + wire.NO_DIAGNOSTICS)
            return
        if not wire.SOURCE <= stamps <= wire.BOTH:
            raise ServiceError(ua.StatusCodes.BadTimestampsToReturnInvalid)
        ask = _questions(asked, len(nodes))
        questions = [self._question(call.visit.points, one, place, ask) for place, one in enumerate(nodes)]
        seconds = min(LONGEST, call.patience / 2 or LONGEST)
        async with self._turn:
            answers = await self._answers(questions, seconds)
        results = [_result(call.visit.points, one, stamps) for one in answers]
        call.answer(wire.array(results) + wire.NO_DIAGNOSTICS)

    def _question(
        self,
        points: dict[bytes, Any],
        node: ua.HistoryReadValueId,
        place: int,
        ask: Callable[[TagSetting, int], Question],
    ) -> Question | int:
        """What one node is asked; a StatusCode where that makes no sense."""
        if node.ContinuationPoint:
            known = points.pop(node.ContinuationPoint, None)
            return known if isinstance(known, Raw | Processed | AtTimes) else _CONTINUATION_POINT_INVALID
        if node.IndexRange:
            return int(ua.StatusCodes.BadIndexRangeNoData)
        tag = self._space.by_node.get(node.NodeId)
        if tag is None:
            ours = node.NodeId in self._space.variables
            return int(ua.StatusCodes.BadHistoryOperationUnsupported if ours else ua.StatusCodes.BadNodeIdUnknown)
        try:
            return ask(tag.setting, place)
        except ServiceError as error:
            return int(error.code)
        except IsthmusError:
            return int(ua.StatusCodes.BadAggregateConfigurationRejected)

    async def _answers(self, questions: Sequence[Question | int], seconds: float) -> list[Page | int]:
        try:
            async with open_history(self._folder) as history:
                recent = self._recent.parts()

                def answer() -> list[Page | int]:
                    past = Past(with_recent(history, recent), self._revision)
                    return _pages(past, questions, Budget(VALUES, seconds))

                return await asyncio.to_thread(answer)
        except NotFound:
            return [one if isinstance(one, int) else Page([]) for one in questions]


_CONTINUATION_POINT_INVALID: Final = int(ua.StatusCodes.BadContinuationPointInvalid)


def _pages(past: Past, questions: Sequence[Question | int], budget: Budget) -> list[Page | int]:
    """A fair share for every node; those for which nothing is left are asked again by their continuation points."""
    share = max(min(PAGE, VALUES // max(len(questions), 1)), 1)
    found: list[Page | int] = []
    for one in questions:
        if isinstance(one, int):
            found.append(one)
        elif budget.is_spent:
            found.append(Page([], one))
        else:
            try:
                found.append(past.page(one, share, budget))
            except IsthmusError:  # of text asked for what needs numbers
                found.append(int(ua.StatusCodes.BadAggregateNotSupported))
    return found


def _released(points: dict[bytes, Any], node: ua.HistoryReadValueId) -> bytes:
    known = points.pop(node.ContinuationPoint, None)
    return wire.history_result(0 if known is not None else _CONTINUATION_POINT_INVALID, None, None)


def _result(points: dict[bytes, Any], found: Page | int, stamps: int) -> bytes:
    if isinstance(found, int):
        return wire.history_result(found, None, None)
    point = keep_point(points, found.rest) if found.rest is not None else None
    status = 0 if found.values or point else _GOOD_NO_DATA
    return wire.history_result(status, point, [value.encoded(stamps) for value in found.values])


def _questions(asked: Asked, nodes: int) -> Callable[[TagSetting, int], Question]:
    """What is asked of every node; raises ServiceError where it makes no sense of any."""
    details = asked.parameters.HistoryReadDetails
    match details:
        case ua.ReadRawModifiedDetails():
            return _raw(details, *asked.ticks)
        case ua.ReadProcessedDetails():
            return _processed(details, *asked.ticks, nodes=nodes)
        case ua.ReadAtTimeDetails():
            return _at_times(details, asked.ticks)
    raise ServiceError(ua.StatusCodes.BadHistoryOperationUnsupported)


def _ns(ticks: int) -> int:
    """Nanoseconds, within what 64 bits hold."""
    return min(max(wire.nanoseconds(ticks), EARLIEST + 2), LATEST - 2)


def _raw(details: Any, start: int, end: int) -> Callable[[TagSetting, int], Question]:
    """Part 11, 6.5.3: two of start, end and number are given; a time of 0 is not."""
    count, bounds = details.NumValuesPerNode, details.ReturnBounds
    if details.IsReadModified:
        raise ServiceError(ua.StatusCodes.BadHistoryOperationUnsupported)
    if sum(map(bool, (start, end, count))) < 2:
        raise ServiceError(ua.StatusCodes.BadHistoryOperationInvalid)
    if start and end:
        backward = start > end
        at, until = _ns(start), _ns(end)
    else:
        backward, at = not start, _ns(start or end)
        until = EARLIEST + 2 if backward else LATEST - 2
    open_ = not (start and end)
    if at == until:  # the one moment (Part 11, 6.5.3.2)
        until += 1
    return lambda setting, _: Raw(setting, at, until, backward, count, bounds and not open_, open_)


def _processed(details: Any, start: int, end: int, *, nodes: int) -> Callable[[TagSetting, int], Question]:
    """Part 11, 6.5.4: an aggregate for every node, over intervals that begin at the start."""
    kinds = details.AggregateType or []
    if len(kinds) != nodes:
        raise ServiceError(ua.StatusCodes.BadAggregateListMismatch)
    if not start or not end or start == end or not details.ProcessingInterval >= 0:
        raise ServiceError(ua.StatusCodes.BadInvalidArgument)
    width = int(min(details.ProcessingInterval, 1e12) * 1e6)
    settings = _settings(details.AggregateConfiguration)

    def ask(setting: TagSetting, place: int) -> Question:
        name = AGGREGATE_NODES.get(kinds[place].Identifier) if kinds[place].NamespaceIndex == 0 else None
        if name is None or (AGGREGATES[name].numeric and setting.tag.type == "text"):
            raise ServiceError(ua.StatusCodes.BadAggregateNotSupported)
        return Processed(setting, name, _ns(start), _ns(end), width, settings)

    return ask


def _settings(asked: ua.AggregateConfiguration) -> Settings:
    if asked.UseServerCapabilitiesDefaults:
        return Settings()
    try:
        return Settings(
            asked.TreatUncertainAsBad, asked.PercentDataBad, asked.PercentDataGood, asked.UseSlopedExtrapolation
        )
    except IsthmusError as error:
        raise ServiceError(ua.StatusCodes.BadAggregateInvalidInputs) from error


def _at_times(details: Any, ticks: Sequence[int]) -> Callable[[TagSetting, int], Question]:
    """Part 11, 6.5.5."""
    if not ticks:
        raise ServiceError(ua.StatusCodes.BadNothingToDo)
    if len(ticks) > TIMES:
        raise ServiceError(ua.StatusCodes.BadTooManyOperations)
    times = tuple(map(_ns, ticks))
    return lambda setting, _: AtTimes(setting, times, details.UseSimpleBounds)
