# SPDX-License-Identifier: Apache-2.0
"""A background is an event loop in a thread of its own, so that plain calls also work where a loop runs already."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from isthmus.core.errors import IsthmusError

T = TypeVar("T")


class Background:
    """Runs coroutines from any thread, one call at a time or several; a Jupyter notebook's loop stays its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="isthmus-client", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """What `work` gives; an interrupt (Ctrl-C) ends it."""
        if not self._thread.is_alive():
            work.close()
            raise IsthmusError("this plant was closed", hint="open it again")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """Ends what still runs, and the thread."""
        if not self._thread.is_alive():
            return
        self.run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._loop.shutdown_asyncgens()
        await self._loop.shutdown_default_executor()
