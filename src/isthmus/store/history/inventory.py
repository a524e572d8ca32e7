# SPDX-License-Identifier: Apache-2.0
"""An inventory says what lies in the history: files of each kind, how large they are, when days were last written."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from isthmus.store.history.folder import Folder
from isthmus.store.history.kept import Kept, Kind
from isthmus.store.history.manifest import Manifest
from isthmus.store.history.segment import Segment

_KINDS: Final = {
    "runs": (Kind.RUN,),
    "days": (Kind.DAY,),
    "derived": (Kind.CARRIED, Kind.MINUTES, Kind.QUARTERS),
}


class Holding(msgspec.Struct, frozen=True):
    """Files of one kind."""

    files: int
    rows: int
    """Samples, or rows that are derived from them."""
    bytes: int

    @classmethod
    def of(cls, files: Iterable[Segment | Kept]) -> Holding:
        sizes = [(file.rows, file.size) for file in files]
        return cls(len(sizes), sum(rows for rows, _ in sizes), sum(size for _, size in sizes))


class Inventory(msgspec.Struct, frozen=True):
    """What lies in the history."""

    segments: Holding
    runs: Holding
    days: Holding
    derived: Holding
    """Carried values and roll-ups."""
    leaving: int
    """Files that were replaced and are not removed yet."""
    compacted: int
    """When days were last written, ns; 0: never."""


def inventory(folder: Folder, manifest: Manifest) -> Inventory:
    """What the manifest lists."""
    kept = manifest.kept()
    held = {name: Holding.of(one for one in kept if one.kind in kinds) for name, kinds in _KINDS.items()}
    newest = max((one for one in kept if one.kind is Kind.DAY), key=lambda one: one.number, default=None)
    return Inventory(
        segments=Holding.of(manifest.segments()),
        **held,
        leaving=len(manifest.leaving()),
        compacted=_written(folder, newest) if newest is not None else 0,
    )


def _written(folder: Folder, kept: Kept) -> int:
    try:
        return folder.place(kept.file).stat().st_mtime_ns
    except FileNotFoundError:
        return 0
