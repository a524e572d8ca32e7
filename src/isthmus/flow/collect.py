# SPDX-License-Identifier: Apache-2.0
"""What the `collect` service does: every system of its node, standardised, into the log, as the revision says.

A newly applied revision touches only what it changes: a system whose connection and addresses stay is not reopened,
its names, units and ranges are exchanged while it runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import structlog

from isthmus.core import time
from isthmus.core.errors import IsthmusError, NotFound, Refused
from isthmus.flow.complaints import Complaints
from isthmus.flow.end import end
from isthmus.flow.fitted import fitted
from isthmus.flow.hold import Hold
from isthmus.flow.observed import Observed
from isthmus.flow.ship import WINDOW, Shipment, drained, ship
from isthmus.flow.source import Source, run_source
from isthmus.flow.standardise import standards
from isthmus.plant.revision import Revision, SystemSetting, TagSetting, wiring
from isthmus.store.history.newest import newest
from isthmus.store.ledger.files import RevisionFiles, read_pointer
from isthmus.stream.log import Log
from isthmus.stream.publish import Publisher
from isthmus.systems.contract import Kind, Reads, Surroundings
from isthmus.systems.registry import kinds

LOOK: Final = 1.0
"""Seconds between two looks at which revision is current."""

say = structlog.get_logger("collect")


@dataclass(slots=True)
class Running:
    """A source and the task that runs it."""

    source: Source
    wiring: bytes
    """What it was opened with; while this stays, the source stays open."""
    task: asyncio.Task[None]


@dataclass(slots=True)
class Collector:
    """All sources of one node."""

    data: Path
    node: str
    epoch: int
    hold: Hold = field(default_factory=Hold)
    running: dict[str, Running] = field(default_factory=dict)
    revision: int = 0
    observed: Mapping[str, int] = field(default_factory=dict)
    """System → until when an earlier collector observed it, ns by our clock."""

    def describe(self, shipment: Shipment) -> dict[str, Any]:
        """For status."""
        return {
            "revision": self.revision,
            "accepted": shipment.accepted,
            "messages": shipment.messages,
            "held": len(self.hold),
            "held_bytes": self.hold.size,
            "discarded": self.hold.discarded,
            "log": shipment.problem,
            "systems": {name: running.source.describe() for name, running in self.running.items()},
        }


async def collect(
    log: Log,
    data: Path,
    node: str,
    *,
    ready: Callable[[], None] | None,
    stop: asyncio.Event,
    report: Callable[[dict[str, Any]], None],
) -> None:
    """Collects for `node` (empty: the main one) until `stop`; what is held then is sent before it returns."""
    collector = Collector(data, node, epoch=time.now())
    observed = Observed(data / "run" / f"observed-{node or 'main'}.json")
    site = (await _current(data)).plant.replace("/", "_")
    async with (
        Publisher.open(log, site, node or "main", collector.epoch, WINDOW) as publisher,
        asyncio.TaskGroup() as group,
    ):
        collector.epoch = publisher.epoch
        shipment = Shipment(collector.epoch)
        shipping = group.create_task(ship(collector.hold, log, publisher, shipment))
        known = await _newest(data)
        collector.observed = observed.load()
        while not stop.is_set():
            await _follow(collector, known, publisher, group)
            observed.keep({name: running.source.observed for name, running in collector.running.items()})
            if collector.revision and ready is not None:
                ready()
                ready = None
            report(collector.describe(shipment))
            await _pause(stop)
        await _stopped(collector)
        observed.keep({name: running.source.observed for name, running in collector.running.items()}, newer_by=1)
        shipping.cancel()
        report(collector.describe(shipment))


async def _stopped(collector: Collector) -> None:
    """Closes the sources and waits until the log has what they gave."""
    await end([running.task for running in collector.running.values()], _slow)
    if not await drained(collector.hold, timeout=5):
        say.warning("stopped with samples the log did not take", held=len(collector.hold))


def _slow(system: str) -> None:
    say.warning("takes long to end", system=system)


async def _pause(stop: asyncio.Event) -> None:
    try:
        await asyncio.wait_for(stop.wait(), LOOK)
    except TimeoutError:
        return


async def _follow(
    collector: Collector, known: Mapping[int, int], publisher: Publisher, group: asyncio.TaskGroup
) -> None:
    """Arranges what a newly applied revision changes; while that cannot be done, everything stays as it is."""
    try:
        pointed = read_pointer(collector.data / "revisions")
        if pointed is not None and pointed.number != collector.revision:
            revision = await _current(collector.data)
            await _arrange(collector, revision, known, publisher, group)
    except (OSError, ValueError, IsthmusError) as error:
        say.error("the current revision does not run yet", problem=str(error), running=collector.revision)


async def _current(data: Path) -> Revision:
    """The revision that is to run; raises NotFound when none was applied."""
    revision = await asyncio.to_thread(RevisionFiles(data / "revisions").current)
    if revision is None:
        raise NotFound(f"no revision is applied in {data}", hint="isthmus apply PLANT")
    return revision


async def _newest(data: Path) -> Mapping[int, int]:
    """Where recalling from the far ends begins. What is recalled twice is stored once."""
    try:
        return await asyncio.to_thread(newest, data / "history")
    except IsthmusError as error:
        say.warning("starting without knowing what is recorded", problem=str(error))
        return {}


async def _arrange(
    collector: Collector, revision: Revision, known: Mapping[int, int], publisher: Publisher, group: asyncio.TaskGroup
) -> None:
    """Makes what runs be what `revision` says; what it does not change goes on untouched."""
    wanted = {system.name: system for system in revision.systems if system.node == collector.node}
    settings = {name: revision.of_system(name) for name in wanted}
    for name in [name for name in collector.running if not settings.get(name)]:
        collector.running.pop(name).task.cancel()
    for name, tags in settings.items():
        if not tags:
            continue
        rules = standards(tags)
        for rule in rules:
            await publisher.keep_list(rule.tags)
        running = collector.running.get(name)
        if running is not None and running.wiring == wiring(wanted[name], tags):
            running.source.settings, running.source.rules = tags, rules
            continue
        source = _source(collector, wanted[name], tags, running.source if running else None, known)
        if running is not None:
            await _ended(running.task)
        task = group.create_task(run_source(source, collector.hold, collector.epoch), name=name)
        collector.running[name] = Running(source, wiring(wanted[name], tags), task)
    collector.revision = revision.number


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task], timeout=10)


def _source(
    collector: Collector,
    system: SystemSetting,
    tags: tuple[TagSetting, ...],
    before: Source | None,
    known: Mapping[int, int],
) -> Source:
    """The source of a system; what an earlier one knew of its tags is carried over.

    A tag that did not change until the end was observed until then.
    """
    valued = {*known, *(() if before is None else _valued(before))}
    known = {**known, **({} if before is None else _known(before))}
    kind = kinds().get(system.kind)
    until = collector.observed.get(system.name, time.UNKNOWN) if before is None else before.observed
    return Source(
        name=system.name,
        settings=tags,
        rules=standards(tags),
        connect=_connect(system, collector.data),
        overflow="wait" if kind is not None and kind.waits else system.overflow,
        newest=np.array([max(until, known.get(tag.tag.number, time.UNKNOWN)) for tag in tags], np.int64),
        complaints=Complaints.of([tag.address for tag in tags], [tag.tag.number in valued for tag in tags]),
    )


def _known(source: Source) -> dict[int, int]:
    return {s.tag.number: at for s, at in zip(source.settings, source.newest.tolist(), strict=True)}


def _valued(source: Source) -> Iterator[int]:
    """The tags that had a value."""
    had = source.complaints.valued.tolist()
    return (s.tag.number for s, one in zip(source.settings, had, strict=True) if one)


def _connect(system: SystemSetting, data: Path) -> Callable[[Mapping[str, int]], Reads]:
    """What makes a driver of the system's kind; its secrets are looked up then."""

    def connect(resume: Mapping[str, int]) -> Reads:
        kind: Kind | None = kinds().get(system.kind)
        if kind is None:
            raise Refused(f"no kind {system.kind!r} is installed here", hint=f"kinds: {', '.join(sorted(kinds()))}")
        spec = fitted(kind.spec, system.config, data, system.name)
        driver: Reads = kind.connect(spec, Surroundings(system.name, data, resume))
        return driver

    return connect
