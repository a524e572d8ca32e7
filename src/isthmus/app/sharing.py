# SPDX-License-Identifier: Apache-2.0
"""Files for outside readers: a consistent list of the history's own, or a share of its days with names and units.

A share is a folder with a Parquet file for each UTC day and a manifest that is written last: what it lists is one
state of the history, whatever dies. A day whose history has not changed is not written again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import pyarrow.parquet as pq

from isthmus.app.exporting import AT_ONCE, Say, blank, tables
from isthmus.app.recorded import Recorded, find, span, zone
from isthmus.app.run.access import history_of
from isthmus.app.run.endpoint import revision_of
from isthmus.app.run.place import Place
from isthmus.core import time
from isthmus.core.errors import IsthmusError
from isthmus.plant.revision import TagSetting
from isthmus.store.history.due import GRACE
from isthmus.store.history.folder import settle
from isthmus.store.history.kept import DAY, Kept, day_of
from isthmus.store.history.read import History
from isthmus.store.history.segment import Segment

MANIFEST: Final = "manifest.json"
VERSION: Final = 1


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """One file with samples of the history."""

    path: str
    kind: str
    """`day`, `run` or `segment`: in this order later ones add to earlier ones."""
    day: str | None
    """The UTC day of a file that has only one."""
    rows: int
    size: int
    first: str
    last: str


class Files(msgspec.Struct, frozen=True, kw_only=True):
    """Files that together hold what was recorded at one moment, as far as it is in files."""

    files: list[Listed]
    tags: dict[int, dict[str, str]]
    """Number → path, unit and type."""
    unwritten: int
    """Samples that are only in the log yet."""
    until: str
    """Until when all of them are on the disk for sure."""


async def files(place: Place, patterns: Sequence[str], start: str, end: str) -> Files:
    """The files that may hold samples of these tags between two times, as people write them."""
    revision = revision_of(place)
    settings = find(revision, patterns) if patterns else list(revision.tags)
    now = time.now()
    first, last = span(start, end, now, zone(revision))
    numbers = {n for s in settings for n in (s.tag.number, *(former.number for former in s.formers))}
    async with history_of(place, "files") as history:
        known = history.tags()
        parts = [part for part in history.parts if _holds(part, numbers, first, last)]
        listed = [_listed(history, part) for part in parts]
        unwritten = int(np.isin(history.tail.tag, np.array(sorted(numbers), np.uint32)).sum())
    tags = {n: {"path": t.path, "unit": t.unit, "type": str(t.type)} for n, t in known.items() if n in numbers}
    return Files(files=listed, tags=tags, unwritten=unwritten, until=time.to_iso(now + GRACE))


def _holds(part: Kept | Segment, numbers: set[int], first: int, last: int) -> bool:
    there = part.rows > 0 and part.first_time < last and part.last_time >= first
    return there and any(part.first_tag <= number <= part.last_tag for number in numbers)


def _listed(history: History, part: Kept | Segment) -> Listed:
    one = day_of(part.first_time) == day_of(part.last_time)
    return Listed(
        path=str(history.folder.place(part.file).absolute()),
        kind=str(part.kind) if isinstance(part, Kept) else "segment",
        day=_date(day_of(part.first_time)) if one else None,
        rows=part.rows,
        size=part.size,
        first=time.to_iso(part.first_time),
        last=time.to_iso(part.last_time),
    )


def _date(day: int) -> str:
    return time.to_iso(day * DAY)[:10]


class Shared(msgspec.Struct, frozen=True, kw_only=True):
    """One day of a share."""

    day: str
    file: str
    """Within the share."""
    rows: int
    of: str
    """What it was made of: the same while the history of the day is."""


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """What a share's manifest says."""

    version: int = VERSION
    plant: str
    made: str
    days: list[Shared] = []


async def share(place: Place, folder: Path, patterns: Sequence[str], say: Say) -> tuple[Share, int]:
    """Brings the share in `folder` up to date; what it holds, and how many days were written.

    Raises IsthmusError when the folder is no share and not empty, or cannot be written.
    """
    revision = revision_of(place)
    settings = find(revision, patterns) if patterns else sorted(revision.tags, key=lambda s: s.tag.path)
    before = {shared.day: shared for shared in _before(folder, revision.plant)}
    days: list[Shared] = []
    written = 0
    try:
        async with history_of(place, "share") as history:
            wanted = _days(history)
            for done, day in enumerate(wanted):
                say("sharing days", done, len(wanted))
                of = _of(history, day, settings)
                kept = before.get(_date(day))
                if kept is None or kept.of != of or not (folder / kept.file).exists():
                    kept = _write(history, folder, day, of, settings)
                    written += 1
                days.append(kept)
        made = Share(plant=revision.plant, made=time.to_iso(time.now()), days=[day for day in days if day.rows])
        _keep(folder / MANIFEST, msgspec.json.format(msgspec.json.encode(made), indent=1))
        _remove_old(folder, {day.file for day in made.days})
    except OSError as error:
        hint = "look at the disk; the share is as it was"
        raise IsthmusError(f"cannot be written: {error.strerror or error}", where=str(folder), hint=hint) from error
    return made, written


def _before(folder: Path, plant: str) -> list[Shared]:
    """The days of the share as it is."""
    path = folder / MANIFEST
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Share)
    except FileNotFoundError:
        if folder.exists() and not _is_begun(folder):
            hint = "share into a new folder"
            raise IsthmusError("is not empty, and no share", where=str(folder), hint=hint) from None
        folder.mkdir(parents=True, exist_ok=True)
        return []
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return []
    if found.plant != plant:
        raise IsthmusError(f"is the share of {found.plant}", where=str(folder), hint="share into a folder of its own")
    return found.days


def _is_begun(folder: Path) -> bool:
    """Empty, or what a share leaves that died before its first manifest."""
    return folder.is_dir() and all(one.name.startswith(("day=", f".{MANIFEST}")) for one in folder.iterdir())


def _days(history: History) -> list[int]:
    """UTC days of which there may be samples."""
    found: set[int] = set()
    for part in history.parts:
        if part.rows:
            found.update(range(day_of(part.first_time), day_of(part.last_time) + 1))
    found.update(np.unique(history.tail.time // DAY).tolist())
    return sorted(found)


def _of(history: History, day: int, settings: Sequence[TagSetting]) -> str:
    """What a day's file is made of: the files and the log's samples with samples of the day, tags with their names."""
    start, stop = day * DAY, (day + 1) * DAY
    names = [part.file for part in history.parts if part.rows and part.first_time < stop and part.last_time >= start]
    tail = int(((history.tail.time >= start) & (history.tail.time < stop)).sum())
    said = [(s.tag.number, s.tag.path, s.tag.unit, [f.number for f in s.formers]) for s in settings]
    return hashlib.sha256(msgspec.json.encode((names, tail, said))).hexdigest()[:16]


def _write(history: History, folder: Path, day: int, of: str, settings: Sequence[TagSetting]) -> Shared:
    date, rows = _date(day), 0
    place = folder / f"day={date}"
    place.mkdir(exist_ok=True)
    path, part = place / f"{of}.parquet", place / f".{of}.part"
    schema = blank().schema
    try:
        with pq.ParquetWriter(part, schema, compression="zstd") as writer:
            for some in range(0, len(settings), AT_ONCE):
                found = tables(history, settings[some : some + AT_ONCE], day * DAY, (day + 1) * DAY, replaced=False)
                table = Recorded(0, 0, list(found), ()).table()
                if len(table):
                    writer.write_table(table.cast(schema))
                    rows += len(table)
        if rows:
            with part.open("rb") as file:
                os.fsync(file.fileno())
            part.rename(path)
            settle(place)
    finally:
        part.unlink(missing_ok=True)
    return Shared(day=date, file=f"{place.name}/{path.name}", rows=rows, of=of)


def _keep(path: Path, data: bytes) -> None:
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.rename(path)
    settle(path.parent)


def _remove_old(folder: Path, listed: set[str]) -> None:
    """Files that the manifest does not list since a while: readers had time to end."""
    for path in folder.glob("day=*/*"):
        if f"{path.parent.name}/{path.name}" in listed:
            continue
        unlisted = path.stat().st_ctime_ns if path.name.startswith(".") else _replaced(path)
        if time.now() - unlisted > GRACE:
            path.unlink(missing_ok=True)
    for place in folder.glob("day=*"):
        with suppress(OSError):
            place.rmdir()


def _replaced(path: Path) -> int:
    """Since when a file is not listed, ns: it is made read-only when that is noticed first, which sets its time."""
    mark = path.stat()
    if mark.st_mode & 0o200:
        path.chmod(0o444)
        return time.now()
    return mark.st_ctime_ns
