# SPDX-License-Identifier: Apache-2.0
"""A YAML 1.2 text becomes nodes that know where they stand.

PyYAML's C parser gives the events (its Python parser where libyaml is missing); the composition is ours, because it
keeps positions, refuses duplicate keys, reads scalars by the YAML 1.2 core schema (so `no` is a word, `0o17` is octal
and `12:30` is not a number) and bounds what hostile text can cost.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, TypeAlias

import msgspec
import yaml

from isthmus.plant.findings import Findings

DEEPEST: Final = 50
LARGEST: Final = 5_000_000
"""Nodes of one file once its aliases are followed."""

_NULL: Final = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE: Final = frozenset({"true", "True", "TRUE"})
_FALSE: Final = frozenset({"false", "False", "FALSE"})
_INTEGER = re.compile(r"[-+]?[0-9]{1,400}|0o[0-7]{1,400}|0x[0-9a-fA-F]{1,400}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"([-+]?)\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
UNPRINTABLE = re.compile(r"[^\t\n\x20-\x7e\xa0-\u2027\u202f-\u2065\u206a-\ud7ff\ue000-\ufefe\uff00-\U0010ffff]")
"""Control characters, line separators, surrogates, and the bidirectional overrides that make text lie."""


class Scalar(msgspec.Struct, frozen=True, gc=False):
    """One value as it is written."""

    file: str
    line: int
    column: int
    text: str
    plain: bool
    """Written without quotes: may be a number, a switch or nothing."""
    secret: bool = False
    """Written `!secret text`."""

    @property
    def empty(self) -> bool:
        return self.plain and self.text in _NULL

    def value(self) -> bool | int | float | str | None:
        """What the YAML 1.2 core schema (10.3.2) makes of it."""
        text = self.text
        if not self.plain:
            return text
        if text in _NULL:
            return None
        if text in _TRUE or text in _FALSE:
            return text in _TRUE
        return _number(text)


class Map(msgspec.Struct, frozen=True):
    """Keys and what stands under them, in file order."""

    file: str
    line: int
    column: int
    entries: dict[str, tuple[Scalar, Node]]

    def get(self, key: str) -> Node | None:
        entry = self.entries.get(key)
        return entry[1] if entry else None

    def key(self, key: str) -> Scalar | Map:
        """Where `key` stands; the mapping itself when it has none such."""
        entry = self.entries.get(key)
        return entry[0] if entry else self


class List(msgspec.Struct, frozen=True):
    """Items in file order."""

    file: str
    line: int
    column: int
    items: list[Node]


Node: TypeAlias = Scalar | Map | List


def _number(text: str) -> int | float | str:
    if _INTEGER.fullmatch(text):
        return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
    if _FLOAT.fullmatch(text):
        return float(text)
    special = _SPECIAL.fullmatch(text)
    return float(f"{special[1] or ''}inf" if special[1] is not None else "nan") if special else text


def plain_data(node: Node) -> Any:
    """The node as dicts, lists and values; a secret is `{"!secret": name}`."""
    if isinstance(node, Map):
        return {key: plain_data(value) for key, (_, value) in node.entries.items()}
    if isinstance(node, List):
        return [plain_data(item) for item in node.items]
    return {"!secret": node.text} if node.secret else node.value()


def compose(text: str, file: str, findings: Findings) -> Node | None:
    """The one document of `text`; None (and a problem) when there is none or it is not YAML."""
    spot = _unprintable(text, file)
    if spot is not None:
        findings.problem(
            spot, "", f"U+{ord(spot.text):04X} cannot stand in a plant file", "is this really a text file?"
        )
        return None
    try:
        return _Composition(file, findings).compose(_events(text))
    except yaml.MarkedYAMLError as error:
        _say_syntax(error, text, file, findings)
    except yaml.YAMLError as error:
        findings.problem(Scalar(file, 1, 1, "", True), "", f"not YAML: {error}")
    return None


def _unprintable(text: str, file: str) -> Scalar | None:
    found = UNPRINTABLE.search(text.replace("\r", "\n") if "\r" in text else text)
    if found is None:
        return None
    before = text[: found.start()].replace("\r\n", "\n").replace("\r", "\n")
    column = len(before) - before.rfind("\n")
    return Scalar(file, before.count("\n") + 1, column, found[0], True)


def _events(text: str) -> Iterator[Any]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.parse(text, Loader=loader)


_CLOSES: Final = {"{": "}", "[": "]"}


def _say_syntax(error: yaml.MarkedYAMLError, text: str, file: str, findings: Findings) -> None:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line, mark.column) if mark else (0, 0)
    lines = text.splitlines()
    written = lines[line] if line < len(lines) else ""
    what, hint = f"not YAML: {error.problem or error.context or 'it ends too early'}", ""
    if "\t" in written[: len(written) - len(written.lstrip())]:
        what, hint = "a tab indents this line", "YAML wants spaces"
    elif "mapping values are not allowed" in what or "could not find expected ':'" in what:
        hint = "check the indentation, the ': ' after the key, and quotes around a text that has ': ' in it"
    elif error.context_mark and "flow" in str(error.context) and error.context_mark.line < line:
        begun = error.context_mark.line, error.context_mark.column
        line, column = begun
        opened = lines[line][column : column + 1]
        what, hint = f"the {opened} here is not closed", f"the {_CLOSES.get(opened, 'other half')} is missing"
    elif "{" in written or "[" in written:
        hint = "put a text that begins with { or [ in quotes"
    findings.problem(Scalar(file, line + 1, column + 1, "", True), "", what, hint)


class _Open:
    """A mapping or list whose end has not come yet."""

    __slots__ = ("anchor", "column", "entries", "items", "key", "line", "size")

    def __init__(self, line: int, column: int, anchor: str | None, mapping: bool) -> None:
        self.line, self.column, self.anchor = line, column, anchor
        self.entries: dict[str, tuple[Scalar, Node]] | None = {} if mapping else None
        self.items: list[Node] = []
        self.key: Scalar | None = None
        self.size = 1


class _Composition:
    """One file on its way from events to nodes."""

    def __init__(self, file: str, findings: Findings) -> None:
        self._file, self._findings = file, findings
        self._anchors: dict[str, tuple[Node, int] | None] = {}
        self._open: list[_Open] = []
        self._root: Node | None = None
        self._documents = 0

    def compose(self, events: Iterator[Any]) -> Node | None:
        steps = {
            yaml.ScalarEvent: self._scalar,
            yaml.MappingStartEvent: self._start,
            yaml.SequenceStartEvent: self._start,
            yaml.MappingEndEvent: self._end,
            yaml.SequenceEndEvent: self._end,
            yaml.AliasEvent: self._alias,
            yaml.DocumentStartEvent: self._document,
        }
        for event in events:
            step = steps.get(type(event))
            if step is not None and not step(event):
                return None
        if self._root is None:
            self._findings.problem(Scalar(self._file, 1, 1, "", True), "", "the file is empty")
        return self._root

    def _document(self, event: Any) -> bool:
        self._documents += 1
        if self._documents > 1:
            return self._stop(event, "a second document begins here", "one file has one document: take the '---' away")
        return True

    def _scalar(self, event: Any) -> bool:
        mark, text, tag = event.start_mark, event.value, event.tag
        if not text.isprintable() and UNPRINTABLE.search(text):
            return self._stop(event, "the text has control characters in it")
        secret = tag == "!secret"
        if tag is not None and not secret:
            self._complain(event, f"the tag {tag[:80]!r} is not known here", "the only one is !secret")
        node = Scalar(self._file, mark.line + 1, mark.column + 1, text, event.implicit[0] and not secret, secret)
        if secret and not text:
            self._complain(event, "!secret wants a name", "write password: !secret name")
        return self._put(node, 1, event)

    def _start(self, event: Any) -> bool:
        mark = event.start_mark
        if len(self._open) >= DEEPEST:
            return self._stop(event, f"nested more than {DEEPEST} deep")
        if event.tag is not None:
            self._complain(event, f"the tag {event.tag[:80]!r} is not known here", "the only one is !secret")
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        mapping = type(event) is yaml.MappingStartEvent
        self._open.append(_Open(mark.line + 1, mark.column + 1, event.anchor, mapping))
        return True

    def _end(self, event: Any) -> bool:
        part = self._open.pop()
        node: Node
        if part.entries is not None:
            node = Map(self._file, part.line, part.column, part.entries)
        else:
            node = List(self._file, part.line, part.column, part.items)
        return self._put(node, part.size, event, part.anchor)

    def _alias(self, event: Any) -> bool:
        known = self._anchors.get(event.anchor)
        if known is None:
            inside = event.anchor in self._anchors
            return self._stop(
                event, f"*{event.anchor[:80]} {'contains itself' if inside else 'has no anchor above it'}"
            )
        return self._put(*known, event)

    def _put(self, node: Node, size: int, event: Any, anchor: str | None = None) -> bool:
        """`node` takes its place in whatever is open."""
        anchor = anchor or (event.anchor if type(event) is yaml.ScalarEvent else None)
        if anchor is not None:
            self._anchors[anchor] = (node, size)
        if not self._open:
            self._root = node
            return True
        part = self._open[-1]
        part.size += size
        if part.size > LARGEST:
            return self._stop(event, f"more than {LARGEST:,} values", "aliases that multiply? split the file otherwise")
        if part.entries is None:
            part.items.append(node)
        elif part.key is None:
            return self._key(part, node, event)
        else:
            self._entry(part, part.key, node)
        return True

    def _key(self, part: _Open, node: Node, event: Any) -> bool:
        if not isinstance(node, Scalar) or node.secret or not node.text.isprintable():
            return self._stop(event, "a key must be one line of text", "quotes around a text that begins with { or [?")
        part.key = node
        return True

    def _entry(self, part: _Open, key: Scalar, node: Node) -> None:
        assert part.entries is not None  # only mappings have keys
        part.key = None
        first = part.entries.get(key.text)
        if first is not None:
            path = ".".join(filter(None, (self._path(), key.text[:200])))
            self._findings.problem(key, path, "is there twice", f"the first is on line {first[0].line}")
            return
        part.entries[key.text] = (key, node)

    def _complain(self, event: Any, what: str, hint: str = "") -> None:
        mark = event.start_mark
        self._findings.problem(Scalar(self._file, mark.line + 1, mark.column + 1, "", True), self._path(), what, hint)

    def _path(self) -> str:
        """The keys that lead to where we are."""
        return ".".join(part.key.text[:200] for part in self._open if part.key is not None)

    def _stop(self, event: Any, what: str, hint: str = "") -> bool:
        self._complain(event, what, hint)
        return False
