# SPDX-License-Identifier: Apache-2.0
"""What a plant file may say of the OPC UA server, and what would let strangers in."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from isthmus.core.errors import Refused
from isthmus.outputs.opcua.server import passwords
from isthmus.outputs.opcua.spec import OpcUaServerSpec


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({}, "nobody could sign in"),
        ({"listen": "0.0.0.0:4840", "anonymous": True}, "other machines reach"),
        ({"listen": "192.168.1.5:4840", "users": "a", "security": ["None"]}, "other machines reach"),
        ({"listen": "192.168.1.5:4840", "users": "a", "anonymous": True}, "other machines reach"),
        ({"listen": "example.org:4840", "users": "a"}, "no address to listen on"),
        ({"listen": "::1:4840", "users": "a"}, "no address to listen on"),
        ({"listen": "127.0.0.1:0", "users": "a"}, "no address to listen on"),
        ({"listen": "127.0.0.1", "users": "a"}, "no address to listen on"),
    ],
)
def test_what_would_let_strangers_in_is_refused_when_it_is_written(said: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        OpcUaServerSpec.model_validate(said)


def test_addresses_that_say_so_are_taken() -> None:
    for listen in ("192.168.1.5:4840", "0.0.0.0:4840", "[::1]:4840"):
        assert OpcUaServerSpec.model_validate({"listen": listen, "users": "a:b"}).listen == listen


def test_the_secret_of_the_users_is_lines_of_names_and_passwords() -> None:
    assert passwords("reader:secret\nother: a:b \n", "ua") == {"reader": "secret", "other": " a:b "}
    for wrong, why in (("reader", "line 1"), ("a:b\n:c", "line 2"), ("a:", "line 1"), ("\n", "empty")):
        with pytest.raises(Refused, match=why):
            passwords(wrong, "ua")
