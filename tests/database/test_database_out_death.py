# SPDX-License-Identifier: Apache-2.0
"""Whoever dies in the middle of a COPY, deliverer, database or network: every accepted sample is in the table, once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import psycopg
import pytest

from isthmus.plant.revision import OutputSetting
from tests.conftest import Until
from tests.database.tables import Server
from tests.deliver.plant import PLANT, TAGS, Plant, plant
from tests.peers.network import Network
from tests.peers.postgres import OWNER, PASSWORD, Postgres

VICTIMS = ("deliverer", "database", "network", "frozen", "both")


@pytest.fixture
async def floor(tmp_path: Path) -> AsyncIterator[Plant]:
    async with plant(tmp_path / "data") as made:
        yield made


def output(port: int, shape: str) -> OutputSetting:
    url = f"postgresql://127.0.0.1:{port}/postgres"
    config = {"url": url, "user": OWNER, "password": PASSWORD, "timeout": "1s", "shape": shape}
    return OutputSetting(name="warehouse", kind="sql", config=config, begins="now")


def counted(server: Postgres, shape: str) -> tuple[int, int]:
    """(rows, different ones) of the table; what cannot be asked yet counts as none."""
    table, key = ("samples", "tag, value") if shape == "narrow" else ("tank", "asset, level")
    try:
        with psycopg.connect(server.url, user=OWNER, password=PASSWORD, connect_timeout=60) as line:
            row = line.execute(f"SELECT count(*), count(DISTINCT ({key})) FROM {table}".encode()).fetchone()
    except psycopg.Error:
        return 0, 0
    assert row is not None
    return int(row[0]), int(row[1])


async def rounds(floor: Plant, server: Postgres, until: Until, shape: str, victims: Sequence[str]) -> None:
    """Kills in a row while samples flow."""
    chosen = random.Random(3)
    async with Network(server.port) as network, floor.recording():
        floor.apply([output(network.port, shape)])
        floor.start()
        for victim in victims:
            await until(lambda: floor.told("warehouse").get("state") == "connected", "connected", within=240)
            publishing = asyncio.create_task(flow(floor))
            await asyncio.sleep(chosen.random() * 0.4)  # the phase in which it dies
            await kill(victim, floor, server, network)
            await publishing

        await all_there(floor, server, shape, until)
        assert floor.told("warehouse")["parked"] == 0
        assert floor.stop() == 0


async def all_there(floor: Plant, server: Postgres, shape: str, until: Until) -> None:
    """Every sample is in the table, once: what was counted when there were as many rows."""
    found = 0, 0

    async def as_many() -> bool:
        nonlocal found
        await asyncio.sleep(0.5)  # to count costs more than to wait
        found = await asyncio.to_thread(counted, server, shape)
        return found[0] >= floor.sent * TAGS

    await until(as_many, "every sample in the table", within=400)
    assert found == (floor.sent * TAGS, floor.sent * TAGS)


async def flow(floor: Plant) -> None:
    for _ in range(20):
        await floor.publish(100)


async def kill(victim: str, floor: Plant, server: Postgres, network: Network) -> None:
    """Kills, and has it back a moment later."""
    if victim in ("deliverer", "both"):
        await asyncio.to_thread(floor.kill)
    if victim in ("database", "both"):
        await asyncio.to_thread(server.kill)
        await asyncio.to_thread(server.start)
    if victim in ("deliverer", "both"):
        floor.start()
    if victim == "network":
        network.cut()
        await asyncio.sleep(1)
        network.mend()
    if victim == "frozen":
        network.freeze()
        await asyncio.sleep(3)
        network.cut()
        network.mend()


async def test_whoever_dies_every_accepted_sample_is_in_the_narrow_table_once(
    floor: Plant, plant_server: Server, until: Until
) -> None:
    await rounds(floor, plant_server.server, until, "narrow", ("both", "network"))
    assert plant_server.ask(f"SELECT count(*) FROM samples WHERE tag NOT LIKE '{PLANT}/hall/tank-%/level'") == [(0,)]


async def test_whoever_dies_every_accepted_sample_is_in_the_wide_table_once(
    floor: Plant, plant_server: Server, until: Until
) -> None:
    await rounds(floor, plant_server.server, until, "wide", ("deliverer",))


@pytest.mark.soak
@pytest.mark.parametrize("shape", ["narrow", "wide"])
async def test_two_hundred_deaths(floor: Plant, plant_server: Server, until: Until, shape: str) -> None:
    await rounds(floor, plant_server.server, until, shape, [VICTIMS[n % len(VICTIMS)] for n in range(200)])


@pytest.mark.soak
async def test_a_minute_without_a_network_under_load_loses_nothing(
    floor: Plant, plant_server: Server, until: Until
) -> None:
    server = plant_server.server
    async with Network(server.port) as network, floor.recording():
        floor.apply([output(network.port, "narrow")])
        floor.start()
        await until(lambda: floor.told("warehouse").get("state") == "connected", "connected", within=240)
        network.cut()
        end = asyncio.get_running_loop().time() + 60
        while asyncio.get_running_loop().time() < end:
            await floor.publish(100)
            await asyncio.sleep(0.1)
        network.mend()
        await all_there(floor, server, "narrow", until)
        assert floor.stop() == 0
