# SPDX-License-Identifier: Apache-2.0
"""A segment that is not what was written is set aside and named; whoever reads may find it."""

from __future__ import annotations

import sqlite3

import structlog

from isthmus.core import time
from isthmus.core.errors import Damaged
from isthmus.core.event import Event
from isthmus.store.history.folder import Folder
from isthmus.store.history.gaps import LOG, gap
from isthmus.store.history.manifest import Manifest
from isthmus.store.history.segment import Segment

log = structlog.get_logger("history")


def set_aside(folder: Folder, segment: Segment, why: str) -> Event:
    """The manifest lists the segment no more and the file is in `damaged/`; the gap that it leaves.

    Where this process may not write the gap is returned all the same: the next one that may will do the rest.
    """
    event = gap(
        LOG,
        f"{segment.file} of the history {why}; it is set aside with {segment.rows} samples",
        about=("file", segment.file),
        at=time.now(),
        first=segment.first_time,
        last=segment.last_time,
        count=segment.rows,
        file=segment.file,
        first_tag=segment.first_tag,
        last_tag=segment.last_tag,
    )
    log.error("segment set aside", file=segment.file, problem=why, rows=segment.rows)
    try:
        _record(folder, segment, why, event)
    except (OSError, sqlite3.Error, Damaged) as error:
        log.warning("damage could not be recorded", file=segment.file, problem=str(error))
    return event


def _record(folder: Folder, segment: Segment, why: str, event: Event) -> None:
    if not folder.manifest.exists():
        return
    manifest = Manifest.open(folder.manifest)
    try:
        manifest.set_aside(segment, why, event)
    finally:
        manifest.close()
    if (folder.segments / segment.file).exists():
        folder.set_aside(folder.segments / segment.file)
