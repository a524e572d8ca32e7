# SPDX-License-Identifier: Apache-2.0
"""What was really wrong, and when: every fault's begin and end, written where the platform does not look."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import msgspec

from isthmus.app.demo.chemical.catalogue import CATALOGUE
from isthmus.app.demo.pieces.fault import Truth
from isthmus.core import time


class Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of the file."""

    what: str
    """`begin` or `end`."""
    at: str
    """ISO 8601, UTC: on the clock that the samples have."""
    fault: int
    """Its number in this plant's life."""
    plant: str
    """When this plant's life began: numbers begin anew with another."""
    kind: str
    target: str
    severity: float
    ramp: float = 0.0
    """s of the process until it is fully grown."""
    tempo: float = 1.0
    """s of the process in one of the clock, at that time."""
    shows: str = ""
    """What it will do to the tags."""
    why: str = ""
    """end: when nobody repaired it."""


@dataclass(slots=True)
class Book:
    """The file, and what stands in it already."""

    path: Path
    plant: int
    """When this plant's life began, ns."""
    _open: dict[tuple[str, int], Line] = field(default_factory=dict)
    _seen: set[tuple[str, int, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        for line in read(self.path):
            self._note(line)

    def write(self, known: Iterable[Truth], tempo: float) -> None:
        """Adds what is not there yet; raises OSError when the disk takes it not, and the next call tries again.

        One line reaches the disk before the next is written.
        """
        for truth in known:
            self._add(self._line("begin", truth.started, truth, tempo, CATALOGUE[truth.fault.kind].shows))
            if truth.ended is not None:
                self._add(self._line("end", truth.ended, truth, tempo, ""))

    def abandon(self, now: int) -> None:
        """Ends what another plant's life left open: that plant is gone, its faults with it."""
        for (plant, _), line in list(self._open.items()):
            if plant != time.to_iso(self.plant):
                why = "the plant was started afresh"
                self._add(msgspec.structs.replace(line, what="end", at=time.to_iso(now), shows="", why=why))

    def _line(self, what: str, at: int, truth: Truth, tempo: float, shows: str) -> Line:
        fault = truth.fault
        return Line(
            what=what, at=time.to_iso(at), fault=truth.number, plant=time.to_iso(self.plant), kind=fault.kind.value,
            target=fault.target, severity=fault.severity, ramp=fault.ramp, tempo=tempo, shows=shows,
        )  # fmt: skip

    def _add(self, line: Line) -> None:
        if (line.plant, line.fault, line.what) in self._seen:
            return
        with self.path.open("a+b") as file:
            file.write(_mended(file) + msgspec.json.encode(line) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self._note(line)

    def _note(self, line: Line) -> None:
        self._seen.add((line.plant, line.fault, line.what))
        if line.what == "begin":
            self._open[line.plant, line.fault] = line
        else:
            self._open.pop((line.plant, line.fault), None)


def _mended(file: BinaryIO) -> bytes:
    """What has to be written before a line: the end of one that was cut by a full disk or a power failure."""
    if file.seek(0, os.SEEK_END) == 0:
        return b""
    file.seek(-1, os.SEEK_END)
    return b"" if file.read(1) == b"\n" else b"\n"


def read(path: Path) -> list[Line]:
    """The file's lines; one that was cut by a power failure is left out."""
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    found = []
    for line in lines:
        try:
            found.append(msgspec.json.decode(line, type=Line))
        except msgspec.DecodeError:
            continue
    return found
