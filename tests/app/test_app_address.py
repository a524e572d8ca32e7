# SPDX-License-Identifier: Apache-2.0
"""The API listens where nobody else reaches it, however an address is written, and says why elsewhere it does not."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from isthmus.app.run.address import Address, address, is_loopback
from isthmus.core.errors import InUse, Misasked
from tests.app.conftest import invoke


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("8640", "127.0.0.1", 8640),
        (" 127.0.0.1:1 ", "127.0.0.1", 1),
        ("127.0.0.2:8640", "127.0.0.2", 8640),
        ("127.1:65535", "127.0.0.1", 65535),
        ("2130706433:80", "127.0.0.1", 80),
        ("localhost:80", "127.0.0.1", 80),
        ("[::1]:80", "::1", 80),
    ],
)
def test_an_address_of_the_loopback_is_taken_as_numbers(text: str, host: str, port: int) -> None:
    assert address(text) == Address(host, port)
    assert address(str(address(text))) == Address(host, port)


@pytest.mark.parametrize(
    "text",
    ["0.0.0.0:8640", "[::]:8640", ":8640", "*:8640", "0:8640", "0x0:80", "192.168.1.5:8640", "8.8.8.8:53",
     "169.254.0.1:80", "[fe80::1]:80", "[::ffff:0.0.0.0]:80", "[::ffff:10.0.0.1]:80", "128.0.0.1:80"],
)  # fmt: skip
def test_an_address_that_others_reach_is_refused_with_the_reason_and_what_to_do_instead(text: str) -> None:
    with pytest.raises(Misasked, match="nobody can sign in yet") as refused:
        address(text)
    assert text in str(refused.value)
    assert "ssh -L" in refused.value.hint
    assert "reverse proxy on this machine with a login" in refused.value.hint


@pytest.mark.parametrize("found", [["10.1.2.3"], ["127.0.0.1", "10.1.2.3"], ["::1", "2001:db8::1"]])
def test_a_name_that_means_another_address_too_is_refused(monkeypatch: pytest.MonkeyPatch, found: list[str]) -> None:
    def looked_up(*_: Any, **__: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, 0)) for one in found]

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    with pytest.raises(Misasked, match=r"plant\.example:8640 \((10\.1\.2\.3|2001:db8::1)\) is reached from other"):
        address("plant.example:8640")


@pytest.mark.parametrize(
    "text",
    ["", "x", "0", "65536", "-1", "1e3", "８６４０", "9" * 5000, "127.0.0.1:", "127.0.0.1:http", "::1:80",
     "127.0.0.1:80:80", "http://127.0.0.1:80", "nowhere.invalid:80", "a b:80", "\x00:80", "x" * 300 + ":80"],
)  # fmt: skip
def test_what_is_no_address_is_said_to_be_none(text: str) -> None:
    with pytest.raises(Misasked) as refused:
        address(text)
    assert "8640" in refused.value.hint


def test_only_numbers_of_the_loopback_are_of_the_loopback() -> None:
    assert [one for one in ("127.0.0.1", "127.9.9.9", "::1") if not is_loopback(one)] == []
    assert [one for one in ("localhost", "0.0.0.0", "::", "127.0.0.1.nip.io", "127.1", "") if is_loopback(one)] == []


def test_a_port_that_is_taken_is_said_with_its_address() -> None:
    said = r"127\.0\.0\.2:\d+: nothing can listen there: Address already in use"
    with Address("127.0.0.2", 0).bound() as taken, pytest.raises(InUse, match=said):
        Address(*taken.getsockname()).bound()


@pytest.mark.parametrize("words", [["run"], ["demo"], ["demo", "tank-farm"]])
def test_the_command_line_refuses_before_anything_is_made(tmp_path: Path, words: list[str]) -> None:
    refused = invoke(*words, "--listen", "0.0.0.0:8640", "--data", tmp_path / "none")
    assert refused.returncode == 2
    assert "0.0.0.0:8640 is reached from every network of this machine" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert not (tmp_path / "none").exists()
