# SPDX-License-Identifier: Apache-2.0
"""YAML 1.2 as we read it: core schema, places, bounds; the same from the C parser and from the Python one."""

from __future__ import annotations

import time
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from isthmus.core.errors import PlantFileError
from isthmus.plant import nodes
from isthmus.plant.findings import Findings
from isthmus.plant.nodes import List, Map, compose, plain_data


def read(text: str) -> Any:
    findings = Findings()
    node = compose(text, "f.yaml", findings)
    findings.raise_problems()
    assert node is not None
    return plain_data(node)


def trouble(text: str) -> str:
    with pytest.raises(PlantFileError) as raised:
        read(text)
    return str(raised.value)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("no", "no"), ("yes", "yes"), ("on", "on"), ("Off", "Off"), ("y", "y"),
        ("true", True), ("True", True), ("FALSE", False), ("tRUE", "tRUE"),
        ("null", None), ("~", None), ("", None), ("Null", None), ("nULL", "nULL"),
        ("0", 0), ("-7", -7), ("+7", 7), ("0123", 123), ("0o17", 15), ("0xFf", 255),
        ("0b11", "0b11"), ("1_000", "1_000"),
        ("12:30", "12:30"), ("190:20:30", "190:20:30"), ("2026-11-23", "2026-11-23"),
        ("1.5", 1.5), (".5", 0.5), ("1.", 1.0), ("1e3", 1000.0), ("-2.5E-1", -0.25), (".inf", float("inf")),
        ("-.INF", float("-inf")), ("1.2.3", "1.2.3"), ("e3", "e3"), ("=", "="),
        ("'5'", "5"), ('"true"', "true"), ("'~'", "~"),
    ],
)  # fmt: skip
def test_plain_scalars_follow_the_core_schema_of_yaml_1_2(written: str, meant: Any) -> None:
    assert read(f"k: {written}\n") == {"k": meant}
    assert type(read(f"k: {written}\n")["k"]) is type(meant)


def test_every_node_knows_its_line_and_column() -> None:
    node = compose("a:\n  - x\n  - {b: é, c: 1}\n", "f.yaml", Findings())
    assert isinstance(node, Map)
    items = node.get("a")
    assert isinstance(items, List)
    inner = items.items[1]
    assert isinstance(inner, Map)
    key, value = inner.entries["c"]
    assert [(spot.line, spot.column) for spot in (items, inner, key, value)] == [(2, 3), (3, 5), (3, 12), (3, 15)]


def test_a_secret_is_a_reference() -> None:
    assert read("k: !secret dcs") == {"k": {"!secret": "dcs"}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "f.yaml:1:1: the file is empty"),
        ("# only words\n", "the file is empty"),
        ("a: 1\nb: 2\na: 3\n", "f.yaml:3:1: a: is there twice; the first is on line 1"),
        ("x: {a: 1, 'a': 2}", "f.yaml:1:11: x.a: is there twice"),
        ("a:\n\tb: 1\n", "f.yaml:2:1: a tab indents this line; YAML wants spaces"),
        ("a: b: c", "mapping values are not allowed"),
        ("a: 'b", "not YAML"),
        ("a: [1, 2", "f.yaml:1:4: the [ here is not closed; the ] is missing"),
        ("--- a\n--- b\n", "f.yaml:2:1: a second document begins here"),
        ("a: *b", "*b has no anchor above it"),
        ("a: &a [*a]", "*a contains itself"),
        ("a: &a {b: {c: *a}}", "*a contains itself"),
        ("[1]: a", "a key must be one line of text"),
        ("? {a: b}\n: c", "a key must be one line of text"),
        ("a: !!binary x", "the only one is !secret"),
        ("a: !secret {b: c}", "the only one is !secret"),
        ("!secret a: b", "a key must be one line of text"),
        ("a: !secret ''", "!secret wants a name"),
        ("a: \x00", "U+0000 cannot stand in a plant file"),
        ("a: 1\nb: \x1b[31m", "f.yaml:2:4: U+001B"),
        ("a: x\u202ey", "U+202E"),
        ("a: x\u2028y", "U+2028"),
        ("a: x\x85y", "U+0085"),
        ('a: "\\e[31m"', "the text has control characters in it"),
        ('a: "\\ud800"', ""),
        ("[" * 3000, "nested more than 50 deep"),
        ("- " * 3000, "nested more than 50 deep"),
        ("{a: " * 3000, "nested more than 50 deep"),
        ("%YAML 3.0\n--- a", "not YAML"),
        ("@a", "not YAML"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, said: str) -> None:
    assert said in trouble(text)


def test_aliases_that_multiply_are_stopped_before_they_cost_anything() -> None:
    laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    laughs += "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 30))
    began = time.process_time()
    assert "more than 5,000,000 values" in trouble(laughs)
    assert time.process_time() - began < 5


def test_aliases_that_do_not_multiply_are_followed() -> None:
    assert read("a: &a {b: 1}\nc: [*a, *a]\n") == {"a": {"b": 1}, "c": [{"b": 1}, {"b": 1}]}


@given(st.text(alphabet="abk0123456789-: \n\t[]{}&*!|>'\"%@`#,.~\\exé\u2028\x00", max_size=60))
def test_both_parsers_read_the_same_or_refuse(text: str) -> None:
    def by(loader: Any) -> Any:
        findings = Findings()
        try:
            events = yaml.parse(text, Loader=loader)
            node = nodes._Composition("f", findings).compose(events)
            return plain_data(node) if node is not None and not findings.failed else None
        except yaml.YAMLError:
            return "not YAML"

    fast, slow = by(yaml.CSafeLoader), by(yaml.SafeLoader)
    if "not YAML" not in (fast, slow):  # where they differ in what is YAML, both say so in words
        assert repr(fast) == repr(slow)


def test_the_python_parser_stands_in_where_libyaml_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(yaml, "CSafeLoader")
    assert read("a: [1, no, !secret x]\n") == {"a": [1, "no", {"!secret": "x"}]}
    assert "nested more than 50 deep" in trouble("[" * 3000)
    assert "a tab indents" in trouble("a:\n\tb: 1\n")
    assert trouble('a: "\\ud800"')
