# SPDX-License-Identifier: Apache-2.0
"""Files of other historians, as sources of an import: found, told apart by their names, opened."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Final, Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from isthmus.app.importing.blocks import PACKED, Text
from isthmus.app.importing.delimited import Delimited
from isthmus.app.importing.jsonlines import JsonDocument, JsonLines
from isthmus.app.importing.layout import layout
from isthmus.app.importing.names import Tags
from isthmus.app.importing.piece import Piece, Reading, Spot
from isthmus.app.importing.tables import ArrowTable, ParquetTable
from isthmus.app.importing.times import Clock, check_format
from isthmus.app.importing.understand import Sense
from isthmus.core.errors import IsthmusError, NotFound

_TEXTS: Final = (".csv", ".tsv", ".txt", ".jsonl", ".ndjson", ".json")
_TABLES: Final = (".parquet", ".arrow", ".feather", ".ipc")


class Opened(Protocol):
    """A file of one kind."""

    @property
    def names(self) -> tuple[str, ...]: ...

    def pieces(self, start: Spot) -> Iterator[Piece]: ...


@dataclass(frozen=True, slots=True)
class File:
    """A file whose rows are taken in."""

    path: Path
    reading: Reading
    zone: tzinfo
    """Of times without an offset, unless the reading says one."""
    opened: Opened

    @classmethod
    def open(cls, path: Path, reading: Reading, zone: tzinfo) -> File:
        """Looks at the beginning; raises IsthmusError when it is no such file, or its columns cannot be told apart."""
        try:
            opened = _open(path, reading)
        except OSError as error:
            raise IsthmusError(f"cannot be read: {error.strerror or error}", where=str(path)) from error
        layout(opened.names, reading, path)
        return cls(path, reading, zone, opened)

    @property
    def names(self) -> Sequence[str]:
        return self.opened.names

    @property
    def size(self) -> int:
        return self.path.stat().st_size

    def sense(self, tags: Tags, seen: int) -> Sense:
        zone = named_zone(self.reading.time_zone) if self.reading.time_zone else None
        clock = Clock(self.reading.time_format, zone or self.zone, zone or UTC, self.reading.fold)
        return Sense(layout(self.names, self.reading, self.path), self.reading, tags, clock, seen)

    def pieces(self, start: Spot) -> Iterator[Piece]:
        return self.opened.pieces(start)


def check(reading: Reading) -> None:
    """Raises IsthmusError when something that was said cannot be meant."""
    check_format(reading.time_format)
    if reading.time_zone:
        named_zone(reading.time_zone)
    try:
        "".encode(reading.encoding)
    except LookupError as error:
        hint = "such as utf-8, utf-16, windows-1252, latin-1, shift-jis"
        raise IsthmusError(f"no encoding is called {reading.encoding!r}", hint=hint) from error


def named_zone(name: str) -> tzinfo:
    """A time zone by its name; raises NotFound."""
    try:
        return UTC if name.upper() in ("UTC", "Z") else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise NotFound(f"no time zone is called {name!r}", hint="such as Europe/Paris or UTC") from error


def found(paths: Sequence[Path]) -> list[Path]:
    """The files named, and those in the folders named, in order of their names; raises NotFound when there are none."""
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(one for one in path.rglob("*") if one.is_file() and kind(one))
            if not inside:
                raise NotFound("has no files to import", where=str(path), hint=f"they end in {_known()}")
            files += inside
        elif not path.exists():
            raise NotFound("is not there", where=str(path))
        elif not kind(path):
            raise IsthmusError("is of a kind that cannot be told", where=str(path), hint=f"rename it: {_known()}")
        else:
            files.append(path)
    return list(dict.fromkeys(files))


def kind(path: Path) -> str:
    """The ending that says what a file is, without that of its compression; empty when none does."""
    name = path.name.lower()
    for packed in PACKED:
        if name.endswith(packed) and name.removesuffix(packed).endswith(_TEXTS):
            name = name.removesuffix(packed)
    return next((ending for ending in (*_TEXTS, *_TABLES) if name.endswith(ending)), "")


def _known() -> str:
    return f"{', '.join((*_TEXTS, *_TABLES))}; texts also with {', '.join(PACKED)} behind"


def _open(path: Path, reading: Reading) -> Opened:
    match kind(path):
        case ".parquet":
            return ParquetTable.open(path)
        case ".arrow" | ".feather" | ".ipc":
            return ArrowTable.open(path)
        case ".jsonl" | ".ndjson":
            return JsonLines.open(path, reading)
        case ".json":
            return _json(path, reading)
        case _:
            return Delimited.open(path, reading)


def _json(path: Path, reading: Reading) -> Opened:
    """A file called .json is one document, or in truth JSON lines."""
    text = Text(path, reading.encoding)
    try:
        first = text.read()[:1_000_000].lstrip().split(b"\n", 1)[0].strip()
    finally:
        text.close()
    if first.startswith(b"{") and first.endswith(b"}"):
        return JsonLines.open(path, reading)
    return JsonDocument.open(path, reading)
