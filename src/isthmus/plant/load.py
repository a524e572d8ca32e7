# SPDX-License-Identifier: Apache-2.0
"""Loading reads a plant file and everything it includes: text, nodes, and which file said what."""

from __future__ import annotations

import os.path
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from isthmus.core.errors import IsthmusError, PlantFileError, Problem
from isthmus.plant.findings import Findings, Spot
from isthmus.plant.grammar import INCLUDED, PLANT, Entries, Shape
from isthmus.plant.nodes import List, Map, Node, Scalar, compose
from isthmus.plant.reading import entries, read

FILE_NAME: Final = "plant.yaml"
LARGEST_FILE: Final = 64 * 2**20
MOST_FILES: Final = 1000
_ELSEWHERE: Final = "name the plant file, or the folder in which it lies"


@dataclass(slots=True)
class Loaded:
    """A plant file and its includes put together, in the order they were read."""

    folder: Path
    """What every file must lie inside."""
    shown: Path
    """The same folder as the user wrote it: messages begin with it."""
    sources: dict[str, str] = field(default_factory=dict)
    """File name relative to the folder → text."""
    root: Map | None = None
    header: dict[str, Any] = field(default_factory=dict)
    types: dict[str, tuple[Scalar, Node]] = field(default_factory=dict)
    systems: dict[str, tuple[Scalar, Node]] = field(default_factory=dict)
    outputs: dict[str, tuple[Scalar, Node]] = field(default_factory=dict)
    assets: list[tuple[Scalar, Node]] = field(default_factory=list)
    """Not by path yet: a template is many assets, and an override repeats a path."""
    pictures: dict[str, tuple[Scalar, Node]] = field(default_factory=dict)

    def relative(self, spot: Spot) -> str:
        """The file of `spot` as `sources` knows it."""
        return os.path.relpath(spot.file, printable(str(self.shown))).replace(os.sep, "/")

    def read_text(self, name: str) -> str:
        """The text of a file inside the folder, kept in `sources`; raises IsthmusError when it cannot be had."""
        if name not in self.sources:
            self.sources[name] = _decoded(self._bytes(name), name)
        return self.sources[name]

    def shown_name(self, name: str) -> str:
        return printable(str(self.shown / name))

    def _bytes(self, name: str) -> bytes:
        full = self._inside(name)
        try:
            if not full.is_file():
                raise IsthmusError(f"there is no file {printable(name)!r}")
            with full.open("rb") as stream:
                return stream.read(LARGEST_FILE + 1)
        except (OSError, ValueError) as error:
            raise IsthmusError(f"{printable(name[:80])!r} cannot be read: {error}") from error

    def _inside(self, name: str) -> Path:
        try:
            full = (self.folder / name).resolve()
        except (OSError, RuntimeError, ValueError) as error:
            raise IsthmusError(f"{name[:80]!r} is not the name of a file", hint=str(error)) from error
        if not full.is_relative_to(self.folder):
            hint = "everything a plant is made of lies below it"
            raise IsthmusError(f"{name[:80]!r} lies outside the plant file's folder", hint=hint)
        return full


def load(path: Path, findings: Findings) -> Loaded:
    """Reads `path`, a plant file or a folder with a `plant.yaml`.

    Raises PlantFileError when a file cannot be read or is not YAML: the rest cannot be judged without it.
    """
    try:
        path = path / FILE_NAME if path.is_dir() else path
        loaded = Loaded(folder=path.parent.resolve(), shown=path.parent)
    except (OSError, RuntimeError, ValueError) as error:
        raise PlantFileError([Problem(printable(str(path)), 1, 1, "", f"cannot be read: {error}")]) from error
    reading = _Reading(loaded, findings)
    reading.file(path.name, PLANT, None)
    if reading.broken:
        findings.raise_problems()
    return loaded


def printable(text: str) -> str:
    """A file name as text that can be printed and stored, whatever bytes it is made of."""
    return os.fsencode(text).decode("utf-8", "backslashreplace")


def _decoded(data: bytes, name: str) -> str:
    if len(data) > LARGEST_FILE:
        raise IsthmusError(f"{name!r} is larger than {LARGEST_FILE // 2**20} MB", hint="split it and include the parts")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise IsthmusError(f"{name!r} is UTF-16", hint="save it as UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        what = f"{name!r} is not UTF-8: byte 0x{data[error.start]:02X} on line {line}"
        raise IsthmusError(what, hint="save it as UTF-8") from error


class _Reading:
    """One walk through a plant file and its includes."""

    def __init__(self, loaded: Loaded, findings: Findings) -> None:
        self.broken = False
        self._loaded, self._findings = loaded, findings
        self._chain: list[str] = []
        self._read: set[str] = set()

    def file(self, name: str, shape: Shape, spot: Scalar | None) -> None:
        """Reads one file and what it includes; `spot` is the include that names it."""
        shown = self._loaded.shown_name(name)
        try:
            text = self._loaded.read_text(name)
        except IsthmusError as error:
            self.broken = True
            where, path = spot or Scalar(shown, 1, 1, "", True), "include" if spot else ""
            hint = _ELSEWHERE if spot is None and name == FILE_NAME else ""
            self._findings.problem(where, path, error.what, error.hint or hint)
            return
        self._read.add(name)
        node = compose(text, shown, self._findings)
        if isinstance(node, Map):
            self._sections(name, node, shape)
            return
        self.broken = True
        if node is not None:
            self._findings.problem(node, "", "a plant file is a mapping", "it begins with version: 1")

    def _sections(self, name: str, node: Map, shape: Shape) -> None:
        values = read(node, shape, "", self._findings)
        if shape is PLANT:
            self._loaded.root, self._loaded.header = node, values
        self._collect("types", values, self._loaded.types)
        self._collect("systems", values, self._loaded.systems)
        self._collect("outputs", values, self._loaded.outputs)
        self._collect("pictures", values, self._loaded.pictures)
        if "assets" in values:
            self._loaded.assets.extend(values["assets"].entries.values())
        self._chain.append(name)
        self._include(name, node, values.get("include", []))
        self._chain.pop()

    def _collect(self, section: str, values: dict[str, Any], target: dict[str, tuple[Scalar, Node]]) -> None:
        takes = PLANT.by_name[section].takes
        assert isinstance(takes, Entries)  # by the grammar
        for key, spot, value in entries(values.get(section), takes, section, self._findings):
            if key in target:
                first = target[key][0]
                hint = f"the first is at {first.file}:{first.line}"
                self._findings.problem(spot, f"{section}.{spot.text}", "is there twice", hint)
            else:
                target[key] = (spot, value)

    def _include(self, name: str, node: Map, names: list[str]) -> None:
        for spot, included in zip(_scalars(node.get("include")), names, strict=False):
            target = os.path.normpath(f"{os.path.dirname(name)}/{included}".lstrip("/"))  # noqa: PTH120  # a name, no file
            trouble = self._trouble(included, target)
            if trouble:
                self._findings.problem(spot, "include", trouble)
            else:
                self.file(target, INCLUDED, spot)

    def _trouble(self, included: str, target: str) -> str:
        if included.startswith(("/", "\\")):
            return f"{included[:80]!r} is not relative to this file"
        if target in self._chain:
            around = " → ".join([*self._chain[self._chain.index(target) :], target])
            return f"the file includes itself: {around[:400]}"
        if target in self._read:
            return f"{included[:80]!r} is included already"
        return f"more than {MOST_FILES:,} files" if len(self._read) >= MOST_FILES else ""


def _scalars(node: Node | None) -> list[Scalar]:
    items = node.items if isinstance(node, List) else [node]
    return [item for item in items if isinstance(item, Scalar)]
