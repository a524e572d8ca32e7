# SPDX-License-Identifier: Apache-2.0
"""From the log to a client, in the deliverer's own process; Isthmus reads its own server; a new revision changes it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

from isthmus.core.errors import Disconnected
from isthmus.core.tag import DataType
from isthmus.plant.revision import OutputSetting
from isthmus.systems.contract import Address, Surroundings
from isthmus.systems.opcua import KIND
from tests.conftest import Until
from tests.contract.collected import Collected
from tests.deliver.plant import AT, PLANT, Plant, plant, setting
from tests.opcuaserver.house import (
    NAME,
    OPEN,
    PRESSURE,
    REACTOR,
    SECOND,
    STATE,
    TAGS,
    TEMPERATURE,
    URI,
    house,
    samples,
)
from tests.peers.opcua_client_peer import OpcUaClient
from tests.peers.opcua_peer import free_port

NODES = f"urn:isthmus:{PLANT}"


def opcua(port: int, **config: Any) -> OutputSetting:
    said = {"listen": f"127.0.0.1:{port}", "security": ["None"], "anonymous": True, **config}
    return OutputSetting(name="ua", kind="opcua", config=said)


async def connected(floor: Plant, until: Until) -> None:
    await until(lambda: floor.told("ua").get("state") == "connected", "the server is open", within=60)


async def test_samples_of_the_log_are_shown_kept_and_there_again_after_the_end_of_the_process(
    tmp_path: Path, until: Until
) -> None:
    port = free_port()
    url, level = f"opc.tcp://127.0.0.1:{port}/", f"{PLANT}/hall/tank-1/level"
    async with plant(tmp_path / "data") as floor, floor.recording():
        floor.apply([opcua(port)])
        floor.start()
        await connected(floor, until)
        await floor.publish(10)
        await until(lambda: floor.told("ua").get("delivered") == 50, "everything is delivered")
        async with OpcUaClient(tmp_path / "client", url, NODES, retry=200) as client:
            (now,) = (await client.do("read", nodes=[level]))["values"]
            assert (now["value"], now["at"]) == (9, AT // 1_000_000 + 9)
            await client.do("subscribe", nodes=[level], size=100)
            await client.heard(1)

            floor.kill()  # and what comes meanwhile is in the log
            await floor.publish(10)
            floor.start()
            await until(
                lambda: floor.told("ua").get("delivered", 0) >= 50, "what came meanwhile is delivered", within=60
            )
            found = await client.heard(1)
            while found[-1]["value"] != 19:  # what was shown before may be told first
                found = await client.heard(1)
            details = {"kind": "raw", "start": AT // 1_000_000, "end": AT // 1_000_000 + 1000}
            (past,) = (await client.do("history", nodes=[level], details=details))["results"]
            assert [one["value"] for one in past["values"]] == list(range(20))

            floor.apply([opcua(port)], [setting(number, description="new") for number in (1, 2, 3)])
            await until(lambda: floor.told("ua").get("tags") == 3, "the new revision is shown", within=60)
            await connected(floor, until)
            await floor.publish(1)
            found = await client.heard(1)
            while found[-1]["value"] != 20:
                found = await client.heard(1)
            gone = (await client.do("browse", node=f"{PLANT}/hall/tank-5"))["status"]
            assert gone == 0x8034_0000
        assert floor.stop() == 0


async def test_isthmus_reads_its_own_server(tmp_path: Path, until: Until) -> None:
    tags = {"temperature": DataType.FLOAT, "state": DataType.ENUMERATION, "jacket/open": DataType.BOOLEAN}
    tags["pressure"] = DataType.FLOAT
    addresses = [Address(KIND.check_address(f"nsu={URI};s={REACTOR}/{name}"), type_) for name, type_ in tags.items()]
    async with house(tmp_path / "out") as opened:
        config = {"url": opened.url, "publishing": "50ms", "sampling": "0s"}
        collected = Collected(KIND, config, tmp_path / "in", addresses)
        async with collected.running():
            await until(lambda: collected.opened == 1, "opened")
            times = [AT + 100 * n for n in range(1, 6)]
            await opened.deliver(
                samples(TEMPERATURE, times, [1.5, 2.5, 3.5, 4.5, 5.5], quality=[0, 0x4090_0000, 0, 0x4093_0000, 0]),
                samples(STATE, times[:1], [7.0], integer=[7]),
                samples(OPEN, times[:1], [1.0]),
                samples(PRESSURE, times[:1], [2.0], quality=0x808C_0000),
            )
            wanted = [(at, code, value) for at, code, value in zip(
                times, (0, 0x4090_0000, 0, 0x4093_0000, 0), (1.5, 2.5, 3.5, 4.5, 5.5), strict=True)]  # fmt: skip
            await until(lambda: list(collected.rows(0))[-5:] == wanted, "the samples are the same")
            await until(lambda: any(row[2] == 7.0 for row in collected.rows(1)), "the state")
            await until(lambda: any(row[:2] == (times[0], 0x808C_0000) for row in collected.rows(3)), "the bad one")
        assert not collected.errors or isinstance(collected.errors[0], Disconnected)
        driver: Any = KIND.connect(
            KIND.spec.model_validate({"url": opened.url}), Surroundings("own", tmp_path / "in", {})
        )
        found = {one.path.rpartition("acme/")[2]: one async for one in driver.browse(None) if one.type is not None}
        assert len(found) == len(TAGS)  # how history is kept is none of the plant's values
        hot = found["lyon/mixing/line-1/reactor-1/temperature"]
        assert (hot.unit, hot.range, hot.type, hot.writable) == ("Cel", (0.0, 180.0), DataType.FLOAT, False)
        assert hot.address == addresses[0].text and hot.description == "In the middle."


async def test_asyncua_s_own_programs_read_it_as_the_documentation_says(tmp_path: Path) -> None:
    async with house(tmp_path, last=samples(PRESSURE, [AT], [3.25])) as opened:
        await opened.tell(TEMPERATURE, 81.5)
        await opened.deliver(samples(NAME, [AT + SECOND], text=["Ale"]))
        tools = Path(sys.executable).parent
        listed = await _run(str(tools / "uals"), "-u", opened.url, "-n", "i=85", "-d", "2")
        assert "acme" in listed and "lyon" in listed
        node = f"ns=2;s={REACTOR}/temperature"
        assert "81.5" in await _run(str(tools / "uaread"), "-u", opened.url, "-n", node)
        shown = await _run(str(tools / "uaread"), "-u", opened.url, "-n", f"ns=2;s={REACTOR}/pressure")
        assert "3.25" in shown  # known from before it was opened


async def _run(*words: str) -> str:
    """Waits for answers longer than the second that is the programs' own: the machine may be busy."""
    process = await asyncio.create_subprocess_exec(
        *words, "--timeout", "60", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(60):
        said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    return said.decode()
