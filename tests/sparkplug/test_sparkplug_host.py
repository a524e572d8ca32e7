# SPDX-License-Identifier: Apache-2.0
"""Isthmus as a host application over a real broker: an edge node of another maker, hostile messages, cuts, browsing."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from isthmus.core import quality, time
from isthmus.core.errors import IsthmusError, Refused
from isthmus.core.event import EventKind
from isthmus.core.tag import DataType
from isthmus.outputs.sparkplug.edge import Edge, opened
from isthmus.systems.contract import Address, Found, Surroundings
from isthmus.systems.mqtt.broker import Broker
from isthmus.systems.registry import kinds
from isthmus.systems.sparkplug import message, node
from isthmus.systems.sparkplug.address import Place, check_address
from isthmus.systems.sparkplug.message import Metric
from isthmus.systems.sparkplug.values import Type
from tests.conftest import Until
from tests.contract.collected import Collected
from tests.opcua.certificates import make
from tests.peers.mosquitto import HERE, WHAT, Mosquitto
from tests.peers.network import Network
from tests.peers.sparkplug_peer import SparkplugPeer, metric

KIND = kinds()["sparkplug"]
A, B = "plant/gw:a", "plant/gw/dev:b"
EDGE = {
    "group": "plant",
    "node": "gw",
    "metrics": [metric("a", 1.5, alias=1)],
    "devices": {"dev": [metric("b", 2.5, alias=2, properties={"engUnit": {"type": "String", "value": "°C"}})]},
}


@pytest.fixture
def broker(tmp_path: Path, need: Callable[[object, str], None]) -> Iterator[Mosquitto]:
    need(HERE, WHAT)
    with Mosquitto(tmp_path / "broker") as made:
        yield made


@pytest.fixture
async def edge(broker: Mosquitto, tmp_path: Path) -> AsyncIterator[SparkplugPeer]:
    async with SparkplugPeer(tmp_path / "edge", broker.url, edge=EDGE) as peer:
        await peer.born()
        yield peer


def reading(url: str, folder: Path, *addresses: str, **more: Any) -> Collected:
    config = {"url": url, "patience": "1m", "keep_alive": "1m", "rebirth": "1s", "reorder": "200ms", **more}
    found = [Address(text, DataType.FLOAT) for text in addresses or (A, B)]
    return Collected(KIND, config, folder, found)


def last(collected: Collected, position: int, value: float) -> Callable[[], bool]:
    return lambda: bool(collected.values(position)) and collected.values(position)[-1] == value


async def test_a_host_that_comes_late_asks_for_births_once_and_has_the_last_values(
    broker: Mosquitto, edge: SparkplugPeer, tmp_path: Path, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node, "GRACE", 600.0)  # however long the births take
    collected = reading(broker.url, tmp_path)
    async with collected.running():
        await until(last(collected, 0, 1.5), "the edge node's")
        await until(last(collected, 1, 2.5), "the device's")
        assert (await edge.do("counts"))["commands"] == 1
        await edge.do("data", device="dev", metrics=[metric("b", 3.5)])
        await until(last(collected, 1, 3.5), "by its alias")
    assert not collected.errors and not collected.events


async def test_a_lost_message_is_told_as_a_gap_and_the_births_that_follow_put_it_right(
    broker: Mosquitto, edge: SparkplugPeer, tmp_path: Path, until: Until
) -> None:
    collected = reading(broker.url, tmp_path)
    async with collected.running():
        await until(last(collected, 0, 1.5), "born")
        await edge.do("skip", count=3)
        await edge.do("data", metrics=[metric("a", 9.5)])
        await until(lambda: bool(collected.told(EventKind.GAP)), "the gap")
        await edge.born(3)
        await until(last(collected, 0, 9.5), "the present value")
    (gap,) = collected.told(EventKind.GAP)
    assert gap.details["messages"] == 3
    assert (await edge.do("counts"))["commands"] == 2


async def test_an_edge_node_that_is_killed_makes_its_tags_bad_and_comes_back(
    broker: Mosquitto, edge: SparkplugPeer, tmp_path: Path, until: Until
) -> None:
    collected = reading(broker.url, tmp_path)
    async with collected.running():
        await until(last(collected, 1, 2.5), "born")
        await edge.kill()
        await until(lambda: [row[1] for row in collected.rows(1)][-1] == quality.BAD_NO_COMMUNICATION, "bad")
        async with SparkplugPeer(tmp_path / "edge", broker.url, edge=EDGE):
            await until(last(collected, 1, 2.5), "back")
            await until(lambda: "can be read again" in collected.events[-1].message, "told")
    assert not collected.errors


async def test_it_says_whether_it_listens_and_corrects_who_says_it_does_not(
    broker: Mosquitto, tmp_path: Path, until: Until
) -> None:
    topic = "spBv1.0/STATE/chief"

    async def state() -> Any:
        found = await asyncio.to_thread(broker.retained, topic)
        return json.loads(found.get(topic, "{}"))

    before = time.now() // time.MILLISECOND
    collected = reading(broker.url, tmp_path, host="chief")
    async with collected.running():
        await until(lambda: collected.opened == 1, "open")
        said = await state()
        assert said["online"] is True and before <= said["timestamp"] <= time.now() // time.MILLISECOND
        stale = json.dumps({"online": False, "timestamp": before - 5})
        await asyncio.to_thread(broker.publish, topic, stale, "-r")  # the will of an earlier connection, come late

        async def online() -> bool:
            return bool((await state())["online"])

        await until(online, "corrected")
        rival = json.dumps({"online": True, "timestamp": before - 7})
        await asyncio.to_thread(broker.publish, topic, rival, "-r")
        await until(lambda: any("calls itself chief" in event.message for event in collected.events), "told")
    ended = await state()
    assert ended["online"] is False and ended["timestamp"] >= said["timestamp"]


async def test_when_isthmus_dies_the_broker_says_that_it_does_not_listen(
    broker: Mosquitto, tmp_path: Path, until: Until
) -> None:
    async with Network(broker.port) as network:
        collected = reading(f"mqtt://127.0.0.1:{network.port}", tmp_path, host="chief")
        async with collected.running():
            await until(lambda: collected.opened == 1, "open")
            network.cut()

            async def offline() -> bool:
                found = await asyncio.to_thread(broker.retained, "spBv1.0/STATE/chief")
                return json.loads(found["spBv1.0/STATE/chief"])["online"] is False

            await until(offline, "the broker says so")


HOSTILE = [
    ("spBv1.0/plant/NDATA/gw", b"\xff" * 50),
    ("spBv1.0/plant/NBIRTH/gw", b"no birth"),
    ("spBv1.0/plant/DDATA/gw/dev", b""),
    ("spBv1.0/plant/NDATA/gw/dev", b"\x08\x01"),
    ("spBv1.0/plant/DDATA/gw/dev/more", b"\x08\x01"),
    ("spBv1.0/plant/WHAT/gw", b"\x08\x01"),
    ("spBv1.0/plant/NDEATH/gw/x", b"\x08\x01"),
    ("spBv1.0/plant/DDEATH/gw/other", message.device_death(at=0, seq=3)),
    ("spBv1.0/STATE/isthmus-far", b"OFFLINE"),
    ("spBv1.0/plant/NDATA/gw", message.data([Metric("a", Type.STRING, "x", 0)], at=0, seq=9)),
    ("spBv1.0/plant/NDATA/gw", bytes(10 << 20)),
]
"""(topic, payload): none of it is Sparkplug."""


@pytest.mark.parametrize("version", [5, "3.1.1"])
async def test_hostile_messages_harm_nobody_for_longer_than_a_birth_takes(
    broker: Mosquitto, edge: SparkplugPeer, tmp_path: Path, until: Until, version: Any
) -> None:
    collected = reading(broker.url, tmp_path, version=version)
    async with collected.running():
        await until(last(collected, 0, 1.5), "born")
        for topic, raw in HOSTILE:
            await edge.do("raw", topic=topic, payload=base64.b64encode(raw).decode())
        await edge.do("bear")
        await edge.do("data", metrics=[metric("a", 4.5)])
        await edge.do("data", device="dev", metrics=[metric("b", 5.5)])
        await until(last(collected, 0, 4.5), "the edge node's")
        await until(last(collected, 1, 5.5), "the device's")
    oddities = [oddity for readings in collected.readings for oddity in readings.oddities]
    assert any("no Sparkplug B" in oddity.reason for oddity in oddities)


async def test_an_edge_node_that_never_answers_is_asked_seldom(
    broker: Mosquitto, tmp_path: Path, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node, "GRACE", 600.0)  # nothing is told in place of values in the meantime
    deaf = {**EDGE, "deaf": True}
    async with SparkplugPeer(tmp_path / "edge", broker.url, edge=deaf) as edge:
        await edge.born()
        collected = reading(broker.url, tmp_path, rebirth="1h")
        async with collected.running():
            await until(lambda: collected.opened == 1, "open")
            for value in range(30):
                await edge.do("data", metrics=[metric("a", float(value))])

            async def asked() -> bool:
                return bool((await edge.do("counts"))["commands"] >= 1)

            await until(asked, "asked")
            for value in range(30):
                await edge.do("data", metrics=[metric("a", float(value))])
            assert (await edge.do("counts"))["commands"] == 1
            assert not collected.values(0)
            await edge.do("bear")
            await until(last(collected, 0, 29.0), "its birth")
        assert "messages of edge node plant/gw came before its birth" in collected.told(EventKind.GAP)[0].message


async def test_without_the_right_to_ask_it_listens_only(
    broker: Mosquitto, edge: SparkplugPeer, tmp_path: Path, until: Until
) -> None:
    collected = reading(broker.url, tmp_path, ask=False)
    async with collected.running():
        await until(lambda: collected.opened == 1, "open")
        await edge.do("data", metrics=[metric("a", 2.0)])
        await until(lambda: len(collected.readings) > 3, "it was heard")
        assert (await edge.do("counts"))["commands"] == 0
        await edge.do("bear")
        await until(last(collected, 0, 2.0), "its birth")


async def browsed(driver: Any, start: str | None, most: int) -> dict[str, Found]:
    found: dict[str, Found] = {}
    async with aclosing(driver.browse(start)) as items:
        async for item in items:
            found[item.address] = item
            if len(found) == most:
                break
    return found


@pytest.mark.parametrize("start", ["plant/gw", "plant"])
async def test_browsing_shows_what_births_declare(
    broker: Mosquitto, edge: SparkplugPeer, tmp_path: Path, start: str
) -> None:
    driver = KIND.connect(KIND.spec.model_validate({"url": broker.url}), Surroundings("far", tmp_path))
    browsing = asyncio.create_task(browsed(driver, start, 4))
    while not browsing.done():  # an edge node that says something now and then
        await edge.do("data", metrics=[metric("a", 1.0)])
        await asyncio.wait((browsing,), timeout=0.2)
    found = browsing.result()
    assert set(found) == {"plant/gw:Node Control/Rebirth", "plant/gw:bdSeq", A, B}
    assert (found[A].type, found[B].type, found[B].unit) == (DataType.FLOAT, DataType.FLOAT, "Cel")
    assert found[B].path == "plant/gw/dev/b"
    assert found["plant/gw:bdSeq"].type is None and found["plant/gw:bdSeq"].left_out
    for address in found:
        assert check_address(address) == address


@pytest.mark.parametrize("start", ["a/b/c", "a+/b", "a/#"])
async def test_browsing_begins_at_no_nonsense(broker: Mosquitto, tmp_path: Path, start: str) -> None:
    driver = KIND.connect(KIND.spec.model_validate({"url": broker.url}), Surroundings("far", tmp_path))
    with pytest.raises(IsthmusError, match="no place to begin at"):
        await browsed(driver, start, 1)


async def test_wrong_credentials_are_refused_in_words(tmp_path: Path, need: Callable[[object, str], None]) -> None:
    need(HERE, WHAT)
    (tmp_path / "known").write_text("")
    with Mosquitto(tmp_path / "b", "allow_anonymous false", f"password_file {tmp_path / 'known'}") as broker:
        driver = reading(broker.url, tmp_path).driver
        with pytest.raises(Refused, match="not authorised"):
            async with driver.open([Address(A, DataType.FLOAT)]):
                pass


@pytest.mark.parametrize("age", ["good", "expired"])
async def test_over_tls_only_a_broker_with_a_good_certificate_is_spoken_to(
    tmp_path: Path, until: Until, age: str, need: Callable[[object, str], None]
) -> None:
    need(HERE, WHAT)
    ours = make("ours", authority=True)
    ours.write(tmp_path / "pki", "ca")
    days = (-2.0, -1.0) if age == "expired" else (-1.0, 1.0)
    certificate, key = make("broker", days=days, issuer=ours).write(tmp_path, "broker")
    with Mosquitto(tmp_path / "broker", f"certfile {certificate}", f"keyfile {key}") as broker:
        collected = reading(f"mqtts://127.0.0.1:{broker.port}", tmp_path, ca="ca.pem")
        async with collected.running():
            await until(lambda: bool(collected.opened or collected.errors), "it has tried")
        assert bool(collected.opened) == (age == "good")
        assert all("certificate has expired" in str(error) for error in collected.errors)


async def test_what_is_too_large_for_the_broker_is_named_and_all_else_arrives(
    tmp_path: Path, until: Until, need: Callable[[object, str], None]
) -> None:
    need(HERE, WHAT)
    names = [f"m{n}" for n in range(100)]
    nothing = [Metric(name, Type.STRING, None, time.now(), alias=n) for n, name in enumerate(names)]
    with Mosquitto(tmp_path / "broker", "max_packet_size 6000") as broker:
        config = {"url": broker.url, "patience": "1m", "keep_alive": "1m"}
        said = Broker.model_validate(config)
        texts = [Address(f"plant/own:{name}", DataType.TEXT) for name in names]
        wanted = {str(n) * 200 for n in range(100) if n != 42}
        collected = Collected(KIND, config, tmp_path, texts)
        async with (
            collected.running(),
            opened(said, "own-edge", tmp_path, Place("plant", "own"), 0, lambda: {"": nothing}) as edge,
        ):
            await until(lambda: bool(collected.values(99)), "born")
            told = [one._replace(value=str(n) * (9000 if n == 42 else 200)) for n, one in enumerate(nothing)]
            assert await edge.tell("", told) == [42]
            await until(lambda: wanted <= arrived(collected), "all but that")
    assert arrived(collected) == wanted
    assert not collected.told(EventKind.GAP)


def arrived(collected: Collected) -> set[str]:
    """Texts that came, but no empty ones."""
    return {text for readings in collected.readings for text in readings.text or () if text}


class Plant:
    """Our own edge node of some metrics, which counts."""

    def __init__(self, tags: int) -> None:
        self.values = [0.0] * tags
        self.rounds = 0

    def metrics(self) -> list[Metric]:
        at = time.now()
        return [Metric(f"m{n}", Type.DOUBLE, value, at, alias=n) for n, value in enumerate(self.values)]

    async def tell(self, edge: Edge) -> None:
        self.rounds += 1
        self.values = [float(self.rounds)] * len(self.values)
        await edge.tell("", self.metrics())

    @asynccontextmanager
    async def opened(self, url: str, folder: Path, bd: int = 0) -> AsyncIterator[Edge]:
        broker = Broker.model_validate({"url": url, "patience": "1m", "keep_alive": "1m"})
        place = Place("plant", "own")
        async with opened(broker, "own-edge", folder, place, bd, lambda: {"": self.metrics()}) as edge:
            yield edge


@pytest.mark.parametrize("seconds", [1.0, pytest.param(60.0, marks=[pytest.mark.soak, pytest.mark.timeout(300)])])
async def test_a_cut_under_load_loses_what_was_sent_in_it_and_says_so(
    broker: Mosquitto, tmp_path: Path, until: Until, seconds: float
) -> None:
    tags = 200
    plant = Plant(tags)
    async with Network(broker.port) as network, plant.opened(broker.url, tmp_path) as edge:
        addresses = [f"plant/own:m{n}" for n in range(tags)]
        collected = reading(f"mqtt://127.0.0.1:{network.port}", tmp_path, *addresses)
        async with collected.running():
            await until(lambda: bool(collected.values(tags - 1)), "born")
            await told_for(plant, edge, 20)
            before = plant.rounds
            await until(last(collected, 0, float(before)), "all before the cut")
            network.cut()
            await told_for(plant, edge, int(seconds * 10), 0.1)
            network.mend()
            await until(lambda: collected.opened >= 2, "open again")
            await until(last(collected, 0, float(plant.rounds)), "the present value, by a birth")
            again = plant.rounds
            await told_for(plant, edge, 20)
            await until(last(collected, 0, float(plant.rounds)), "all after the cut")
        for position in range(tags):
            seen = set(map(int, collected.values(position)))
            assert set(range(1, before + 1)) | set(range(again, plant.rounds + 1)) <= seen
        (gap,) = collected.told(EventKind.GAP)
        assert gap.details["tags"] == tags
        assert not [oddity for readings in collected.readings for oddity in readings.oddities]


async def told_for(plant: Plant, edge: Edge, rounds: int, pause: float = 0.01) -> None:
    for _ in range(rounds):
        await plant.tell(edge)
        await asyncio.sleep(pause)  # the pace of a plant
    await edge.confirm()


async def test_ten_times_the_normal_rate_is_taken_whole(broker: Mosquitto, tmp_path: Path, until: Until) -> None:
    """50,000 values as fast as one edge node can say them."""
    tags, rounds = 500, 100
    plant = Plant(tags)
    async with plant.opened(broker.url, tmp_path) as edge:
        collected = reading(broker.url, tmp_path, *(f"plant/own:m{n}" for n in range(tags)))
        async with collected.running():
            await until(lambda: bool(collected.values(tags - 1)), "born")
            for _ in range(rounds):
                await plant.tell(edge)
            await edge.confirm()
            await until(last(collected, 0, float(rounds)), "all")
        assert set(range(1, rounds + 1)) <= set(map(int, collected.values(tags // 2)))
    assert not collected.told(EventKind.GAP)
