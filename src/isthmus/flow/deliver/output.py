# SPDX-License-Identifier: Apache-2.0
"""One output runs: its far end is opened, gets batch after batch, and what it takes is committed to the output's book.

A batch that was not taken is handed over again until it is; what the far end will never take is parked. An output
waits for nobody and nobody waits for it but its own reading.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import structlog

from isthmus.core import time
from isthmus.core.errors import Disconnected, IsthmusError, Refused, first, leaf
from isthmus.core.event import Event, EventKind, Severity
from isthmus.core.threads import to_its_end
from isthmus.flow.deliver.book import Book, Place
from isthmus.flow.deliver.reading import Batch, Heard, Reading, beginning
from isthmus.flow.end import unless_cancelled
from isthmus.outputs.contract import Accepts, Delivery, Refusal, Sink
from isthmus.plant.revision import OutputSetting
from isthmus.store.history.columns import Columns, empty
from isthmus.store.history.state import State
from isthmus.stream.follow import Hole, NewStream
from isthmus.stream.log import Log, LogState, Position

SHORTEST: Final = 0.5
LONGEST: Final = 4.0
"""Seconds before a far end that is away is tried again; they double from the shortest to the longest."""

RARELY: Final = 30.0
"""Seconds at most before one that turned us away is asked again: each try may count as an attack and lock the account.
Also before an output whose book cannot be used is begun again."""

PORTION: Final = 2_000
"""Samples handed over at once at most: what has to be sent again when the far end goes away in the middle."""

TEXTS: Final = 2 << 20
"""Characters of text that they may have together, where it is not one sample's."""

BEAT: Final = 2.0
"""Seconds without anything to deliver after which the far end is looked at, and parked samples."""

COMMIT: Final = 1.0
"""Seconds that deliveries may lie ahead of the position on the disk: what comes again after a sudden end."""

NOT_ITS: Final = "the output does not get its tag any more"
"""Why what was parked before a revision took its tag from the output is not handed over."""

say = structlog.get_logger("deliver")


@dataclass(slots=True)
class Output:
    """An output as it runs."""

    setting: OutputSetting
    systems: Mapping[int, str]
    """Number of each of its tags → the system it is read from."""
    heard: Heard
    """Of each tag, given how far the output came: when the last samples of its systems reached us."""
    folder: Path
    """Where its book is."""
    history: Path
    connect: Callable[[State], Accepts]
    """Makes the output, told how far it had delivered."""
    log: Log
    state: str = "starting"
    problem: str = ""
    since: int = field(default_factory=time.now)
    delivered: int = 0
    """Samples the far end took since the start."""
    again: int = 0
    """Times that a batch had to be handed over again."""
    parked: int = 0
    place: Place | None = None
    """Up to where it has delivered."""
    reading: Reading | None = None
    lost: int = 0
    """Messages that neither the log nor a history had any more, since the start; of a log that is gone: 1."""

    def describe(self, log: LogState | None) -> dict[str, Any]:
        """For status; lags are those to the end of `log`."""
        position = self.place.state.position if self.place is not None else None
        behind = log.lag(position) if log is not None and self.place is not None else None
        return {
            "kind": self.setting.kind,
            "state": self.state,
            "problem": self.problem,
            "since": self.since,
            "tags": len(self.systems),
            "delivered": self.delivered,
            "again": self.again,
            "parked": self.parked,
            "lag_messages": behind,
            "lag_seconds": _seconds(behind, position),
            "recalling": self.reading is not None and self.reading.recalling,
            "lost": self.lost,
        }


def _seconds(behind: int | None, position: Position | None) -> float | None:
    """How long ago the log took what was delivered last; None where that is not known."""
    if behind is None or (behind and (position is None or not position.at)):
        return None
    return round((time.now() - position.at) / time.SECOND, 1) if behind and position is not None else 0.0


async def run_output(output: Output, *, after: asyncio.Task[None] | None = None) -> None:
    """Delivers until cancelled, whatever happens: nothing of it reaches other outputs.

    `after`: what ran before in its place and may still have its book, its files and its port.
    """
    if after is not None:
        await asyncio.wait((after,))
    while True:
        try:
            await _follow_book(output)
        except* IsthmusError as group:
            await _changed(output, "failed", first(group))
        except* Exception as group:
            say.exception("output failed", output=output.setting.name)
            await _changed(output, "failed", leaf(group))
        unless_cancelled()
        await asyncio.sleep(RARELY)


async def _follow_book(output: Output) -> None:
    """Delivers from where the book says, until that cannot go on."""
    book = await to_its_end(Book.open, output.folder, create=True)
    try:
        output.parked, output.place = book.count(), book.place()
        if output.place is None:
            output.place = await _beginning(output)
            book.commit(output.place, empty(), (), time.now())
        await _run(output, book)
    finally:
        book.close()


async def _beginning(output: Output) -> Place:
    """Where it begins when it is new."""
    if output.setting.begins == "first":
        return beginning(output.history, None)
    while True:
        try:
            log = await output.log.state()
            return await asyncio.to_thread(beginning, output.history, Position(log.stream, log.last))
        except IsthmusError as error:
            await _changed(output, "failed", error)
            await asyncio.sleep(SHORTEST)


async def _run(output: Output, book: Book) -> None:
    assert output.place is not None
    output.reading = Reading(
        output.log, output.history, output.place, output.systems, output.heard, partial(_lost, output)
    )
    async with asyncio.TaskGroup() as group:
        group.create_task(output.reading.run())
        await _Delivering(output, book, output.reading).run()


@dataclass(slots=True)
class _Delivering:
    """From the reading to the far end."""

    output: Output
    book: Book
    reading: Reading
    batch: Batch | None = None
    """Read, and not delivered completely."""
    done: int = 0
    """Samples of it that are."""
    committed: float = 0.0
    """When the place was last written (monotonic)."""
    moved: bool = False
    """The place on the disk is behind."""

    async def run(self) -> None:
        """Opens the far end again and again, until cancelled."""
        wait, accepts = SHORTEST, None
        while True:
            longest, began = LONGEST, asyncio.get_running_loop().time()
            try:
                accepts = accepts or self.output.connect(self._delivered())
                await self._session(accepts)
            except Disconnected as error:
                await _changed(self.output, "disconnected", error)
            except Refused as error:
                accepts, longest = None, RARELY  # what it was made with may be put right: a secret, a certificate
                await _changed(self.output, "refused", error)
            except Exception as error:
                say.exception("output failed", output=self.output.setting.name)
                await _changed(self.output, "failed", error)
            unless_cancelled()
            lasted = asyncio.get_running_loop().time() - began
            wait = SHORTEST if lasted > RARELY else min(2 * wait, longest)
            self.output.again += self.batch is not None
            await asyncio.sleep(wait)

    def _delivered(self) -> State:
        assert self.output.place is not None
        return self.output.place.state

    async def _session(self, accepts: Accepts) -> None:
        async with accepts.open() as sink:
            if self.batch is None:  # else it is once the far end takes what it did not take before
                await _changed(self.output, "connected", None)
            try:
                while True:
                    await self._step(sink)
            finally:
                await self._commit()

    async def _step(self, sink: Sink) -> None:
        if self.batch is None:
            with suppress(TimeoutError):
                async with asyncio.timeout(BEAT):
                    self.batch = await self.reading.batches.get()
        if self.batch is None:
            await sink.write(Delivery(empty()))
            await self._try_parked(sink)
            await self._commit()
            return
        await self._deliver(sink, self.batch)
        self.output.place, self.moved = self.batch.after, True
        self.batch, self.done = None, 0
        if asyncio.get_running_loop().time() - self.committed >= COMMIT:
            await self._commit()
            await self._try_parked(sink)

    async def _deliver(self, sink: Sink, batch: Batch) -> None:
        """The rest of a batch, in portions."""
        while self.done < len(batch.columns):
            portion = batch.columns.pick(slice(self.done, self.done + fitting(batch.columns, self.done)))
            delivery = Delivery(portion, batch.recalled)
            refused = await _handed_over(sink, delivery)
            await _changed(self.output, "connected", None)
            if refused:
                await self._park(sink, delivery, refused)
            self.done += len(portion)
            self.output.delivered += len(portion) - len(refused)

    async def _park(self, sink: Sink, delivery: Delivery, refused: Sequence[Refusal]) -> None:
        """Parks samples; while there is no room for them the output stands still."""
        output = self.output
        say.warning("refused", output=output.setting.name, samples=len(refused), reason=refused[0].reason)
        while await to_its_end(self.book.is_full, len(refused)):
            count = await to_its_end(self.book.count)
            full = Refused(
                f"{count:,} samples that the far end refused are parked, and there is no room for more",
                hint=f"put it right ({refused[0].reason}), then isthmus parked {output.setting.name} --retry or --drop",
            )
            await _changed(output, "standing still", full)
            await asyncio.sleep(BEAT)
            await sink.write(Delivery(empty()))
            await self._try_parked(sink)
        columns = delivery.columns.pick(np.array([one.row for one in refused], np.intp))
        assert output.place is not None
        reasons = [one.reason for one in refused]
        await to_its_end(self.book.commit, output.place, columns, reasons, time.now())
        output.parked = await to_its_end(self.book.count)
        await _changed(output, "connected", None)

    async def _try_parked(self, sink: Sink) -> None:
        """Hands over again what somebody asked to be tried again."""
        self.output.parked = await to_its_end(self.book.count)
        while self.output.parked and len(tried := await to_its_end(self.book.parked, PORTION, again=True)):
            wanted = np.isin(tried.columns.tag, list(self.output.systems))
            await self._settle([], {tried.ids[row]: NOT_ITS for row in np.flatnonzero(~wanted).tolist()})
            await self._try(
                sink, tried.columns.pick(wanted), [tried.ids[row] for row in np.flatnonzero(wanted).tolist()]
            )

    async def _try(self, sink: Sink, columns: Columns, ids: Sequence[int]) -> None:
        """Hands over parked samples, in portions; of each it is noted at once what became of it."""
        done = 0
        while done < len(columns):
            end = done + fitting(columns, done)
            refused = await _handed_over(sink, Delivery(columns.pick(slice(done, end)), retried=True))
            again = {ids[done + one.row]: one.reason for one in refused}
            gone = [number for number in ids[done:end] if number not in again]
            await self._settle(gone, again)
            self.output.delivered += len(gone)
            done = end

    async def _settle(self, gone: Sequence[int], again: Mapping[int, str]) -> None:
        """Of parked samples that were tried those that are gone go, and others stay: id → why."""
        await to_its_end(self.book.settle, gone, again, time.now())
        self.output.parked = await to_its_end(self.book.count)

    async def _commit(self) -> None:
        """Writes the place, when it is another one."""
        self.committed = asyncio.get_running_loop().time()
        if self.moved and self.output.place is not None:
            await to_its_end(self.book.commit, self.output.place, empty(), (), time.now())
            self.moved = False


async def _handed_over(sink: Sink, delivery: Delivery) -> Sequence[Refusal]:
    """What the far end refuses of a delivery, also where it refuses it as a whole."""
    try:
        return await sink.write(delivery)
    except Refused as error:
        return [Refusal(row, str(error)) for row in range(len(delivery))]


def fitting(columns: Columns, start: int) -> int:
    """How many samples from row `start` on are handed over at once: at least one."""
    codes = columns.text[start : start + PORTION]
    if not columns.words or not codes.any():
        return PORTION
    lengths = np.array([0, *map(len, columns.words)])
    return max(1, int(np.searchsorted(np.cumsum(lengths[codes]), TEXTS, side="right")))


async def _changed(output: Output, state: str, error: BaseException | None) -> None:
    """Notes a change of state; says it in an event once, not at every try."""
    problem = str(error) if error else ""
    if (state, problem) == (output.state, output.problem):
        return
    same = state == output.state
    output.state, output.problem, output.since = state, problem, time.now()
    name = output.setting.name
    (say.warning if error else say.info)(state, output=name, **({"problem": problem} if problem else {}))
    if not same:
        with suppress(IsthmusError):
            await output.log.emit(_event(output), patience=1)


def _event(output: Output) -> Event:
    name = output.setting.name
    return Event(
        id=f"output-{name}-{output.since}",
        kind=EventKind.OUTPUT,
        severity=Severity.INFORMATION if output.state == "connected" else Severity.ERROR,
        source=name,
        at=output.since,
        message=f"output {name} is {output.state}" + (f": {output.problem}" if output.problem else ""),
        details={"state": output.state},
    )


async def _lost(output: Output, hole: Hole | NewStream) -> None:
    """Counts what was lost to an output, and tells of it: once, also when it is found again after a sudden end."""
    name = output.setting.name
    after, count = (hole.after, hole.last - hole.after.sequence) if isinstance(hole, Hole) else (hole.old, 1)
    what = f"{count:,} messages" if isinstance(hole, Hole) else "what it had not delivered"
    message = f"output {name} lost {what} after {after.sequence:,} of the log, and there is no history of them"
    output.lost += count
    say.error("lost", output=name, after=after.sequence, why=hole.why)
    event = Event(
        id=f"output-{name}-lost-{after.stream}-{after.sequence}",
        kind=EventKind.GAP,
        severity=Severity.ERROR,
        source=name,
        at=time.now(),
        message=message,
        details={"why": hole.why},
    )
    with suppress(IsthmusError):
        await output.log.emit(event, patience=1)
