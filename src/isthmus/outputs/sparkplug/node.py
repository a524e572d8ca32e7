# SPDX-License-Identifier: Apache-2.0
"""The plant as a Sparkplug edge node: births from the revision, every sample as it comes, what was kept as historical.

Where a tag is: the plant `acme/lyon` is the edge node `lyon` of the group `acme`; what comes next in a tag's path is
its device, and the rest, slashes and all, is the metric's name. A host that makes folders of all these has the plant's
own tree. The alias of a metric is the number of its tag, which stays the same for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec
import numpy as np

from isthmus.core import quality, time
from isthmus.core.quality import Mark
from isthmus.core.samples import Value, plain
from isthmus.core.tag import DataType
from isthmus.outputs.contract import Delivery, Refusal, Surroundings
from isthmus.outputs.sparkplug.edge import Declared, Edge, next_bd, opened
from isthmus.outputs.sparkplug.spec import NodeSpec
from isthmus.plant.revision import TagSetting
from isthmus.store.history.columns import Columns
from isthmus.systems.durations import seconds
from isthmus.systems.mqtt.broker import client_of
from isthmus.systems.sparkplug.address import Place
from isthmus.systems.sparkplug.message import ABOUT, HIGH, LOW, UNIT, Metric
from isthmus.systems.sparkplug.values import TYPES, Type

WAIT: Final = 60.0
"""Seconds that it stays connected and waits for a primary host of which it was told once that it is away."""

BEFORE: Final = "its time is before 1970, which Sparkplug cannot say"

LARGE: Final = "its message is larger than the broker takes"

_Said: TypeAlias = tuple[int, int, Metric]
"""(row of the delivery or -1, tag, what is told of it)."""

KEEP: Final = 2.0
"""Seconds between two times that what each tag is is written down: so old may births be after a sudden end."""

NAMES: Final = "values"
"""The property with the names of an enumeration's values, as JSON."""


class _Home(NamedTuple):
    """Where a tag is said."""

    device: str
    name: str
    type: DataType
    metric: Type
    properties: Mapping[str, bool | int | float | str]


class _Known(NamedTuple):
    """What a tag is."""

    at: int
    value: Value
    quality: int


class Node:
    """The edge node; remembers from connection to connection what each tag is."""

    def __init__(self, spec: NodeSpec, surroundings: Surroundings) -> None:
        self._spec, self._house = spec, surroundings
        group, _, site = surroundings.revision.plant.partition("/")
        self.place = Place(spec.group or group, spec.node or site.replace("/", "."))
        self._client = client_of(surroundings.revision.plant, surroundings.output)
        depth = surroundings.revision.plant.count("/") + 1
        self.homes = {number: _home(setting, depth) for number, setting in surroundings.tags.items()}
        self.now: dict[int, _Known] = {}
        """What each tag is, as far as it was told."""
        self.doubtful: set[int] = set()
        """Tags whose last value was not told as good."""
        self._begun = self._waited = False
        self._memory = surroundings.folder / "now"

    @asynccontextmanager
    async def open(self) -> AsyncIterator[_Sink]:
        """Connects, and is born."""
        if not self._begun:
            self.now = await asyncio.to_thread(self._remembered, await self._house.last())
            self._begun = True
        host, patience = self._spec.primary_host, seconds(self._spec.patience)
        bd = await asyncio.to_thread(next_bd, self._house.folder / "birth")
        wait = WAIT if self._waited else patience
        self._waited = bool(host)
        pki = self._house.data / "pki"
        async with opened(
            self._spec, self._client, pki, self.place, bd, self.declared, host=host, patience=wait
        ) as edge:
            self._waited = False
            try:
                yield _Sink(self, edge)
            finally:
                self.keep()

    def _remembered(self, columns: Columns) -> dict[int, _Known]:
        """What each tag was last: as the house knows it, or as it was told where that is later. Reads the disk."""
        found = {number: known for number, known, _ in self.known(columns.pick(columns.time >= 0))}
        try:
            kept = msgspec.msgpack.decode(self._memory.read_bytes(), type=dict[int, _Known])
        except (OSError, msgspec.DecodeError):
            kept = {}
        for number, known in kept.items():
            if number in self.homes and (number not in found or known.at >= found[number].at):
                found[number] = known
        return found

    def keep(self) -> None:
        """Writes down what each tag is: a recorder may be a minute behind, and births shall not be."""
        temporary = self._memory.with_suffix(".tmp")
        temporary.write_bytes(msgspec.msgpack.encode(self.now))
        temporary.replace(self._memory)

    def declared(self) -> Declared:
        """All tags by device, with what they are now."""
        found: dict[str, list[Metric]] = {}
        never = _Known(time.now(), None, quality.BAD_NO_COMMUNICATION)
        for number, home in self.homes.items():
            at, value, status = self.now.get(number, never)
            metric = Metric(home.name, home.metric, value, at, number, status, False, home.properties)
            found.setdefault(home.device, []).append(metric)
            if status:
                self.doubtful.add(number)
        return found

    def known(self, columns: Columns) -> Iterator[tuple[int, _Known, bool]]:
        """(tag, what it was, whether that was marked as historical) of each sample."""
        words, homes = (None, *columns.words), self.homes
        for number, at, value, integer, text, status, mark in _rows(columns):
            known = _Known(at, plain(homes[number].type, value, integer, words[text]), status)
            yield number, known, bool(mark & Mark.HISTORICAL)

    def said(self, number: int, known: _Known, *, historical: bool) -> Metric:
        """A sample as it is told: without its quality where that is good, as it was told to be."""
        home, (at, value, status) = self.homes[number], known
        unsaid = not status and (historical or number not in self.doubtful)
        if not historical and status:
            self.doubtful.add(number)
        elif not (historical or unsaid):
            self.doubtful.discard(number)
        return Metric(home.name, home.metric, value, at, number, None if unsaid else status, historical)


class _Sink:
    """An edge node that has been born."""

    def __init__(self, node: Node, edge: Edge) -> None:
        self._node, self._edge = node, edge
        self._since = time.now()
        """What reached us before is told as historical: it was kept."""
        self._kept = monotonic()
        """When what the tags are was written down last."""
        self._behind: dict[int, _Known] = {}
        """Of what was kept the last of each tag: what it is now, unless something comes after it."""

    async def write(self, delivery: Delivery) -> Sequence[Refusal]:
        """Tells the samples, and returns once the broker has read them."""
        self._edge.check()
        columns = delivery.columns
        kept = (columns.seen < self._since) | (delivery.recalled or delivery.retried)
        early = np.flatnonzero(columns.time < 0).tolist()
        refused = [Refusal(row, BEFORE) for row in early]
        refused += await self._tell(self._sorted(columns, kept.tolist(), frozenset(early)))
        if not kept.any():
            await self._tell(self._caught_up())
        if len(delivery):
            await self._edge.confirm()
        if monotonic() - self._kept >= KEEP:
            await asyncio.to_thread(self._node.keep)
            self._kept = monotonic()
        return refused

    def _sorted(self, columns: Columns, kept: Sequence[bool], without: frozenset[int]) -> Iterator[_Said]:
        """What is told of each sample: as historical where that is not what the tag is now."""
        now, said = self._node.now, self._node.said
        for row, (number, sample, historical) in enumerate(self._node.known(columns)):
            if row in without:
                continue
            last = now.get(number)
            newest = not historical and (last is None or sample.at >= last.at)
            if newest:
                now[number] = sample
            if newest and kept[row]:
                self._behind[number] = sample
            elif newest:
                self._behind.pop(number, None)
            yield row, number, said(number, sample, historical=not newest or kept[row])

    def _caught_up(self) -> list[_Said]:
        """What the tags are now of which only what was kept was told."""
        found, self._behind = self._behind, {}
        return [(-1, number, self._node.said(number, known, historical=False)) for number, known in found.items()]

    async def _tell(self, found: Iterable[_Said]) -> list[Refusal]:
        """Tells device by device; what is too large for the broker."""
        devices: dict[str, list[tuple[int, Metric]]] = {}
        for row, number, metric in found:
            devices.setdefault(self._node.homes[number].device, []).append((row, metric))
        refused: list[Refusal] = []
        for device, told in devices.items():
            for position in await self._edge.tell(device, [metric for _, metric in told]):
                row, metric = told[position]
                self._node.now.pop(metric.alias or 0, None)  # a birth would be too large with it
                refused += [Refusal(row, LARGE)] if row >= 0 else []
        return refused


def _home(setting: TagSetting, depth: int) -> _Home:
    """`depth`: parts of the plant's name."""
    parts = setting.tag.path.split("/")[depth:]
    device, name = (parts[0], "/".join(parts[1:])) if len(parts) > 1 else ("", parts[0])
    return _Home(device, name, setting.tag.type, TYPES[setting.tag.type], dict(_properties(setting)))


def _properties(setting: TagSetting) -> Iterator[tuple[str, bool | int | float | str]]:
    if setting.tag.unit:
        yield UNIT, setting.tag.unit
    if setting.range is not None:
        yield LOW, setting.range[0]
        yield HIGH, setting.range[1]
    if setting.description:
        yield ABOUT, setting.description
    if setting.labels:
        yield NAMES, msgspec.json.encode({str(number): name for number, name in setting.labels.items()}).decode()


def _rows(columns: Columns) -> Iterable[tuple[Any, ...]]:
    arrays = (columns.tag, columns.time, columns.value, columns.integer, columns.text, columns.quality, columns.mark)
    return zip(*(array.tolist() for array in arrays), strict=True)
