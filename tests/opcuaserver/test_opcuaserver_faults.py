# SPDX-License-Identifier: Apache-2.0
"""Clients that die, stand still, or send what means nothing harm nobody but themselves, and cost a bounded amount."""

from __future__ import annotations

import asyncio
import signal
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from asyncua import Client, ua

from isthmus.core.tag import DataType
from isthmus.outputs.opcua.connection import UNREAD
from isthmus.outputs.opcua.library import UNKNOWN
from tests.conftest import Until
from tests.opcuaserver.house import AT, PLANT, SECOND, TEMPERATURE, URI, House, house, samples, setting
from tests.peers.opcua_client_peer import OpcUaClient

pytestmark = pytest.mark.asyncio(loop_scope="module")

MANY = 10_000
LONG = MANY + 1
NUMBERS = tuple(setting(n, f"{PLANT}/hall/t{n}", DataType.FLOAT) for n in range(1, MANY + 1))
TAGS = (*NUMBERS, setting(LONG, f"{PLANT}/hall/text", DataType.TEXT))
PATHS = [one.tag.path for one in NUMBERS]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def crowded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """A server with ten thousand tags."""
    async with house(tmp_path_factory.mktemp("crowded"), tags=TAGS, assets=()) as made:
        yield made


def inside(opened: House) -> Any:
    """The library's server."""
    return opened.sink._server  # type: ignore[attr-defined]  # looked at, not touched


def address(opened: House) -> tuple[str, int]:
    host, _, port = opened.url.removeprefix("opc.tcp://").strip("/").partition(":")
    return host, int(port)


async def value(opened: House) -> float:
    """What a client in good order reads."""
    async with Client(opened.url, timeout=90) as client:
        found: float = await client.get_node(f"ns=2;s={PATHS[TEMPERATURE - 1]}").read_value()
        return found


async def change(opened: House, number: float, second: float, count: int = MANY) -> None:
    """Gives the first tags a value."""
    tags = list(range(1, count + 1))
    await opened.deliver(samples(tags, [AT + round(second * SECOND)] * count, [number] * count))


async def test_ten_thousand_items_are_heard_of_and_go_with_their_client(
    crowded: House, until: Until, tmp_path: Path
) -> None:
    await change(crowded, 1.0, 1)
    async with OpcUaClient(tmp_path, crowded.url, URI) as client:
        said = await client.do("subscribe", nodes=PATHS, size=10)
        assert said["good"] == MANY
        first = await client.heard(MANY)
        assert len({one["node"] for one in first}) == MANY
        await change(crowded, 2.0, 2)
        second = await client.heard(MANY)
        assert len(second) == MANY and {one["value"] for one in second} == {2}
        client.signal(signal.SIGKILL)
    await change(crowded, 3.0, 3)
    assert await value(crowded) == 3.0
    visits = inside(crowded).iserver._external_sessions
    assert len(visits) == 1  # it may come back for its subscription
    (visit,) = visits.values()
    for subscription in visit.publishing.subscriptions.values():
        subscription.pace = type(subscription.pace)(50.0, 1, 3)  # as if its lifetime had been short
    await until(lambda: not visit.publishing.subscriptions, "its subscription is over")
    assert not any(variable.items for variable in crowded.sink._space.tags.values())  # type: ignore[attr-defined]


async def test_a_client_that_stands_still_costs_a_bounded_amount_and_reads_on(crowded: House, tmp_path: Path) -> None:
    some = 1000
    async with OpcUaClient(tmp_path, crowded.url, URI) as client:
        await client.do("subscribe", nodes=PATHS[:some], size=3, interval=50)
        await client.heard(some)
        client.signal(signal.SIGSTOP)
        (connection,) = [one for one in inside(crowded).bserver.clients if one.processor.is_known]
        (visit,) = connection.processor.visits.values()
        (subscription,) = visit.publishing.subscriptions.values()
        for number in range(4, 60):
            await change(crowded, float(number), number, some)
            await asyncio.sleep(0.01)
        assert max(len(item.queue) for item in subscription.items.values()) == 3
        assert sum(map(len, subscription.sent.values())) < 20 * some * 3 * 40
        assert await asyncio.wait_for(value(crowded), 60) == 59.0  # others do not notice
        client.signal(signal.SIGCONT)
        async with asyncio.timeout(60):
            while 59 not in [one["value"] for one in await client.heard(1)]:
                pass


async def test_a_client_that_asks_and_does_not_listen_is_asked_to_wait(crowded: House, until: Until) -> None:
    length = 1 << 20
    await crowded.deliver(samples(LONG, [AT], text=["x" * length]))
    await crowded.tell(TEMPERATURE, 60.0, 60)
    async with Client(crowded.url, timeout=60) as client:
        asked = ua.ReadParameters(NodesToRead=[ua.ReadValueId(ua.NodeId(TAGS[-1].tag.path, 2), ua.AttributeIds.Value)])
        (connection,) = [one for one in inside(crowded).bserver.clients if one.processor.is_known]
        client.uaclient.protocol.transport.pause_reading()
        asking = [asyncio.create_task(client.uaclient.read(asked)) for _ in range(20)]
        await until(lambda: not connection.processor.clear, "its answers are held back")
        held = connection.transport.get_write_buffer_size()
        assert UNREAD <= held < UNREAD + 2 * length
        assert await asyncio.wait_for(value(crowded), 60) == 60.0
        assert connection.transport.get_write_buffer_size() <= held
        client.uaclient.protocol.transport.resume_reading()
        answers = await asyncio.gather(*asking)
        assert [len(one[0].Value.Value) for one in answers] == [length] * 20


async def test_bytes_that_mean_nothing_end_their_connection_and_no_other(crowded: House) -> None:
    await change(crowded, 7.0, 10_000)
    pieces = [
        b"GET / HTTP/1.1\r\nHost: plant\r\n\r\n",
        b"\x00" * 5000,
        b"HELF" + struct.pack("<I", 2**31),
        b"HELF" + struct.pack("<I", 8),
        b"MSGF" + struct.pack("<I", 64) + b"\xff" * 56,
        b"OPNF" + struct.pack("<I", 64) + b"\xff" * 56,
        b"HELF" + struct.pack("<I", 32) + struct.pack("<5Ii", 0, 10, 10, 0, 0, -1),  # no message fits into its buffers
        b"ERRF" + struct.pack("<I", 16) + b"\x00" * 8,
    ]
    for piece in pieces:
        reader, writer = await asyncio.open_connection(*address(crowded))
        writer.write(piece)
        async with asyncio.timeout(60):
            with suppress(ConnectionError):
                while await reader.read(4096):
                    pass
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
    assert await value(crowded) == 7.0


async def test_requests_that_make_no_sense_are_refused_and_the_session_goes_on(crowded: House) -> None:
    async with Client(crowded.url, timeout=90) as client:
        session = client.uaclient
        refused: dict[str, Callable[[], Any]] = {
            "nothing to read": lambda: session.read(ua.ReadParameters(NodesToRead=[])),
            "no subscription": lambda: session.create_monitored_items(ua.CreateMonitoredItemsParameters(77)),
            "no history": lambda: session.history_read(
                ua.HistoryReadParameters(ReleaseContinuationPoints=False, NodesToRead=[ua.HistoryReadValueId()])
            ),
        }
        for what, ask in refused.items():
            with pytest.raises(ua.UaStatusCodeError):
                await ask()
                pytest.fail(what)
        bad = ua.ReadValueId(ua.NodeId("nobody", 77), ua.AttributeIds.Value)
        odd = ua.ReadValueId(ua.NodeId(PATHS[0], 2), 4711)
        found = await session.read(ua.ReadParameters(NodesToRead=[bad, odd]))
        assert [one.StatusCode.value for one in found] == [
            ua.StatusCodes.BadNodeIdUnknown, ua.StatusCodes.BadAttributeIdInvalid,
        ]  # fmt: skip
        with pytest.raises(ua.UaStatusCodeError):
            await client.nodes.objects.add_object(2, "mine")
        assert await client.get_namespace_index(URI) == 2


async def test_connections_that_nobody_signs_in_on_keep_nobody_out(crowded: House, until: Until) -> None:
    idle = [await asyncio.open_connection(*address(crowded)) for _ in range(50)]
    try:
        clients = inside(crowded).bserver.clients
        await until(lambda: len(clients) <= UNKNOWN, "the oldest were closed")
        assert await value(crowded) is not None
    finally:
        for _, writer in idle:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
