# SPDX-License-Identifier: Apache-2.0
"""One source from open to done: readings are standardised and held for the log; a lost far end is opened again.

Written once for every kind of system: drivers say `Disconnected` or `Refused`, the loop here says so once, waits and
opens again, for as long as it runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

import numpy as np
import structlog
from numpy.typing import NDArray

from isthmus.core import quality, time
from isthmus.core.errors import Disconnected, IsthmusError, Refused
from isthmus.core.event import Event, EventKind, Severity
from isthmus.core.quality import Mark
from isthmus.core.samples import Samples
from isthmus.flow.complaints import Complaints
from isthmus.flow.end import unless_cancelled
from isthmus.flow.hold import Hold, Overflow, Waiting
from isthmus.flow.standardise import Standard, standardise
from isthmus.plant.revision import TagSetting
from isthmus.systems.contract import Address, Form, Oddity, Readings, Reads, nothing

SHORTEST: Final = 0.25
LONGEST: Final = 2.0
"""Seconds between two tries to open a far end; the wait doubles from the shortest to the longest."""

SLOWLY: Final = 30.0
RARELY: Final = 300.0
"""Seconds before a far end that turned us away is asked again, first and at most: each try may count as an attack and
lock the account. A newly applied revision asks at once."""

LONGEST_TEXT: Final = 65_536
"""Characters a text value may have."""

HEARTBEAT: Final = 5.0
"""Seconds without samples after which a source that is alive sends an empty block."""

_REMARKABLE: Final = ~np.uint8(Mark.HISTORICAL)

say = structlog.get_logger("collect")


@dataclass(slots=True)
class Source:
    """One system being collected, and what can be said of it."""

    name: str
    settings: Sequence[TagSetting]
    rules: tuple[Standard, ...]
    """May be replaced while open: names, units and ranges change without the far end noticing."""
    connect: Callable[[Mapping[str, int]], Reads]
    """Makes a driver for the system, given the newest device time per address that we have, as it will be then."""
    overflow: Overflow = "discard-oldest"
    state: str = "opening"
    since: int = 0
    problem: str = ""
    samples: int = 0
    oddities: int = 0
    marked: int = 0
    newest: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    complaints: Complaints = field(default_factory=lambda: Complaints.of((), ()))
    """What is wrong with single tags."""
    again: int = 0
    """When it is tried again where that is not soon, ns by our clock; else 0."""
    observed: int = 0
    """When the last of its readings that the log has was seen, ns by our clock."""
    _beat: float = 0.0

    def addresses(self) -> list[Address]:
        return [
            Address(s.address, s.tag.type, sampling=s.every, deadband=s.deadband, queue=s.queue) for s in self.settings
        ]

    def describe(self) -> dict[str, Any]:
        """For status: state, counters, and what is wrong with single tags."""
        return {
            "state": self.state,
            "since": self.since,
            "problem": self.problem,
            "again": self.again,
            "tags": len(self.settings),
            **self.complaints.describe(),
            "samples": self.samples,
            "marked": self.marked,
            "quarantined": self.oddities,
        }


class Newest(Mapping[str, int]):
    """Address → newest device time (ns) that we have of it, always as it is now."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._rows = {setting.address: row for row, setting in enumerate(source.settings)}

    def __getitem__(self, address: str) -> int:
        at = int(self._source.newest[self._rows[address]])
        if at == time.UNKNOWN:
            raise KeyError(address)
        return at

    def __iter__(self) -> Iterator[str]:
        return (address for address, row in self._rows.items() if self._source.newest[row] != time.UNKNOWN)

    def __len__(self) -> int:
        return int(np.count_nonzero(self._source.newest != time.UNKNOWN))


async def run_source(source: Source, hold: Hold, epoch: int) -> None:
    """Collects `source` into `hold` until cancelled."""
    wait, driver = SHORTEST, None
    while True:
        began, turned_away = asyncio.get_running_loop().time(), False
        try:
            driver = driver or source.connect(Newest(source))
            await _session(source, driver, hold, epoch)
        except Disconnected as error:
            await _changed(source, hold, epoch, "disconnected", error)
        except Refused as error:
            turned_away = driver is not None
            driver = None  # what it was made with may be put right: a secret, a certificate
            await _changed(source, hold, epoch, "refused", error)
        except Exception as error:
            say.exception("driver failed", system=source.name)
            await _changed(source, hold, epoch, "failed", error)
        unless_cancelled()
        lasted = asyncio.get_running_loop().time() - began
        if turned_away:
            wait = min(max(wait * 2, SLOWLY), RARELY)
        else:
            wait = SHORTEST if lasted > 10 * LONGEST else min(wait * 2, LONGEST)
        source.again = time.now() + round(wait * time.SECOND) if wait >= SLOWLY else 0
        await asyncio.sleep(wait)
        source.again = 0


async def _session(source: Source, driver: Reads, hold: Hold, epoch: int) -> None:
    async with driver.open(source.addresses()) as stream:
        await _changed(source, hold, epoch, "connected", None)
        async for readings in stream:
            await hold.put(_waiting(source, readings), source.overflow)
    raise Disconnected(f"{source.name} ended", where=source.name)


def _waiting(source: Source, readings: Readings) -> Waiting:
    readings = without_long_texts(readings)
    now = asyncio.get_running_loop().time()
    blocks: tuple[Samples, ...] = ()
    if len(readings) or (readings.alive and now - source._beat >= HEARTBEAT):
        source._beat = now
        blocks = tuple(standardise(readings, source.rules, source.name))
    if len(readings):
        _remember(source, readings, blocks)
    source.complaints.hear(readings.events)
    source.oddities += len(readings.oddities)
    return Waiting(
        samples=blocks,
        events=tuple(readings.events),
        oddities=tuple((source.name, oddity) for oddity in readings.oddities),
        done=partial(_accepted, source, readings),
    )


def _accepted(source: Source, readings: Readings) -> None:
    if readings.alive and not readings.historical:
        source.observed = max(source.observed, readings.seen)
    readings.done()


def without_long_texts(readings: Readings) -> Readings:
    """A text that no message could carry goes to quarantine; its reading stays, without a value and bad."""
    long = [row for row, text in enumerate(readings.text or ()) if text and len(text) > LONGEST_TEXT]
    if not long:
        return readings
    texts, form, status = list(readings.text or ()), readings.form.copy(), readings.quality.copy()
    oddities = [
        Oddity(f"a text of {len(text)} characters", text.encode("utf-8", "replace"), int(readings.index[row]))
        for row in long
        if (text := texts[row])
    ]
    for row in long:
        texts[row] = None
    form[long], status[long] = Form.NONE, quality.BAD_ENCODING_LIMITS
    return replace(readings, text=texts, form=form, quality=status, oddities=(*readings.oddities, *oddities))


def _remember(source: Source, readings: Readings, blocks: Sequence[Samples]) -> None:
    source.samples += len(readings)
    source.marked += sum(int(np.count_nonzero(block.mark & _REMARKABLE)) for block in blocks)
    source.complaints.take(readings)
    readings.advance(source.newest)


async def _changed(source: Source, hold: Hold, epoch: int, state: str, error: Exception | None) -> None:
    """Notes a change of state; says it in an event once, not at every try."""
    problem = str(error) if error else ""
    if isinstance(error, IsthmusError) and error.where == source.name:
        problem = f"{error.what}; {error.hint}" if error.hint else error.what
    if (state, problem) == (source.state, source.problem):
        return
    same = state == source.state
    source.state, source.problem, source.since = state, problem, time.now()
    (say.warning if error else say.info)(state, system=source.name, **({"problem": problem} if problem else {}))
    if not same:
        event = connection_event(source, epoch)
        await hold.put(Waiting(events=(event,), done=nothing), source.overflow)


def connection_event(source: Source, epoch: int) -> Event:
    """What is said when a source's state changes."""
    good = source.state == "connected"
    return Event(
        id=f"connection-{source.name}-{epoch}-{source.since}",
        kind=EventKind.CONNECTION,
        severity=Severity.INFORMATION if good else Severity.ERROR,
        source=source.name,
        at=source.since,
        message=f"{source.name} is {source.state}" + (f": {source.problem}" if source.problem else ""),
        details={"state": source.state},
    )
