# SPDX-License-Identifier: Apache-2.0
"""An archive is a tar file with checksums at its end: what comes out of it is what went in, or it is refused."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Final

import msgspec

from isthmus.core.errors import Damaged, IsthmusError

HEAD: Final = "backup.json"
"""The first entry: what this is a backup of."""
TAIL: Final = "checksums.json"
"""The last entry: SHA-256 of every entry before it."""
_PIECE: Final = 1 << 20

Say = Callable[[str, int, int], None]


class Writer:
    """An archive being written."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self._sums: dict[str, str] = {}

    def add(self, name: str, path: Path) -> None:
        """Adds a file."""
        with path.open("rb") as file:
            self._add(name, file, os.fstat(file.fileno()).st_size)

    def add_bytes(self, name: str, content: bytes) -> None:
        self._add(name, io.BytesIO(content), len(content))

    def _add(self, name: str, file: IO[bytes], size: int) -> None:
        info = tarfile.TarInfo(name)
        info.size, info.mode = size, 0o600
        reading = _Summing(file)
        self._tar.addfile(info, reading)
        self._sums[name] = reading.sum.hexdigest()

    def finish(self) -> None:
        """Adds the checksums."""
        self.add_bytes(TAIL, msgspec.json.encode(self._sums))


class _Summing(io.RawIOBase):
    """A file that knows the SHA-256 of what was read from it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.sum = file, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        piece = self._file.read(size)
        self.sum.update(piece)
        return piece


@contextmanager
def written(file: Path) -> Iterator[Writer]:
    """An archive that is at `file` when the block has ended well, and nowhere otherwise; only its owner may read it."""
    if file.exists():
        raise IsthmusError("exists already", where=str(file), hint="choose another name")
    partial = file.with_name(f".{file.name}.{os.getpid()}.partial")
    try:
        partial.touch(mode=0o600, exist_ok=False)
        with partial.open("r+b") as raw:
            with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as tar:
                writer = Writer(tar)
                yield writer
                writer.finish()
            raw.flush()
            os.fsync(raw.fileno())
        _put(partial, file)
        _settle(file.parent)
    except FileExistsError:
        raise IsthmusError("exists already", where=str(file), hint="choose another name") from None
    finally:
        partial.unlink(missing_ok=True)


def _put(partial: Path, file: Path) -> None:
    """Gives the archive its name, never over another file; raises FileExistsError."""
    try:
        os.link(partial, file)
    except FileExistsError:
        raise
    except OSError as error:  # a disk without hard links, such as a USB stick
        if file.exists():
            raise FileExistsError from error
        partial.rename(file)


def unpack(file: Path, folder: Path, say: Say) -> bytes:
    """Writes what is in the archive below `folder`, on disk when this returns; its head.

    Raises Damaged when it is not what was written, or no backup at all.
    """
    sums: dict[str, str] = {}
    try:
        size = file.stat().st_size
        with tarfile.open(file, "r:") as tar:
            for member in tar:
                say("reading", member.offset, size)
                sums[member.name] = _take(tar, member, folder)
    except (tarfile.TarError, EOFError) as error:
        raise Damaged(f"is no whole backup: {error}", where=str(file)) from error
    except FileNotFoundError as error:
        raise IsthmusError("is not there", where=str(file)) from error
    _compare(file, folder, sums)
    head = (folder / HEAD).read_bytes()
    for name in (HEAD, TAIL):
        (folder / name).unlink()
    return head


def _take(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> str:
    """Writes one entry; its SHA-256. Names that would lead elsewhere are refused."""
    parts = PurePosixPath(member.name).parts
    source = tar.extractfile(member) if member.isfile() else None
    if source is None or not parts or parts[0] == "/" or ".." in parts:
        raise tarfile.TarError(f"{member.name!r} does not belong into a backup")
    target = folder.joinpath(*parts)
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    total = hashlib.sha256()
    target.touch(mode=0o600, exist_ok=False)
    with target.open("r+b") as file:
        while piece := source.read(_PIECE):
            total.update(piece)
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    return total.hexdigest()


def _compare(file: Path, folder: Path, found: dict[str, str]) -> None:
    try:
        expected = msgspec.json.decode((folder / TAIL).read_bytes(), type=dict[str, str])
    except (OSError, msgspec.DecodeError) as error:
        raise Damaged("is no whole backup: its checksums are missing", where=str(file)) from error
    wrong = [name for name in {*expected, *found} - {TAIL} if expected.get(name) != found.get(name)]
    if wrong or HEAD not in expected:
        raise Damaged(f"{sorted(wrong or [HEAD])[0]} in it is not what was written", where=str(file))


def _settle(folder: Path) -> None:
    directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
