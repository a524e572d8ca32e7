# SPDX-License-Identifier: Apache-2.0
"""Messages of the namespace against a plain way of writing them; the book; what a plant file may say of outputs."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from isthmus.core.errors import Damaged, PlantFileError
from isthmus.core.quality import Mark, marks, name
from isthmus.core.samples import plain
from isthmus.core.single import shortest
from isthmus.core.tag import DataType, Tag
from isthmus.core.time import EARLIEST, LATEST, to_iso
from isthmus.flow.deliver.book import Book, Place
from isthmus.outputs.mqtt.namespace import NamespaceSpec
from isthmus.outputs.registry import output_kinds
from isthmus.outputs.words import Times, Words
from isthmus.plant.check import check_plant
from isthmus.plant.revision import TagSetting
from isthmus.store.history.columns import Columns
from isthmus.store.history.state import State
from isthmus.stream.log import Position
from isthmus.systems.registry import kinds

TYPES = list(DataType)
TAGS = {
    number: TagSetting(
        tag=Tag(number, f"a/b/c/t{number}", "m" if type_ is DataType.FLOAT else "", type_, False), system="s",
        address="x", labels={1: 'o"n'} if type_ is DataType.ENUMERATION else {},
    )
    for number, type_ in enumerate(TYPES, start=1)
}  # fmt: skip

SAMPLE = st.tuples(
    st.integers(1, len(TYPES)), st.integers(EARLIEST, LATEST), st.floats(), st.integers(-(2**63), 2**63 - 1),
    st.none() | st.text(max_size=5), st.sampled_from([0, 0x80000000, 0x40920000, 0x12345678]), st.integers(0, 63),
)  # fmt: skip


def columns(rows: list[tuple[Any, ...]]) -> Columns:
    words = list(dict.fromkeys(row[4] for row in rows if row[4] is not None))
    tag, time, value, integer, text, quality, mark = zip(*rows, strict=True) if rows else ((),) * 7
    return Columns(
        words, np.array(tag, np.uint32), np.array(time, np.int64), np.array(time, np.int64),
        np.array(value, np.float64), np.array(integer, np.int64), np.array([True] * len(rows), np.bool_),
        np.array([words.index(one) + 1 if one is not None else 0 for one in text], np.int32),
        np.array(quality, np.uint32), np.array(mark, np.uint8),
    )  # fmt: skip


def oracle(row: tuple[Any, ...]) -> dict[str, Any]:
    """The message as `json` would write it."""
    number, time, value, integer, text, quality, mark = row
    setting = TAGS[number]
    found = plain(setting.tag.type, value, integer, text)
    found = text if found is None else found
    if setting.tag.type is DataType.FLOAT and text is not None:
        found = value if value == value else text
    elif isinstance(found, float):
        found = shortest(found)
    said: dict[str, Any] = {"value": found}
    if isinstance(found, float) and math.isinf(found):
        said["value"] = "Infinity" if found > 0 else "-Infinity"
    if type(found) is int:
        said["value"] = str(found) if abs(found) >= 2**53 else found
        said |= {"name": setting.labels[found]} if found in setting.labels else {}
    said |= {"at": to_iso(time), "quality": name(quality)}
    said |= {"unit": setting.tag.unit} if setting.tag.unit else {}
    return said | ({"marks": marks(mark)} if mark else {})


@given(st.lists(SAMPLE, max_size=20))
@example([(list(DataType).index(DataType.FLOAT) + 1, 0, math.inf, 0, "", 0, 0)])
def test_messages_are_the_json_one_would_write_by_hand(rows: list[tuple[Any, ...]]) -> None:
    messages = Words.of(TAGS).messages(columns(rows))
    for message, row in zip(messages, rows, strict=True):
        assert list(json.loads(message).items()) == list(oracle(row).items())


@given(st.integers(EARLIEST, LATEST))
def test_times_are_those_of_the_house(at: int) -> None:
    assert Times().iso(at) == to_iso(at)


def test_a_book_keeps_the_place_and_what_was_refused(tmp_path: Path) -> None:
    rows = [(1, 5, math.nan, 0, None, 0, 0), (2, 6, 1.5, 7, "ä", 2**31, int(Mark.FUTURE))]
    book = Book.open(tmp_path / "out", create=True)
    assert book.place() is None
    place = Place(State(position=Position("s", 7, 8), heard={"dcs": 9}), frozenset({"file"}))
    book.commit(place, columns(rows), ["why", "because"], 10)
    book.close()
    book = Book.open(tmp_path / "out")
    assert book.place() == place
    found = book.parked(10)
    assert (found.reasons, found.at, book.count()) == (["why", "because"], [10, 10], 2)
    assert found.columns.tag.tolist() == [1, 2] and found.columns.integer.tolist() == [0, 7]
    assert math.isnan(found.columns.value[0]) and found.columns.words == ["ä"] and found.columns.text.tolist() == [0, 1]
    assert book.retry() == 2
    first, second = book.parked(10, again=True).ids
    book.settle([first], {second: "still"}, 11)
    assert (book.count(), book.parked(10).reasons, len(book.parked(10, again=True))) == (1, ["still"], 0)
    assert book.drop() == 1
    book.close()


def test_a_book_that_is_none_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "book.db").write_bytes(b"hello" * 1000)
    with pytest.raises(Damaged, match="not sound"):
        Book.open(tmp_path)


HEAD = "version: 1\nplant: acme/lyon\ntime_zone: UTC\n"


def problem(tmp_path: Path, text: str) -> str:
    (tmp_path / "plant.yaml").write_text(HEAD + text)
    with pytest.raises(PlantFileError) as found:
        check_plant(tmp_path, kinds(), outputs=output_kinds())
    return str(found.value)


def test_mistakes_in_outputs_are_named_with_their_places(tmp_path: Path) -> None:
    text = "outputs: {n: {kind: mqttt, url: x}}"
    assert "plant.yaml:4:21: outputs.n.kind: there is no kind of output 'mqttt'; did you mean 'mqtt'?" in problem(
        tmp_path, text
    )
    text = "outputs: {n: {kind: mqtt, ulr: 'mqtt://x'}}"
    said = problem(tmp_path, text)
    assert "an output of kind 'mqtt' has no key 'ulr'; did you mean 'url'?" in said and "'url' is missing" in said
    assert "begins: 'then' is not" in problem(tmp_path, "outputs: {n: {kind: mqtt, url: 'mqtt://x', begins: then}}")


@pytest.mark.parametrize("kind", sorted(output_kinds()))
def test_the_example_of_every_output_holds_together(tmp_path: Path, kind: str) -> None:
    (tmp_path / "plant.yaml").write_text(HEAD + output_kinds()[kind].example)
    assert [one.kind for one in check_plant(tmp_path, kinds(), outputs=output_kinds()).outputs] == [kind]
    for name_, field in output_kinds()[kind].spec.model_fields.items():
        assert field.description, name_


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"url": "http://x"}, "no broker"),
        ({"url": "mqtt://user:word@x"}, "keys of their own"),
        ({"url": "http://user:word@x/y"}, "keys of their own"),
        ({"url": "mqtt://user:word@x:99999"}, "keys of their own"),
        ({"url": "mqtt://x:99999"}, "no address"),
        ({"url": []}, "url is empty"),
        ({"url": "mqtt://x", "password": "word", "user": "u"}, "would travel unencrypted"),
        ({"url": "mqtt://x", "ca": "ca.pem"}, "for mqtts"),
        ({"url": "mqtts://x", "key": "a.key"}, "go together"),
        ({"url": "mqtt://x", "prefix": "a/+/b"}, "no \\+"),
        ({"url": "mqtt://x", "prefix": "$SYS"}, "no \\$"),
        ({"url": "mqtt://x", "prefix": "a//b"}, "empty level"),
        ({"url": "mqtt://x", "prefix": "a\0"}, "cannot be said"),
        ({"url": "mqtt://x", "version": 4}, "Input should be"),
    ],
)
def test_what_no_broker_can_be_is_refused(said: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why) as found:
        NamespaceSpec.model_validate(said)
    assert ":word" not in str(found.value) and "'word'" not in str(found.value)
