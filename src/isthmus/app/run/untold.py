# SPDX-License-Identifier: Apache-2.0
"""Corrections are told to who follows the log: their samples lie in the history alone, their events go through it too.

What is to be told is noted in the history in the commit of the correction itself, and forgotten when the log has it; so
it is told whatever dies, at times twice. The recorder does it, also of what was corrected while nothing ran.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Final
from uuid import uuid4

import msgspec

from isthmus.core.errors import IsthmusError
from isthmus.core.event import Event
from isthmus.store.history.folder import Folder
from isthmus.store.history.kept import Bookmark
from isthmus.store.history.manifest import Manifest
from isthmus.stream.log import Log

PREFIX: Final = "untold-"
EVERY: Final = 1.0
"""Seconds between two looks."""


def untold(events: Sequence[Event]) -> Bookmark:
    """What notes that these events are to be told, to be committed with what they tell of."""
    return Bookmark(f"{PREFIX}{uuid4().hex}", msgspec.json.encode(events))


async def tell(log: Log, history: Path, *, every: float = EVERY) -> None:
    """Puts what is untold in the history into the log, until cancelled."""
    while True:
        with suppress(IsthmusError, OSError, sqlite3.Error):
            await _follow(log, Folder(history).manifest, every)
        await asyncio.sleep(every)


async def _follow(log: Log, path: Path, every: float) -> None:
    """As long as this manifest is the history's; raises IsthmusError when it is not, or the log does not answer."""
    with closing(await asyncio.to_thread(Manifest.open, path)) as manifest:
        while True:
            manifest.check_place()
            for name, body in manifest.bookmarks(PREFIX).items():
                for event in msgspec.json.decode(body, type=list[Event]):
                    await log.emit(event)
                manifest.forget_bookmark(name)
            await asyncio.sleep(every)
