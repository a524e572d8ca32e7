# SPDX-License-Identifier: Apache-2.0
"""How far each file is in the log: kept beside the data, for files cannot be told what we took of them.

A crash between the log's word and ours reads some rows twice. They are the same samples (tag, time, value, quality),
and history keeps those once.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

END: Final = -1
"""In place of a line: the whole file is in the log, or set aside."""


class Progress:
    """Identity of a file → its last line that is in the log."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines: dict[str, int] = {}
        self._kept: dict[str, int] = {}
        with suppress(OSError, msgspec.MsgspecError):
            self._lines = msgspec.json.decode(path.read_bytes(), type=dict[str, int])
            self._kept = dict(self._lines)

    def line(self, identity: str) -> int:
        """The last line that is in the log; 0 for none, END for all."""
        return self._lines.get(identity, 0)

    def note(self, identity: str, line: int) -> None:
        """The file is in the log up to there."""
        before = self._lines.get(identity, 0)
        if before != END:
            self._lines[identity] = line if line == END else max(line, before)

    def keep(self) -> None:
        """Writes it down, if there is anything new. Raises OSError."""
        if self._lines == self._kept:
            return
        now = dict(self._lines)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._path.with_suffix(".tmp")
        with temporary.open("wb") as file:
            file.write(msgspec.json.encode(now))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._path)
        self._kept = now

    def forget_others(self, there: Iterable[str]) -> None:
        """Files that are gone need not be remembered."""
        here = set(there)
        self._lines = {identity: line for identity, line in self._lines.items() if identity in here}


def identity(path: Path, said: os.stat_result) -> str:
    """What makes it this file and no other: its name, number, size and time of change."""
    return f"{path.name}|{said.st_ino}|{said.st_size}|{said.st_mtime_ns}"
