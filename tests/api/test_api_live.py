# SPDX-License-Identifier: Apache-2.0
"""Live values over the socket: what was asked for, all of it, whatever dies."""

from __future__ import annotations

import json
import os
import signal
from functools import partial
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync import client
from websockets.sync.client import ClientConnection

from isthmus.app.run.address import Address
from tests.api.conftest import address
from tests.app.conftest import plant, wait

connect = partial(client.connect, open_timeout=90, ping_timeout=90)
"""With patience for a busy machine."""


def url(api: httpx.Client) -> str:
    return f"ws{str(api.base_url).removeprefix('http')}/api/live"


def asked(connection: ClientConnection, *match: str, since: int = 0, life: str = "") -> dict[str, Any]:
    """The next page after asking."""
    connection.send(json.dumps({"match": match, "since": since, "life": life}))
    return page(connection)


def page(connection: ClientConnection) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(connection.recv(timeout=90))
    return found


def test_a_client_gets_all_it_asked_for_at_once_and_then_what_changes(api: httpx.Client) -> None:
    numbers = {tag["number"]: tag["path"] for tag in api.get("/api/tags").json()}
    with connect(url(api)) as connection:
        first = asked(connection, "level")
        paths = {numbers[row[0]] for row in first["values"]}
        assert paths == {path for path in numbers.values() if path.endswith("/level")}
        later = page(connection)
        assert later["page"] > first["page"]
        assert {numbers[row[0]] for row in later["values"]} <= paths
        everything = asked(connection)
        while len(everything["values"]) < 20:
            everything = page(connection)  # the one under way when it was asked
        assert len(everything["values"]) == 20


def test_who_comes_back_gets_what_changed_meanwhile(api: httpx.Client) -> None:
    with connect(url(api)) as connection:
        first = asked(connection)
    with connect(url(api)) as connection:
        again = asked(connection, since=first["page"], life=first["life"])
        assert again["page"] >= first["page"]
        assert len(again["values"]) < len(first["values"])
    for since, life in ((10**9, first["life"]), (first["page"], ""), (first["page"], "another")):
        with connect(url(api)) as connection:
            assert len(asked(connection, since=since, life=life)["values"]) == 20, (since, life)


@pytest.mark.parametrize(
    "words", ["[]", "{", '{"match": 7}', '{"math": []}', '{"match": ["' + "x" * 500 + '"]}', '"\\ud800"', "\x00"]
)
def test_words_that_make_no_sense_end_that_socket_only(api: httpx.Client, words: str) -> None:
    with connect(url(api)) as sound, connect(url(api)) as connection:
        asked(sound)
        connection.send(words)
        with pytest.raises(ConnectionClosed) as closed:
            page(connection)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1007
        page(sound)


def test_a_killed_server_comes_back_where_it_was_and_pages_go_on(tmp_path_factory: pytest.TempPathFactory) -> None:
    with Address("127.0.0.2", 0).bound() as free:
        there = str(Address(*free.getsockname()))
    with plant(tmp_path_factory.mktemp("killed")) as made:
        made.start("--listen", there)
        made.ready()
        assert address(made) == f"http://{there}"
        with httpx.Client(base_url=address(made), timeout=90, trust_env=False) as api:
            was = made.alive("serve")
            with connect(url(api)) as connection:
                before = asked(connection)
                os.kill(was, signal.SIGKILL)
                with pytest.raises(ConnectionClosed):
                    while True:
                        page(connection)
            wait(lambda: made.pid("serve") not in (was, 0) and made.status()["state"] == "ready", "it is back")
            with connect(url(api)) as connection:
                now = asked(connection)
                while now["page"] <= before["page"] + 3:
                    now = page(connection)  # until the numbers of its pages would deceive
            assert now["life"] != before["life"]
            with connect(url(api)) as connection:
                assert len(asked(connection, since=before["page"], life=before["life"])["values"]) == 20
            with connect(url(api)) as connection:
                assert len(asked(connection, since=now["page"], life=now["life"])["values"]) < 20
