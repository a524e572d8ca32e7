# SPDX-License-Identifier: Apache-2.0
"""Revision files stand beside the segments: whoever loses the ledger does not lose the names of what was recorded."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from isthmus.core.errors import Damaged, IsthmusError, NotFound
from isthmus.plant.revision import Revision

POINTER: Final = "current"
_NAME: Final = re.compile(r"(\d{6,9})-([0-9a-f]{8})\.json")


class Pointer(NamedTuple):
    """Which revision runs, as the file `revisions/current` says."""

    number: int
    digest: str


class RevisionFiles:
    """The folder `revisions/` of a data directory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def numbers(self) -> dict[int, Path]:
        """Number → file. Raises Damaged when two files claim one number."""
        found: dict[int, Path] = {}
        for path in sorted(self.folder.iterdir()) if self.folder.is_dir() else ():
            match = _NAME.fullmatch(path.name)
            if match is None:
                continue
            number = int(match[1])
            if number in found:
                raise Damaged(
                    f"{path.name} and {found[number].name} are both revision {number}",
                    where=str(self.folder),
                    hint="move the one that never ran away",
                )
            found[number] = path
        return found

    def read(self, path: Path) -> Revision:
        """The revision in a file; raises Damaged when it is not what was written."""
        match = _NAME.fullmatch(path.name)
        try:
            revision = Revision.unpack(path.read_bytes())
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise self._damaged(path, str(error)) from error
        except OSError as error:
            raise IsthmusError(f"{path} cannot be read: {error.strerror}") from error
        if match is None or revision.number != int(match[1]) or not revision.digest.startswith(match[2]):
            raise self._damaged(path, "its content is not that of its name")
        return revision

    def write(self, revision: Revision, packed: bytes) -> Path:
        """Keeps a revision; on the disk when this returns."""
        path = self.folder / f"{revision.number:06d}-{revision.digest[:8]}.json"
        _keep(path, packed)
        return path

    def point(self, revision: Pointer) -> None:
        """Says which revision runs: the last step of an apply."""
        _keep(self.folder / POINTER, f"{revision.number} {revision.digest}\n".encode())

    def pointed(self) -> Pointer | None:
        """Which revision runs; None when nothing says so legibly."""
        return read_pointer(self.folder)

    def current(self) -> Revision | None:
        """The revision that runs; None when none was applied. Raises NotFound or Damaged when it cannot be read."""
        pointed = self.pointed()
        if pointed is None:
            return None
        path = self.numbers().get(pointed.number)
        if path is None:
            raise NotFound(f"the file of revision {pointed.number} is missing", where=str(self.folder))
        return self.read(path)

    def _damaged(self, path: Path, why: str) -> Damaged:
        hint = "restore it from a backup; moved away, the names and numbers that only it knew are lost"
        return Damaged(f"the revision file is damaged: {why}", where=str(path), hint=hint)


def read_pointer(folder: Path) -> Pointer | None:
    """What `current` in the folder `revisions/` says; None when it is not there or not legible."""
    try:
        number, digest = (folder / POINTER).read_text(encoding="ascii").split()
        return Pointer(int(number), digest)
    except (OSError, ValueError):
        return None


def _keep(path: Path, data: bytes) -> None:
    """Writes a file so that after a power cut it is there whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise IsthmusError(
            f"{path} cannot be written: {error.strerror}", hint="is there room, and may you write?"
        ) from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
