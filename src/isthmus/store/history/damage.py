# SPDX-License-Identifier: Apache-2.0
"""A file that is not what was written is set aside and named; its intact row groups stay. Any reader may do it.

What derives from samples (carried values, roll-ups) is only set aside: the next compaction makes it again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from hashlib import sha256
from typing import Final, TypeAlias

import msgspec
import structlog

from isthmus.core import time
from isthmus.core.errors import Damaged
from isthmus.core.event import Event, EventKind, Severity
from isthmus.store.history.checked import Opened, open_by_spare
from isthmus.store.history.columns import Columns, join
from isthmus.store.history.folder import Folder, keep
from isthmus.store.history.gaps import LOG, gap
from isthmus.store.history.groups import Group
from isthmus.store.history.kept import Kept, KeptFooter, open_kept
from isthmus.store.history.manifest import Manifest
from isthmus.store.history.segment import Footer, Segment, encode, open_segment
from isthmus.store.history.write import write_rest

_Sorted: TypeAlias = tuple[Footer | KeptFooter | None, tuple[Columns, ...], Sequence[Group]]
"""The footer, the row groups that are intact, and those that are lost; None, none and none when the footer is."""
_NOTHING: Final[_Sorted] = (None, (), ())

log = structlog.get_logger("history")


def set_aside(folder: Folder, part: Segment | Kept, why: str) -> tuple[Event, tuple[Columns, ...]]:
    """The gap that the damage leaves (a warning, when nothing is lost), and the row groups that are intact.

    The manifest lists a new file of the intact groups instead, and the file goes to `damaged/`. Where this process
    may not write, the answer is the same and the next one that may will do the rest.
    """
    if isinstance(part, Kept) and not part.kind.of_samples:
        footer, intact, lost = _NOTHING
        event = _warning(part, why)
        log.warning("derived file set aside", file=part.file, problem=why)
    else:
        footer, intact, lost = _sorted_out(folder, part)
        event = _gap(part, why, lost) if lost or footer is None else _warning(part, why)
        log.error("file set aside", file=part.file, problem=why, rows=part.rows, lost=event.details.get("count", 0))
    try:
        if folder.manifest.exists():
            _record(folder, part, why, event, footer, intact)
    except (OSError, sqlite3.Error, Damaged) as error:
        log.warning("damage could not be recorded", file=part.file, problem=str(error))
    return event, intact


def opened(folder: Folder, part: Segment | Kept) -> Opened[Footer] | Opened[KeptFooter]:
    """The file; raises Damaged when its footer is not what was written, FileNotFoundError when it is not there."""
    path = folder.place(part.file)
    return open_segment(path) if isinstance(part, Segment) else open_kept(path)


def _sorted_out(folder: Folder, part: Segment | Kept) -> _Sorted:
    intact, lost = [], []
    try:
        found = _opened_somehow(folder, part)
        for number, group in enumerate(found.footer.groups):
            try:
                intact.append(found.columns(number))
            except Damaged:
                lost.append(group)
    except (Damaged, OSError):
        return _NOTHING
    return found.footer, tuple(intact), lost


def _opened_somehow(folder: Folder, part: Segment | Kept) -> Opened[Footer] | Opened[KeptFooter]:
    """The file, by the second copy of its footer when the first is damaged; raises Damaged when both are."""
    try:
        return opened(folder, part)
    except Damaged:
        return open_by_spare(folder.place(part.file), KeptFooter)


def _gap(part: Segment | Kept, why: str, lost: Sequence[Group]) -> Event:
    parts: Sequence[Group | Segment | Kept] = lost or (part,)
    count = sum(part.rows for part in parts)
    return gap(
        LOG,
        f"{part.file} of the history {why}; it is set aside, {count} of its {part.rows} samples are lost",
        about=("file", part.file),
        at=time.now(),
        first=min(part.first_time for part in parts),
        last=max(part.last_time for part in parts),
        count=count,
        file=part.file,
        first_tag=min(part.first_tag for part in parts),
        last_tag=max(part.last_tag for part in parts),
    )


def _warning(part: Segment | Kept, why: str) -> Event:
    return Event(
        id=f"damage-{sha256(part.file.encode()).hexdigest()[:24]}",
        kind=EventKind.LOG,
        severity=Severity.WARNING,
        source=LOG,
        at=time.now(),
        message=f"{part.file} of the history {why}; it is set aside and made again, no sample is lost",
        details={"file": part.file},
    )


def _record(
    folder: Folder,
    part: Segment | Kept,
    why: str,
    event: Event,
    footer: Footer | KeptFooter | None,
    intact: Sequence[Columns],
) -> None:
    rest = _rest(folder, footer, intact) if footer is not None and intact else None
    manifest = Manifest.open(folder.manifest)
    try:
        manifest.set_aside(part, rest, why, event)
    finally:
        manifest.close()
    if folder.place(part.file).exists():
        folder.set_aside(folder.place(part.file))
    folder.drop(part.file)


def _rest(folder: Folder, footer: Footer | KeptFooter, intact: Sequence[Columns]) -> Segment | Kept:
    """A file of the row groups that are intact, of the same kind and in the same place of the order."""
    if isinstance(footer, KeptFooter):
        return write_rest(folder, footer, intact)
    segment, data = encode(join(intact), msgspec.structs.replace(footer, groups=()))
    keep(folder.segments / segment.file, data)
    return segment
