# SPDX-License-Identifier: Apache-2.0
"""A kept file is made of segments or of an import: samples of some days, or what derives from a day.

All are checked files in `history/kept/`. Those of one act (a compaction, an import's step, a correction) are committed
together; the footer tells the kind and the day, which files it stands for and what came with those, so that a lost
manifest can be made again from `segments/` and `kept/` alone.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec

from isthmus.core.event import Event
from isthmus.core.time import SECOND
from isthmus.store.history.checked import Opened, open_checked
from isthmus.store.history.groups import Group
from isthmus.store.history.segment import bounds
from isthmus.store.history.state import State

DAY: Final = 86_400 * SECOND
"""ns of a UTC day."""
BATCH: Final = 61_440
"""Samples of a day that are put in order and written at a time."""
_EPOCH: Final = date(1970, 1, 1).toordinal()


class Kind(StrEnum):
    """What a kept file holds."""

    RUN = "run"
    """Samples of any days."""
    DAY = "day"
    """All compacted samples of one UTC day."""
    CARRIED = "carried"
    """Of every tag its last sample before one UTC day begins, and its last live one when that is another."""
    MINUTES = "minutes"
    """Roll-up rows of one UTC day, one per tag and minute."""
    QUARTERS = "quarters"
    """Roll-up rows of one UTC day, one per tag and 15 minutes."""

    @property
    def of_samples(self) -> bool:
        """Whether samples are lost with it; anything else can be derived again."""
        return self in (Kind.RUN, Kind.DAY)


class Bookmark(msgspec.Struct, frozen=True):
    """How far an import is."""

    id: str
    body: bytes


class KeptFooter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a kept file says of itself."""

    kind: Kind
    day: int
    number: int
    act: str
    """Which act made it."""
    others: tuple[str, ...] | None = None
    """The other files of the act; only the one written last knows them, and the act counts when that is there."""
    absorbed: tuple[str, ...] = ()
    """Segments and kept files that the act's files stand for."""
    state: State | None = None
    """How far the log is recorded in this and in all that was absorbed before it."""
    events: tuple[Event, ...] = ()
    """Those of the segments that were absorbed."""
    bookmarks: tuple[Bookmark, ...] = ()
    groups: tuple[Group, ...] = ()


class Kept(msgspec.Struct, frozen=True):
    """A kept file as the manifest lists it."""

    file: str
    """Name in `kept/`."""
    kind: Kind
    day: int
    """UTC days since 1970-01-01; of a run that of its first sample."""
    number: int
    """Grows from act to act: runs are in this order, and of a day's derived files the highest is the newest."""
    rows: int
    size: int
    """Bytes."""
    first_tag: int
    last_tag: int
    first_time: int
    last_time: int

    @classmethod
    def of(cls, file: str, size: int, footer: KeptFooter) -> Kept:
        rows = sum(group.rows for group in footer.groups)
        return cls(file, footer.kind, footer.day, footer.number, rows, size, *bounds(footer.groups))


def day_of(time: int) -> int:
    """The UTC day of a time in ns, as days since 1970-01-01."""
    return time // DAY


def date_of(day: int) -> str:
    """The date of a UTC day: 2026-11-23."""
    return date.fromordinal(_EPOCH + day).isoformat()


def name(kind: Kind, day: int, number: int, checksum: int) -> str:
    """What a kept file is called."""
    return f"{kind}-{date.fromordinal(_EPOCH + day):%Y%m%d}-{number:08d}-{checksum:08x}.parquet"


def open_kept(path: Path) -> Opened[KeptFooter]:
    """The kept file at `path`; raises Damaged when its footer is not what was written."""
    return open_checked(path, KeptFooter)
