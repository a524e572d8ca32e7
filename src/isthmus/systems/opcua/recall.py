# SPDX-License-Identifier: Apache-2.0
"""After an outage, what the server's history has of it is read back (Part 11, 6.4.3) and marked historical."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from asyncua import ua

from isthmus.core import time
from isthmus.core.quality import BAD
from isthmus.systems.opcua import columns, wire
from isthmus.systems.opcua.columns import Columns
from isthmus.systems.opcua.items import Items
from isthmus.systems.opcua.link import Link
from isthmus.systems.opcua.wire import Malformed

NODES: Final = 50
"""Nodes asked about at once."""
VALUES: Final = 2_000
"""Values of one node in one answer; more come with a continuation point."""
ROUNDS: Final = 10_000
"""Answers for one set of nodes, so that a server that never ends does not keep us for ever."""
OVERLAP: Final = 3600 * time.SECOND
"""How far past our own time is asked, for a server whose clock runs ahead; what comes twice is stored once."""
READABLE: Final = 4
"""Bit of AccessLevel: the history can be read (Part 3, 8.57)."""
_HISTORY_DATA: Final = (658, 661)
"""Encodings of HistoryData and HistoryModifiedData."""
_u4 = struct.Struct("<I").unpack_from


@dataclass(frozen=True, slots=True)
class Recalled:
    """A piece of history."""

    columns: Columns
    """`handle` has the positions."""
    failed: dict[int, int]
    """Position → StatusCode of those whose history could not be read."""
    finished: tuple[int, ...]
    """Positions of which everything was read."""


@dataclass(slots=True)
class _Ask:
    position: int
    continuation: bytes | None = None


class Recall:
    """Reads the history of positions of one session."""

    def __init__(self, link: Link, items: Items) -> None:
        self._link, self._items = link, items

    async def readable(self, positions: Sequence[int]) -> list[int]:
        """Those of `positions` whose history the server lets us read."""
        nodes = [(p, node) for p in positions if (node := self._items.node(p)) is not None]
        levels = await self._link.read_values([node for _, node in nodes], ua.AttributeIds.UserAccessLevel)
        return [p for (p, _), level in zip(nodes, levels, strict=True) if isinstance(level, int) and level & READABLE]

    async def read(self, since: dict[int, int], until: int) -> Any:
        """Yields Recalled pieces of what lies after `since[position]`, up to `until` (both ns)."""
        size = min(self._link.limits.get("history", 0) or NODES, NODES)
        positions = list(since)
        for i in range(0, len(positions), size):
            asks = [_Ask(position) for position in positions[i : i + size]]
            start = min(since[ask.position] for ask in asks)
            for _ in range(ROUNDS):
                piece, asks = await self._round(asks, start, until)
                yield piece
                if not asks:
                    break

    async def _round(self, asks: list[_Ask], start: int, until: int) -> tuple[Recalled, list[_Ask]]:
        request = ua.HistoryReadRequest()
        request.Parameters.HistoryReadDetails = ua.ReadRawModifiedDetails(
            IsReadModified=False,
            StartTime=_datetime(start),
            EndTime=_datetime(until),
            NumValuesPerNode=VALUES,
            ReturnBounds=False,
        )
        request.Parameters.TimestampsToReturn = ua.TimestampsToReturn.Source
        request.Parameters.ReleaseContinuationPoints = False
        request.Parameters.NodesToRead = [
            ua.HistoryReadValueId(NodeId=self._items.node(ask.position), ContinuationPoint=ask.continuation)
            for ask in asks
        ]
        answer = await self._link.send(request)
        try:
            results = list(_results(answer._data, answer.cur_pos, len(asks)))
        except (struct.error, IndexError) as error:
            raise Malformed("a HistoryReadResponse cut short") from error
        return _piece(asks, results)


def _piece(asks: list[_Ask], results: list[tuple[int, bytes | None, Columns]]) -> tuple[Recalled, list[_Ask]]:
    failed, finished, parts, more = dict[int, int](), list[int](), list[Columns](), list[_Ask]()
    for ask, (status, continuation, part) in zip(asks, results, strict=True):
        part.handle[:] = ask.position
        parts.append(part)
        if status >= BAD:
            failed[ask.position] = status
        elif continuation:
            more.append(_Ask(ask.position, continuation))
        else:
            finished.append(ask.position)
    return Recalled(columns.join(parts), failed, tuple(finished)), more


def _results(b: bytes, p: int, expected: int) -> Iterator[tuple[int, bytes | None, Columns]]:
    """(status, continuation point, values) of each node in the HistoryReadResponse at `p`."""
    _, p = wire.node_number(b, p)
    p = wire.skip_diagnostics(b, p + 16)
    n, p = wire.count(b, p, 4)
    for _ in range(n):
        _, p = wire.string(b, p)
    p = wire.skip_extension(b, p)
    n, p = wire.count(b, p, 11)
    if n != expected:
        raise Malformed(f"{n} results for {expected} nodes")
    for _ in range(n):
        status = _u4(b, p)[0]
        size, p = wire.length(b, p + 4)
        continuation = b[p : p + size] if size > 0 else None
        kind, start, p = wire.extension(b, p + max(size, 0))
        yield status, continuation, _values(b[:p], start) if kind in _HISTORY_DATA else columns.empty(0)


def _values(b: bytes, p: int) -> Columns:
    n, p = wire.count(b, p, 1)
    return columns.read(b, p, n, lead=0)[0]


def _datetime(ns: int) -> datetime:
    """Down to the microsecond below: the first value may come twice, none is left out."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=ns // 1000)


def limited(since: dict[int, int], until: int, longest: int) -> dict[int, int]:
    """`since`, no earlier than `longest` ns before `until`."""
    return {position: max(start, until - longest) for position, start in since.items() if start < until}
