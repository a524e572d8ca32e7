# SPDX-License-Identifier: Apache-2.0
"""A peer that is a process of its own, talked to over its input and output: how it is signalled and ended."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from contextlib import suppress
from pathlib import Path


def freeze(pid: int) -> None:
    """Stops a process; returns when it stands still: on a busy machine its threads work on for a while."""
    os.kill(pid, signal.SIGSTOP)
    end = time.monotonic() + 60
    while not _stands(pid):
        assert time.monotonic() < end, f"process {pid} does not stop"
        time.sleep(0.001)


def _stands(pid: int) -> bool:
    """Whether every thread of a process is stopped, or has ended."""
    states = set[str]()
    with suppress(OSError):  # it has ended
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):
                states.add((thread / "stat").read_text().rpartition(")")[2].split()[0])
    return states <= {"T", "t", "Z", "X"}


class Child:
    """What every such peer has; `start` is each one's own."""

    _process: asyncio.subprocess.Process | None = None

    async def __aexit__(self, *_: object) -> None:
        await self.kill()

    def signal(self, number: signal.Signals) -> None:
        assert self._process
        if number is signal.SIGSTOP:
            freeze(self._process.pid)
        else:
            self._process.send_signal(number)

    async def kill(self) -> None:
        """Ends it as a crash would."""
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        self._process._transport.close()  # type: ignore[attr-defined]  # else a ResourceWarning at collection
        self._process = None
