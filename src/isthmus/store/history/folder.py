# SPDX-License-Identifier: Apache-2.0
"""The history folder: where its parts lie, how a file gets into it for good, and who may write to it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import Final

from isthmus.core.errors import InUse

TEMPORARY: Final = ".tmp"
SPARE: Final = ".footer"
"""Ending of a second copy of a kept file's footer, without which a file that was cut could not be read at all."""


@dataclass(frozen=True, slots=True)
class Folder:
    """`history/` below the data directory."""

    root: Path

    @property
    def segments(self) -> Path:
        return self.root / "segments"

    @property
    def kept(self) -> Path:
        """What was made of segments, or imported: runs, days, carried values, roll-ups."""
        return self.root / "kept"

    def place(self, file: str) -> Path:
        """Where a file that the manifest lists lies: segments are named by a number, kept files by their kind."""
        return (self.segments if file[:1].isdigit() else self.kept) / file

    def drop(self, file: str) -> None:
        """Unlinks a file that the manifest listed or was to list, and its second footer."""
        for path in (self.place(file), self.place(file + SPARE)):
            path.unlink(missing_ok=True)

    @property
    def damaged(self) -> Path:
        """What was set aside because it is not what was written."""
        return self.root / "damaged"

    @property
    def readers(self) -> Path:
        """A file of everyone who reads just now."""
        return self.root / "readers"

    @property
    def lists(self) -> Path:
        """Tag lists by digest: they name the numbers, so that the folder explains itself."""
        return self.root / "lists"

    @property
    def manifest(self) -> Path:
        return self.root / "manifest.db"

    def make(self) -> None:
        """Makes what is missing."""
        for path in (self.root, self.segments, self.kept, self.damaged, self.lists):
            path.mkdir(parents=True, exist_ok=True)

    def set_aside(self, path: Path) -> Path:
        """Moves a file into `damaged/` under a name nothing there has; its new place."""
        self.damaged.mkdir(exist_ok=True)
        target, count = self.damaged / path.name, 1
        while target.exists():
            target, count = self.damaged / f"{path.name}.{count}", count + 1
        path.rename(target)
        settle(self.damaged)
        settle(path.parent)
        return target


@contextmanager
def owned(folder: Folder) -> Iterator[None]:
    """The only recorder on this folder for as long as the block runs; raises InUse when another one is."""
    folder.make()
    with (folder.root / "lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            hint = "stop the other `isthmus run`, or give this one a data directory of its own"
            raise InUse("another recorder writes this history", where=str(folder.root), hint=hint) from error
        yield


@contextmanager
def alone(folder: Folder, patience: float = 0.0) -> Iterator[None]:
    """Nobody else tends the folder for as long as the block runs; raises InUse when somebody still does after a while.

    A recorder that starts is done with it in a moment: `patience` (s) waits for that.
    """
    folder.make()
    until = monotonic() + patience
    with (folder.root / "tend.lock").open("a") as file:
        while not _locked(file.fileno()):
            if monotonic() >= until:
                hint = "wait until it is done (a compaction starts by itself and takes minutes), then try again"
                what = "the history is being compacted, imported into or corrected by another process"
                raise InUse(what, where=str(folder.root), hint=hint)
            sleep(0.05)
        yield


def _locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def keep(path: Path, data: bytes | memoryview) -> None:
    """Writes a file that is there completely or not at all, whatever happens."""
    temporary = path.with_name(path.name + TEMPORARY)
    write_through(temporary, data)
    temporary.rename(path)
    settle(path.parent)


def write_through(path: Path, data: bytes | memoryview) -> None:
    """Writes and waits until the disk has it."""
    with path.open("wb", buffering=0) as file:
        left = memoryview(data)
        while left:
            left = left[file.write(left) :]
        os.fsync(file.fileno())


def settle(path: Path) -> None:
    """Waits until the disk has the names in the directory."""
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
