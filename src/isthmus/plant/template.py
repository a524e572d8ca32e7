# SPDX-License-Identifier: Apache-2.0
"""A template stands for many assets: over ranges in its path (`reactor-{2..12}`) or over the rows of a CSV file."""

from __future__ import annotations

import csv
import io
import itertools
import math
import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from isthmus.core.errors import IsthmusError
from isthmus.plant import forms
from isthmus.plant.findings import nearest
from isthmus.plant.load import Loaded
from isthmus.plant.nodes import UNPRINTABLE, List, Map, Node, Scalar

MOST_INSTANCES: Final = 100_000

Say = Callable[[Scalar, str, str], None]
"""Told (where it stands, what is wrong, a hint)."""

_RANGE = re.compile(r"\{(?:([A-Za-z_][A-Za-z0-9_]{0,40}):)?([0-9]{1,9})\.\.([0-9]{1,9})\}")
_LONE = re.compile(r"\{[^{}]*\}")
_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


@dataclass(frozen=True, slots=True)
class Instance:
    """One asset a template stands for: its key and its mapping, placeholders filled in."""

    key: Scalar
    node: Map


def is_template(key: str, node: Map) -> bool:
    return "rows" in node.entries or "{" in key or "}" in key


def instances(key: Scalar, node: Map, loaded: Loaded, say: Say) -> Iterator[Instance]:
    """Every asset of a template, in order; `say` is told of values that cannot be filled in.

    Raises IsthmusError (what, hint) when it cannot be expanded at all.
    """
    if "rows" in node.entries:
        entries = {name: entry for name, entry in node.entries.items() if name != "rows"}
        body = Map(node.file, node.line, node.column, entries)
        for values, spot in _rows(key, node, loaded):
            yield Filling(values, spot, say).instance(key, key.text, body)
        return
    text, names, spans = _ranges(key.text)
    for numbers in itertools.product(*spans):
        yield Filling(dict(zip(names, numbers, strict=True)), None, say).instance(key, text, node)


def _ranges(text: str) -> tuple[str, list[str], list[list[str]]]:
    """The path with plain placeholders, their names, and what each runs over."""
    _closed(text)
    found = list(_RANGE.finditer(text))
    if not found and ".." in text:
        said = next((lone[0] for lone in _LONE.finditer(text) if ".." in lone[0]), text)
        raise IsthmusError(f"{said} is no range of whole numbers", hint="write reactor-{2..12}, without spaces")
    if not found:
        raise IsthmusError(
            "this template has neither a range nor rows", hint="write reactor-{2..12}, or rows: file.csv"
        )
    names = [match[1] or "n" for match in found]
    if len(set(names)) < len(names):
        raise IsthmusError("two ranges have one name", hint="name them: line-{line:1..3}/pump-{pump:1..8}")
    sizes = [int(match[3]) - int(match[2]) + 1 for match in found]
    if min(sizes) < 1:
        raise IsthmusError("a range ends before it begins", hint="write {2..12}")
    if math.prod(sizes) > MOST_INSTANCES:
        raise IsthmusError(f"this is {math.prod(sizes):,} assets", hint=f"at most {MOST_INSTANCES:,} in one template")
    names_left = iter(names)
    return _RANGE.sub(lambda _: f"{{{next(names_left)}}}", text), names, [_span(match[2], match[3]) for match in found]


def _closed(text: str) -> None:
    """Raises IsthmusError that shows the brace which has no other half."""
    lone = _LONE.sub("", text)
    for brace, other, what in (("{", "}", "is not closed"), ("}", "{", "was not opened")):
        if brace in lone:
            hint = f"write reactor-{{2..12}}: {brace} and {other} go together"
            raise IsthmusError(f"the {brace} in {text!r} {what}", hint=hint)


def _span(first: str, last: str) -> list[str]:
    width = len(first) if first.startswith("0") and len(first) > 1 else 0
    return [str(number).zfill(width) for number in range(int(first), int(last) + 1)]


def fill(text: str, values: Mapping[str, str]) -> str:
    """`text` with its placeholders filled in; `{{` and `}}` stand for braces. Raises IsthmusError for others."""

    def filled(match: re.Match[str]) -> str:
        name = match[1]
        if name is None:
            if len(match[0]) == 1:
                what = "is not closed" if match[0] == "{" else "was not opened"
                names = " or ".join(f"{{{name}}}" for name in sorted(values)[:12])
                hint = f"write {names} for what the template fills in, {match[0] * 2} for the character"
                raise IsthmusError(f"the {match[0]} in {text[:80]!r} {what}", hint=hint)
            return match[0][0]
        if name not in values:
            hint = nearest(name, values) or f"this template has {', '.join(sorted(values)[:12])}"
            raise IsthmusError(f"{{{name[:80]}}} is not known here", hint=hint)
        return values[name]

    return _PLACEHOLDER.sub(filled, text)


@dataclass(frozen=True, slots=True)
class Filling:
    """What one instance puts in the places of its template."""

    values: Mapping[str, str]
    spot: Scalar | None
    """The row the values come from: what is filled in stands there; None: it stands where the template says it."""
    say: Say

    def instance(self, key: Scalar, text: str, body: Map) -> Instance:
        at = self.spot or key
        entries = self._entries(body)
        path = Scalar(at.file, at.line, at.column, fill(text, self.values), True)
        return Instance(path, Map(body.file, body.line, body.column, entries))

    def _entries(self, node: Map) -> dict[str, tuple[Scalar, Node]]:
        filled = ((name, key, self._filled(value)) for name, (key, value) in node.entries.items())
        return {name: (key, value) for name, key, value in filled if value is not None}

    def _filled(self, node: Node) -> Node | None:
        """The node with every value filled in; None for a lone placeholder whose cell is empty: not said."""
        if isinstance(node, Scalar):
            return self._scalar(node) if "{" in node.text or "}" in node.text else node
        if isinstance(node, List):
            items = [item for item in map(self._filled, node.items) if item is not None]
            return List(node.file, node.line, node.column, items)
        return Map(node.file, node.line, node.column, self._entries(node))

    def _scalar(self, node: Scalar) -> Scalar | None:
        try:
            text = fill(node.text, self.values)
        except IsthmusError as error:
            self.say(node, error.what, error.hint)
            return node
        lone = _LONE.fullmatch(node.text) is not None
        if lone and not text:
            return None
        at = self.spot or node
        return Scalar(at.file, at.line, at.column, text, node.plain or lone, node.secret)


def _rows(key: Scalar, node: Map, loaded: Loaded) -> Iterator[tuple[dict[str, str], Scalar]]:
    """(column → cell, where the row stands) for each row of the template's CSV file."""
    if _RANGE.search(key.text):
        raise IsthmusError("a template has a range or rows, not both")
    said = node.entries["rows"][1]
    name = posixpath.normpath(posixpath.join(posixpath.dirname(loaded.relative(key)), forms.LINE.read(said)))
    text = loaded.read_text(name)
    shown = loaded.shown_name(name)
    if UNPRINTABLE.search(text.replace("\r", "\n")):
        raise IsthmusError(f"{name!r} has control characters in it", hint="is this really a CSV file?")
    try:
        yield from _table(text, shown)
    except csv.Error as error:
        raise IsthmusError(f"{name!r} is not CSV: {error}") from error


def _table(text: str, shown: str) -> Iterator[tuple[dict[str, str], Scalar]]:
    header = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    columns = _columns(next(reader, []), shown)
    begins = reader.line_num + 1
    for count, row in enumerate(reader):
        if count >= MOST_INSTANCES:
            raise IsthmusError(f"{shown!r} has more than {MOST_INSTANCES:,} rows")
        if any(cell.strip() for cell in row):
            yield _row(columns, row, f"{shown}:{begins}"), Scalar(shown, begins, 1, "", True)
        begins = reader.line_num + 1


def _columns(header: list[str], shown: str) -> list[str]:
    columns = [column.strip() for column in header]
    if not columns or not all(columns):
        raise IsthmusError(f"the first line of {shown!r} must name every column")
    if len(set(columns)) < len(columns) or any("{" in column or "}" in column for column in columns):
        raise IsthmusError(f"the columns of {shown!r} must differ and have no braces in them")
    return columns


def _row(columns: list[str], row: list[str], where: str) -> dict[str, str]:
    if len(row) != len(columns):
        raise IsthmusError(f"{where} has {len(row)} cells, the first line has {len(columns)}")
    return {column: cell.strip() for column, cell in zip(columns, row, strict=True)}
