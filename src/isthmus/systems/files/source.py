# SPDX-License-Identifier: Apache-2.0
"""The files driver: one file after the other, in pieces; a file goes aside once the log has all of it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from isthmus.core.errors import Disconnected
from isthmus.core.event import Event, EventKind, Severity
from isthmus.systems.bare import no_values
from isthmus.systems.contract import Address, Oddity, Readings, Surroundings
from isthmus.systems.files.folder import DONE, FAILED, Folder, Open
from isthmus.systems.files.picking import Picker, Piece
from isthmus.systems.files.progress import Progress
from isthmus.systems.files.rows import Unreadable, opened
from isthmus.systems.files.spec import FilesSpec
from isthmus.systems.telling import happened, listed, names

T = TypeVar("T")

AHEAD: Final = 8
"""Pieces that may be on their way into the log."""
BEAT: Final = 5.0
"""Seconds between two signs of life of a folder that is looked into more rarely."""


class FilesSource:
    """Reads. Remembers, in the data directory, what the log has of each file."""

    def __init__(self, spec: FilesSpec, surroundings: Surroundings) -> None:
        self._spec, self._system = spec, surroundings.system
        self._path = surroundings.folder / "run" / f"files-{surroundings.system}.json"

    @asynccontextmanager
    async def open(self, addresses: Sequence[Address]) -> AsyncGenerator[AsyncIterator[Readings]]:
        """Looks into the folder; see the contract."""
        progress = Progress(self._path)
        folder = Folder(self._spec, progress)
        await _there(folder.check, self._spec)
        try:
            yield Taking(folder, progress, Picker(addresses, self._spec), self._spec, self._system)
        finally:
            with suppress(OSError):  # what it does not know any more it reads again, and history keeps that once
                progress.keep()


class Taking:
    """The readings of one folder, made while they are asked for."""

    def __init__(self, folder: Folder, progress: Progress, picker: Picker, spec: FilesSpec, system: str) -> None:
        self._folder, self._progress, self._picker = folder, progress, picker
        self._spec, self._system = spec, system
        self._file: Open | None = None
        self._ended = False
        """Every piece of the file was handed over."""
        self._waiting = 0
        """Pieces of it that the log does not have yet."""
        self._room = asyncio.Event()

    def __aiter__(self) -> Taking:
        return self

    async def __anext__(self) -> Readings:
        while True:
            if self._file is None:
                self._file, self._ended = await _there(self._folder.next, self._spec), False
                if self._file is None:
                    return await self._rest()
            if not self._ended and self._waiting < AHEAD:
                return await self._hand_over(self._file)
            if not self._waiting:
                await _there(partial(self._folder.finish, self._file, DONE), self._spec)
                self._file = None
            elif not await self._kept():
                return no_values()

    async def _rest(self) -> Readings:
        """Nothing to take: a sign of life before the next look."""
        every = self._spec.seconds("every")
        await asyncio.sleep(every / math.ceil(every / BEAT))
        return no_values()

    async def _kept(self) -> bool:
        """Waits for the log to have another piece; False when that takes longer than a sign of life may."""
        self._room.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(BEAT):
                await self._room.wait()
            await _there(self._progress.keep, self._spec)
            return True
        return False

    async def _hand_over(self, file: Open) -> Readings:
        """The next piece of a file."""
        try:
            piece = await _there(partial(file.piece, self._picker), self._spec)
        except Unreadable as error:
            return await self._set_aside(file, str(error))
        self._ended = piece.last
        self._waiting += 1
        events = [*self._columns("has no", piece.missing), *self._columns("has", piece.back)]
        return piece.readings(events=events, done=partial(self._accepted, file, piece))

    def _columns(self, word: str, positions: Sequence[int]) -> list[Event]:
        """Addresses whose columns a file does not have, or has again."""
        if not positions:
            return []
        found = [str(self._picker.cells[position]) for position in positions]
        kind, severity = EventKind.TAG, Severity.ERROR if "no" in word else Severity.INFORMATION
        message = f"the newest file {word} column for {names(found, 3)}"
        return [happened(self._system, kind, severity, message, **listed(found))]

    def _accepted(self, file: Open, piece: Piece) -> None:
        """The log has a piece. It has those before it, too: they are told of in their order."""
        self._progress.note(file.identity, piece.line)
        self._waiting -= 1
        self._room.set()

    async def _set_aside(self, file: Open, reason: str) -> Readings:
        """A file that cannot be read goes to `failed/`, is told of, and its beginning goes to quarantine."""
        begin = await asyncio.to_thread(_beginning, file.path)
        await _there(partial(self._folder.finish, file, FAILED), self._spec)
        self._file = None
        message = f"{file.path.name} cannot be read: {reason}"
        return no_values([self._event(message)], [Oddity(message, begin)])

    def _event(self, message: str) -> Event:
        return happened(self._system, EventKind.QUARANTINE, Severity.ERROR, message)


def _beginning(path: Path) -> bytes:
    with suppress(OSError, Unreadable), opened(path) as file:
        return file.read(4096)
    return b""


async def _there(look: Callable[[], T], spec: FilesSpec) -> T:
    """What `look` finds in the folder, in a thread; a folder that cannot be used raises Disconnected."""
    try:
        return await asyncio.to_thread(look)
    except OSError as error:
        raise Disconnected(error.strerror or str(error), where=str(error.filename or spec.folder)) from error
