# SPDX-License-Identifier: Apache-2.0
"""The folder itself: which files wait to be taken, and where those go that were. Everything here may block."""

from __future__ import annotations

import fnmatch
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from errno import ELOOP, EXDEV
from itertools import islice
from pathlib import Path
from stat import S_ISREG
from typing import Final

from isthmus.systems.files.picking import Picker, Piece
from isthmus.systems.files.progress import END, Progress, identity
from isthmus.systems.files.rows import Row, Spoilt, read_rows
from isthmus.systems.files.spec import FilesSpec

PIECE: Final = 1000
"""Rows handed over at once."""
DONE, FAILED = "done", "failed"


@dataclass(slots=True)
class Open:
    """A file that is being read."""

    path: Path
    identity: str
    rows: Iterator[Row | Spoilt]

    def piece(self, picker: Picker) -> Piece:
        """Its next rows; `last` with the last of them. Raises OSError, Unreadable."""
        piece = Piece(file=self.path.name)
        for row in islice(self.rows, PIECE):
            picker.take(row, piece)
        piece.last = piece.rows < PIECE
        return piece


class Folder:
    """The folder of one system."""

    def __init__(self, spec: FilesSpec, progress: Progress) -> None:
        self._spec, self._progress = spec, progress
        self._path = Path(spec.folder)
        self._since: dict[str, float] = {}
        """Identity → when the file was first seen like this, by a clock that only goes forward."""

    def check(self) -> None:
        """Raises OSError when the folder cannot be looked into, or what is taken would go where a link leads.

        Whoever may drop files could lay such a link, to have a file put where only we may write.
        """
        next(self._path.iterdir(), None)
        if self._spec.done == "move":
            for where in (DONE, FAILED):
                self._aside(where)

    def _aside(self, where: str) -> Path:
        aside = self._path / where
        if aside.is_symlink():
            raise OSError(ELOOP, "is a symbolic link, which is not followed: make it a folder", str(aside))
        return aside

    def next(self) -> Open | None:
        """The oldest file that is whole and not taken yet, from its first line that is not in the log.

        Raises OSError when the folder is not there.
        """
        files = sorted(self._there(), key=lambda found: (found[0], found[2].name))
        self._progress.forget_others(mine for _, mine, _ in files)
        now = time.monotonic()
        self._since = {mine: self._since.get(mine, now) for _, mine, _ in files}
        for changed, mine, path in files:
            if self._settled(changed, now - self._since[mine]) and self._progress.line(mine) != END:
                return self._open(path, mine)
        return None

    def _there(self) -> Iterator[tuple[int, str, Path]]:
        """(time of change, identity, path) of every file. A link is none: it could name what its maker may not read."""
        for path in self._path.iterdir():
            if fnmatch.fnmatchcase(path.name, self._spec.files) and not path.name.startswith("."):
                with suppress(FileNotFoundError):  # taken away since
                    said = path.lstat()
                    if S_ISREG(said.st_mode):
                        yield said.st_mtime_ns, identity(path, said), path

    def _settled(self, changed: int, watched: float) -> bool:
        """Whether a file is whole: it was changed long ago (ns), or stayed the same for so many seconds.

        The second counts where the clock of another computer, whose share the folder is, runs ahead of ours.
        """
        settle = self._spec.seconds("settle")
        return watched >= settle or (time.time_ns() - changed) / 1e9 >= settle

    def _open(self, path: Path, mine: str) -> Open:
        rows, line = read_rows(path, self._spec), self._progress.line(mine)
        return Open(path, mine, (row for row in rows if row.line > line))

    def finish(self, file: Open, where: str) -> None:
        """Puts a file that is taken aside and writes that down. Raises OSError, and does not take it again then.

        In this order: who dies in between finds it there still, with nothing new in it, and puts it aside.
        """
        try:
            if self._spec.done == "move":
                self._put_aside(file, where)
        except OSError:
            self._ended(file)
            raise
        self._ended(file)

    def _ended(self, file: Open) -> None:
        self._progress.note(file.identity, END)
        self._progress.keep()

    def _put_aside(self, file: Open, where: str) -> None:
        with suppress(FileNotFoundError):  # somebody else took it away
            if identity(file.path, file.path.lstat()) == file.identity:
                aside = self._aside(where)
                aside.mkdir(exist_ok=True)
                moved(file.path, _free(aside / file.path.name))


def moved(path: Path, target: Path) -> None:
    """Moves a file, also to another disk: there it is whole before the first one goes. Raises OSError."""
    try:
        path.rename(target)
    except OSError as error:
        if error.errno != EXDEV:
            raise
        temporary = target.with_name(f".{target.name}.part")
        shutil.copy2(path, temporary, follow_symlinks=False)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.rename(target)
        path.unlink()


def _free(path: Path) -> Path:
    """`path`, or with a number before its suffix the first of that name that does not exist."""
    number, free = 1, path
    while free.exists():
        number, free = number + 1, path.with_name(f"{path.stem}-{number}{path.suffix}")
    return free
