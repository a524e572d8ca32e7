# SPDX-License-Identifier: Apache-2.0
"""The outputs of a plant file, each checked by the Spec of its kind, and the tags that each one gets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from isthmus.core.path import matcher
from isthmus.plant.alone import Alone
from isthmus.plant.findings import Findings, one_of
from isthmus.plant.grammar import OUTPUT
from isthmus.plant.load import Loaded
from isthmus.plant.nodes import List, Map, Node
from isthmus.plant.reading import as_map, below, read
from isthmus.plant.revision import OutputSetting, Place, TagSetting
from isthmus.plant.specs import configured

OutputKinds = Mapping[str, Alone]

NO_OUTPUTS: Final[OutputKinds] = MappingProxyType({})


def read_outputs(
    loaded: Loaded, kinds: OutputKinds, paths: Sequence[str], findings: Findings
) -> tuple[OutputSetting, ...]:
    """Every output of the plant, in file order; `paths` are those of the plant's tags."""
    outputs = []
    for name, (key, node) in loaded.outputs.items():
        found = as_map(node, OUTPUT, f"outputs.{name}", findings)
        if found is not None:
            place = Place(loaded.relative(key), key.line)
            outputs.append(_output(name, found, place, kinds, paths, findings))
    return tuple(outputs)


def _output(
    name: str, node: Map, place: Place, kinds: OutputKinds, paths: Sequence[str], findings: Findings
) -> OutputSetting:
    path = f"outputs.{name}"
    said = read(node, OUTPUT, path, findings, others=True)
    word, patterns = said.pop("kind", None), tuple(said.pop("tags", ()))
    kind = kinds.get(word) if word else None
    if word and kind is None:
        hint = one_of(word, kinds)
        findings.problem(node.entries["kind"][1], below(path, "kind"), f"there is no kind of output {word!r}", hint)
    config = configured(kind, node, OUTPUT, path, findings)[0] if kind is not None else {}
    for spot, pattern in zip(_items(node), patterns, strict=False):
        if not _matching((pattern,), paths):
            findings.warning(spot, below(path, "tags"), f"no tag matches {pattern[:80]!r}")
    return OutputSetting(name=name, kind=word or "", config=config, tags=patterns, place=place, **said)


def _items(node: Map) -> Iterable[Node]:
    said = node.get("tags")
    if said is None:
        return ()
    return said.items if isinstance(said, List) else (said,)


def _matching(patterns: Sequence[str], paths: Sequence[str]) -> bool:
    tests = [matcher(pattern) for pattern in patterns]
    return any(test(path) for path in paths for test in tests)


def tags_of(output: OutputSetting, tags: Iterable[TagSetting]) -> tuple[TagSetting, ...]:
    """The tags that an output gets, in their order: those whose path matches one of its patterns."""
    tests = [matcher(pattern) for pattern in output.tags]
    return tuple(s for s in tags if not tests or any(test(s.tag.path) for test in tests))
