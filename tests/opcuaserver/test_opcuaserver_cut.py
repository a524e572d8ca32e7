# SPDX-License-Identifier: Apache-2.0
"""A client that is cut off under load hears what is now again, is told that values are missing, and reads them back."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from isthmus.plant.revision import OutputSetting
from tests.conftest import Until
from tests.deliver.plant import AT, PLANT, TAGS, plant
from tests.peers.network import Network
from tests.peers.opcua_client_peer import OpcUaClient
from tests.peers.opcua_peer import free_port

NODES = f"urn:isthmus:{PLANT}"
LEVEL = f"{PLANT}/hall/tank-1/level"
OVERFLOW = 0x480
SIZE = 50
"""Of the item's queue: what is more while nobody listens is missing."""
MS = AT // 1_000_000


async def past(client: OpcUaClient, count: int) -> list[float]:
    """All values that the history has of the first so many milliseconds, page by page."""
    details: dict[str, Any] = {"kind": "raw", "start": MS, "end": MS + count}
    found, points = list[float](), None
    while True:
        (one,) = (await client.do("history", nodes=[LEVEL], details=details, points=points))["results"]
        found += [value["value"] for value in one["values"]]
        if not one["point"]:
            return found
        points = [one["point"]]


@pytest.mark.parametrize("seconds", [2.0, pytest.param(60.0, marks=[pytest.mark.soak, pytest.mark.timeout(600)])])
async def test_after_a_cut_under_load_a_client_hears_on_and_history_fills_the_hole(
    tmp_path: Path, until: Until, seconds: float
) -> None:
    port = free_port()
    config = {"listen": f"127.0.0.1:{port}", "security": ["None"], "anonymous": True}
    async with plant(tmp_path / "data") as floor, floor.recording(), Network(port) as network:
        floor.apply([OutputSetting(name="ua", kind="opcua", config=config)])
        async with floor.delivering() as told:
            await until(lambda: told.get("ua", {}).get("state") == "connected", "the server is open", within=60)
            await floor.publish(1)
            await until(lambda: bool(told["ua"]["delivered"] == TAGS), "the first values")
            url = f"opc.tcp://127.0.0.1:{network.port}/"
            async with OpcUaClient(tmp_path / "client", url, NODES, retry=1000) as client:
                await client.do("subscribe", nodes=[LEVEL], size=SIZE, lifetime=3000)
                heard = await client.heard(1)

                async def flow(for_: float) -> None:
                    for _ in range(round(for_ * 10)):
                        await floor.publish(10)
                        await asyncio.sleep(0.1)

                async def is_now() -> bool:
                    heard.extend((await client.do("heard"))["heard"])
                    return bool(heard[-1]["value"] == floor.sent - 1)

                await flow(0.5)
                await until(is_now, "all before the cut")
                before = floor.sent
                network.cut()
                await flow(seconds)
                network.mend()
                await until(is_now, "what is now, after the cut", within=60)
                again = len(heard)
                await flow(0.5)
                await until(is_now, "all after the cut")
                values = [one["value"] for one in heard]
                assert set(values) >= set(range(before)), "before the cut nothing is missing"
                assert len(values) > again and set(range(floor.sent)) - set(values), "in the cut something is"
                if seconds < 10:  # its session outlived the cut, and so its queue; later it has another one
                    assert [one["value"] for one in heard if one["status"] == OVERFLOW]
                await until(lambda: bool(told["ua"]["lag_messages"] == 0), "all is delivered")
                assert await past(client, floor.sent) == list(range(floor.sent))
