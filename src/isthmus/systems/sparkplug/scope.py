# SPDX-License-Identifier: Apache-2.0
"""What an edge node itself or one of its devices declares in its birth, and its values read by that.

A scope's metrics are known by name and by alias. Aliases count within their scope: the specification makes them unique
in the whole edge node, and there are encoders that count them anew for each device.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeAlias

from isthmus.core import quality, time
from isthmus.core.event import Event
from isthmus.systems.contract import Form, Oddity
from isthmus.systems.sparkplug import quality as said
from isthmus.systems.sparkplug.remarks import Remarks
from isthmus.systems.sparkplug.values import NOTHING, Cell, Type, Unfit, readers, type_of

Row: TypeAlias = tuple[int, int, int, int, float, int, str | None]
"""A reading: (position, at, quality, form, value, integer, text)."""

LATEST: Final = time.LATEST // time.MILLISECOND
"""ms since 1970 that can be a time."""


class Floats(NamedTuple):
    """Good live readings of floats, as columns that grow."""

    position: list[int]
    at: list[int]
    """ms since 1970."""
    value: list[float]


@dataclass(slots=True)
class Take:
    """What messages come to."""

    seen: int
    live: list[Row] = field(default_factory=list)
    """What came after all of `before`."""
    before: list[Floats | list[Row]] = field(default_factory=list)
    historical: list[Row] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    oddities: list[Oddity] = field(default_factory=list)

    def floats(self) -> Floats:
        """Where readings go that are as simple as most."""
        last = self.before[-1] if self.before and not self.live else None
        if not isinstance(last, Floats):
            self.before += [self.live] if self.live else []
            self.live, last = [], Floats([], [], [])
            self.before.append(last)
        return last

    def parts(self) -> list[Floats | list[Row]]:
        """All live readings in their order."""
        return [*self.before, self.live] if self.live else self.before

    def bad(self, positions: Iterable[int], code: int, at: int = time.UNKNOWN) -> None:
        """Readings that say why there is none."""
        self.live += [(position, at, code, Form.NONE, math.nan, 0, None) for position in positions]


class _Column(NamedTuple):
    """One declared metric."""

    type: Type
    readers: Mapping[str, Callable[[Any], Cell]]
    positions: tuple[int, ...]
    """Of the addresses that mean it."""


class Scope:
    """An edge node itself, or one of its devices, as far as the plant file asks for its metrics."""

    def __init__(self, wanted: Mapping[str, Sequence[int]], remarks: Remarks) -> None:
        self._wanted = {name: tuple(positions) for name, positions in wanted.items()}
        self._remarks = remarks
        self._names: dict[str, _Column] = {}
        self._aliases: dict[int, _Column] = {}
        self._plain: dict[int, int] = {}
        """Alias → position of metrics that are floats and one tag each."""
        self.born = False

    @property
    def positions(self) -> list[int]:
        """Of all its addresses."""
        return [position for positions in self._wanted.values() for position in positions]

    def declare(self, payload: Any, raw: bytes, take: Take) -> None:
        """Takes a birth: what there is from now on, and what it is now."""
        self.born, self._names, self._aliases = True, {}, {}
        doubtful = self._columns(payload)
        gone = [p for name, positions in self._wanted.items() if name not in self._names for p in positions]
        self.read(payload, raw, take)
        take.bad(gone, quality.BAD_NODE_ID_UNKNOWN)
        take.events += self._remarks.unreadable(gone, "the birth that came last does not declare it")
        take.bad(doubtful, quality.BAD_CONFIGURATION)
        take.events += self._remarks.unreadable(doubtful, "the birth gives its alias to another metric too")

    def _columns(self, payload: Any) -> list[int]:
        """Learns what a birth declares; the addresses of metrics that share an alias, and so cannot be told apart."""
        shared: dict[int, set[str]] = {}
        for metric in payload.metrics:
            name, type_ = metric.name, type_of(metric.datatype)
            column = _Column(type_, readers(type_), self._wanted.get(name, ()))
            self._names[name] = column
            if metric.HasField("alias"):
                self._aliases[metric.alias] = column
                shared.setdefault(metric.alias, set()).add(name)
        doubtful = {name for names in shared.values() if len(names) > 1 for name in names}
        for alias, names in shared.items():
            if len(names) > 1:
                self._aliases[alias] = _NOBODY
        self._names |= dict.fromkeys(doubtful, _NOBODY)
        self._plain = {
            alias: column.positions[0]
            for alias, column in self._aliases.items()
            if column.type in _FLOATS and len(column.positions) == 1 and alias  # 0 is also what none looks like
        }
        return [position for name in sorted(doubtful) for position in self._wanted.get(name, ())]

    def end(self, take: Take, code: int, why: str, at: int = time.UNKNOWN) -> None:
        """Nobody tells of its metrics any more: what they were last is not what they are (6.4.15: stale)."""
        self.born = False
        take.bad(self.positions, code, at)
        take.events += self._remarks.unreadable(self.positions, why)

    def read(self, payload: Any, raw: bytes, take: Take) -> int:
        """Takes the values of a message; how many of its metrics nobody declared."""
        metrics = list(payload.metrics)  # each look at one of protobuf's own makes it anew
        if self._read_floats(metrics, take):
            return 0
        names, aliases, wrong = self._names, self._aliases, self._remarks.wrong
        unknown, sent, again = 0, payload.timestamp, list[int]()
        for metric in metrics:
            name, alias = metric.name, metric.alias
            column = names.get(name) if name else aliases.get(alias)
            if column is None or not (name or alias or metric.HasField("alias")):
                unknown += 1
                continue
            if not column.positions:
                continue
            try:
                row = _row(metric, column, sent)
            except Unfit as error:
                self._odd(column, str(error), raw, take)
                continue
            rows = take.historical if metric.is_historical else take.live
            for position in column.positions:
                rows.append((position, *row))
                if position in wrong:
                    again.append(position)
        take.events += self._remarks.readable(again)
        return unknown

    def _read_floats(self, metrics: Sequence[Any], take: Take) -> bool:
        """Takes a message of floats that say an alias, a time and a value, and no more; False: it is another one.

        Most messages are so. What it does is what `read` does row by row.
        """
        try:
            position = [self._plain[metric.alias] for metric in metrics]
        except KeyError:
            return False
        at = [metric.timestamp for metric in metrics]
        if not at or min(at) == 0 or max(at) > LATEST or not self._remarks.wrong.isdisjoint(position):
            return False
        if any([m.name or m.is_null or m.is_historical or m.HasField("properties") for m in metrics]):  # noqa: C419
            return False
        if not all([metric.HasField("double_value") for metric in metrics]):  # noqa: C419  (lists are quicker here)
            return False
        floats = take.floats()
        floats.position.extend(position)
        floats.at.extend(at)
        floats.value.extend([metric.double_value for metric in metrics])
        return True

    def _odd(self, column: _Column, what: str, raw: bytes, take: Take) -> None:
        take.bad(column.positions, quality.BAD_TYPE_MISMATCH)
        take.events += self._remarks.unreadable(column.positions, f"it holds {what}")
        for position in column.positions:
            take.oddities += self._remarks.odd(position, what, raw, take.seen)


_FLOATS: Final = frozenset((Type.FLOAT, Type.DOUBLE))

_NOBODY: Final = _Column(Type.UNKNOWN, {}, ())
"""What is meant by an alias that a birth gave to more than one metric."""


def _row(metric: Any, column: _Column, sent: int) -> tuple[int, int, int, float, int, str | None]:
    """A row but for its position; raises Unfit. `sent`: when the message says it was, in ms."""
    stamp = metric.timestamp or sent
    if stamp > LATEST:
        raise Unfit("a time after the year 2261")
    which = metric.WhichOneof("value")
    if which is None or metric.is_null:
        cell = NOTHING
    else:
        reader = column.readers.get(which)
        if reader is None:
            raise Unfit(f"a value that is no {column.type.name}")
        cell = reader(getattr(metric, which))
    status = said.of(metric.properties) if metric.HasField("properties") else quality.GOOD
    if cell is NOTHING and status < quality.BAD:
        status = quality.BAD_NO_DATA
    return stamp * time.MILLISECOND, status, *cell
