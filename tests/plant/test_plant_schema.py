# SPDX-License-Identifier: Apache-2.0
"""Editors and people are told what the check knows: JSON Schema, reference and grammar agree."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from isthmus.outputs.registry import output_kinds
from isthmus.plant.check import Checked, check_plant
from isthmus.plant.findings import Findings
from isthmus.plant.grammar import ASSET, PLANT, SHAPES, STREAM, TYPE, WRITE, Entries, Nested
from isthmus.plant.nodes import compose, plain_data
from isthmus.plant.reference import anchor, kind_section, render
from isthmus.plant.schema import schema
from isthmus.systems.registry import kinds
from tests.plant.bench_kind import HEAD, KINDS, SYSTEM

ROOT = Path(__file__).parents[2]
CASES = ROOT / "tests" / "cases" / "plant"
VALIDATOR = Draft202012Validator(schema({**kinds(), **KINDS}, output_kinds()))


def data(text: str) -> Any:
    """The file as an editor sees it: a secret is the text of its name."""
    findings = Findings()
    node = compose(text, "plant.yaml", findings)
    assert node is not None
    return _shown(plain_data(node))


def _shown(value: Any) -> Any:
    if isinstance(value, dict):
        return value["!secret"] if "!secret" in value else {str(key): _shown(one) for key, one in value.items()}
    return [_shown(one) for one in value] if isinstance(value, list) else value


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(VALIDATOR.schema)


@pytest.mark.parametrize("name", sorted(path.parent.name for path in CASES.glob("*/expected.json")))
def test_what_the_check_takes_the_schema_takes(name: str) -> None:
    for path in (CASES / name).rglob("*.yaml"):
        assert [error.message for error in VALIDATOR.iter_errors(data(path.read_text(encoding="utf-8")))] == []


def test_the_plant_files_of_the_demo_hold_together() -> None:
    found = list((ROOT / "src").rglob("plant.yaml"))
    assert found
    for path in found:
        check_plant(path, kinds(), outputs=output_kinds())
        assert [error.message for error in VALIDATOR.iter_errors(data(path.read_text(encoding="utf-8")))] == []


@pytest.mark.parametrize(
    "text",
    [
        "assets: {a/b: {typ: x}}",
        "assets: {a/b: {system: b, tags: {x: {adress: pin1}}}}",
        "assets: {a/b: {type: t, tags: {x: {address: pin1, values: {0: a}}}}}",
        "assets: [a]",
        "types: {t: {tags: {x: {unti: bar}}}}",
        "types: {t: {tags: {x: {type: int}}}}",
        "types: {t: {tags: {x: {range: [1]}}}}",
        "types: {t: {tags: {x: {deadband: -1}}}}",
        "types: {t: {tags: {x: {every: soon}}}}",
        "types: {t: {tags: {x: {write: {step: 0}}}}}",
        "types: {t: {parts: {p: {}}}}",
        "systems: {s: {}}",
        "systems: {s: {kind: bench}}",
        "systems: {s: {kind: bensch, url: x}}",
        "systems: {s: {kind: bench, url: x, pasword: y}}",
        "systems: {s: {kind: bench, url: x, retry: {times: -1}}}",
        "systems: {s: {kind: opcua, url: opc.tcp://x, security: Bsic}}",
        "stream: {user: x}",
        "version: 2",
        "plants: x",
    ],
)
def test_what_the_check_refuses_by_its_form_the_schema_refuses(text: str, problems: Callable[..., list[str]]) -> None:
    head = HEAD.replace("version: 1\n", "") if text.startswith("version") else HEAD
    assert list(VALIDATOR.iter_errors(data(head + text)))
    assert problems(text, head=head)


@pytest.mark.parametrize("kind", [*sorted(kinds()), "bench"])
def test_the_example_of_every_kind_holds_together(kind: str, tmp_path: Path) -> None:
    known = {**kinds(), **KINDS}
    (tmp_path / "plant.yaml").write_text(HEAD + known[kind].example, encoding="utf-8")
    assert check_plant(tmp_path, known).tags
    assert list(VALIDATOR.iter_errors(data(HEAD + known[kind].example))) == []


def test_the_examples_of_the_grammar_hold_together(check: Callable[..., Checked]) -> None:
    asset = ASSET.example.replace("dcs", "b").replace("nsu=urn:acme:b;s=R{n}.TT101", "pin{n}1")
    asset = asset.replace("nsu=urn:acme:b;s=R1.TT101", "pin1").replace("nsu=urn:acme:b;s=R1.PT101", "pin2")
    types = TYPE.example.replace(
        "    tags:\n      temperature",
        f"    tags:\n      pressure: {{unit: bar}}\n      {WRITE.example}      temperature",
        1,
    )
    included = {"types.yaml": types, "filling/assets.yaml": asset}
    checked = check(STREAM.example + SYSTEM, files=included, head=PLANT.example)
    assert len(checked.tags) == 13
    assert checked.stream == {"url": "nats://log.acme.example:4222", "user": "isthmus", "password": {"!secret": "log"}}


def test_every_shape_the_grammar_names_exists() -> None:
    for shape in SHAPES.values():
        for key in shape.keys:
            if isinstance(key.takes, Entries | Nested):
                assert key.takes.holds in SHAPES


@pytest.mark.parametrize("shape", SHAPES.values(), ids=lambda shape: shape.name)
def test_every_key_is_described_and_in_the_reference(shape: Any) -> None:
    page = render()
    assert f"## {shape.title}\n" in page
    for key in shape.keys:
        assert key.text.endswith((".", "...")), key.name
        assert f"| `{key.name}` |" in page


def test_every_link_of_the_reference_leads_somewhere() -> None:
    import re

    page = render({**kinds(), **KINDS})
    headings = [anchor(line.lstrip("# ")) for line in page.splitlines() if line.startswith("#")]
    assert len(set(headings)) == len(headings)
    for link in re.findall(r"\]\(#([^)]*)\)", page):
        assert link in headings


def test_the_reference_has_every_key_of_every_kind() -> None:
    page = render({**kinds(), **KINDS})
    for kind in (*kinds().values(), *KINDS.values()):
        section = kind_section(kind)
        heading = section.splitlines()[0].lstrip("# ")
        assert heading == f"{kind.name}: {kind.title}"
        assert f"[`{kind.name}`](systems.md#{anchor(heading)})" in page
        for name, field in kind.spec.model_fields.items():
            assert field.description, f"{kind.name}.{name} has no description"
            assert f"| `{name}` |" in section
