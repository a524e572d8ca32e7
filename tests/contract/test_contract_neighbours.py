# SPDX-License-Identifier: Apache-2.0
"""One hundred systems of three kinds in one collector, ten of them dead: the others keep their schedule."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from pathlib import Path
from typing import Any

from isthmus.core.tag import DataType
from isthmus.systems.contract import Address
from isthmus.systems.registry import kinds
from tests.conftest import needed
from tests.contract.collected import Collected, read_alike
from tests.peers.s7_peer import S7Server
from tests.peers.web_peer import HERE, WHAT, WebServer

ROUNDS = 6
"""How often each is read before it is over."""
PATIENCE = {"timeout": "2s"}
"""Of those that wait in vain; ten such waits, one after the other, would be longer than three rounds may take."""


@asynccontextmanager
async def dead() -> AsyncIterator[int]:
    """A port that takes connections and answers nothing."""
    writers: list[asyncio.StreamWriter] = []
    async with await asyncio.start_server(lambda _, writer: writers.append(writer), "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]
        for writer in writers:
            writer.transport.abort()


def system(kind: str, number: int, folder: Path, place: dict[str, Any]) -> Collected:
    address = {"http": "/now#/value", "s7": "db1.0:real", "sql": "r.value"}[kind]
    tables = {"tables": {"r": {"table": "results", "time": "at", "order": "id"}}} if kind == "sql" else {}
    config = {"every": "500ms", "timeout": "30s", **tables, **place}
    return Collected(kinds()[kind], config, folder, [Address(address, DataType.FLOAT)], f"{kind}-{number}")


async def test_ten_dead_systems_of_a_hundred_harm_only_themselves(tmp_path: Path) -> None:
    needed(HERE, WHAT)
    file = tmp_path / "lab.db"
    with closing(sqlite3.connect(file)) as db:
        db.execute("CREATE TABLE results (id integer PRIMARY KEY, at text, value real)")
    async with WebServer() as web, S7Server(db1=8) as controller, dead() as nobody, AsyncExitStack() as stack:
        await web.page("/now", {"value": 1.0})
        living: dict[str, dict[str, Any]] = {
            "http": {"url": web.url},
            "s7": {"host": "127.0.0.1", "port": controller.port},
            "sql": {"url": f"sqlite:///{file}"},
        }
        silent: list[tuple[str, dict[str, Any]]] = [
            ("http", {"url": f"http://127.0.0.1:{nobody}", **PATIENCE}),
            ("s7", {"host": "127.0.0.1", "port": nobody, **PATIENCE}),
            *[("sql", {"url": f"postgresql://127.0.0.1:{nobody}/lab", "user": "me", "password": "w", **PATIENCE})] * 8,
        ]
        for number, (kind, place) in enumerate(silent):
            await stack.enter_async_context(system(kind, 100 + number, tmp_path, place).running())
        systems = [system(kind, number, tmp_path, place) for kind, place in living.items() for number in range(30)]
        for one in systems:
            await stack.enter_async_context(one.running())
        await read_alike(systems, ROUNDS)
    assert not any(one.errors for one in systems)
