# SPDX-License-Identifier: Apache-2.0
"""A client that is cut off under load hears what is now again, is told that values are missing, and reads them back."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from asyncua import Client, ua

from isthmus.plant.revision import OutputSetting
from tests.conftest import Until
from tests.deliver.plant import AT, PLANT, TAGS, plant
from tests.opcuaserver.house import REACTOR, TEMPERATURE, House, house
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
    """In a minute its session is over (20 s), and its subscription is not: it has another session take that over."""
    port = free_port()
    config = {"listen": f"127.0.0.1:{port}", "security": ["None"], "anonymous": True}
    async with plant(tmp_path / "data") as floor, floor.recording(), Network(port) as network:
        floor.apply([OutputSetting(name="ua", kind="opcua", config=config)])
        async with floor.delivering() as told:
            await until(lambda: told.get("ua", {}).get("state") == "connected", "the server is open", within=60)
            await floor.publish(1)
            await until(lambda: bool(told["ua"]["delivered"] == TAGS), "the first values")
            url = f"opc.tcp://127.0.0.1:{network.port}/"
            async with OpcUaClient(tmp_path / "client", url, NODES, retry=1000, session=20_000) as client:
                await client.do("subscribe", nodes=[LEVEL], size=SIZE, lifetime=3000)
                heard = await client.heard(1)

                async def flow(for_: float) -> None:
                    for _ in range(round(for_ * 10)):
                        await floor.publish(10)
                        await asyncio.sleep(0.1)

                async def is_now() -> bool:
                    """An older value may come behind it: one that was on its way when the network was cut."""
                    heard.extend((await client.do("heard"))["heard"])
                    return floor.sent - 1 in [one["value"] for one in heard]

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
                assert [one["value"] for one in heard if one["status"] == OVERFLOW], "and it is told so"
                await until(lambda: bool(told["ua"]["lag_messages"] == 0), "all is delivered")
                assert await past(client, floor.sent) == list(range(floor.sent))


class Quiet:
    """Somebody who subscribes and does not care."""

    def datachange_notification(self, *_: object) -> None:
        return


async def session_over(client: Client) -> None:
    """It ends its session, and not its subscriptions."""
    await client.uaclient.close_session(False)
    await client.close_secure_channel()
    client.disconnect_socket()


async def left_alone(opened: House) -> int:
    """The number of a subscription to a temperature whose session is over."""
    client = Client(opened.url, timeout=20)
    await client.connect()
    subscription = await client.create_subscription(100, Quiet())
    await subscription.subscribe_data_change(client.get_node(f"ns=2;s={REACTOR}/temperature"), queuesize=10)
    await session_over(client)
    return int(subscription.subscription_id)


async def taken_over(client: Client, number: int) -> list[float]:
    """The values of a subscription's next message once this client's session has it; raises where it cannot."""
    (found,) = await client.uaclient.transfer_subscriptions(ua.TransferSubscriptionsParameters([number], True))
    found.StatusCode.check()
    answer: Any = await client.uaclient.publish([])
    data = answer.Parameters.NotificationMessage.NotificationData or []
    return [item.Value.Value.Value for one in data for item in one.MonitoredItems]


async def test_a_subscription_outlives_its_session_and_is_taken_over_again_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("isthmus.outputs.opcua.subscribing.SUBSCRIPTIONS", 2)
    async with house(tmp_path) as opened:
        await opened.tell(TEMPERATURE, 1.0, 1)
        oldest, *others = [await left_alone(opened) for _ in range(3)]
        for value in (2.0, 3.0):
            await opened.tell(TEMPERATURE, value, value)
            for number in others:
                client = Client(opened.url, timeout=20)
                await client.connect()
                assert (await taken_over(client, number))[-1] == value
                with pytest.raises(ua.UaStatusCodeError):  # of those without a session so many wait and no more
                    await taken_over(client, oldest)
                await session_over(client)


async def test_a_connection_that_ends_behind_its_session_leaves_the_subscription_to_the_client(
    tmp_path: Path, until: Until
) -> None:
    async with house(tmp_path) as opened:
        await opened.tell(TEMPERATURE, 1.0, 1)
        client = Client(opened.url, timeout=20)
        client.session_timeout = 5000
        await client.connect()
        subscription = await client.create_subscription(100, Quiet())
        await subscription.subscribe_data_change(client.get_node(f"ns=2;s={REACTOR}/temperature"), queuesize=10)
        inside: Any = opened.sink._server  # type: ignore[attr-defined]  # as if its client had been cut off for long
        (visit,) = inside.iserver._external_sessions.values()
        visit.session_timeout = 1e-9
        await until(lambda: visit.publishing.alone, "its session is over", within=60)
        client.disconnect_socket()
        await until(lambda: not inside.bserver.clients, "the connection has ended")
        async with Client(opened.url, timeout=20) as again:
            assert (await taken_over(again, subscription.subscription_id))[-1] == 1.0


@pytest.mark.parametrize(("bound", "most"), [("SUBSCRIPTIONS", 2), ("ITEMS", 2)])
async def test_a_session_takes_over_no_more_subscriptions_than_it_may_make(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str, most: int
) -> None:
    async with house(tmp_path) as opened:
        await opened.tell(TEMPERATURE, 1.0, 1)
        numbers = [await left_alone(opened) for _ in range(3)]
        monkeypatch.setattr(f"isthmus.outputs.opcua.subscribing.{bound}", most)
        async with Client(opened.url, timeout=20) as client:
            for _ in range(2):  # those that it has already are no more the second time
                asked = ua.TransferSubscriptionsParameters(numbers, False)
                found = await client.uaclient.transfer_subscriptions(asked)
                good, refused = 0, ua.StatusCodes.BadTooManySubscriptions
                assert [one.StatusCode.value for one in found] == [good, good, refused]


async def test_however_slowly_a_client_wants_to_hear_its_subscription_ends_an_hour_after_its_last_sign(
    tmp_path: Path,
) -> None:
    async with house(tmp_path) as opened, Client(opened.url, timeout=20) as client:
        for interval in (50.0, 1000.0, 3_600_000.0, 1e12):
            asked = ua.CreateSubscriptionParameters(interval, 4_000_000_000, 10, 0, True, 0)
            found = await client.uaclient.create_subscription(asked, Quiet())
            assert found.RevisedPublishingInterval * found.RevisedLifetimeCount <= 3_600_000
            assert found.RevisedLifetimeCount >= 3 * found.RevisedMaxKeepAliveCount  # Part 4, 5.14.2


async def test_of_messages_that_a_client_never_acknowledges_the_newest_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("isthmus.outputs.opcua.subscription.KEPT_MESSAGES", 3)
    async with house(tmp_path) as opened:
        await opened.tell(TEMPERATURE, 1.0, 1)
        number = await left_alone(opened)
        async with Client(opened.url, timeout=20) as client:
            await taken_over(client, number)
            listed = list[int]()
            for second in range(2, 8):
                await opened.tell(TEMPERATURE, float(second), second)
                answer: Any = await client.uaclient.publish([])
                listed = answer.Parameters.AvailableSequenceNumbers
            newest = answer.Parameters.NotificationMessage.SequenceNumber
            assert listed == [newest - 2, newest - 1, newest]
