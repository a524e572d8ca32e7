# SPDX-License-Identifier: Apache-2.0
"""Servers that turn us away, are slow, or answer nonsense: what is said then, and what is not harmed."""

from __future__ import annotations

import asyncio
import struct
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from isthmus.core.errors import Disconnected, Refused
from isthmus.core.event import EventKind
from isthmus.core.tag import DataType
from isthmus.systems.registry import kinds
from isthmus.systems.sql.database import connected
from tests.conftest import Until
from tests.database.tables import Server, collecting
from tests.peers.postgres import OWNER, PASSWORD

FLOAT = DataType.FLOAT
TABLES = {"r": {"table": "results", "time": "at", "order": "id"}}
MADE = "CREATE TABLE results (id bigserial, at timestamptz DEFAULT now(), value float8)"


async def meets(config: dict[str, Any]) -> None:
    """Connects, and asks for one thing."""
    spec = kinds()["sql"].spec.model_validate({"timeout": "1m", "tables": TABLES, **config})
    async with connected(spec, "test") as link:  # type: ignore[arg-type]  # a Database, as every SqlSpec is
        await link.ask(lambda connection: connection.exec_driver_sql("SELECT 1").scalar())


@pytest.mark.parametrize(
    ("change", "class_", "says"),
    [
        ({"password": "wrong"}, Refused, "password authentication failed"),
        ({"user": "nobody here"}, Refused, "password authentication failed"),
        ({"password": None}, Refused, "no password"),
        ({"database": "nowhere"}, Refused, "does not exist"),
        ({"query": "?sslmode=require"}, Disconnected, "SSL"),
        ({"query": "?sslmode=maybe"}, Refused, "sslmode"),
        ({"query": "?colour=red"}, Refused, "colour"),
        ({"port": 1}, Disconnected, "refused"),
    ],
)
async def test_a_server_that_does_not_take_us_says_why(
    plant_server: Server, change: dict[str, Any], class_: type[Exception], says: str
) -> None:
    port, database = change.pop("port", plant_server.server.port), change.pop("database", "postgres")
    url = f"postgresql://127.0.0.1:{port}/{database}{change.pop('query', '')}"
    with pytest.raises(class_, match=says) as found:
        await meets({"url": url, "user": OWNER, "password": PASSWORD, **change})
    assert PASSWORD not in str(found.value) and str(port) in str(found.value)


async def test_a_file_whose_folder_is_not_there_says_which_folder(tmp_path: Path) -> None:
    with pytest.raises(Disconnected, match=f"there is no folder {tmp_path}/no; make it, or mend url"):
        await meets({"url": f"sqlite:///{tmp_path}/no/lims.db"})


async def test_a_file_that_is_not_there_is_told_from_one_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(Disconnected, match="unable to open database file; there is no such file; mend url"):
        await meets({"url": f"sqlite:///{tmp_path}/lims.db"})


async def test_a_file_that_cannot_be_looked_for_is_told_with_what_the_system_says(tmp_path: Path) -> None:
    with pytest.raises(Disconnected, match=r"unable to open database file; File name too long: .*; mend url, or let"):
        await meets({"url": f"sqlite:///{tmp_path}/{'l' * 300}.db"})


@pytest.mark.parametrize(
    ("asks", "says", "class_"),
    [
        (True, "Passwort-Authentifizierung für Benutzer »me« fehlgeschlagen", Refused),
        (True, "sorry, too many clients already", Disconnected),
        (False, "das Datenbanksystem startet", Disconnected),
    ],
)
async def test_what_a_server_says_to_a_password_is_a_refusal_in_any_language(
    asks: bool, says: str, class_: type[Exception]
) -> None:
    fields = f"SFATAL\0VFATAL\0C28P01\0M{says}\0\0".encode()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer), suppress(asyncio.IncompleteReadError, ConnectionError):
            while (first := await reader.readexactly(8))[4:] != struct.pack("!i", 196_608):  # StartupMessage 3.0
                writer.write(b"N")  # to SSLRequest, GSSENCRequest
            await reader.readexactly(struct.unpack("!i", first[:4])[0] - 8)
            if asks:
                writer.write(b"R" + struct.pack("!ii", 8, 3))  # AuthenticationCleartextPassword
                await reader.readexactly(1)
                await reader.readexactly(struct.unpack("!i", await reader.readexactly(4))[0] - 4)
            writer.write(b"E" + struct.pack("!i", 4 + len(fields)) + fields)
            await writer.drain()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        url = f"postgresql://127.0.0.1:{server.sockets[0].getsockname()[1]}/x"
        with pytest.raises(class_, match=says):
            await meets({"url": url, "user": "me", "password": "w"})


async def test_too_many_connections_may_pass(plant_server: Server) -> None:
    plant_server.do("DROP ROLE IF EXISTS one", "CREATE ROLE one LOGIN PASSWORD 'w' CONNECTION LIMIT 0")
    with pytest.raises(Disconnected, match="too many connections"):
        await meets({**plant_server.config, "user": "one", "password": "w"})


async def test_a_server_that_answers_garbage_counts_as_away() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n" + b"\xff" * 100)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(Disconnected):
            await meets({"url": f"postgresql://127.0.0.1:{port}/x", "user": "me", "password": "w"})


async def test_a_server_that_falls_silent_after_the_login_counts_as_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("isthmus.systems.sql.database.OPENINGS", 0.2)
    gone = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer), suppress(asyncio.IncompleteReadError, ConnectionError):
            asked = await reader.readexactly(int.from_bytes(await reader.readexactly(4)) - 4)
            while asked[:4] != bytes((0, 3, 0, 0)):  # until it is the start of a session, neither TLS nor GSS
                writer.write(b"N")
                asked = await reader.readexactly(int.from_bytes(await reader.readexactly(4)) - 4)
            writer.write(b"R\0\0\0\x08\0\0\0\0" + b"Z\0\0\0\x05I")
            try:
                while await reader.read(1000):
                    pass
            finally:
                gone.set()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(Disconnected, match="no answer within 2s"):
            async with asyncio.timeout(240):
                login = {"user": "me", "password": "w", "timeout": "2s"}
                await meets({"url": f"postgresql://127.0.0.1:{port}/x", **login})
        async with asyncio.timeout(240):
            await gone.wait()


async def test_nothing_can_be_written_through_a_system_that_is_read(
    plant_server: Server, tmp_path: Path, until: Until
) -> None:
    wipe = "CREATE FUNCTION wipe() RETURNS int LANGUAGE sql AS 'DELETE FROM results; SELECT 1'"
    plant_server.do(MADE, "INSERT INTO results (value) VALUES (1)", wipe)
    tables = {"r": {**TABLES["r"], "where": "wipe() = 1"}, "q": {"query": "SELECT 1; DROP TABLE results", "order": "x"}}
    async with collecting(plant_server, tmp_path, tables, [("r.value", FLOAT), ("q.x", FLOAT)]).running() as collected:
        await until(lambda: len(collected.told(EventKind.TAG)) >= 2, "told of both")
        before = len(collected.readings)
        await asyncio.sleep(0.3)
        assert len(collected.readings) <= before + 2  # it is not asked again and again
    said = "\n".join(event.message for event in collected.told(EventKind.TAG))
    assert "read-only transaction" in said and "syntax error" in said
    assert plant_server.ask("SELECT count(*) FROM results") == [(1,)]


async def test_a_table_that_takes_too_long_harms_only_itself(
    plant_server: Server, tmp_path: Path, until: Until
) -> None:
    plant_server.do(MADE, "INSERT INTO results (value) VALUES (1)")
    slow = {
        "query": "SELECT id, at AS time, value, pg_sleep(60) FROM results WHERE pg_sleep(60) IS NOT NULL",
        "order": "id",
    }
    tables = {**TABLES, "slow": slow}
    addresses = [("r.value", FLOAT), ("slow.value", FLOAT)]
    async with collecting(plant_server, tmp_path, tables, addresses, timeout="2s").running() as collected:
        await until(collected.saw(0, 1), "the quick table")
        await until(lambda: bool(collected.told(EventKind.TAG)), "told")
        plant_server.do("INSERT INTO results (value) VALUES (2)")
        await until(collected.saw(0, 2), "the quick table again")
    assert "longer than 2s" in collected.told(EventKind.TAG)[0].message and not collected.errors
