# SPDX-License-Identifier: Apache-2.0
"""Files of tests are read like the plant file: everything that is wrong with them is said at once, with its place."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from isthmus.app.testing import grammar
from isthmus.app.testing.bench import Bench, Wired
from isthmus.app.testing.case import Expected, Given, Sample, Saying, Test
from isthmus.core import quality, time
from isthmus.core.errors import IsthmusError
from isthmus.core.quality import Mark
from isthmus.core.samples import Value
from isthmus.core.tag import DataType
from isthmus.plant.findings import Findings, one_of
from isthmus.plant.grammar import Entries
from isthmus.plant.load import printable
from isthmus.plant.nodes import List, Map, Node, Scalar, compose, plain_data
from isthmus.plant.reading import below, entries, read
from isthmus.plant.specs import configured, keys

LARGEST: Final = 16 << 20
"""Bytes of a file of tests, or of one beside it."""
_MARKS: Final = {quality.marks(mark): int(mark) for mark in Mark}


@dataclass(frozen=True, slots=True)
class _Input:
    """What a kind's own keys under `given` are checked by, as if they were those of a system."""

    name: str
    title: str
    spec: type[BaseModel]
    example: str
    secrets: tuple[str, ...] = ()


def files_of(plant: Path) -> list[Path]:
    """The files of tests beside a plant file: `tests/*.yaml`, and those called like it."""
    folder, stem = (plant, "plant") if plant.is_dir() else (plant.parent, plant.stem)
    own = [folder / f"{stem}.tests.{ending}" for ending in ("yaml", "yml")]
    found = [path for ending in ("yaml", "yml") for path in (folder / "tests").glob(f"*.{ending}")]
    return [path for path in (*own, *sorted(found)) if path.is_file()]


def read_tests(paths: Iterable[Path], bench: Bench, findings: Findings) -> list[Test]:
    """The tests in these files; what is wrong with them goes to `findings`."""
    return [test for path in paths for test in _File(path, bench, findings).tests()]


class _File:
    """One file of tests."""

    def __init__(self, path: Path, bench: Bench, findings: Findings) -> None:
        self._path, self._bench, self._findings = path, bench, findings

    def tests(self) -> list[Test]:
        shown = printable(str(self._path))
        try:
            text = _read(self._path).decode("utf-8-sig")
        except (OSError, UnicodeDecodeError, IsthmusError) as error:
            self._findings.problem(Scalar(shown, 1, 1, "", True), "", f"cannot be read: {error}")
            return []
        node = compose(text, shown, self._findings)
        if node is None:
            return []
        values = read(node, grammar.FILE, "", self._findings)
        takes = grammar.FILE.by_name["tests"].takes
        assert isinstance(takes, Entries)
        named = entries(values.get("tests"), takes, "tests", self._findings)
        return [test for name, spot, value in named if (test := self._test(name, spot, value)) is not None]

    def _test(self, name: str, spot: Scalar, node: Node) -> Test | None:
        path = f"tests.{name}"
        said = read(node, grammar.TEST, path, self._findings)
        if "given" not in said or "expect" not in said:
            return None
        given: Node = said["given"]
        parts = given.items if isinstance(given, List) else [given]
        plant = self._plant(parts, path)
        found = [] if plant is not None else [self._given(part, below(path, "given")) for part in parts]
        expected = self._expected(said["expect"], below(path, "expect"))
        whole = [one for one in found if one is not None]
        return Test(name, spot, whole, plant, expected, said.get("now")) if len(whole) == len(found) else None

    def _plant(self, parts: Sequence[Node], path: str) -> Path | None:
        """The plant file that is checked, where that is what is tested."""
        if len(parts) != 1 or not isinstance(parts[0], Map) or "plant" not in parts[0].entries:
            return None
        said = read(parts[0], grammar.GIVEN, below(path, "given"), self._findings)
        for key in parts[0].entries.keys() - {"plant"}:
            self._findings.problem(parts[0].key(key), below(path, key), "has no place beside plant:")
        return self._beside(parts[0].entries["plant"][1], said.get("plant", ""), path)

    def _beside(self, spot: Node, name: str, path: str) -> Path | None:
        """A file beside this one; None, and a problem, when there is none."""
        folder = self._path.parent.resolve()
        try:
            full = (folder / name).resolve()
            if name and full.is_relative_to(folder) and full.is_file():
                return self._path.parent / name
        except (OSError, ValueError):
            pass
        self._findings.problem(spot, path, f"there is no file {name[:80]!r} beside this one")
        return None

    def _given(self, node: Node, path: str) -> Given | None:
        said = read(node, grammar.GIVEN, path, self._findings, others=True)
        wired = self._system(node, said, path)
        if wired is None or not isinstance(node, Map):
            return None
        own = [key for key in node.entries if key not in grammar.GIVEN.by_name]
        if "values" not in said:
            return self._input(wired, node, said, path)
        for key in own:
            self._findings.problem(node.key(key), below(path, key), "has no place beside values:")
        values = self._values(wired, said["values"], below(path, "values"))
        return Given(node, wired.setting.name, values, said.get("historical", False))

    def _system(self, node: Node, said: dict[str, Any], path: str) -> Wired | None:
        name = said.get("system")
        if name is None:
            if isinstance(node, Map) and "system" not in node.entries:
                self._findings.problem(node, path, "'system' is missing", "the system that says it")
            return None
        try:
            if name not in self._bench.systems:
                hint = one_of(name, self._bench.systems)
                raise IsthmusError(f"there is no system {name!r}", hint=hint)
            return self._bench.wired(name)
        except IsthmusError as error:
            assert isinstance(node, Map)
            self._findings.problem(node.entries["system"][1], below(path, "system"), error.what, error.hint)
            return None

    def _input(self, wired: Wired, node: Map, said: dict[str, Any], path: str) -> Given | None:
        """One input of the kind's own."""
        if wired.replay is None:
            hint = "say values: [{address: ..., value: ...}]"
            what = f"systems of kind {wired.kind.name!r} have no form of their own in tests"
            self._findings.problem(node, path, what, hint)
            return None
        kind = _Input(wired.kind.name, wired.kind.title, wired.replay.input, wired.replay.example)
        trial = self._with_file(node, said, kind, path)
        config, _ = configured(kind, trial, grammar.GIVEN, path, self._findings)
        try:
            return Given(node, wired.setting.name, input=kind.spec.model_validate(config))
        except ValidationError:  # which was told of
            return None

    def _with_file(self, node: Map, said: dict[str, Any], kind: _Input, path: str) -> Map:
        """The given keys, and the bytes of the file they name."""
        if "file" not in said:
            return node
        spot = node.entries["file"][1]
        full = self._beside(spot, said["file"], below(path, "file"))
        if full is None or "bytes" not in keys(kind.spec):
            if full is not None:
                self._findings.problem(spot, below(path, "file"), f"kind {kind.name!r} takes no file")
            return node
        try:
            data = _read(full)
        except (OSError, IsthmusError) as error:
            self._findings.problem(spot, below(path, "file"), f"cannot be read: {error}")
            return node
        more = {"bytes": data.hex(), "name": full.name} if "name" in keys(kind.spec) else {"bytes": data.hex()}
        key = node.entries["file"][0]
        added = {
            name: (key, Scalar(key.file, key.line, key.column, text, False))
            for name, text in more.items()
            if name not in node.entries
        }
        return Map(node.file, node.line, node.column, {**node.entries, **added})

    def _values(self, wired: Wired, node: Node, path: str) -> list[Saying]:
        items = node.items if isinstance(node, List) else [node]
        found = [self._saying(wired, item, f"{path}[{i}]") for i, item in enumerate(items)]
        return [one for one in found if one is not None]

    def _saying(self, wired: Wired, node: Node, path: str) -> Saying | None:
        said = read(node, grammar.VALUE, path, self._findings)
        if not isinstance(node, Map):
            return None
        try:
            positions = _positions(wired, said, self._bench)
            code = _quality(said.get("quality", "Good"))
            value = _value(said.get("value"))
        except IsthmusError as error:
            self._findings.problem(node, path, error.what, error.hint)
            return None
        return Saying(positions, value, code, said.get("time", time.UNKNOWN))

    def _expected(self, node: Map, path: str) -> Expected:
        said = read(node, grammar.EXPECTATION, path, self._findings)
        samples: dict[str, Sequence[Sample]] = {}
        takes = grammar.EXPECTATION.by_name["samples"].takes
        assert isinstance(takes, Entries)
        for name, spot, value in entries(said.get("samples"), takes, below(path, "samples"), self._findings):
            where = below(below(path, "samples"), name)
            full = self._bench.path(name)
            if full is None:
                hint = one_of(name, [tag.removeprefix(f"{self._bench.checked.plant}/") for tag in self._bench.paths])
                self._findings.problem(spot, where, "there is no such tag", hint)
                continue
            items = value.items if isinstance(value, List) else [value]
            samples[full] = [self._sample(item, full, where) for item in items]
        if not node.entries:
            hint = "say samples:, quarantine:, events: or error:; only: true for no sample at all"
            self._findings.problem(node, path, "expects nothing", hint)
        return Expected(
            spot=node,
            samples=samples,
            only=said.get("only", False),
            quarantine=said.get("quarantine", ()),
            events=said.get("events"),
            error=said.get("error", ()),
        )

    def _sample(self, node: Node, tag: str, path: str) -> Sample:
        said = read(node, grammar.SAMPLE, path, self._findings)
        setting = self._bench.paths[tag]
        value, code, marks = None, quality.GOOD, 0
        try:
            value = _value(said.get("value"))
            if setting.tag.type is DataType.ENUMERATION and isinstance(value, str):
                numbers = {label: number for number, label in setting.labels.items()}
                if value not in numbers:
                    raise IsthmusError(f"{tag} has no value {value[:60]!r}", hint=one_of(value, numbers))
                value = numbers[value]
            code = _quality(said.get("quality", "Good"))
            marks = _marks(said.get("marks", ()))
        except IsthmusError as error:
            self._findings.problem(node, path, error.what, error.hint)
        return Sample(node, value, said.get("tolerance"), said.get("text"), code, marks, said.get("time"))


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise IsthmusError(f"it is larger than {LARGEST >> 20} MB")
    return data


def _positions(wired: Wired, said: dict[str, Any], bench: Bench) -> list[int]:
    if ("address" in said) == ("tag" in said):
        raise IsthmusError("say one of address and tag")
    if "tag" in said:
        path = bench.path(said["tag"])
        found = [i for i, setting in enumerate(wired.tags) if setting.tag.path == path]
        known, what = [setting.tag.path for setting in wired.tags], said["tag"]
    else:
        what = wired.kind.check_address(said["address"])
        found = [i for i, setting in enumerate(wired.tags) if setting.address == what]
        known = [setting.address for setting in wired.tags]
    if not found:
        raise IsthmusError(f"no tag is read from {what!r} of {wired.setting.name}", hint=one_of(what, known))
    return found


def _value(node: Node | None) -> Value:
    if node is None:
        return None
    value = plain_data(node)
    if isinstance(value, dict | list):
        raise IsthmusError("is not a single value")
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        raise IsthmusError("a whole number has 64 bits", hint="write it with a decimal point")
    return value  # type: ignore[no-any-return]  # a scalar's data, by plain_data


def _quality(text: str) -> int:
    code = quality.code(text)
    if code is None:
        raise IsthmusError(f"{text[:60]!r} is no quality", hint=one_of(text, quality.NAMES.values()))
    return code


def _marks(words: Sequence[str]) -> int:
    marks = 0
    for word in (part.strip() for text in words for part in text.split(",")):
        if word not in _MARKS:
            raise IsthmusError(f"there is no mark {word[:60]!r}", hint=one_of(word, [m for m in _MARKS if m]))
        marks |= _MARKS[word]
    return marks
