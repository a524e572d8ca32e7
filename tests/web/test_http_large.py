# SPDX-License-Identifier: Apache-2.0
"""Large documents are opened only where something is asked for: they say the same, at a fraction of the cost."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from time import process_time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isthmus.core.tag import DataType
from isthmus.systems import payload
from isthmus.systems.payload import Reading, Stamps, Target, decoded

WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
SINGLE = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | WORDS
JSON = st.recursive(SINGLE, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4))
NOISE = b'"{}[]:, \xff\x80\n'
STAMPS = Stamps((), 1, ())

Result = Reading | str


def places(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every place in a document, and some where there is nothing."""
    yield path
    yield (*path, "nobody")
    yield (*path, "99")
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, one in inside:
        yield from places(one, (*path, str(step)))


def said(raw: bytes, targets: list[Target], large: int) -> list[Any]:
    """What is read, when documents from `large` bytes on count as large; NaN made comparable."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(payload, "LARGE", large)
        return [repr(one) for one in STAMPS.results(raw, targets)]


def targets_of(document: Any) -> list[Target]:
    kinds = (DataType.FLOAT, DataType.TEXT)
    return [Target(0, path, kind, "x") for path in places(document) for kind in kinds]


@given(JSON, st.sampled_from([None, 1]))
def test_a_large_document_says_what_a_small_one_does(document: Any, indent: int | None) -> None:
    try:
        raw = json.dumps(document, indent=indent, ensure_ascii=indent is None, allow_nan=False).encode()
    except ValueError:  # an infinity is no JSON
        return
    targets = targets_of(document)
    assert said(raw, targets, 0) == said(raw, targets, 1 << 40)


@settings(suppress_health_check=[HealthCheck.filter_too_much])
@given(JSON, st.lists(st.tuples(st.floats(0, 0.999), st.sampled_from(NOISE)), min_size=1, max_size=3))
def test_what_is_no_json_is_none_however_large(document: Any, noise: list[tuple[float, int]]) -> None:
    try:
        raw = bytearray(json.dumps([document, 1.5], ensure_ascii=False, allow_nan=False).encode())
    except ValueError:
        return
    for place, byte in noise:
        raw[int(place * len(raw))] = byte
    if decoded(bytes(raw)) is payload.PLAIN and not out_of_range(bytes(raw)):
        assert set(said(bytes(raw), [Target(0, ("1",), DataType.FLOAT, "x")], 0)) == {"'the payload is no JSON'"}


def test_a_document_as_deep_as_can_be_read_raises_nothing() -> None:
    for depth in range(900, 1_010):
        raw = b'{"a":' + b"[" * depth + b"]" * depth + b"}"
        targets = [Target(0, path, DataType.TEXT, "x") for path in (("a",), ("a", "0"))]
        assert len(said(raw, targets, 0)) == len(targets)


def out_of_range(raw: bytes) -> bool:
    """A number that is too large where nobody asks for it is no trouble in a large document."""
    try:
        json.loads(raw)
    except ValueError:
        return False
    return True


def cost(work: Callable[[], object]) -> float:
    """The least processor time of some runs, s."""
    found = list[float]()
    for _ in range(4):
        began = process_time()
        work()
        found.append(process_time() - began)
    return min(found)


def test_what_nobody_asks_for_costs_little() -> None:
    items = [
        {"id": number, "name": f"sensor {number}", "more": {"a": [1, 2, 3]}, "ok": True} for number in range(40_000)
    ]
    raw = json.dumps({"head": {"at": 1}, "items": items, "tail": {"level": 81.5}}).encode()
    assert len(raw) > 2_000_000
    targets = [Target(0, ("tail", "level"), DataType.FLOAT, "x")]
    assert [one.value for one in STAMPS.results(raw, targets) if isinstance(one, Reading)] == [81.5]
    assert cost(lambda: list(STAMPS.results(raw, targets))) < cost(lambda: decoded(raw)) / 3
