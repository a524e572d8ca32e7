# SPDX-License-Identifier: Apache-2.0
"""HTTP out, to a Node.js server: messages, keys that stay, signatures, refusals, Retry-After, and nothing lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from isthmus.core.errors import Disconnected
from isthmus.core.tag import DataType
from isthmus.core.time import from_iso
from isthmus.outputs.contract import Delivery, Sink, Surroundings
from isthmus.outputs.registry import output_kinds
from isthmus.plant.revision import OutputSetting, Revision
from isthmus.store.history.columns import Columns, empty
from isthmus.systems.contract import Address
from isthmus.systems.registry import kinds
from tests.conftest import Until, needed
from tests.contract.collected import Collected
from tests.deliver.plant import AT, PLANT, TAGS, Plant, plant, setting
from tests.peers.network import Network
from tests.peers.opcua_peer import free_port
from tests.peers.web_peer import HERE, WHAT, WebServer
from tests.web.certificates import certificates
from tests.web.hook import SECRET

KIND = output_kinds()["http"]


@pytest.fixture
async def server() -> AsyncIterator[WebServer]:
    needed(HERE, WHAT)
    async with WebServer() as started:
        yield started


@pytest.fixture
async def floor(tmp_path: Path) -> AsyncIterator[Plant]:
    async with plant(tmp_path / "data") as made:
        yield made


def output(url: str, folder: Path, **config: Any) -> Any:
    folder.mkdir(exist_ok=True)
    tags = {number: setting(number) for number in range(1, TAGS + 1)}
    revision = Revision(
        number=1, created=0, author="", comment="", plant=PLANT, time_zone="UTC", systems=(), assets=(),
        tags=tuple(tags.values()),
    )  # fmt: skip
    spec = KIND.spec.model_validate({"url": f"{url}/samples", "timeout": "1m", **config})
    assert KIND.connect is not None
    return KIND.connect(spec, Surroundings("push", revision, tags, folder, folder))


def samples(*values: float, quality: int = 0) -> Columns:
    rows, count = empty(len(values)), len(values)
    rows.tag[:], rows.time[:], rows.value[:] = 1, AT + np.arange(count) * 1_000_000, values
    rows.quality[:] = quality
    return rows


@asynccontextmanager
async def sinking(made: Any) -> AsyncIterator[Sink]:
    async with made.open() as sink:
        yield sink


@pytest.mark.parametrize("form", ["json", "jsonl"])
@pytest.mark.parametrize("packed", [True, False])
async def test_samples_arrive_signed_with_time_and_quality(
    server: WebServer, tmp_path: Path, form: str, packed: bool
) -> None:
    await server.do("set", secret=SECRET)
    async with sinking(output(server.url, tmp_path, format=form, gzip=packed, secret=SECRET, most=2)) as sink:
        assert not await sink.write(Delivery(samples(1.5, 2.5, 3.5)))
        assert not await sink.write(Delivery(samples(np.nan, quality=0x808C_0000)))
    rows, pushes = await server.do("get", what="stored"), await server.do("get", what="pushes")
    assert [row["value"] for row in rows] == [1.5, 2.5, 3.5, None]
    assert [from_iso(row["at"]) for row in rows] == [AT, AT + 1_000_000, AT + 2_000_000, AT]
    assert {row["tag"] for row in rows} == {f"{PLANT}/hall/tank-1/level"} and rows[3]["quality"] == "BadSensorFailure"
    assert [push["rows"] for push in pushes] == [2, 1, 1] and all(push["signed"] for push in pushes)


async def test_who_we_are_is_said(server: WebServer, tmp_path: Path) -> None:
    ways: list[tuple[dict[str, Any], str, str]] = [
        ({"token": "t"}, "authorization", "Bearer t"),
        ({"token": "t", "token_header": "X-API-Key"}, "x-api-key", "t"),
        ({"user": "me", "password": "p"}, "authorization", "Basic bWU6cA=="),
        ({"headers": {"X-Site": "lyon"}}, "x-site", "lyon"),
    ]
    for config, header, value in ways:
        async with sinking(output(server.url, tmp_path, **config)) as sink:
            await sink.write(Delivery(samples(1.0)))
        assert (await server.do("get", what="pushes"))[-1]["headers"][header] == value


async def test_a_message_whose_answer_was_lost_comes_again_under_its_key(server: WebServer, tmp_path: Path) -> None:
    made = output(server.url, tmp_path)
    await server.do("set", answers=[{"status": 200, "store": True, "hang": True}])
    for _ in range(2):
        try:
            async with sinking(made) as sink:
                await sink.write(Delivery(samples(1.0, 2.0)))
        except Disconnected:
            continue
    pushes = await server.do("get", what="pushes")
    assert len(pushes) == 2 and len({push["id"] for push in pushes}) == len({push["key"] for push in pushes}) == 1
    assert (await server.do("count"))["stored"] == 2


async def test_what_is_refused_is_found_and_the_rest_is_delivered(server: WebServer, tmp_path: Path) -> None:
    await server.do("set", refuse=13)
    async with sinking(output(server.url, tmp_path)) as sink:
        refused = await sink.write(Delivery(samples(*map(float, range(40)))))
    assert [(one.row, one.reason) for one in refused] == [(13, "422 Unprocessable Entity: value 13 is not wanted")]
    assert [row["value"] for row in await server.do("get", what="stored")] == [n for n in range(40) if n != 13]


async def test_a_message_that_is_too_long_is_divided(server: WebServer, tmp_path: Path) -> None:
    async with sinking(output(server.url, tmp_path, largest=1_000)) as sink:
        assert not await sink.write(Delivery(samples(*map(float, range(40)))))
    assert (await server.do("count"))["stored"] == 40 and (await server.do("count"))["pushes"] > 4


@pytest.mark.parametrize("status", [301, 401, 403, 404, 408, 409, 429, 500, 502, 503])
async def test_what_may_pass_is_kept_and_sent_again(server: WebServer, tmp_path: Path, status: int) -> None:
    headers = {"Location": "https://elsewhere.example/"} if status == 301 else {}
    await server.do("set", answers=[{"status": status, "headers": headers, "body": "no"}])
    made = output(server.url, tmp_path)
    async with sinking(made) as sink:
        with pytest.raises(Disconnected, match=str(status)):
            await sink.write(Delivery(samples(1.0)))
    if status in (401, 403, 429, 503):
        with pytest.raises(Disconnected, match=str(status)):
            async with sinking(made):
                pass
        assert (await server.do("count"))["pushes"] == 1


async def test_a_far_end_that_asks_for_time_gets_it(server: WebServer, tmp_path: Path, until: Until) -> None:
    await server.do("set", answers=[{"status": 503, "headers": {"Retry-After": "1"}}])
    made, loop = output(server.url, tmp_path), asyncio.get_running_loop()
    began = loop.time()

    async def delivered() -> bool:
        try:
            async with sinking(made) as sink:
                await sink.write(Delivery(samples(1.0)))
        except Disconnected:
            return False
        return True

    await until(delivered, "it takes it")
    assert loop.time() - began > 0.9 and (await server.do("count"))["pushes"] == 2


@pytest.mark.parametrize(("days", "words"), [(30, ""), (-1, "certificate is not trusted: certificate has expired")])
async def test_certificates_are_checked(tmp_path: Path, days: int, words: str) -> None:
    needed(HERE, WHAT)
    certificate, key = certificates(tmp_path / "pki", days=days)
    async with WebServer(certificate, key) as server:
        made = output(server.url, tmp_path, ca=certificate.name)
        if words:
            with pytest.raises(Disconnected, match=words):
                async with sinking(made):
                    pass
            return
        async with sinking(made) as sink:
            await sink.write(Delivery(samples(1.0)))
        assert (await server.do("count"))["stored"] == 1


async def test_no_answer_in_time_and_nobody_there_count_as_away(server: WebServer, tmp_path: Path) -> None:
    await server.do("set", answers=[{"silent": True, "status": 0}])
    async with sinking(output(server.url, tmp_path, timeout="1s")) as sink:
        with pytest.raises(Disconnected, match="no answer within 1s"):
            await sink.write(Delivery(samples(1.0)))
    await server.kill()
    with pytest.raises(Disconnected, match="nothing listens there"):
        async with sinking(output(server.url, tmp_path)):
            pass


@pytest.mark.parametrize(
    "config",
    [
        {"url": "ftp://a"},
        {"url": "http://user:pw@127.0.0.1"},
        {"url": "http://10.0.0.1", "token": "t"},
        {"secret": "short"},
        {"headers": {"Webhook-Id": "1"}},
        {"most": 5000},
        {"certificate": "a.pem"},
    ],
)
def test_bad_configuration_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        KIND.spec.model_validate({"url": "http://127.0.0.1", **config})


def pushing(url: str, **more: Any) -> OutputSetting:
    config = {"url": f"{url}/samples", "timeout": "1s", **more}
    return OutputSetting(name="push", kind="http", config=config, begins="now")


async def cut_under_load(server: WebServer, floor: Plant, until: Until, rounds: int, count: int) -> None:
    """The network is cut, and the server frozen, while samples flow: all are there, each once by its key."""
    async with Network(server.port) as network:
        floor.apply([pushing(f"http://127.0.0.1:{network.port}")])
        floor.start()
        await until(lambda: floor.told("push").get("state") == "connected", "it is connected")
        for number in range(rounds):
            await floor.publish(count)
            (network.cut if number % 2 else network.freeze)()
            await floor.publish(count)
            await asyncio.sleep(0.3)  # something is on its way
            network.mend()
        await until(lambda: floor.told("push").get("delivered") == floor.sent * TAGS, "all is delivered", within=240)
    rows = await server.do("get", what="stored")
    found = {(row["tag"], row["at"], row["value"]) for row in rows}
    assert len(found) == floor.sent * TAGS
    assert floor.told("push")["parked"] == 0


async def test_a_cut_under_load_loses_nothing(server: WebServer, floor: Plant, until: Until) -> None:
    await cut_under_load(server, floor, until, 2, 200)


@pytest.mark.soak
@pytest.mark.timeout(900)
async def test_two_hundred_cuts_under_load_lose_nothing(server: WebServer, floor: Plant, until: Until) -> None:
    await cut_under_load(server, floor, until, 200, 200)


async def test_one_isthmus_feeds_another(tmp_path: Path, until: Until) -> None:
    """What the output pushes is what the webhook takes; a repeated message is not taken twice."""
    port = free_port()
    hook = {"listen": f"127.0.0.1:{port}", "path": "/samples", "secret": SECRET, "time": "at", "quality": "quality"}
    address = Address(f"value[tag={PLANT}/hall/tank-1/level]", DataType.FLOAT)
    collected = Collected(kinds()["webhook"], hook, tmp_path, [address], "other")
    columns = samples(1.25, 2.5, np.nan)
    columns.quality[2] = 0x808C_0000
    async with collected.running():
        await until(lambda: collected.opened == 1, "it listens")
        async with sinking(output(f"http://127.0.0.1:{port}", tmp_path / "out", secret=SECRET)) as sink:
            for _ in range(2):
                assert not await sink.write(Delivery(columns))
    rows = list(collected.rows(0))
    assert [row[:2] for row in rows] == [(AT, 0), (AT + 1_000_000, 0), (AT + 2_000_000, 0x808C_0000)]
    assert [value for *_, value in rows][:2] == [1.25, 2.5]
