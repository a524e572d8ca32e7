# SPDX-License-Identifier: Apache-2.0
"""A peer that is a process of its own, talked to over its input and output: how it is signalled and ended."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress


class Child:
    """What every such peer has; `start` is each one's own."""

    _process: asyncio.subprocess.Process | None = None

    async def __aexit__(self, *_: object) -> None:
        await self.kill()

    def signal(self, number: signal.Signals) -> None:
        assert self._process
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
