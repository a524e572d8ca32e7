# SPDX-License-Identifier: Apache-2.0
"""The frame around every service: its arguments, its end, its log file and what it says of itself while it works."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from isthmus.app.run import lifeline, logs, status
from isthmus.app.run.address import Address, address
from isthmus.app.run.endpoint import endpoint
from isthmus.app.run.leave import leave
from isthmus.app.run.place import Place
from isthmus.core import time
from isthmus.core.errors import IsthmusError, first
from isthmus.core.spared import PANDAS, spared
from isthmus.core.threads import Threads
from isthmus.stream.log import Log, open_log

LOG_WAIT = 30.0
"""Seconds a service waits for the log when it starts; then it ends, and is started again."""

THREADS = 32
"""Blocking steps at once in a service that says nothing else."""


@dataclass(slots=True)
class Work:
    """What a service's body gets."""

    place: Place
    node: str
    listen: Address | None
    """Where to answer; None: on its own port, or any free one where that is taken."""
    log: Log
    stop: asyncio.Event
    say: Callable[[dict[str, Any]], None]
    """Takes the counters that the status file shows."""
    ready: Callable[[], None]


@dataclass(slots=True)
class Diary:
    """Keeps the status file of this process."""

    path: Path
    service: str
    stop: asyncio.Event
    started: int = field(default_factory=time.now)
    is_ready: bool = False
    counters: dict[str, Any] = field(default_factory=dict)

    def ready(self) -> None:
        self.is_ready = True
        self.write()

    def say(self, counters: dict[str, Any]) -> None:
        self.counters = counters

    def write(self) -> None:
        """Writes the file; a disk without room must not end the service."""
        with suppress(OSError):
            status.write(
                self.path,
                status.Status(
                    service=self.service,
                    pid=os.getpid(),
                    started=self.started,
                    heartbeat=time.now(),
                    ready=self.is_ready,
                    stopping=self.stop.is_set(),
                    counters=self.counters,
                ),
            )

    async def keep(self) -> None:
        """Writes the file every two seconds, until cancelled."""
        while True:
            self.write()
            await asyncio.sleep(status.EVERY)


@spared(PANDAS)
def main(service: str, body: Callable[[Work], Awaitable[None]]) -> None:
    """Runs a service's body in this process until it is told to stop; the exit code says how it ended."""
    arguments = _arguments(service)
    lifeline.end_with(arguments.parent)
    place = Place(arguments.data)
    logs.begin(service, place.run / f"{service}.log", logs.Speech(arguments.log_format))
    leave(_ended(_run(service, place, arguments, body)))


def _ended(work: Coroutine[Any, Any, None]) -> int:
    """Does it; the exit code."""
    say = structlog.get_logger("run")
    try:
        asyncio.run(work)
    except IsthmusError as error:
        say.error("stopped", problem=str(error))
    except Exception as error:
        say.exception("failed", problem=str(error))
    else:
        return 0
    return 1


def _arguments(service: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"isthmus {service}", description="Started by `isthmus run`.")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--node", default="")
    parser.add_argument("--listen", type=address)
    parser.add_argument("--log-format", choices=list(logs.Speech), default=logs.Speech.JSON)
    parser.add_argument(lifeline.PARENT, type=int, required=True)
    return parser.parse_args()


async def _run(service: str, place: Place, said: argparse.Namespace, body: Callable[[Work], Awaitable[None]]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_default_executor(Threads(THREADS, service))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    diary = Diary(place.status(service), service, stop)
    keeping = asyncio.create_task(diary.keep())
    try:
        async with open_log(endpoint(place, service), name=service, wait=LOG_WAIT) as log:
            await body(Work(place, said.node, said.listen, log, stop, diary.say, diary.ready))
    except* IsthmusError as group:
        raise first(group) from group
    finally:
        keeping.cancel()
        diary.write()
