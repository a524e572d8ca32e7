# SPDX-License-Identifier: Apache-2.0
"""A file becomes rows, each with its line; what is no row is told with its line and its bytes, and the next is read."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec

from isthmus.systems.files.spec import FilesSpec

LONGEST: Final = 1 << 20
"""Bytes of one line."""
_DELIMITERS: Final = (",", ";", "\t", "|")


class Unreadable(Exception):
    """The file as a whole is none we can read."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row."""

    line: int
    """Of the file, where it ends; counts from 1."""
    raw: bytes
    cells: Mapping[str, Any]
    """Column → text, or what JSON has there."""


@dataclass(frozen=True, slots=True)
class Spoilt:
    """What is no row."""

    line: int
    raw: bytes
    reason: str


class _Lines:
    """The lines of a file as text, for the CSV reader; remembers what it gave since `begin`."""

    def __init__(self, file: BinaryIO, encoding: str) -> None:
        self._file, self._encoding = file, encoding
        self._raw = bytearray()
        self.line, self.broken = 0, ""

    @property
    def raw(self) -> bytes:
        """Bytes of the row."""
        return bytes(self._raw)

    def begin(self) -> None:
        """A new row begins."""
        self._raw.clear()
        self.broken = ""

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        if len(self._raw) >= LONGEST:
            raise csv.Error(f"more than {LONGEST:,} bytes in one row")
        data = self._file.readline(LONGEST)
        if not data:
            raise StopIteration
        while len(data) == LONGEST and not data.endswith(b"\n"):  # the rest of a line that is too long is passed over
            self.broken = f"more than {LONGEST:,} bytes in one line"
            rest = self._file.readline(LONGEST)
            if len(rest) < LONGEST or rest.endswith(b"\n"):
                break
        self.line += 1
        self._raw += data[: LONGEST - len(self._raw)]
        if self.line == 1:
            data = data.removeprefix(b"\xef\xbb\xbf")
        try:
            return data.decode(self._encoding)
        except UnicodeDecodeError as error:
            self.broken = f"not {self._encoding}: {error.reason}"
            return data.decode(self._encoding, "replace")


def read_rows(path: Path, spec: FilesSpec) -> Iterator[Row | Spoilt]:
    """Every row of a file. Raises Unreadable when its header is none or we may not read it, OSError when it is gone."""
    with opened(path) as file:
        lines = _Lines(file, spec.encoding)
        yield from _csv(lines, spec) if spec.format == "csv" else _json(lines)


def opened(path: Path) -> BinaryIO:
    """The file itself: no link is followed, no pipe waited for. Raises Unreadable when we may not, OSError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except PermissionError as error:
        raise Unreadable("we may not read it") from error
    return os.fdopen(descriptor, "rb")


def _json(lines: _Lines) -> Iterator[Row | Spoilt]:
    lines.begin()
    for text in lines:
        if lines.broken:
            yield Spoilt(lines.line, lines.raw, lines.broken)
        elif text.strip():
            yield _object(lines, text)
        lines.begin()


def _object(lines: _Lines, text: str) -> Row | Spoilt:
    try:
        found = msgspec.json.decode(text)
        if isinstance(found, dict):
            return Row(lines.line, lines.raw, flat(found))
    except (msgspec.DecodeError, RecursionError) as error:
        return Spoilt(lines.line, lines.raw, f"no JSON: {error}")
    return Spoilt(lines.line, lines.raw, "JSON, but no object")


def flat(found: dict[str, Any]) -> dict[str, Any]:
    """Keys and values of an object; of objects inside it `outer.inner`. Raises RecursionError."""
    return dict(_flat(found)) if dict in map(type, found.values()) else found


def _flat(found: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in found.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _csv(lines: _Lines, spec: FilesSpec) -> Iterator[Row | Spoilt]:
    header = _header(lines, spec)
    delimiter = _delimiter(header, spec)
    columns = [column.strip() for column in next(csv.reader([header], delimiter=delimiter))]
    _check(columns, spec)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        lines.begin()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Spoilt(lines.line, lines.raw, str(error))
            continue
        if lines.broken:
            yield Spoilt(lines.line, lines.raw, lines.broken)
        elif len(cells) == len(columns):
            yield Row(lines.line, lines.raw, dict(zip(columns, cells, strict=True)))
        elif any(cell.strip() for cell in cells):
            yield Spoilt(lines.line, lines.raw, f"{len(cells)} cells under {len(columns)} columns")


def _header(lines: _Lines, spec: FilesSpec) -> str:
    header = next(lines, "")
    if lines.broken or not header.strip():
        raise Unreadable(lines.broken or "it is empty: no row that names the columns")
    return header


def _delimiter(header: str, spec: FilesSpec) -> str:
    if spec.delimiter != "auto":
        return "\t" if spec.delimiter == "tab" else spec.delimiter
    return max(_DELIMITERS, key=header.count)


def _check(columns: list[str], spec: FilesSpec) -> None:
    double = sorted({column for column in columns if columns.count(column) > 1})
    if double:
        raise Unreadable(f"two columns are called {double[0]!r}")
    if spec.time not in columns:
        raise Unreadable(f"there is no column {spec.time!r} with the time; it has {', '.join(columns)[:200]}")
