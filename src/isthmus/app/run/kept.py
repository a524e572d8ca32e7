# SPDX-License-Identifier: Apache-2.0
"""A kept process is started, watched, and started again when it dies or falls silent, until it is told to stop."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import structlog

from isthmus.app.run import lifeline, status
from isthmus.core import time

SHORTEST: Final = 0.25
LONGEST: Final = 10.0
"""Seconds before a process is started again; they double with every death from the shortest to the longest."""

HEALTHY: Final = 60.0
"""Seconds a process has to live for its next death to count as the first."""

SILENCE: Final = 60.0
"""Seconds without a heartbeat after which a process that still runs is killed and started again."""

say = structlog.get_logger("run")


@dataclass(frozen=True, slots=True)
class Job:
    """What to keep running."""

    name: str
    module: str
    arguments: Sequence[str]
    status: Path
    """The file its heartbeats are in."""
    patience: float = 15.0
    """Seconds it gets to end when asked."""


@dataclass(slots=True)
class Kept:
    """One job being kept running."""

    job: Job
    tell: Callable[[str, str], None]
    """Told (name, what happened) when it dies."""
    state: str = "stopped"
    """`starting`, `ready`, `waiting` (to be started again) or `stopped`."""
    restarts: int = 0
    last_end: str = ""
    since: int = 0
    is_ready: asyncio.Event = field(default_factory=asyncio.Event)
    _process: asyncio.subprocess.Process | None = None
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def pid(self) -> int | None:
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    def describe(self) -> dict[str, Any]:
        """For status."""
        return {
            "state": self.state,
            "pid": self.pid,
            "restarts": self.restarts,
            "since": self.since,
            "last_end": self.last_end,
        }

    async def keep(self) -> None:
        """Keeps it running until `stop` was called."""
        wait = SHORTEST
        while not self._stopping.is_set():
            began = asyncio.get_running_loop().time()
            await self._live()
            if self._stopping.is_set():
                break
            if asyncio.get_running_loop().time() - began >= HEALTHY:
                wait = SHORTEST
            self._note("waiting")
            self.restarts += 1
            say.error(
                "died", process=self.job.name, problem=self.last_end, again_in=time.to_text(round(wait * time.SECOND))
            )
            self.tell(self.job.name, self.last_end)
            await self._pause(wait)
            wait = min(2 * wait, LONGEST)
        self._note("stopped")

    async def stop(self) -> bool:
        """Ends it; False when it had to be killed."""
        self._stopping.set()
        if self._process is None:
            return True
        willing = await lifeline.stop(self._process, self.job.patience)
        if not willing:
            say.warning("killed: it did not end when asked", process=self.job.name, after=self.job.patience)
        return willing

    async def _live(self) -> None:
        """One life of the process."""
        self._note("starting")
        self._process = await lifeline.start(self.job.module, self.job.arguments)
        try:
            if self._stopping.is_set():  # while it was started: `stop` did not see it
                await lifeline.stop(self._process, self.job.patience)
            await self._watch(self._process)
        finally:
            if self._process.returncode is None:
                await lifeline.stop(self._process, 0)
        self.last_end = _how(self._process.returncode)

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        """Until the process ends; one that is silent for too long is killed."""
        loop = asyncio.get_running_loop()
        heard, last = loop.time(), 0
        while not await lifeline.ended(process, 0.1 if self.state == "starting" else status.EVERY):
            said = status.read(self.job.status)
            if said is not None and said.pid == process.pid:
                if said.heartbeat != last:
                    heard, last = loop.time(), said.heartbeat
                if said.ready and self.state == "starting":
                    self._note("ready")
                    self.is_ready.set()
                    say.info("ready", process=self.job.name, pid=process.pid)
            if loop.time() - heard > SILENCE and not self._stopping.is_set():
                say.error("killed: it is silent", process=self.job.name, seconds=SILENCE)
                with suppress(ProcessLookupError):
                    process.kill()

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    def _note(self, state: str) -> None:
        self.state, self.since = state, time.now()


def _how(code: int | None) -> str:
    if code is not None and code < 0:
        with suppress(ValueError):
            return f"ended by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"
