# SPDX-License-Identifier: Apache-2.0
"""A broker that has ten times as much, is slow, is cut off, stands before a full hold, or shows an old certificate."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from isthmus.core.errors import Disconnected
from isthmus.core.tag import DataType
from isthmus.systems.contract import Address
from isthmus.systems.registry import kinds
from tests.conftest import Until
from tests.contract.collected import Collected
from tests.opcua.certificates import make
from tests.peers.mosquitto import HERE, WHAT, Mosquitto
from tests.peers.network import Network

KIND = kinds()["mqtt"]
TOPICS = ("mixer/speed", "mixer/torque", "mixer/level")


@pytest.fixture
def broker(tmp_path: Path, need: Callable[[object, str], None]) -> Iterator[Mosquitto]:
    need(HERE, WHAT)
    with Mosquitto(tmp_path / "broker", "max_inflight_messages 0") as made:
        yield made


def reading(port: int, folder: Path, **more: Any) -> Collected:
    config = {"url": f"mqtt://127.0.0.1:{port}", "patience": "1m", "keep_alive": "1m", "time": "/at", **more}
    return Collected(KIND, config, folder, [Address(f"{topic}#/v", DataType.FLOAT) for topic in TOPICS])


class Publisher:
    """A mosquitto_pub for each topic that publishes what it is given, line by line."""

    def __init__(self, port: int, qos: int = 1) -> None:
        words = ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(port), "-q", str(qos), "-l", "-t"]
        self._each = [subprocess.Popen([*words, topic], stdin=subprocess.PIPE) for topic in TOPICS]
        self.count = 0

    def tell(self, count: int) -> None:
        """The next `count` numbers on each topic."""
        numbers = range(self.count, self.count + count)
        lines = "".join(f'{{"v": {n}, "at": {1_700_000_000_000 + n}}}\n' for n in numbers).encode()
        for one in self._each:
            assert one.stdin is not None
            one.stdin.write(lines)
            one.stdin.flush()
        self.count += count

    async def end(self) -> None:
        """Returns when the broker has everything."""
        for one in self._each:
            assert one.stdin is not None
            one.stdin.close()
        await asyncio.gather(*(asyncio.to_thread(one.wait, 240) for one in self._each))


@pytest.mark.parametrize("count", [4_000, pytest.param(40_000, marks=[pytest.mark.soak, pytest.mark.timeout(900)])])
@pytest.mark.parametrize("delay", [0.0, 0.05])
async def test_ten_times_the_messages_come_all_of_them_each_once_and_in_order_also_over_a_slow_line(
    broker: Mosquitto, tmp_path: Path, until: Until, count: int, delay: float
) -> None:
    """As fast as the broker takes them, though it may send a hundred before we say that the log has some."""
    async with Network(broker.port) as network:
        network.delay = delay
        collected = reading(network.port, tmp_path, window=100 if not delay else 1_000)
        async with collected.running():
            await until(lambda: collected.opened == 1, "open")
            publisher = Publisher(broker.port)
            await asyncio.to_thread(publisher.tell, count)
            await publisher.end()
            await until(lambda: sum(map(len, collected.readings)) >= 3 * count, "all", within=600)
    for position in range(3):
        assert collected.values(position) == [float(n) for n in range(count)]
    assert not collected.errors


async def test_no_more_messages_come_than_may_wait_for_the_log(broker: Mosquitto, tmp_path: Path, until: Until) -> None:
    """The broker keeps the rest: memory does not grow with the flood."""
    collected = reading(broker.port, tmp_path, window=100)
    collected.keep = False
    async with collected.running():
        await until(lambda: collected.opened == 1, "open")
        publisher = Publisher(broker.port)
        await asyncio.to_thread(publisher.tell, 1_000)
        await publisher.end()
        await until(lambda: sum(map(len, collected.readings)) == 100, "as many as may wait")
        before = len(collected.readings)
        await until(lambda: len(collected.readings) > before, "a sign of life")
        assert sum(map(len, collected.readings)) == 100
        collected.keep = True
        for readings in collected.readings:
            readings.done()
        await until(lambda: all(len(collected.values(n)) >= 1_000 for n in range(3)), "all")


async def test_who_waits_for_room_in_the_hold_does_not_take_the_broker_for_dead(
    broker: Mosquitto, tmp_path: Path, until: Until
) -> None:
    """Of QoS 0 a broker sends whatever comes: what nobody takes stands in the line, and its answers behind it."""
    driver = reading(broker.port, tmp_path, patience="4s", keep_alive="3s").driver
    seen = list[float]()
    async with driver.open([Address(f"{topic}#/v", DataType.FLOAT) for topic in TOPICS]) as stream:
        publisher = Publisher(broker.port, qos=0)
        await asyncio.to_thread(publisher.tell, 1_000)
        await asyncio.sleep(5)  # nobody asks for readings for longer than patience, and than a broker waits
        await asyncio.to_thread(publisher.tell, 1)
        await publisher.end()
        async with asyncio.timeout(240):
            async for readings in stream:
                seen += readings.value.tolist()
                if seen.count(1_000.0) == 3:
                    break
    assert len(seen) == 3_003


@pytest.mark.parametrize("seconds", [2.0, pytest.param(60.0, marks=[pytest.mark.soak, pytest.mark.timeout(300)])])
async def test_through_a_cut_under_load_every_message_comes_that_the_broker_took(
    broker: Mosquitto, tmp_path: Path, until: Until, seconds: float
) -> None:
    async with Network(broker.port) as network:
        collected = reading(network.port, tmp_path)
        async with collected.running():
            await until(lambda: collected.opened == 1, "open")
            publisher = Publisher(broker.port)
            await asyncio.to_thread(publisher.tell, 200)
            await until(lambda: len(collected.values(2)) >= 100, "they flow")
            network.cut()
            await until(lambda: bool(collected.errors), "it is gone")
            before, end = len(collected.values(0)), asyncio.get_running_loop().time() + seconds
            while asyncio.get_running_loop().time() < end:
                await asyncio.to_thread(publisher.tell, 100)
                await asyncio.sleep(0.1)
            assert len(collected.values(0)) == before
            network.mend()
            await asyncio.to_thread(publisher.tell, 200)
            await publisher.end()
            last = float(publisher.count - 1)
            await until(lambda: all(last in collected.values(n) for n in range(3)), "the last", within=300)
    for position in range(3):
        assert list(dict.fromkeys(collected.values(position))) == [float(n) for n in range(publisher.count)]


async def test_a_broker_whose_certificate_is_expired_is_listened_to_once_it_has_a_new_one(
    tmp_path: Path, until: Until, need: Callable[[object, str], None]
) -> None:
    need(HERE, WHAT)
    ours = make("ours", authority=True)
    ours.write(tmp_path / "pki", "ca")
    certificate, key = make("broker", days=(-2.0, -1.0), issuer=ours).write(tmp_path, "broker")
    with Mosquitto(tmp_path / "broker", f"certfile {certificate}", f"keyfile {key}") as broker:
        collected = reading(broker.port, tmp_path, url=f"mqtts://127.0.0.1:{broker.port}", ca="ca.pem")
        async with collected.running():
            await until(lambda: len(collected.errors) > 1, "it has tried")
            make("broker", issuer=ours).write(tmp_path, "broker")
            broker.reload()
            await until(lambda: collected.opened == 1, "it listens")
    assert {type(error) for error in collected.errors} == {Disconnected}
    assert {str(error) for error in collected.errors} == {
        f"127.0.0.1:{broker.port}: the broker's certificate is not good: certificate has expired; "
        "have a new one made for the far end; is this computer's clock right?"
    }
