# SPDX-License-Identifier: Apache-2.0
"""However often a client is cut off, the server has every value for it: one that asks as Part 4 says misses none."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from asyncua import Client, ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary
from asyncua.ua.uaerrors import BadSessionIdInvalid

from tests.conftest import Until
from tests.opcuaserver.careful import CarefulClient
from tests.opcuaserver.house import REACTOR, TEMPERATURE, URI, House, house
from tests.peers.network import Network
from tests.peers.opcua_client_peer import OpcUaClient

pytestmark = pytest.mark.asyncio(loop_scope="module")

NODE = f"{REACTOR}/temperature"
SOAK = [pytest.mark.soak, pytest.mark.timeout(3600)]
RETURNS = pytest.mark.parametrize("transfers", [False, True], ids=["its session goes on", "another session takes over"])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with house(tmp_path_factory.mktemp("house"), sessions=500) as made:  # one for each return
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def network(opened: House) -> AsyncIterator[Network]:
    """Between the server and a client."""
    async with Network(int(opened.url.rstrip("/").rpartition(":")[2])) as made:
        yield made


def inside(opened: House) -> Any:
    """The library's server."""
    return opened.sink._server  # type: ignore[attr-defined]  # looked at, not touched


class Source:
    """Gives the temperature the values 1, 2, 3, … ."""

    def __init__(self, opened: House) -> None:
        self._opened, self.last = opened, 0
        self._begin = asyncio.get_running_loop().time()

    async def tell(self) -> None:
        self.last += 1
        await self._opened.tell(TEMPERATURE, float(self.last), self._begin + self.last * 1e-3)

    async def flow(self, seconds: float) -> None:
        """So long, fifty values in a second."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while loop.time() < end:
            await self.tell()
            await asyncio.sleep(0.02)

    async def flow_until(self, condition: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(60):
            while not await condition():
                await self.flow(0.05)


async def away(network: Network, source: Source, some: random.Random) -> None:
    """The network is cut under load, for a while."""
    network.cut()
    await source.flow(some.uniform(0.05, 1.0))
    network.mend()


@pytest.mark.parametrize("rounds", [2, pytest.param(200, marks=SOAK)])
@RETURNS
async def test_a_client_that_asks_as_it_should_hears_every_value_once_and_in_order(
    opened: House, network: Network, until: Until, rounds: int, transfers: bool
) -> None:
    """What it is told just before a cut is still on its way then, and half of the cuts are followed by another one.

    That comes while the client is about to come back.
    """
    source, some = Source(opened), random.Random(rounds)
    await source.tell()
    async with CarefulClient(f"opc.tcp://127.0.0.1:{network.port}/", NODE, transfers=transfers) as client:

        def has_all() -> bool:
            client.check()
            return client.values[-1:] == [source.last]

        await until(has_all, "the first value")
        for _ in range(rounds):
            client.check()
            await source.flow(some.uniform(0.1, 0.6))
            network.freeze()
            await source.flow(some.uniform(0.0, 0.3))
            await away(network, source, some)
            if some.random() < 0.5:
                await source.flow(some.uniform(0.0, 0.4))
                await away(network, source, some)
            await source.flow(some.uniform(0.2, 0.7))
        await until(has_all, "the last value")
        assert client.values == list(range(1, source.last + 1))
        assert sorted(client.messages) == list(range(1, len(client.messages) + 1)), "numbers without a hole"
        assert client.returns


@RETURNS
async def test_nothing_is_told_to_a_connection_that_its_client_has_left(
    opened: House, until: Until, transfers: bool
) -> None:
    """It is still open: publish requests of it wait that are older than those of the connection that counts."""
    source = Source(opened)
    await source.tell()
    async with CarefulClient(opened.url, NODE, transfers=transfers) as client:
        await until(lambda: client.values == [1], "the first value")
        for _ in range(3):
            await client.leave()
            await source.flow(0.3)
        await until(lambda: client.values[-1:] == [source.last], "the last value")
        assert client.values == list(range(1, source.last + 1))


async def test_a_session_goes_where_its_client_goes_and_does_not_end_with_the_connection_it_left(
    opened: House, until: Until
) -> None:
    left, client = Client(opened.url, timeout=60), Client(opened.url, timeout=60)
    await left.connect_sessionless()
    await left.create_session()
    await left.activate_session()
    assert await left.get_namespace_index(URI) == 2
    await client.connect_sessionless()
    client.uaclient.session.restore_authentication_token(left.uaclient.session.authentication_token)
    anonymous = ua.ActivateSessionParameters(UserIdentityToken=ua.AnonymousIdentityToken())
    await client.uaclient.activate_session(anonymous)
    with pytest.raises(BadSessionIdInvalid):
        await left.get_namespace_index(URI)
    left.disconnect_socket()
    await until(lambda: len(inside(opened).bserver.clients) == 1, "its connection has ended")
    assert await client.get_namespace_index(URI) == 2
    client.disconnect_socket()


def kept(opened: House, number: int) -> set[float]:
    """The values that a subscription's client can ask for again."""
    visits = inside(opened).iserver._external_sessions.values()
    (subscription,) = [one for visit in visits if (one := visit.publishing.subscriptions.get(number)) is not None]
    messages = [struct_from_binary(ua.NotificationMessage, Buffer(sent)) for sent in subscription.sent.values()]
    notifications = [data for message in messages for data in message.NotificationData]
    return {item.Value.Value.Value for data in notifications for item in data.MonitoredItems}


@pytest.mark.parametrize("rounds", [1, pytest.param(200, marks=SOAK)])
async def test_what_node_opcua_does_not_hear_is_kept_for_it(
    opened: House, network: Network, tmp_path: Path, until: Until, rounds: int
) -> None:
    """It does not ask for all that it may have missed (2.186.4); nothing of that is lost at the server.

    Its publish requests set off as soon as it has a connection again (ClientSidePublishEngine.send_publish_request),
    not once it has asked for what it missed. Every answer moves its last number
    (ClientSubscriptionImpl.onNotificationMessage), by Republish it asks for the one after its last number only
    (_sendRepublish of client_publish_engine_reconnection), and at what availableSequenceNumbers lists it never looks.
    So a message that went down with a connection is never asked for where a newer one is heard first, and one that is
    asked for and published at the same time is heard twice.

    It is cut off again only once it has its session back: a Republish of its repair that it wants to send after the
    next cut is held until that same repair is over (ClientSessionImpl.performMessageTransaction), and it never returns.
    """
    source, some, found = Source(opened), random.Random(rounds), list[float]()
    await source.tell()
    url = f"opc.tcp://127.0.0.1:{network.port}/"
    async with OpcUaClient(tmp_path / "client", url, URI, retry=1000) as client:
        number = (await client.do("subscribe", nodes=[NODE], size=1000, interval=50))["subscription"]

        async def has_last() -> bool:
            found.extend(one["value"] for one in (await client.do("heard"))["heard"])
            return found[-1:] == [source.last]

        await until(has_last, "the first value")
        for cuts in range(1, rounds + 1):
            await source.flow(some.uniform(0.1, 0.6))
            await away(network, source, some)

            async def is_back(times: int = cuts) -> bool:
                return bool((await client.do("restored"))["times"] >= times)

            await source.flow_until(is_back)
        await source.tell()  # what it asked for is behind it: nothing old comes any more
        await until(has_last, "the last value")
        missing = set(map(float, range(1, source.last + 1))) - set(found)
        assert missing <= kept(opened, number)
