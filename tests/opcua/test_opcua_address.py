# SPDX-License-Identifier: Apache-2.0
"""Addresses: one canonical writing, whatever stands in them; the Spec and the registry refuse what is wrong."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from isthmus.core.errors import IsthmusError
from isthmus.systems.contract import Kind
from isthmus.systems.opcua import KIND
from isthmus.systems.opcua.address import NodeAddress, check_address, parse, warn_address
from isthmus.systems.opcua.spec import OpcUaSpec
from isthmus.systems.registry import BrokenKind, find, kinds

CANONICAL = {
    "nsu=urn:acme:dcs;s=R1.TT101": "nsu=urn:acme:dcs;s=R1.TT101",
    "nsu=urn:a%3Bb%25;s=x": "nsu=urn:a%3Bb%25;s=x",
    "nsu=http://opcfoundation.org/UA/;i=2258": "i=2258",
    "ns=0;i=02258": "i=2258",
    "ns=2;s=a;s=b=c;": "ns=2;s=a;s=b=c;",
    " ns=2;s=x ": "ns=2;s=x ",
    "s=x": "s=x",
    "ns=3;g=09087E75-8E5E-499B-954F-F2A9603DB28A": "ns=3;g=09087e75-8e5e-499b-954f-f2a9603db28a",
    "ns=3;b=aGVsbG8=": "ns=3;b=aGVsbG8=",
}


@pytest.mark.parametrize("text", CANONICAL)
def test_an_address_has_one_writing(text: str) -> None:
    assert check_address(text) == CANONICAL[text]
    assert check_address(CANONICAL[text]) == CANONICAL[text]


@pytest.mark.parametrize(
    "text",
    ["", "R1.TT101", "ns=2", "ns=-1;i=1", "ns=65536;i=1", "ns=2;i=4294967296", "ns=2;i=x", "ns=2;i=²", "nsu=;s=x",
     "ns=2;s=", "ns=2;g=1", "ns=2;b=?", "ns=2;b=", "svr=1;ns=2;s=x", "ns=2;x=1", "ns=2;s=a\0b", "s=" + "x" * 5000,
     "ns=2;s=\ud800"],
)  # fmt: skip
def test_what_is_no_address_is_refused_in_words(text: str) -> None:
    with pytest.raises(IsthmusError):
        check_address(text)


@given(st.text(max_size=60))
def test_no_text_whatever_gives_anything_but_an_address_or_a_refusal(text: str) -> None:
    for start in ("", "ns=2;s=", "nsu=", "ns=", "g=", "b=", "i="):
        try:
            canonical = check_address(start + text)
        except IsthmusError:
            continue
        assert check_address(canonical) == canonical
        warn_address(canonical)


@given(st.text(min_size=1, max_size=30).filter(lambda s: "\0" not in s), st.text(min_size=1, max_size=30))
def test_any_uri_and_name_survive_the_writing(name: str, uri: str) -> None:
    try:
        name.encode(), uri.encode()
    except UnicodeEncodeError:
        return
    address = NodeAddress(uri, 0, "s", name)
    assert parse(str(address)) == address


def test_an_index_that_may_shift_is_warned_of_and_the_standards_own_is_not() -> None:
    assert "nsu=<namespace URI>;s=x" in warn_address("ns=2;s=x")
    assert not warn_address("i=2258") and not warn_address("nsu=urn:a;s=x")


def test_an_address_resolves_to_where_its_namespace_is_now() -> None:
    address = parse("nsu=urn:b;s=x")
    assert address.resolve(["http://opcfoundation.org/UA/", "urn:a", "urn:b"]) == 2
    assert address.resolve(["http://opcfoundation.org/UA/", "urn:b", "urn:a"]) == 1
    assert address.resolve(["http://opcfoundation.org/UA/"]) is None
    assert parse("ns=7;s=x").resolve([]) == 7


BAD: list[dict[str, Any]] = [
    {"url": []},
    {"url": "opc.tcp://"},
    {"url": "opc.tcp://user:pw@host"},
    {"url": "opc.tcp://h", "security": "Basic256Sha256"},
    {"url": "opc.tcp://h", "publishing": "-1s"},
    {"url": "opc.tcp://h", "publishing": "1ms"},
    {"url": "opc.tcp://h", "queue": 0},
    {"url": "opc.tcp://h", "outstanding": 0},
    {"url": "opc.tcp://h", "user_certificate": "x"},
    {"url": "opc.tcp://h", "user": "x", "user_certificate": "x", "user_key": "y"},
    {"url": "opc.tcp://h", "auto_reconnect": True},
]


@pytest.mark.parametrize("config", BAD)
def test_a_wrong_configuration_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        OpcUaSpec.model_validate(config)


def test_a_spec_is_described_and_survives_its_own_plain_form() -> None:
    spec = OpcUaSpec.model_validate({"url": "opc.tcp://h", "publishing": "1500ms", "user": "u", "password": "p"})
    assert spec.url == ["opc.tcp://h:4840"] and spec.publishing == "1500ms" and spec.seconds("publishing") == 1.5
    assert "p" not in repr(spec.password)
    plain = spec.model_dump(mode="json", exclude={"password"})
    assert OpcUaSpec.model_validate(plain).model_dump(mode="json", exclude={"password"}) == plain
    assert all(field.description for field in OpcUaSpec.model_fields.values())
    assert OpcUaSpec.model_json_schema()["properties"]["url"]["description"]


def test_the_kind_is_light_to_import() -> None:
    program = "import sys, isthmus.systems.opcua; sys.exit('asyncua' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_our_kinds_come_through_the_same_door_as_others() -> None:
    assert kinds()["opcua"] is KIND
    assert "nothing" not in kinds() and list(kinds()) == sorted(kinds())


def test_a_broken_plugin_harms_only_itself_and_is_named() -> None:
    points = [
        EntryPoint("opcua", "isthmus.systems.opcua:KIND", "isthmus.systems"),
        EntryPoint("gone", "no_such_module:KIND", "isthmus.systems"),
        EntryPoint("wrong", "json:dumps", "isthmus.systems"),
        EntryPoint("other", "isthmus.systems.opcua:KIND", "isthmus.systems"),
        EntryPoint("fails", "tests.opcua.test_opcua_address:no_such_name", "isthmus.systems"),
    ]
    found = find(points)
    with pytest.warns(BrokenKind) as warned:
        assert list(found) == ["opcua"]
    assert isinstance(found["opcua"], Kind)
    assert {str(w.message).split("'")[1] for w in warned} == {"gone", "wrong", "other", "fails"}
    with pytest.warns(BrokenKind, match="taken"):
        find([points[0], EntryPoint("opcua", "evil:KIND", "isthmus.systems")])
