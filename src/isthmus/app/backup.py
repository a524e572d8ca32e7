# SPDX-License-Identifier: Apache-2.0
"""A backup is history, ledger, revisions, outputs' positions, keys and secrets of a plant at one position of its log.

Of a demo it holds the simulated plant too: what was restored goes on from there.
The manifest is copied first, with it the list of files, which never change and stay on the disk while they are read.
What the log has behind it becomes one more segment in the backup's own copy. Nothing is stopped, and nothing of the
plant is written but the lease that keeps its files.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import msgspec

from isthmus.app.archive import HEAD, Say, Writer, unpack, written
from isthmus.app.run.access import log_of
from isthmus.app.run.endpoint import revision_of
from isthmus.app.run.place import Place
from isthmus.core import time
from isthmus.core.errors import Damaged, Disconnected, IsthmusError, first, leaf
from isthmus.store.history.flush import flush
from isthmus.store.history.folder import SPARE, Folder, keep
from isthmus.store.history.lease import leased
from isthmus.store.history.lists import Lists
from isthmus.store.history.manifest import Manifest
from isthmus.store.history.tail import behind
from isthmus.stream.log import Log, Position

VERSION: Final = 1
TRIES: Final = 3
"""Copies begun before giving up because the recorder committed and purged meanwhile."""
FOLDERS: Final = ("revisions", "pki", "secrets")
FILES: Final = ("plant.yaml", "simulation/past.json", "simulation/state", "simulation/truth.jsonl")
"""The plant file where it lies in the data directory, and a demo's simulated plant; not where that is asked
(`desk.json`): the restored one would ask, and change, the one that was backed up.
"""


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup is of."""

    version: int
    plant: str
    revision: int
    made: int
    """ns since 1970-01-01 UTC."""
    position: Position | None
    """It holds what the log had up to here."""
    segments: int
    kept: int = 0
    """Files made of segments or of imports."""
    samples: int


async def back_up(place: Place, file: Path, say: Say) -> Summary:
    """Writes a backup of the plant to `file`; raises IsthmusError when it exists already, or cannot be written."""
    try:
        async with log_of(place, "backup") as log:
            with tempfile.TemporaryDirectory(prefix=".isthmus-", dir=file.parent) as folder:
                return await _write(place, file, log, Path(folder), say)
    except* IsthmusError as group:
        raise first(group) from group
    except* (OSError, sqlite3.Error) as group:
        raise _unwritten(place, file, leaf(group)) from group


def _unwritten(place: Place, file: Path, error: BaseException) -> IsthmusError:
    """What a person can do about it: something of the plant cannot be read, or there is no place for the backup."""
    named = str(getattr(error, "filename", None) or "")
    why = getattr(error, "strerror", None) or str(error)
    if named and Path(named).absolute().is_relative_to(place.root.absolute()):
        return IsthmusError(f"cannot be used: {why}", where=named, hint="look at the disk; no backup was made")
    hint = "look at the room on that disk, or write somewhere else; nothing of it was left behind"
    return IsthmusError(f"cannot be written: {why}", where=str(file), hint=hint)


async def _write(place: Place, file: Path, log: Log | None, scratch: Path, say: Say) -> Summary:
    with leased(Folder(place.history)), written(file) as archive:
        copy = await _history(place, log, scratch)
        with closing(Manifest.open(copy.manifest, reading=True)) as manifest:
            state, segments, kept = manifest.state(), manifest.segments(), manifest.kept()
        revision = revision_of(place)
        summary = Summary(
            version=VERSION,
            plant=revision.plant,
            revision=revision.number,
            made=time.now(),
            position=state.position,
            segments=len(segments),
            kept=len(kept),
            samples=sum(s.rows for s in segments) + sum(k.rows for k in kept if k.kind.of_samples),
        )
        archive.add_bytes(HEAD, msgspec.json.encode(summary))
        spares = [one.file + SPARE for one in kept if one.kind.of_samples]
        names = [*(segment.file for segment in segments), *(one.file for one in kept)]
        names += [name for name in spares if Folder(place.history).place(name).exists()]
        await asyncio.to_thread(_add, archive, place, copy, names, scratch, say)
        for name in dict.fromkeys((*FILES, *revision.sources)):
            if (place.root / name).is_file():
                archive.add(name, place.root / name)
    return summary


async def _history(place: Place, log: Log | None, scratch: Path) -> Folder:
    """A history folder of the backup's own: the manifest, and a segment of what the log has behind it."""
    for number in range(TRIES):
        copy = Folder(scratch / str(number))
        copy.make()
        if (place.history / "manifest.db").exists():
            await asyncio.to_thread(copy_database, place.history / "manifest.db", copy.manifest)
        manifest = Manifest.open(copy.manifest)
        try:
            if log is None or await _catch_up(place, copy, manifest, log):
                return copy
        finally:
            manifest.close()
    raise Disconnected("the log is purged faster than it can be read", where=str(place.root), hint="try again")


async def _catch_up(place: Place, copy: Folder, manifest: Manifest, log: Log) -> bool:
    """Takes what the log has behind the copy into it; False when the recorder has purged some of it meanwhile."""

    def unread(position: Position, data: bytes) -> str:
        path = copy.damaged / f"message-{position.sequence}.bin"
        keep(path, data)
        return f"in {path.name}"

    lists = Lists(copy, log, keeping=True)
    intake = await behind(Folder(place.history), manifest.state(), log, lists=lists, unread=unread)
    if intake is None:
        return False
    if intake.moved:
        await asyncio.to_thread(flush, copy, manifest, intake.cut())
    return True


def copy_database(source: Path, target: Path) -> None:
    """A SQLite database as it was at one moment, also while others write to it."""
    with (
        closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True, timeout=30)) as old,
        closing(sqlite3.connect(target)) as new,
    ):
        old.backup(new)
        new.execute("PRAGMA journal_mode = DELETE")


def _add(archive: Writer, place: Place, copy: Folder, files: list[str], scratch: Path, say: Say) -> None:
    copied = scratch / "manifest.db"
    copy_database(copy.manifest, copied)
    archive.add("history/manifest.db", copied)
    for done, name in enumerate(files):
        say("copying history", done, len(files))
        own = copy.place(name)
        path = own if own.exists() else Folder(place.history).place(name)
        archive.add(f"history/{path.parent.name}/{name}", path)
    added = set[str]()
    for root in (copy.root, place.history):
        for name, path in (*_below(root, "lists"), *_below(root, "damaged")):
            if name not in added:
                archive.add(f"history/{name}", path)
                added.add(name)
    if (place.root / "ledger.db").exists():
        copy_database(place.root / "ledger.db", scratch / "ledger.db")
        archive.add("ledger.db", scratch / "ledger.db")
    for book in sorted(place.root.glob("outputs/*/book.db")):  # after history: no output is behind what is kept of it
        copy_database(book, scratch / "book.db")
        archive.add(book.relative_to(place.root).as_posix(), scratch / "book.db")
        (scratch / "book.db").unlink()
    for stage in sorted(place.root.glob("outputs/*/stage")):  # after the books, which count what is in it as delivered
        archive.add(stage.relative_to(place.root).as_posix(), stage)
    for folder in FOLDERS:
        for name, path in _below(place.root, folder):
            archive.add(name, path)


def _below(root: Path, folder: str) -> Iterator[tuple[str, Path]]:
    """(name relative to `root`, path) of every file, but those being written."""
    for path in sorted((root / folder).rglob("*")):
        if path.is_file() and not path.is_symlink() and not path.name.endswith(".tmp"):
            yield path.relative_to(root).as_posix(), path


def restore(file: Path, place: Place, say: Say) -> Summary:
    """Makes the data directory from a backup; raises IsthmusError, and changes nothing, when there is one already."""
    target = place.root.absolute()
    _refuse(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        head = unpack(file, scratch, say)
        try:
            summary = msgspec.json.decode(head, type=Summary)
        except msgspec.DecodeError as error:
            raise Damaged(f"says of itself what cannot be understood: {error}", where=str(file)) from error
        if summary.version != VERSION:
            raise IsthmusError(f"is of version {summary.version}, this program knows {VERSION}", where=str(file))
        _refuse(target)
        scratch.chmod(0o755)
        scratch.replace(target)  # replaces an empty directory only
    except OSError as error:
        raise IsthmusError(f"cannot be restored: {error}", where=str(target)) from error
    finally:
        if scratch.exists():
            shutil.rmtree(scratch)
    return summary


def _refuse(target: Path) -> None:
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise IsthmusError("is not empty", where=str(target), hint="restore into a new directory with --data")
