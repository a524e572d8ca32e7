# SPDX-License-Identifier: Apache-2.0
"""The webhook as its senders see it: curl and openssl, repeated and hostile messages, 202 only for what is kept."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import socket
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from shutil import which
from typing import Any

import pytest
from pydantic import ValidationError

from isthmus.core.quality import GOOD
from isthmus.core.tag import DataType
from isthmus.core.time import SECOND, now
from isthmus.systems.contract import Address
from isthmus.systems.registry import kinds
from tests.conftest import Until
from tests.contract.collected import Collected
from tests.peers.opcua_peer import free_port
from tests.web.hook import SECRET, headers, push, send

KIND = kinds()["webhook"]
ROW = {"tag": "TT101", "value": 81.5, "time": "2026-11-23T06:30:00Z"}
ADDRESSES = [Address("value[tag=TT101]", DataType.FLOAT), Address("value[tag=TT102]", DataType.INTEGER)]


@pytest.fixture
def port() -> int:
    return free_port()


def hook(port: int, folder: Path, **more: Any) -> Collected:
    config = {"listen": f"127.0.0.1:{port}", "path": "/results", "secret": SECRET, "quality": "quality", **more}
    return Collected(KIND, config, folder, ADDRESSES, "results")


async def opened(collected: Collected, until: Until, times: int = 1) -> None:
    await until(lambda: collected.opened == times, "it listens")


async def test_the_command_of_the_documentation_is_taken(
    port: int, tmp_path: Path, until: Until, need: Callable[[object, str], None]
) -> None:
    need(which("curl") and which("openssl"), "curl and openssl")
    found = re.search(r"```sh\n(.*?)```", KIND.addresses, re.DOTALL)
    assert found
    script = found[1].replace("127.0.0.1:8090", f"127.0.0.1:{port}")
    async with hook(port, tmp_path).running() as collected:
        await opened(collected, until)
        shell = await asyncio.create_subprocess_exec(
            "bash", "-ec", script, env={"SECRET": SECRET, "PATH": "/usr/bin:/bin"}, stdout=-1, stderr=-1
        )
        said, wrong = await asyncio.wait_for(shell.communicate(), 240)
    assert shell.returncode == 0, (said, wrong)
    told = json.loads(said)
    assert (told["rows"], told["samples"], told["spoilt"]) == (1, 1, 0)
    assert list(collected.rows(0)) == [(1_795_415_400 * SECOND, GOOD, 81.5)]


async def test_objects_lists_and_lines_are_rows_and_a_bad_quality_needs_no_value(
    port: int, tmp_path: Path, until: Until
) -> None:
    second = {"tag": "TT102", "value": 9_007_199_254_740_993, "time": "2026-11-23T06:30:01Z"}
    bad = {**ROW, "value": None, "quality": "BadSensorFailure"}
    lines = b"\n".join(json.dumps(one).encode() for one in (ROW, second))
    lined = {"Content_Type": "application/x-ndjson"}
    async with hook(port, tmp_path).running() as collected:
        await opened(collected, until)
        for id_, body, more in (
            ("a", ROW, {}),
            ("b", [ROW, second, bad], {}),
            ("c", lines, lined),
            ("d", gzip.compress(lines), {**lined, "Content_Encoding": "gzip"}),
            ("e", {"tag": "TT101", "value": "warm"}, {}),
        ):
            status, said = await asyncio.to_thread(push, port, id_, body, **more)
            assert status == 202, said
    assert [value for *_, value in collected.rows(0)].count(81.5) == 4
    assert [quality for _, quality, _ in collected.rows(0)].count(0x808C_0000) == 1
    assert said["spoilt"] == 1 and said["samples"] == 0
    exact = [
        int(r.integer[0 if len(r) == 1 else 1]) for r in collected.readings if r.integer is not None and 1 in r.index
    ]
    assert set(exact) == {9_007_199_254_740_993}


async def test_a_repeated_message_is_acknowledged_and_taken_once_also_after_a_restart(
    port: int, tmp_path: Path, until: Until
) -> None:
    async with hook(port, tmp_path).running() as collected:
        await opened(collected, until)
        assert (await asyncio.to_thread(push, port, "one", ROW))[0] == 202
        status, said = await asyncio.to_thread(push, port, "one", ROW)
        assert status == 202 and said["repeated"]
        assert (await asyncio.to_thread(push, port, "one", {**ROW, "value": 1}))[0] == 409
    again = hook(port, tmp_path)
    async with again.running():
        await opened(again, until)
        status, said = await asyncio.to_thread(push, port, "one", ROW)
        assert status == 202 and said["repeated"]
    assert len(collected.values(0)) == 1 and not again.values(0)


async def test_a_message_that_was_not_acknowledged_gives_the_same_samples_when_it_comes_again(
    port: int, tmp_path: Path, until: Until
) -> None:
    """The process died between log and answer: the time of a row that has none is the one signed first."""
    row, first = {"tag": "TT101", "value": 5.0}, time.time() - 100
    before, after = hook(port, tmp_path, patience="1s"), hook(port, tmp_path)
    before.keep = False
    async with before.running():
        await opened(before, until)
        status, said = await asyncio.to_thread(push, port, "x", row, at=first)
        assert status == 503 and said["retry"] == "5"
    async with after.running():
        await opened(after, until)
        assert (await asyncio.to_thread(push, port, "x", row))[0] == 202
    assert list(before.rows(0)) == list(after.rows(0)) == [(int(first) * SECOND, GOOD, 5.0)]


async def test_nothing_is_acknowledged_before_the_log_has_it(port: int, tmp_path: Path, until: Until) -> None:
    collected = hook(port, tmp_path)
    collected.keep = False
    async with collected.running():
        await opened(collected, until)
        pushes = [asyncio.create_task(asyncio.to_thread(push, port, str(n), {**ROW, "value": n})) for n in range(5)]
        await until(lambda: len(collected.values(0)) == 5, "all came")
        assert not any(task.done() for task in pushes)
        for readings in collected.readings:
            readings.done()
        assert {status for status, _ in await asyncio.gather(*pushes)} == {202}


@pytest.mark.parametrize(("bound", "value"), [("MOST_WAITING", 3), ("MOST_BYTES", 150)])
async def test_while_the_log_takes_nothing_senders_are_told_to_come_again_and_nothing_is_lost(
    port: int, tmp_path: Path, until: Until, monkeypatch: pytest.MonkeyPatch, bound: str, value: int
) -> None:
    monkeypatch.setattr(f"isthmus.systems.webhook.door.{bound}", value)
    collected = hook(port, tmp_path, patience="1s")
    full = asyncio.Event()

    async def stand() -> None:
        async with collected.driver.open(ADDRESSES) as stream:
            collected.opened += 1
            await full.wait()  # the hold is full: nobody asks for readings
            async for readings in stream:
                collected.readings.append(readings)
                readings.done()

    task = asyncio.create_task(stand())
    await opened(collected, until)
    bodies = [{**ROW, "value": float(n)} for n in range(8)]
    answers = await asyncio.gather(*(asyncio.to_thread(push, port, str(n), body) for n, body in enumerate(bodies)))
    assert {status for status, _ in answers} == {503} and all(said["retry"] for _, said in answers)
    full.set()
    for n, body in enumerate(bodies):
        await until(partial(taken, port, str(n), body), "it is taken when it comes again")
    assert sorted(collected.values(0)) == [float(n) for n in range(8)]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def taken(port: int, id_: str, found: Any) -> bool:
    """Whether a message is acknowledged now; told to come again, it may come again."""
    status, said = await asyncio.to_thread(push, port, id_, found)
    assert status in (202, 408, 503), said
    return status == 202


def wrong() -> list[tuple[int, str, bytes, dict[str, str]]]:
    """Made when it is sent: a signature is good for five minutes."""
    return [
        (401, "is missing", b"{}", {"Content-Type": "application/json"}),
        (401, "signature is not right", b"{}", headers("a", b"{} ")),
        (401, "signature is not right", b"{}", headers("a", b"{}", secret="another secret of some length")),
        (401, "signature is not right", b"{}", headers("a", b"{}") | {"webhook-id": "b"}),
        (401, "signature is not right", b"{}", headers("a", b"{}") | {"webhook-signature": "v1,é v2 " * 400}),
        (401, "s old", b"{}", headers("a", b"{}", at=time.time() - 400)),
        (401, "s ahead", b"{}", headers("a", b"{}", at=time.time() + 4000)),
        (400, "seconds since 1970", b"{}", headers("a", b"{}") | {"webhook-timestamp": "-1"}),
        (400, "seconds since 1970", b"{}", headers("a", b"{}") | {"webhook-timestamp": "9" * 400}),
        (400, "characters", b"{}", headers("a" * 201, b"{}")),
        (400, "no JSON", b"{", headers("a", b"{")),
        (400, "no JSON", b'{"value": NaN}', headers("a", b'{"value": NaN}')),
        (400, "no JSON", b"\xff\xfe{}", headers("a", b"\xff\xfe{}")),
        (400, "no JSON", b"[" * 200_000, headers("a", b"[" * 200_000)),
        (400, "recursion", b'{"a":' * 1500 + b"1" + b"}" * 1500, headers("a", b'{"a":' * 1500 + b"1" + b"}" * 1500)),
        (400, "row 2 is no object", b"[{}, 1]", headers("a", b"[{}, 1]")),
        (413, "more than", b" " * 1_000_001, headers("a", b" " * 1_000_001)),
        (415, "charset", b"{}", headers("a", b"{}", Content_Type="application/json; charset=utf-7")),
        (415, "Content-Encoding", b"{}", headers("a", b"{}", Content_Encoding="br")),
        (400, "no gzip", b"{}", headers("a", b"{}", Content_Encoding="gzip")),
    ]


async def test_every_wrong_message_is_told_what_is_wrong_and_gives_nothing(
    port: int, tmp_path: Path, until: Until
) -> None:
    bomb = gzip.compress(bytes(50_000_000))
    async with hook(port, tmp_path).running() as collected:
        await opened(collected, until)
        for status, words, body, said in [
            *wrong(),
            (413, "unpacked", bomb, headers("a", bomb, Content_Encoding="gzip")),
        ]:
            found, told = await asyncio.to_thread(send, port, body, said)
            assert found == status and words in told["detail"], (status, words, found, told)
        assert (await asyncio.to_thread(send, port, b"", {}, method="GET"))[0] == 405
        assert (await asyncio.to_thread(send, port, b"", {}, path="/other"))[0] == 404
        assert (await asyncio.to_thread(push, port, "a", ROW))[0] == 202
    assert collected.values(0) == [81.5] and not collected.errors


async def test_of_two_members_with_one_name_the_last_counts(port: int, tmp_path: Path, until: Until) -> None:
    body = b'{"tag": "TT101", "value": 1, "value": 2, "time": "2026-11-23T06:30:00Z"}'
    async with hook(port, tmp_path).running() as collected:
        await opened(collected, until)
        assert (await asyncio.to_thread(push, port, "a", body))[0] == 202
    assert collected.values(0) == [2.0]


NONSENSE = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GET / HTTP/9.9\r\n\r\n",
    b"POST /results HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\nnonsense",
    b"POST /results HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    b"POST /results HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
    b"POST /results HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\nContent-Length: 11\r\n\r\n" + b"x" * 11,
    b"POST /results HTTP/1.1\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
    b"POST /results HTTP/1.1\r\n" + b"X: a\r\n" * 10_000 + b"\r\n",
]


async def test_bytes_that_are_no_request_end_their_connection_and_nothing_else(
    port: int, tmp_path: Path, until: Until
) -> None:
    async with hook(port, tmp_path, patience="1s").running() as collected:
        await opened(collected, until)
        for bytes_ in NONSENSE:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(bytes_)
            try:
                answer = await asyncio.wait_for(reader.read(), 240)
            except ConnectionError:
                answer = b""
            assert answer[:12] in (b"", b"HTTP/1.1 400", b"HTTP/1.0 400", b"HTTP/1.1 401", b"HTTP/1.1 404"), answer[:80]
            writer.transport.abort()
        await until(partial(taken, port, "a", ROW), "a message is taken")
    assert collected.values(0) == [81.5] and not collected.errors


async def test_senders_that_die_in_the_middle_of_a_message_give_nothing_and_harm_nobody(
    port: int, tmp_path: Path, until: Until
) -> None:
    body = json.dumps([{**ROW, "value": float(n)} for n in range(1_000)]).encode()
    request = "POST /results HTTP/1.1\r\nHost: a\r\n" + "".join(
        f"{name}: {value}\r\n" for name, value in (headers("cut", body) | {"Content-Length": str(len(body))}).items()
    )
    whole = request.encode() + b"\r\n" + body
    async with hook(port, tmp_path).running() as collected:
        await opened(collected, until)
        for end in (10, 100, len(whole) - len(body), len(whole) // 2, len(whole) - 1):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(whole[:end])
            await writer.drain()
            writer.transport.abort()
        assert (await asyncio.to_thread(push, port, "a", ROW))[0] == 202
        assert collected.values(0) == [81.5]
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(whole)  # and does not wait for the answer
        await until(lambda: len(collected.values(0)) == 1_001, "the whole one is taken")
        writer.transport.abort()

        async def repeated() -> bool:
            status, said = await asyncio.to_thread(push, port, "cut", body)
            assert status == 202, said
            return "repeated" in said  # else it waited for the same log as the first

        await until(repeated, "it is remembered")
    assert len(collected.values(0)) == 1_001 and not collected.errors


async def test_whoever_is_slow_on_purpose_keeps_nobody_waiting(
    port: int, tmp_path: Path, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("isthmus.systems.webhook.door.MOST_CONNECTIONS", 20)
    begun = b"POST /results HTTP/1.1\r\nHost: a\r\n"
    whole = begun + b"Content-Length: 100\r\n\r\nhalf"
    async with hook(port, tmp_path, patience="3s").running() as collected:
        await opened(collected, until)
        slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(19)]
        for number, one in enumerate(slow):
            one.sendall((b"", begun, whole)[number % 3])
        assert (await asyncio.to_thread(push, port, "a", ROW))[0] == 202
        more = [socket.create_connection(("127.0.0.1", port)) for _ in range(3)]
        assert (await asyncio.to_thread(send, port, b"", {}))[0] == 503
        for one in slow:
            one.settimeout(120)
            said = await asyncio.to_thread(one.recv, 1000)
            assert said == b"" or said.startswith(b"HTTP/1.1 408"), said
        await until(partial(taken, port, "b", ROW), "a message is taken")
    for one in [*slow, *more]:
        one.close()


async def test_more_messages_than_are_allowed_are_told_so(port: int, tmp_path: Path, until: Until) -> None:
    answers: list[tuple[int, dict[str, Any]]] = []

    async def refused() -> bool:
        more = (asyncio.to_thread(push, port, str(len(answers) + n), ROW) for n in range(20))
        answers.extend(await asyncio.gather(*more))
        return any(status == 429 for status, _ in answers)

    async with hook(port, tmp_path, rate=2).running() as collected:
        await opened(collected, until)
        await until(refused, "one is too many")  # of the first twenty, where they do not take ten seconds
    assert [said["retry"] for status, said in answers if status == 429][:1] == ["1"]
    assert [status for status, _ in answers].count(202) >= 2


async def test_where_somebody_has_to_push_now_and_then_silence_is_no_sign_of_life(
    port: int, tmp_path: Path, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("isthmus.systems.webhook.source.BEAT", 0.05)
    strict, patient = hook(port, tmp_path, silence="1s"), hook(free_port(), tmp_path / "patient")
    began = now()
    async with strict.running(), patient.running():
        await opened(strict, until)
        await until(lambda: bool(strict.readings) and not strict.readings[-1].alive, "nobody pushed in time")
        first = strict.readings[0]
        assert first.alive or first.seen - began > SECOND
        assert (await asyncio.to_thread(push, port, "a", ROW))[0] == 202
        (told,) = [number for number, readings in enumerate(strict.readings) if len(readings)]
        await until(lambda: len(strict.readings) > told + 1, "a beat after it")
        assert strict.readings[told].alive
        await until(lambda: not strict.readings[-1].alive, "silence again")
        await until(lambda: len(patient.readings) > 2, "listening is a sign of life")
    assert all(readings.alive for readings in patient.readings)


async def test_a_port_that_is_taken_is_said_to_be(port: int, tmp_path: Path, until: Until) -> None:
    with socket.create_server(("127.0.0.1", port)):
        async with hook(port, tmp_path).running() as collected:
            await until(lambda: bool(collected.errors), "it says so")
    assert "cannot listen" in str(collected.errors[0])


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"listen": "0.0.0.0:8090"}, "people and roles"),
        ({"listen": "10.0.0.1:8090"}, "people and roles"),
        ({"listen": "127.0.0.1"}, "no place to listen"),
        ({"secret": "short"}, "16 at least"),
        ({"secret": "whsec_not base64"}, "no Base64"),
        ({"path": "results"}, "no path"),
        ({"window": "1d"}, "not from"),
    ],
)
def test_bad_configuration_is_refused_with_its_reason(more: dict[str, str], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        KIND.spec.model_validate({"listen": "127.0.0.1:8090", "secret": SECRET, **more})
