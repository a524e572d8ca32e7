# SPDX-License-Identifier: Apache-2.0
"""Is there room for the log, in its stream and on its disk? Publishing is refused before the disk is full."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from isthmus.core.event import Severity
from isthmus.stream import names, streams
from isthmus.stream.log import LogState, state_of
from isthmus.stream.streams import Layout
from isthmus.stream.wire import Wire

ALARM: Final = 0.7
"""Fill of the stream at which people are told."""

CALM: Final = 0.6
"""Fill at which they are told that it is over."""

RESERVE: Final = 512 << 20
"""Bytes of the disk nothing of ours may take; at most a tenth of the disk."""

_HYSTERESIS: Final = 1.25

Told = tuple[Severity, str, str]
"""Severity, a word for the id, a sentence."""


def default_reserve(total: int) -> int:
    """The reserve of a disk of `total` bytes."""
    return min(RESERVE, total // 10)


class Room:
    """Watches the disk below a log's store and the fill of its stream.

    nats-server does not survive a full disk: publishers get no answer, and none after space is freed until it is
    started again. So below the reserve the stream's limit is lowered to what it has: every publisher is told LogFull at
    once, nothing accepted is touched, purging goes on. The limit is raised again when there is room.
    """

    pace = 1.0
    """Seconds between two looks."""

    def __init__(self, store: Path, reserve: int | None) -> None:
        self._store = store
        self._reserve = default_reserve(shutil.disk_usage(store).total) if reserve is None else reserve
        self.closed = False
        """Publishing is refused for lack of disk."""
        self._alarmed = False
        self.dead = False

    async def look(self, wire: Wire, layout: Layout) -> list[Told]:
        """Looks, acts, and says what changed. Raises Disconnected when the server does not answer."""
        state = state_of(await wire.api(f"STREAM.INFO.{names.STREAM}"))
        free = shutil.disk_usage(self._store).free
        told = await self._disk(wire, layout, state, free)
        return told + self._fill(state, layout)

    async def _disk(self, wire: Wire, layout: Layout, state: LogState, free: int) -> list[Told]:
        was = state.limit != layout.limit
        if free < self._reserve and not was:
            await streams.limit(wire, layout, state.bytes)
            self.closed = True
            return [(Severity.ERROR, "disk-full", f"the disk has {_mb(free)} left: the log refuses samples")]
        if was and free >= self._reserve * _HYSTERESIS:
            await streams.limit(wire, layout, layout.limit)
            self.closed = False
            return [(Severity.INFORMATION, "disk-room", f"the disk has room again: the log takes samples, {_mb(free)}")]
        self.closed = was
        return []

    def _fill(self, state: LogState, layout: Layout) -> list[Told]:
        fill = state.bytes / layout.limit
        if not self._alarmed and fill >= ALARM:
            self._alarmed = True
            return [(Severity.WARNING, "log-filling", f"the log is {fill:.0%} full: does the recorder keep up?")]
        if self._alarmed and fill <= CALM:
            self._alarmed = False
            return [(Severity.INFORMATION, "log-calm", f"the log is {fill:.0%} full again")]
        return []


def _mb(size: int) -> str:
    return f"{size / (1 << 20):.0f} MB"
