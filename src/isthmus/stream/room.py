# SPDX-License-Identifier: Apache-2.0
"""Is there room for the log, in its stream and on its disk? Publishing is refused before the disk is full."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from isthmus.core.event import Severity
from isthmus.stream import names, streams
from isthmus.stream.log import state_of
from isthmus.stream.streams import Layout
from isthmus.stream.wire import Answered, Wire

ALARM: Final = 0.7
"""Fill of the stream at which people are told."""

CALM: Final = 0.6
"""Fill at which they are told that it is over."""

RESERVE: Final = 512 << 20
"""Bytes of the disk nothing of ours may take; at most a tenth of the disk."""

_STEP: Final = 1 << 20
"""Bytes the stream's limit may differ from what it should be."""

_MESSAGE: Final = 4 << 20
"""With less room than this the next message may be refused."""

_NOTHING: Final = f"{names.EVENTS}nothing.has.this.subject"
_PURGE_FAILED: Final = 10051

Told = tuple[Severity, str, str]
"""Severity, a word for the id, a sentence."""


def default_reserve(total: int) -> int:
    """The reserve of a disk of `total` bytes."""
    return min(RESERVE, total // 10)


class Room:
    """Watches the disk below a log's store and the fill of its stream.

    nats-server does not survive a full disk: publishers get no answer, and none after space is freed until it is
    started again. So the stream's limit follows what the disk has above the reserve: at it the server itself tells
    every publisher LogFull, nothing accepted is touched, and purging still has room to work. Should a write fail all
    the same, because others filled the disk faster than we look, `dead` says that only a restart helps.
    """

    def __init__(self, store: Path, reserve: int | None) -> None:
        self._store = store
        self._reserve = default_reserve(shutil.disk_usage(store).total) if reserve is None else reserve
        self.closed = False
        """Publishing is refused for lack of disk, or is about to be."""
        self.dead = False
        """A write failed: the server takes nothing any more until it is started again."""
        self._alarmed = False
        self._last = -1
        """Sequence of the newest message at the last look."""

    @property
    def pace(self) -> float:
        """Seconds until the next look: short where the disk is nearly full."""
        return 1.0 if self._free() > 4 * self._reserve else 0.1

    def _free(self) -> int:
        return shutil.disk_usage(self._store).free

    def limit(self, layout: Layout, bytes_: int) -> int:
        """Bytes at which a stream that has `bytes_` has to refuse; never less than what it has."""
        return max(1, min(layout.limit, bytes_ + max(0, self._free() - self._reserve)))

    async def look(self, wire: Wire, layout: Layout) -> list[Told]:
        """Looks, acts, and says what changed. Raises Disconnected when the server does not answer."""
        state = state_of(await wire.api(f"STREAM.INFO.{names.STREAM}", patience=2))
        stored, self._last = state.last != self._last, state.last
        self.dead = not stored and await _write_failed(wire)
        if self.dead:
            return self._full()
        limit = self.limit(layout, state.bytes)
        if abs(limit - state.limit) > _STEP or (limit != state.limit and limit in (layout.limit, max(1, state.bytes))):
            await streams.limit(wire, layout, limit)
        return self._disk(limit < layout.limit, limit - state.bytes) + self._fill(state.bytes / limit)

    @property
    def curable(self) -> bool:
        """Whether starting the server again would help: it has to write a little for that."""
        return self.dead and self._free() >= _STEP

    def _full(self) -> list[Told]:
        was, self.closed = self.closed, True
        return [] if was else [(Severity.ERROR, "disk-full", "the disk is full: the log refuses samples")]

    def _disk(self, short: bool, room: int) -> list[Told]:
        was, self.closed = self.closed, short and room < _MESSAGE * (1 + self.closed)
        left = f"the disk has {self._free() >> 20} MB left"
        if self.closed and not was:
            return [(Severity.ERROR, "disk-full", f"{left}: the log refuses samples")]
        if was and not self.closed:
            return [(Severity.INFORMATION, "disk-room", f"{left}: the log takes samples again")]
        return []

    def _fill(self, fill: float) -> list[Told]:
        if not self._alarmed and fill >= ALARM:
            self._alarmed = True
            return [(Severity.WARNING, "log-filling", f"the log is {fill:.0%} full: does the recorder keep up?")]
        if self._alarmed and fill <= CALM:
            self._alarmed = False
            return [(Severity.INFORMATION, "log-calm", f"the log is {fill:.0%} full, no longer filling")]
        return []


async def _write_failed(wire: Wire) -> bool:
    """Asks for a purge of nothing: it changes nothing, and is refused once a write has failed (nats-server 2.15)."""
    try:
        await wire.api(f"STREAM.PURGE.{names.STREAM}", {"filter": _NOTHING}, patience=2)
    except Answered as error:
        return error.code == _PURGE_FAILED
    return False
