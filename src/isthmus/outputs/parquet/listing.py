# SPDX-License-Identifier: Apache-2.0
"""A share's manifest lists its files, each with its hour, rows, size and checksum; a file is listed after it is whole.

A file that is whole and not listed was written just before a sudden end: it belongs to the share, and is listed then.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from isthmus.core import time
from isthmus.core.errors import Disconnected, Refused
from isthmus.outputs.parquet.stage import HOUR
from isthmus.store.history.folder import settle

MANIFEST: Final = "manifest.json"
VERSION: Final = 1
GRACE: Final = 10 * 60 * time.SECOND
"""Between the time a file is not listed any more, and its end: readers that have the list may still open it."""
_NAME: Final = re.compile(r"day=(\d{4}-\d\d-\d\d)/(\d\d)-[0-9a-f]{12}\.parquet")


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """One file."""

    file: str
    """Within the share."""
    hour: str
    """When its hour begins, in UTC."""
    rows: int
    bytes: int
    sha256: str
    first: int
    last: int
    """Times (ns) of its first and last sample."""


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """What the manifest says."""

    version: int = VERSION
    plant: str
    output: str
    made: str
    files: list[Listed] = []


class Files:
    """The files of one share."""

    def __init__(self, folder: Path, plant: str, output: str, listed: Sequence[Listed]) -> None:
        self.folder, self._plant, self._output = folder, plant, output
        self._listed = {one.file: one for one in listed}
        self._place = _identity(folder)

    @classmethod
    def open(cls, folder: Path, plant: str, output: str, *, new: bool, keep: int) -> Files:
        """The share in `folder`, made where it is `new`; lists what a sudden end left unlisted.

        Raises Disconnected when the share is not there or cannot be read, Refused when it is another one.
        """
        path = folder / MANIFEST
        try:
            if not path.exists():
                _make(folder, new=new)
                files = cls(folder, plant, output, ())
            else:
                said = msgspec.json.decode(path.read_bytes(), type=Listing)
                if (said.plant, said.output) != (plant, output):
                    what = f"is the share of output {said.output} of {said.plant}"
                    raise Refused(what, where=str(folder), hint="give each output a folder of its own")
                files = cls(folder, plant, output, said.files)
            files._list_unlisted(keep)
            files.save()
        except msgspec.MsgspecError as error:
            hint = "remove it: it is made again from the files"
            raise Disconnected(f"the manifest cannot be read: {error}", where=str(path), hint=hint) from error
        except OSError as error:
            raise Disconnected(f"cannot be used: {error.strerror or error}", where=str(folder)) from error
        return files

    def check(self) -> None:
        """Raises Disconnected when its folder is gone or another one: of a drive that is not mounted the place is."""
        if _identity(self.folder) != self._place:
            raise Disconnected("the share is not there any more", where=str(self.folder), hint="mount it")

    def _list_unlisted(self, keep: int) -> None:
        for path in self.folder.glob("day=*/*"):
            name = f"{path.parent.name}/{path.name}"
            if path.name.startswith("."):
                path.unlink(missing_ok=True)  # nobody else writes here
            elif name not in self._listed and (hour := _hour(name)) is not None and (hour + 1) * HOUR > keep:
                with suppress(pa.ArrowException):  # not one of ours, whatever its name is
                    self.add(path)

    def add(self, path: Path) -> None:
        """Lists a file that is whole."""
        name = f"{path.parent.name}/{path.name}"
        hour = _hour(name)
        assert hour is not None
        times = pq.read_table(path, columns=["nanoseconds"], partitioning=None)["nanoseconds"]
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        ends = times.to_numpy()
        self._listed[name] = Listed(
            file=name, hour=time.to_iso(hour * HOUR), rows=len(times), bytes=path.stat().st_size, sha256=digest,
            first=int(ends.min()), last=int(ends.max()),
        )  # fmt: skip

    def around(self, hour: int, first: int, last: int) -> Iterator[Path]:
        """Files of an hour that may have samples between two times (ns)."""
        begin = time.to_iso(hour * HOUR)
        for one in self._listed.values():
            if one.hour == begin and one.first <= last and one.last >= first:
                yield self.folder / one.file

    def forget(self, before: int) -> int:
        """Lists no hours that ended before a time (ns), and ends files whose time that was a while ago; how many."""
        old = [one for one in self._listed.values() if one.last < before and _ended(one, before)]
        for one in old:
            del self._listed[one.file]
        if old:
            self.save()
        for path in self.folder.glob("day=*/*.parquet"):
            name = f"{path.parent.name}/{path.name}"
            hour = _hour(name)
            if hour is not None and name not in self._listed and (hour + 1) * HOUR < before - GRACE:
                path.unlink(missing_ok=True)
        for place in self.folder.glob("day=*"):
            with suppress(OSError):
                place.rmdir()
        return len(old)

    def save(self) -> None:
        """Writes the manifest anew, for good."""
        files = sorted(self._listed.values(), key=lambda one: (one.hour, one.first, one.file))
        made = Listing(plant=self._plant, output=self._output, made=time.to_iso(time.now()), files=files)
        path = self.folder / MANIFEST
        part = path.with_name(f".{MANIFEST}.part")
        with part.open("wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(made), indent=1))
            file.flush()
            os.fsync(file.fileno())
        part.rename(path)
        settle(self.folder)


def _make(folder: Path, *, new: bool) -> None:
    """Makes the folder of a share; raises Disconnected when there should be one, or something else is there."""
    if not new and not (folder.is_dir() and any(folder.glob("day=*"))):
        hint = "mount it, or move this output's folder below outputs/ of the data directory away to begin a new share"
        raise Disconnected("the share is not there any more", where=str(folder), hint=hint)
    folder.mkdir(parents=True, exist_ok=True)
    strange = [one.name for one in folder.iterdir() if not one.name.startswith((".", "day="))]
    if new and strange:
        raise Disconnected(f"holds {strange[0]} and is no share", where=str(folder), hint="share into a new folder")


def _identity(folder: Path) -> tuple[int, int] | None:
    """Which folder lies at a path; None where there is none."""
    try:
        said = folder.stat()
    except OSError:
        return None
    return said.st_dev, said.st_ino


def _hour(name: str) -> int | None:
    """The hour (since 1970) that a file of a share is of; None: it is none."""
    match = _NAME.fullmatch(name)
    return time.from_iso(f"{match[1]}T{match[2]}:00:00Z") // HOUR if match and int(match[2]) < 24 else None


def _ended(one: Listed, before: int) -> bool:
    return time.from_iso(one.hour) + HOUR <= before
