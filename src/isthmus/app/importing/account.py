# SPDX-License-Identifier: Apache-2.0
"""The account of an import: what it is of, how far it came, what it took and refused; a bookmark of the history.

It is committed together with the samples it speaks of: whatever dies, the same command goes on where it says.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from zlib import crc32

import msgspec

from isthmus.app.importing.piece import Spot
from isthmus.core.time import EARLIEST, LATEST
from isthmus.store.history.kept import Bookmark
from isthmus.store.history.manifest import Manifest

PREFIX: Final = "import-"
MOST_NAMES: Final = 10_000
"""Unknown names that are counted one by one."""
_HEAD: Final = 1 << 16


class Origin(msgspec.Struct, frozen=True):
    """A file as it was when its import began."""

    path: str
    size: int
    head: int
    """CRC-32 of its first 64 KiB: a file of this size that begins otherwise is another one."""

    @classmethod
    def of(cls, path: Path) -> Origin:
        with path.open("rb") as file:
            return cls(str(path.resolve()), path.stat().st_size, crc32(file.read(_HEAD)))


class Account(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One import."""

    id: str
    what: str
    """Its files, for people."""
    seen: int
    """When it began, ns: all its samples have this as `seen`, no others do."""
    origins: tuple[Origin, ...] = ()
    file: int = 0
    """How many files are done."""
    spot: Spot = Spot()
    """Where it goes on in the next one."""
    taken: int = 0
    left_out: int = 0
    refused: dict[str, int] = {}
    """Reason → rows."""
    examples: dict[str, list[str]] = {}
    """Reason → the first rows, as file:line."""
    unknown: dict[str, int] = {}
    """Name → rows."""
    others: int = 0
    """Rows of unknown names beyond those."""
    written: int = 0
    """Bytes of the file of refused rows that count."""
    first: int = LATEST
    last: int = EARLIEST
    """Times of its samples, ns."""
    tags: list[int] = []
    """Numbers of the tags it has samples of, in order."""
    ended: int = 0
    """When it was done, ns; 0: it is not."""
    undoing: int = 0
    """When somebody began to take it back, ns; 0: nobody did."""
    undone: int = 0
    """When it was taken back, ns; 0: it is not."""

    @property
    def refusals(self) -> int:
        return sum(self.refused.values())

    @property
    def strangers(self) -> int:
        """Rows of unknown names."""
        return sum(self.unknown.values()) + self.others

    def bookmark(self) -> Bookmark:
        return Bookmark(PREFIX + self.id, msgspec.json.encode(self))

    def note_unknown(self, names: Mapping[str, int]) -> None:
        """Adds rows of names that are no tag."""
        for name, rows in names.items():
            if name in self.unknown or len(self.unknown) < MOST_NAMES:
                self.unknown[name] = self.unknown.get(name, 0) + rows
            else:
                self.others += rows


def identity(*parts: object) -> str:
    """Eight hexadecimal digits for what an import is of: the same for the same command on the same files."""
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:8]


def accounts(manifest: Manifest) -> list[Account]:
    """All imports, in the order in which they began."""
    found = (
        msgspec.json.decode(body, type=Account)
        for name, body in manifest.bookmarks().items()
        if name.startswith(PREFIX)
    )
    return sorted(found, key=lambda account: account.seen)
