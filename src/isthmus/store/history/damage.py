# SPDX-License-Identifier: Apache-2.0
"""A segment that is not what was written is set aside and named; its intact row groups stay. Any reader may do it."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec
import structlog

from isthmus.core import time
from isthmus.core.errors import Damaged
from isthmus.core.event import Event
from isthmus.store.history.columns import Columns, join
from isthmus.store.history.folder import Folder, keep
from isthmus.store.history.gaps import LOG, gap
from isthmus.store.history.manifest import Manifest
from isthmus.store.history.segment import Footer, Group, Segment, encode, open_segment

log = structlog.get_logger("history")


def set_aside(folder: Folder, segment: Segment, why: str) -> tuple[Event, tuple[Columns, ...]]:
    """The gap that the damage leaves, and the row groups that are intact.

    The manifest lists a new segment of the intact groups instead, and the file goes to `damaged/`. Where this process
    may not write, the answer is the same and the next one that may will do the rest.
    """
    footer, intact, lost = _sorted_out(folder, segment)
    event = _gap(segment, why, lost)
    log.error("segment set aside", file=segment.file, problem=why, rows=segment.rows, lost=event.details["count"])
    try:
        if folder.manifest.exists():
            _record(folder, segment, why, event, footer, intact)
    except (OSError, sqlite3.Error, Damaged) as error:
        log.warning("damage could not be recorded", file=segment.file, problem=str(error))
    return event, intact


def _sorted_out(folder: Folder, segment: Segment) -> tuple[Footer | None, tuple[Columns, ...], Sequence[Group]]:
    """The footer, the row groups that are intact, and those that are lost; None, none and none when the footer is."""
    path = folder.segments / segment.file
    intact, lost = [], []
    try:
        opened = open_segment(path)
        for number, group in enumerate(opened.footer.groups):
            try:
                intact.append(opened.columns(number))
            except Damaged:
                lost.append(group)
    except (Damaged, OSError):
        return None, (), ()
    return opened.footer, tuple(intact), lost


def _gap(segment: Segment, why: str, lost: Sequence[Group]) -> Event:
    parts: Sequence[Group | Segment] = lost or (segment,)
    count = sum(part.rows for part in parts)
    return gap(
        LOG,
        f"{segment.file} of the history {why}; it is set aside, {count} of its {segment.rows} samples are lost",
        about=("file", segment.file),
        at=time.now(),
        first=min(part.first_time for part in parts),
        last=max(part.last_time for part in parts),
        count=count,
        file=segment.file,
        first_tag=min(part.first_tag for part in parts),
        last_tag=max(part.last_tag for part in parts),
    )


def _record(
    folder: Folder, segment: Segment, why: str, event: Event, footer: Footer | None, intact: Sequence[Columns]
) -> None:
    rest = None
    if footer is not None and intact:
        rest, data = encode(join(intact), msgspec.structs.replace(footer, groups=()))
        keep(folder.segments / rest.file, data)
    manifest = Manifest.open(folder.manifest)
    try:
        manifest.set_aside(segment, rest, why, event)
    finally:
        manifest.close()
    if (folder.segments / segment.file).exists():
        folder.set_aside(folder.segments / segment.file)
