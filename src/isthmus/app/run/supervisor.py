# SPDX-License-Identifier: Apache-2.0
"""The supervisor runs a plant: the embedded log, one child process per service, and their end in good order.

Collectors stop first, and beside them what serves and delivers; then the recorder writes what it has, and the processes
beside the plant end; then the log stops. A second Ctrl-C ends all at once, which loses nothing that was accepted.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import structlog

from isthmus.app.run import notify, status
from isthmus.app.run.address import Address
from isthmus.app.run.ending import end
from isthmus.app.run.endpoint import current, endpoint, external_log
from isthmus.app.run.kept import Job, Kept
from isthmus.app.run.logs import Speech
from isthmus.app.run.place import DELIVER, RECORD, SERVICES, SUPERVISOR, Place
from isthmus.app.run.revisions import keep_revisions
from isthmus.app.run.telling import Telling
from isthmus.core import time
from isthmus.core.errors import IsthmusError, first
from isthmus.core.event import Severity
from isthmus.store.ledger.files import read_pointer
from isthmus.stream.endpoint import Endpoint
from isthmus.stream.server import LogServer

LONGEST_START: Final = 60.0
"""Seconds that getting ready may take where the end is fixed."""

LONGEST_WAIT: Final = 10.0
"""Seconds that services wait for the processes beside them to be ready."""

LOOK: Final = 1.0
"""Seconds between two looks at whether the plant has outputs."""

SOON: Final = 0.5
LONGEST_TELLING: Final = 1.5
"""Seconds that a stop waits for the log to take the news of it, in silence and after a word."""

_LOG: Final = "log"

say = structlog.get_logger("run")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to run."""

    place: Place
    services: Sequence[str] = SERVICES
    node: str = ""
    port: int = 0
    """Of the embedded log; 0: the one of last time, or any that is free."""
    listen: Address | None = None
    """Where the API answers; None: on its usual port, or any that is free where that is taken."""
    speech: Speech = Speech.JSON
    """Of the services; their log files have all."""
    beside: Sequence[Job] = ()
    """Other processes: ready before the services are started, stopped when nothing collects and delivers any more."""

    def jobs(self) -> list[Job]:
        """Every process but the log, in the order of starting."""
        return [*self.beside, *(self.job(service) for service in self.services)]

    def job(self, service: str) -> Job:
        """The process of one service."""
        arguments = ["--data", str(self.place.root), "--node", self.node, "--log-format", self.speech]
        if self.listen is not None:
            arguments += ["--listen", str(self.listen)]
        return Job(service, f"isthmus.app.run.{service}", arguments, self.place.status(service))


def stop_on_signals() -> asyncio.Event:
    """An event that SIGTERM or SIGINT sets; a second one ends the process, and with it its children, at once."""
    stop = asyncio.Event()

    def asked() -> None:
        if stop.is_set():
            os._exit(130)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, asked)
    return stop


async def supervise(
    wanted: Wanted, stop: asyncio.Event, ready: Callable[[], None] = lambda: None, *, seconds: float | None = None
) -> None:
    """Runs what is wanted until `stop` is set; `ready` is called once, when everything does its work.

    With `seconds` it stops so long after that, or when nothing got ready for a minute longer. The caller holds the data
    directory. Raises IsthmusError when the log cannot be started.
    """
    later = asyncio.get_running_loop().call_later

    def is_ready() -> None:
        if seconds is not None:
            later(seconds, stop.set)
        ready()

    if seconds is not None:
        later(seconds + LONGEST_START, stop.set)
    try:
        async with _log(wanted) as server:
            await _run(wanted, server, stop, is_ready)
    except* IsthmusError as group:
        raise first(group) from group


@asynccontextmanager
async def _log(wanted: Wanted) -> AsyncIterator[LogServer | None]:
    """The embedded log, or None when the plant names another one."""
    revision = current(wanted.place)
    if external_log(revision, wanted.place) is not None:
        yield None
        return
    if tuple(wanted.services) != SERVICES:
        raise IsthmusError(
            "a single service needs a log that runs elsewhere",
            where=str(wanted.place.root),
            hint="name it in the plant file: stream: {url: nats://host:4222}",
        )
    async with LogServer(wanted.place.log, port=wanted.port) as server:
        say.info("log ready", port=int(server.endpoint.url.rpartition(":")[2]), pid=server.pid)
        yield server


async def _run(wanted: Wanted, server: LogServer | None, stop: asyncio.Event, ready: Callable[[], None]) -> None:
    def log_endpoint() -> Endpoint:
        return endpoint(wanted.place, "admin" if server else "collect")

    telling = Telling(log_endpoint)
    processes = [Kept(job, telling.died) for job in wanted.jobs()]
    outgoing = Kept(wanted.job(DELIVER), telling.died)
    async with asyncio.TaskGroup() as group:
        first_ones = processes[: len(wanted.beside)]
        keeping = [group.create_task(kept.keep(), name=kept.job.name) for kept in first_ones]
        keeping += [
            group.create_task(_keep_after(kept, first_ones, stop), name=kept.job.name)
            for kept in processes[len(first_ones) :]
        ]
        beside = [
            group.create_task(work)
            for work in (
                telling.tell(),
                keep_revisions(wanted.place, log_endpoint),
                _deliver(wanted, outgoing, processes),
                _status(wanted, server, processes, stop),
                _ready(processes, ready),
            )
        ]
        telling.say(SUPERVISOR, Severity.INFORMATION, "the plant is started")
        await stop.wait()
        notify.stopping()
        telling.say(SUPERVISOR, Severity.INFORMATION, "the plant is stopped")  # while it can still be recorded
        if not await telling.told(SOON):
            say.info("stopping", waits_for=_LOG)
            await telling.told(LONGEST_TELLING)
        await end(_rounds(first_ones, processes[len(first_ones) :]))
        await asyncio.wait(keeping)
        if server is not None:
            say.info("stopping", waits_for=_LOG)
        for task in beside:
            task.cancel()
    write_status(wanted, server, processes, stopping=True)


def _rounds(beside: Sequence[Kept], services: Sequence[Kept]) -> list[list[Kept]]:
    """In what order processes end. The recorder last of the services: it writes what the collectors gave at the end."""
    last = [kept for kept in services if kept.job.name == RECORD]
    return [[kept for kept in services if kept not in last], [*last, *reversed(beside)]]


async def _keep_after(kept: Kept, others: Sequence[Kept], stop: asyncio.Event) -> None:
    """Keeps it running from when the others are ready, or had long enough for that; not when all stops before."""
    ready = asyncio.ensure_future(_all_ready(others))
    stopped = asyncio.ensure_future(stop.wait())
    await asyncio.wait((ready, stopped), timeout=LONGEST_WAIT, return_when=asyncio.FIRST_COMPLETED)
    ready.cancel()
    stopped.cancel()
    if not stop.is_set():
        await kept.keep()


async def _deliver(wanted: Wanted, outgoing: Kept, processes: list[Kept]) -> None:
    """Keeps outputs running from when the plant has some; without any there is no process for them."""
    looked = 0
    while tuple(wanted.services) == SERVICES:
        pointed = read_pointer(wanted.place.revisions)
        if pointed is not None and pointed.number != looked:
            looked = pointed.number
            if await asyncio.to_thread(_has_outputs, wanted.place):
                processes.append(outgoing)
                await outgoing.keep()
                return
        await asyncio.sleep(LOOK)


def _has_outputs(place: Place) -> bool:
    try:
        revision = current(place)
    except IsthmusError as error:
        say.warning("the revision cannot be read", problem=str(error))
        return False
    return revision is not None and bool(revision.outputs)


async def _all_ready(processes: Sequence[Kept]) -> None:
    for kept in processes:
        await kept.is_ready.wait()


async def _ready(processes: Sequence[Kept], ready: Callable[[], None]) -> None:
    await _all_ready(processes)
    notify.ready()
    ready()


async def _status(wanted: Wanted, server: LogServer | None, processes: Sequence[Kept], stop: asyncio.Event) -> None:
    while True:
        write_status(wanted, server, processes, stopping=stop.is_set())
        await asyncio.sleep(status.EVERY if all(kept.state == "ready" for kept in processes) else 0.25)


_STARTED: Final = time.now()


def write_status(
    wanted: Wanted, server: LogServer | None, processes: Sequence[Kept], *, stopping: bool = False
) -> None:
    """Writes the supervisor's status file; a disk without room must not end it."""
    counters: dict[str, Any] = {
        "node": wanted.node,
        "services": {kept.job.name: kept.describe() for kept in processes},
        "log": _describe(server),
    }
    try:
        status.write(
            wanted.place.status(SUPERVISOR),
            status.Status(
                service=SUPERVISOR,
                pid=os.getpid(),
                started=_STARTED,
                heartbeat=time.now(),
                ready=all(kept.state == "ready" for kept in processes),
                stopping=stopping,
                counters=counters,
            ),
        )
    except OSError as error:
        say.warning("status cannot be written", problem=str(error))


def _describe(server: LogServer | None) -> dict[str, Any]:
    if server is None:
        return {"embedded": False}
    return {
        "embedded": True,
        "pid": server.pid,
        "ready": server.ready,
        "restarts": server.restarts,
        "url": server.endpoint.url,
    }
