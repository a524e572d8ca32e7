# SPDX-License-Identifier: Apache-2.0
"""On start manifest and folder are brought together: interrupted flushes are finished, a lost manifest is made again.

A segment that is complete on disk but not in the manifest is one whose commit did not come through, or one of a
manifest that was lost or set back. Its footer says all the commit would have said, so it is committed now. Nothing is
deleted but temporary files; what fits nowhere is set aside.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import structlog

from isthmus.core import time
from isthmus.core.errors import Damaged
from isthmus.core.event import Event
from isthmus.store.history.checked import Opened, open_checked
from isthmus.store.history.columns import join, ordered
from isthmus.store.history.damage import set_aside
from isthmus.store.history.flush import latest
from isthmus.store.history.folder import TEMPORARY, Folder, settle
from isthmus.store.history.gaps import LOG, gap
from isthmus.store.history.manifest import Manifest
from isthmus.store.history.segment import Footer, Segment, open_segment

log = structlog.get_logger("history")


def open_manifest(folder: Folder) -> Manifest:
    """The manifest, in agreement with the segments. Only the folder's owner may call this."""
    _remove_temporary(folder)
    manifest, damaged = _sound(folder)
    try:
        _finish_setting_aside(folder, manifest)
        for segment, why in damaged:
            set_aside(folder, segment, why)
        _adopt(folder, manifest)
    except BaseException:
        manifest.close()
        raise
    open_checked.cache_clear()  # a recorder reads no segments
    return manifest


def _remove_temporary(folder: Folder) -> None:
    for place in (folder.segments, folder.lists):
        for path in place.glob(f"*{TEMPORARY}"):
            path.unlink()
        settle(place)


def _sound(folder: Folder) -> tuple[Manifest, list[tuple[Segment, str]]]:
    """The manifest and the listed segments that are damaged; a new one when it is not what their footers say."""
    try:
        manifest = Manifest.open(folder.manifest)
        try:
            return manifest, _compared(folder, manifest)
        except BaseException:
            manifest.close()
            raise
    except Damaged as error:
        log.error("manifest is made again from the segments", problem=str(error))
        for suffix in ("", "-wal", "-shm"):
            path = folder.manifest.with_name(folder.manifest.name + suffix)
            if path.exists():
                folder.set_aside(path)
        return Manifest.open(folder.manifest), []


def _compared(folder: Folder, manifest: Manifest) -> list[tuple[Segment, str]]:
    """Listed segments that are not there or whose footer is damaged, and why; row groups are compared when read.

    Raises Damaged when the manifest says of a segment what its intact footer does not say.
    """
    damaged = []
    for listed in manifest.segments():
        path = folder.segments / listed.file
        try:
            found = Segment.of(listed.file, path.stat().st_size, open_segment(path).footer)
        except Damaged as error:
            damaged.append((listed, error.what))
        except FileNotFoundError:
            damaged.append((listed, "is not there"))
        else:
            if found != listed:
                raise Damaged(f"it does not agree with the footer of {listed.file}", where=str(folder.manifest))
    return damaged


def _finish_setting_aside(folder: Folder, manifest: Manifest) -> None:
    """Finishes what `damage.set_aside` had begun."""
    for file in manifest.damaged():
        if (folder.segments / file).exists():
            folder.set_aside(folder.segments / file)


def _adopt(folder: Folder, manifest: Manifest) -> None:
    for path, why in _take_in(folder, manifest):
        _reject(folder, manifest, path, why)


def gathered(folder: Folder) -> Manifest:
    """A manifest in memory of what the segments say, for readers of a folder without a sound one."""
    manifest = Manifest.passing()
    for path, why in _take_in(folder, manifest):
        log.warning("file passed over", file=path.name, problem=why)
    return manifest


def _take_in(folder: Folder, manifest: Manifest) -> Iterator[tuple[Path, str]]:
    """Commits the files in `segments/` that are not listed; gives those that cannot be, and why."""
    listed = {segment.file for segment in manifest.segments()}
    paths = sorted(folder.segments.iterdir()) if folder.segments.is_dir() else []
    for path in paths:
        if path.name in listed or path.name.endswith(TEMPORARY):
            continue
        try:
            _commit(manifest, path)
        except Damaged as error:
            yield path, error.what


def _commit(manifest: Manifest, path: Path) -> None:
    former, opened = manifest.state(), open_segment(path)
    footer = opened.footer
    if footer.state.ordinal <= former.ordinal:
        raise Damaged("does not belong to this history", where=str(path))
    columns = ordered(join(opened.columns(i) for i in range(len(footer.groups))))
    events = (*footer.events, *_missing(former.ordinal, opened, former.stored_at))
    segment = Segment.of(path.name, path.stat().st_size, footer)
    manifest.commit(former, footer.state, segment=segment, latest=latest(columns), events=events)
    log.info("segment adopted", file=path.name, rows=segment.rows)


def _missing(ordinal: int, opened: Opened[Footer], stored_at: int | None) -> tuple[Event, ...]:
    """The gap that segments between `ordinal` and the opened one leave, if there are any."""
    first, last = ordinal + 1, opened.footer.state.ordinal - 1
    if first > last:
        return ()
    return (
        gap(
            LOG,
            f"segments {first} to {last} of the history are not there",
            about=("segments", first, last),
            at=time.now(),
            first=stored_at,
            last=opened.footer.state.stored_at,
            segments=last - first + 1,
        ),
    )


def _reject(folder: Folder, manifest: Manifest, path: Path, why: str) -> None:
    target = folder.set_aside(path)
    log.error("file set aside", file=path.name, problem=why, now=str(target))
    event = gap(
        LOG,
        f"{path.name} of the history {why}; it is kept as {target.name} in history/damaged",
        about=("file", path.name),
        at=time.now(),
        first=None,
        last=None,
        file=path.name,
    )
    manifest.add_events((event,))
