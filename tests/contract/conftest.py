# SPDX-License-Identifier: Apache-2.0
"""Runs the contract suite over every kind of system, against real peers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from tests.contract.adapters import FilesPeer, ModbusPeer, MqttPeer, OpcUaPeer, Peer
from tests.contract.http_far_end import HttpPeer
from tests.contract.s7_far_end import S7Peer
from tests.contract.sparkplug_far_end import SparkplugFarEnd
from tests.contract.sql_far_end import PostgresPeer, SqlitePeer
from tests.contract.webhook_far_end import WebhookPeer

PEERS: dict[str, Callable[[Path], Peer]] = {
    "files": FilesPeer,
    "http": lambda _: HttpPeer(),
    "modbus": lambda _: ModbusPeer(),
    "mqtt": MqttPeer,
    "webhook": lambda _: WebhookPeer(),
    "opcua-node": lambda folder: OpcUaPeer(folder, "node"),
    "s7": lambda _: S7Peer(),
    "sparkplug": SparkplugFarEnd,
    "sql-postgres": lambda _: PostgresPeer(),
    "sql-sqlite": SqlitePeer,
    "opcua-asyncua": lambda folder: OpcUaPeer(folder, "asyncua"),
}


@pytest_asyncio.fixture(params=sorted(PEERS), scope="module", loop_scope="module")
async def shared_peer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Peer]:
    async with PEERS[request.param](tmp_path_factory.mktemp(request.param)) as started:
        yield started


@pytest_asyncio.fixture(loop_scope="module")
async def peer(shared_peer: Peer) -> AsyncIterator[Peer]:
    """The far end of the module's tests, with its network whole."""
    await shared_peer.mend()
    yield shared_peer
    await shared_peer.mend()
