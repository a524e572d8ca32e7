# SPDX-License-Identifier: Apache-2.0
"""Reading a plant file's `history`: its classes, and whether those that tags and assets choose exist."""

from __future__ import annotations

from collections.abc import Mapping

from isthmus.plant.findings import Findings, one_of
from isthmus.plant.grammar import CLASS, HISTORY, Entries
from isthmus.plant.models import Models, shown_type
from isthmus.plant.nodes import Map, Node, Scalar
from isthmus.plant.reading import below, entries, read
from isthmus.plant.retention import DEFAULT, NONE, Retention, Span


def read_retention(node: Node | None, findings: Findings) -> Retention:
    """The `history` section of a plant file; what is wrong with it is reported and left out."""
    if node is None:
        return NONE
    said = read(node, HISTORY, "history", findings)
    takes = HISTORY.by_name["classes"].takes
    assert isinstance(takes, Entries)  # by the grammar
    classes: dict[str, Span] = {}
    for name, _, value in entries(said.get("classes"), takes, "history.classes", findings):
        path = below("history.classes", name)
        kept = read(value, CLASS, path, findings)
        if "raw" not in kept:
            continue
        raw = kept["raw"]
        rollups = kept.get("rollups", raw)
        if rollups and (not raw or rollups < raw):
            findings.problem(value, path, "its roll-ups would go before its samples do", "keep them as long, or longer")
        classes[name] = Span(raw, rollups)
    return Retention(classes=classes, events=said.get("events", 0), quarantine=said.get("quarantine", 0))


def check_types(
    types: Mapping[str, tuple[Scalar, Node]], models: Models, retention: Retention, findings: Findings
) -> None:
    """Reports the classes that tags of types choose and that are none."""
    for name, (_, node) in types.items():
        tags = node.get("tags") if isinstance(node, Map) else None
        for tag in models[name].tags.values():
            said = tags.get(tag.name) if isinstance(tags, Map) else None
            if tag.keep and isinstance(said, Map):
                path = f"types.{shown_type(name)}.tags.{tag.name}"
                check_class(tag.keep, said, path, retention, findings)


def check_class(name: str, node: Map, path: str, retention: Retention, findings: Findings) -> None:
    """Reports what `keep` of a tag, a part or an asset names when there is no such class."""
    if name not in retention.classes and name != DEFAULT:
        hint = one_of(name, retention.classes) or "name it in the plant file under history: classes:"
        where = node.entries["keep"][1] if "keep" in node.entries else node
        findings.problem(where, below(path, "keep"), f"there is no class of history {name!r}", hint)
