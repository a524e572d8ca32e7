# SPDX-License-Identifier: Apache-2.0
"""No input whatever gives a traceback: whatever stands in a plant file, it is checked or its problems are said."""

from __future__ import annotations

import tempfile
from pathlib import Path
from time import process_time
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from isthmus.core.errors import IsthmusError, PlantFileError
from isthmus.plant.check import Checked, check_plant
from isthmus.plant.compare import compare
from isthmus.plant.grammar import SHAPES
from isthmus.plant.number import NONE_GIVEN, resolve
from isthmus.plant.revision import Revision
from tests.plant.bench_kind import HEAD, KINDS, SYSTEM

CASES = Path(__file__).parents[1] / "cases" / "plant"
VALID = [(CASES / name / "plant.yaml").read_text(encoding="utf-8") for name in ("whole-grammar", "template", "rows")]
CSV = (CASES / "rows" / "tanks.csv").read_text(encoding="utf-8")

WORDS = sorted(
    {key.name for shape in SHAPES.values() for key in shape.keys}
    | {"b", "bench", "kind", "url", "here", "a/b", "a/c-{1..3}", "t", "t@2", "pin1", "pin{n}", "{n}", "{{", "bar"}
    | {"float", "text", "enumeration", "1s", "true", "false", "null", "~", "", "*a", "&a", "!secret", "!!x", "<<"}
    | {"0", "1", "-1", "1e400", ".nan", ".inf", "9" * 30, "9" * 5000, "é", "x" * 500, "tanks.csv", "plant.yaml", ".."}
)  # fmt: skip


def renamed(revision: Revision, checked: Checked) -> None:
    """Refuses the revision after one whose tags all had other names, and says where and how to name those."""
    old = [
        replace(setting, tag=replace(setting.tag, path=f"{setting.tag.path}x", number=setting.tag.number + 10**6))
        for setting in revision.tags
    ]
    plan = compare(replace(revision, tags=tuple(old)), revision, checked.named)
    for gone in plan.removed:
        assert bool(gone.says) == bool(gone.like)
    if old:
        with pytest.raises(IsthmusError):
            plan.refuse_removal()


fast = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def survive(text: str | bytes, table: str | bytes = CSV) -> None:
    """Checks it, and where it holds together makes a revision of it that survives a round trip."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "plant.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
        (path.parent / "tanks.csv").write_bytes(
            table if isinstance(table, bytes) else table.encode("utf-8", "surrogatepass")
        )
        try:
            checked = check_plant(path, KINDS)
        except PlantFileError as error:
            assert error.problems
            for problem in error.problems:
                assert problem.line >= 1
                assert problem.column >= 1
                assert "\n" not in str(problem)
            return
        revision = resolve(checked, None, NONE_GIVEN, number=1, created=0)
        assert Revision.unpack(revision.pack()) == revision
        assert list(compare(None, revision, checked.named).lines())
        renamed(revision, checked)


@fast
@given(st.text(max_size=300))
def test_any_text(text: str) -> None:
    survive(text)
    survive(HEAD + text)


@fast
@given(st.binary(max_size=300))
@example(b"\xff\xfeversion: 1")
@example(b"\xef\xbb\xbfversion: 1")
def test_any_bytes(data: bytes) -> None:
    survive(data)


@fast
@given(st.data())
def test_a_valid_file_with_pieces_moved_cut_and_replaced(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(VALID))
    for _ in range(data.draw(st.integers(1, 4))):
        first = data.draw(st.integers(0, len(text)))
        last = min(len(text), first + data.draw(st.integers(0, 12)))
        inserted = data.draw(
            st.one_of(st.sampled_from([*WORDS, ": ", "\n", "  ", "- ", "{", "}", "[", "]", "'"]), st.text(max_size=3))
        )
        text = text[:first] + inserted + text[last:]
    survive(text)


@fast
@given(st.data())
def test_a_valid_file_with_its_lines_shuffled(data: st.DataObject) -> None:
    lines = data.draw(st.sampled_from(VALID)).splitlines(keepends=True)
    for _ in range(data.draw(st.integers(1, 5))):
        taken = lines.pop(data.draw(st.integers(0, len(lines) - 1)))
        lines.insert(data.draw(st.integers(0, len(lines))), taken)
        if data.draw(st.booleans()):
            lines.insert(data.draw(st.integers(0, len(lines))), taken)
    survive("".join(lines))


leaves = st.one_of(st.sampled_from(WORDS), st.integers(), st.floats(), st.booleans(), st.none(), st.text(max_size=5))
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(st.sampled_from(WORDS), st.integers(-2, 5)), inner, max_size=5),
    ),
    max_leaves=25,
)
sections = st.fixed_dictionaries(
    {},
    optional={
        "types": st.dictionaries(st.sampled_from(["t", "u", "t@2"]), trees, max_size=2),
        "systems": st.dictionaries(st.sampled_from(["b", "c"]), trees, max_size=2),
        "assets": st.dictionaries(
            st.sampled_from(["a/b", "a/c-{1..3}", "{name}", "a/c-2", "a/b/t"]), trees, max_size=4
        ),
        "include": trees,
        "stream": trees,
        "description": trees,
    },
)


@fast
@given(sections)
def test_any_tree_of_the_words_of_the_grammar(tree: dict[str, Any]) -> None:
    survive(HEAD + yaml.safe_dump(tree, allow_unicode=True))


@fast
@given(
    st.one_of(st.text(max_size=200), st.text(alphabet='name;pin,\t"\r\n1é\x00', max_size=80), st.binary(max_size=80))
)
def test_any_table_of_rows(table: str | bytes) -> None:
    survive(VALID[2], table)


DEEP_PARTS = "types:\n" + "".join(
    f"  t{n}: {{parts: {{{', '.join(f'p{k}: t{n + 1}' for k in range(10))}}}}}\n" for n in range(30)
)  # fmt: skip
LONG_CHAIN = "types:\n" + "".join(f"  t{n}: {{parts: {{p: t{n + 1}}}}}\n" for n in range(2000)) + "  t2000: {}\n"

NASTY = [
    "", " ", "\n", "---", "...", "null", "[]", "{}", "5", "- a", "a", "!secret x", "%YAML 1.2\n---\nversion: 1",
    HEAD * 2,
    HEAD + "assets: []", HEAD + "assets: 5", HEAD + "types: [a]", HEAD + "systems: x", HEAD + "include: {a: b}",
    HEAD + "include: [[a]]", HEAD + "include: ''", HEAD + "include: plant.yaml", HEAD + "include: [., ..]",
    HEAD + f"include: {'a' * 5000}", HEAD + "include: /dev/zero", HEAD + "include: ../../../dev/zero",
    HEAD + "assets: {a: {rows: .}}", HEAD + "assets: {a: {rows: plant.yaml}}", HEAD + "assets: {a: {rows: [x]}}",
    HEAD + "assets: {'a-{1..3}': {type: '{n}', system: '{n}', tags: '{n}', was: 'a-{n}', override: '{n}'}}",
    HEAD + "assets: {'{0..99999}/{a:0..99999}': {}}", HEAD + "assets: {'{999999999..999999999}': {}}",
    HEAD + "assets: {'a-{1..3}': {rows: tanks.csv}}", HEAD + "assets: {a: {override: true}, a: {override: true}}",
    HEAD + "assets: {'a/{1..2}': {tags: {x: }}, a/1: {override: true, tags: [1], parts: 3}}",
    HEAD + "assets: {" + ", ".join(f"'{n}-{{1..100000}}': {{}}" for n in range(5)) + "}",
    HEAD + f"assets: {{{'a/' * 300}b: {{}}}}",
    HEAD + DEEP_PARTS, HEAD + DEEP_PARTS + "assets: {x: {type: t0}}",
    HEAD + LONG_CHAIN, HEAD + LONG_CHAIN + "assets: {x: {type: t0}}",
    HEAD + "types: {t: {tags: {x: {values: {" + "9" * 4400 + ": a}}}}}",
    HEAD + "types: {t: {tags: {x: {range: [" + "9" * 4400 + ", 1]}}}}",
    HEAD + "types: {t: {tags: {x: {range: [0x" + "f" * 380 + ", 1e309]}}}}",
    HEAD + "types: {t: {tags: {x: {unit: '10*99999999999'}, z: {unit: 'm-999999999999'}}}}",
    HEAD + "types: {t: {tags: {y: {unit: '" + "9" * 39 + "'}}}}",
    HEAD + "types: {t: {tags: {x: {every: " + "9" * 79 + "d}}}}",
    HEAD + "types: {t: {tags: {x: {unit: '10*-99999999'}}}}\nsystems: {b: {kind: bench, url: x}}\n"
    "assets: {a: {type: t, system: b, tags: {x: {address: pin1, unit: '10*99'}}}}",
    HEAD + SYSTEM + "assets: {a: {system: b, tags: {x: {address: pin1, scale: 1e-320, offset: 1e308}}}}",
    HEAD + SYSTEM + "assets: {a: {system: b, tags: {x: {address: pin1, scale: 1e-308, deadband: 1e300}}}}",
    HEAD + "systems: {b: {kind: bench, url: x, user: bug}}\nassets: {a: {system: b, tags: {x: bug}}}",
    HEAD + "systems: {b: {kind: bench, url: &x [*x]}}",
    HEAD + "time_zone: ../../etc/passwd", "version: 1\nplant: a\ntime_zone: Europe\n",
    "version: 1\nplant: a\ntime_zone: [UTC]\n",
    "version: 1.0\nplant: a\ntime_zone: UTC\n", "version: '1'\nplant: 5\ntime_zone: UTC\n",
    "version: 1\nplant: a/b/c/d\ntime_zone: UTC",
]  # fmt: skip


@pytest.mark.parametrize("text", NASTY, ids=range(len(NASTY)))
def test_what_was_written_to_hurt(text: str) -> None:
    began = process_time()
    survive(text)
    assert process_time() - began < 30


def test_a_file_that_is_none(tmp_path: Path) -> None:
    loop = tmp_path / "loop.yaml"
    loop.symlink_to(loop)
    for path in (
        tmp_path / "nowhere.yaml",
        tmp_path,
        Path("/dev/null"),
        loop,
        tmp_path / ("x" * 400),
        tmp_path / "a\x00b",
    ):
        with pytest.raises(PlantFileError):
            check_plant(path, KINDS)


def test_a_file_whose_name_is_not_text(tmp_path: Path) -> None:
    path = Path(bytes(tmp_path).decode() + "/pl\udce9nt.yaml")
    path.write_text(HEAD, encoding="utf-8")
    checked = check_plant(path, KINDS)
    revision = resolve(checked, None, NONE_GIVEN, number=1, created=0)
    assert Revision.unpack(revision.pack()) == revision
    path.write_text(HEAD + "x: 1", encoding="utf-8")
    with pytest.raises(PlantFileError) as raised:
        check_plant(path, KINDS)
    assert str(raised.value).encode()


def test_an_include_that_leads_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "plant").mkdir()
    (tmp_path / "secret.yaml").write_text("types: {}\n")
    (tmp_path / "plant" / "in.yaml").symlink_to(tmp_path / "secret.yaml")
    (tmp_path / "plant" / "plant.yaml").write_text(HEAD + "include: in.yaml\n")
    with pytest.raises(PlantFileError, match="lies outside"):
        check_plant(tmp_path / "plant" / "plant.yaml", KINDS)
