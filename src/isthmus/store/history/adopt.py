# SPDX-License-Identifier: Apache-2.0
"""On start manifest and folder are brought together: interrupted flushes are finished, a lost manifest is made again.

A segment that is complete on disk but not in the manifest is one whose commit did not come through, or one of a
manifest that was lost or set back. Its footer says all the commit would have said, so it is committed now. Nothing is
deleted but temporary files; what fits nowhere is set aside.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import structlog

from isthmus.core import time
from isthmus.core.errors import Damaged, InUse
from isthmus.core.event import Event
from isthmus.store.history.checked import Opened, forget_opened
from isthmus.store.history.columns import join, ordered
from isthmus.store.history.damage import set_aside
from isthmus.store.history.flush import latest
from isthmus.store.history.folder import TEMPORARY, Folder, alone, settle
from isthmus.store.history.gaps import LOG, gap
from isthmus.store.history.gather import take_in_kept
from isthmus.store.history.kept import Kept
from isthmus.store.history.manifest import Manifest
from isthmus.store.history.segment import Footer, Segment, open_segment

log = structlog.get_logger("history")


def open_manifest(folder: Folder) -> Manifest:
    """The manifest, in agreement with the files. Only the folder's owner may call this.

    Raises InUse when the manifest has to be made again while somebody tends the folder.
    """
    _remove_temporary(folder)
    with _alone_if_possible(folder) as alone_:
        manifest, damaged = _sound(folder, alone_=alone_)
        try:
            _finish_setting_aside(folder, manifest)
            for part, why in damaged:
                set_aside(folder, part, why)
            _adopt(folder, manifest)
        except BaseException:
            manifest.close()
            raise
    forget_opened()  # a recorder reads no segments
    return manifest


@contextmanager
def _alone_if_possible(folder: Folder) -> Iterator[bool]:
    """Whether nobody tends the folder, nor will while the block runs. Recording does not wait for who does."""
    with ExitStack() as held:
        try:
            held.enter_context(alone(folder))
        except InUse:
            yield False
        else:
            yield True


def take_in(folder: Folder, manifest: Manifest) -> None:
    """Brings `kept/` and the manifest together. Only for who tends the folder alone."""
    found = take_in_kept(folder, manifest)
    for file in found.undone:
        folder.drop(file)
        log.info("file of an act that was cut off removed", file=file)
    for file, why in found.damaged.items():
        _reject(folder, manifest, folder.kept / file, why)


def _remove_temporary(folder: Folder) -> None:
    for place in (folder.segments, folder.lists):
        for path in place.glob(f"*{TEMPORARY}"):
            path.unlink()
        settle(place)


def _sound(folder: Folder, *, alone_: bool) -> tuple[Manifest, list[tuple[Segment | Kept, str]]]:
    """The manifest and the listed files that are damaged; a new one when it is not what their footers say."""
    try:
        manifest = Manifest.open(folder.manifest)
        try:
            if alone_:
                take_in(folder, manifest)
            return manifest, _compared(folder, manifest)
        except BaseException:
            manifest.close()
            raise
    except Damaged as error:
        if not alone_:
            with alone(folder):  # says who is in the way
                return _sound(folder, alone_=True)
        log.error("manifest is made again from the files", problem=str(error))
        for suffix in ("", "-wal", "-shm"):
            path = folder.manifest.with_name(folder.manifest.name + suffix)
            if path.exists():
                folder.set_aside(path)
        manifest = Manifest.open(folder.manifest)
        take_in(folder, manifest)
        return manifest, []


def _compared(folder: Folder, manifest: Manifest) -> list[tuple[Segment | Kept, str]]:
    """Listed files that are not there, and segments whose footer is damaged; all else is compared when it is read.

    Raises Damaged when the manifest says of a segment what its intact footer does not say.
    """
    damaged: list[tuple[Segment | Kept, str]] = [
        (kept, "is not there") for kept in manifest.kept() if not folder.place(kept.file).exists()
    ]
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
        if folder.place(file).exists():
            folder.set_aside(folder.place(file))


def _adopt(folder: Folder, manifest: Manifest) -> None:
    for path, why in _take_in(folder, manifest):
        _reject(folder, manifest, path, why)


def gathered(folder: Folder) -> Manifest:
    """A manifest in memory of what the segments say, for readers of a folder without a sound one."""
    manifest = Manifest.passing()
    take_in_kept(folder, manifest)
    for path, why in _take_in(folder, manifest):
        log.warning("file passed over", file=path.name, problem=why)
    return manifest


def at_one_moment(folder: Folder) -> Manifest:
    """The manifest at one moment, for a reader; where there is no sound one, what the files say."""
    if folder.manifest.exists():
        try:
            manifest = Manifest.open(folder.manifest, reading=True)
            manifest.freeze()
        except Damaged:
            pass
        else:
            return manifest
    return gathered(folder)


def _take_in(folder: Folder, manifest: Manifest) -> Iterator[tuple[Path, str]]:
    """Commits the files in `segments/` that are not listed; gives those that cannot be, and why."""
    listed = {*(segment.file for segment in manifest.segments()), *manifest.leaving()}
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
