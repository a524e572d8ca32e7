# SPDX-License-Identifier: Apache-2.0
"""What a Sparkplug host sees of the plant: births, data, deaths; nothing is missing that was kept while it was away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from isthmus.core.tag import DataType, Tag
from isthmus.outputs.sparkplug.edge import next_bd
from isthmus.plant.revision import OutputSetting, TagSetting
from tests.conftest import Until
from tests.deliver.plant import AT, PLANT, TAGS, Plant, setting
from tests.peers.mosquitto import HERE, WHAT, Mosquitto
from tests.peers.network import Network
from tests.peers.sparkplug_peer import SparkplugPeer

NODE = "spBv1.0/acme/{}/lyon"
MS = AT // 1_000_000


def sparkplug(url: str, **config: Any) -> OutputSetting:
    quick = {"patience": "5s", "keep_alive": "5s"}
    return OutputSetting(name="scada", kind="sparkplug", config={"url": url, **quick, **config})


def is_(told: dict[str, Any], state: str) -> bool:
    return bool(told.get("scada", {}).get("state") == state)


class Host:
    """What a host of another maker has heard, in order."""

    def __init__(self, peer: SparkplugPeer) -> None:
        self._peer = peer
        self.messages: list[Mapping[str, Any]] = []

    async def hear(self) -> Sequence[Mapping[str, Any]]:
        self.messages += (await self._peer.do("heard"))["heard"]
        return self.messages

    async def payloads(self, verb: str, device: str = "") -> list[Mapping[str, Any]]:
        topic = f"spBv1.0/acme/{verb}/lyon" + (f"/{device}" if device else "")
        return [one["payload"] for one in await self.hear() if one["topic"] == topic]

    async def values(self, alias: int = 1, *, historical: bool | None = None) -> list[float]:
        """Of one tag in data, in order."""
        return [
            metric["value"]
            for payload in await self.payloads("DDATA", "hall")
            for metric in payload["metrics"]
            if metric["alias"] == str(alias) and historical in (None, bool(metric.get("isHistorical")))
        ]

    async def ask(self) -> None:
        """For births."""
        await self._peer.do("rebirth", group="acme", node="lyon")

    async def state(self, *, online: bool) -> None:
        """As the primary host `chief`."""
        await self._peer.do("state", id="chief", online=online)

    async def numbers(self) -> list[int]:
        """The sequence numbers of everything from the edge node, since its last birth."""
        found: list[int] = []
        for one in await self.hear():
            if "/NBIRTH/" in one["topic"]:
                found = []
            if any(f"/{verb}/lyon" in one["topic"] for verb in ("NBIRTH", "DBIRTH", "NDATA", "DDATA", "DDEATH")):
                found.append(int(one["payload"].get("seq", 0)))
        return found


@pytest.fixture
async def host(broker: Mosquitto, tmp_path: Path, until: Until) -> AsyncIterator[Host]:
    async with SparkplugPeer(tmp_path / "host", broker.url, host={}) as peer:

        async def listens() -> bool:
            return bool((await peer.do("listening"))["connected"])

        await until(listens, "the host listens")
        yield Host(peer)


def named(payload: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {metric["name"]: metric for metric in payload["metrics"]}


async def test_births_say_what_the_revision_has_and_data_say_what_comes(
    floor: Plant, broker: Mosquitto, host: Host, until: Until
) -> None:
    state = TagSetting(
        tag=Tag(2, f"{PLANT}/hall/tank-2/level", "", DataType.ENUMERATION, True), system="dcs", address="state",
        labels={9: "filling"},
    )  # fmt: skip
    tags = (setting(1, range=(0.0, 100.0), description="How full."), state, *(setting(n) for n in (3, 4, 5)))
    memory = floor.data / "outputs" / "scada" / "now"
    memory.parent.mkdir(parents=True)
    memory.write_bytes(b"\xc1 damaged")
    floor.apply([sparkplug(broker.url)], tags)
    async with floor.delivering() as told:
        await until(partial(is_, told, "connected"), "connected")
        await floor.publish(10)
        await until(lambda: bool(told["scada"]["delivered"] == 50), "delivered")
        await until(partial(equal, host, 1, None, [float(value) for value in range(10)]), "heard")
        births, devices = await host.payloads("NBIRTH"), await host.payloads("DBIRTH", "hall")
        assert len(births) == len(devices) == 1
        assert set(named(births[0])) == {"bdSeq", "Node Control/Rebirth"}
        found = named(devices[0])
        assert set(found) == {f"tank-{number}/level" for number in range(1, 6)}
        first = found["tank-1/level"]
        assert (first["type"], first["alias"], first["value"]) == ("Double", "1", None)
        assert {key: one["value"] for key, one in first["properties"].items()} == {
            "engUnit": "m", "engLow": 0, "engHigh": 100, "documentation": "How full.", "Quality": 500,
            "StatusCode": str(0x8031_0000),
        }  # fmt: skip
        assert found["tank-2/level"]["type"] == "Int64"
        assert found["tank-2/level"]["properties"]["values"]["value"] == '{"9":"filling"}'
        metric = (await host.payloads("DDATA", "hall"))[0]["metrics"][0]
        assert metric["timestamp"] == str(MS)
        numbers = await host.numbers()
        assert numbers == list(range(len(numbers)))
        await host.ask()
        await until(partial(heard, host, "DBIRTH", 2, "hall"), "born again")
        last = named((await host.payloads("DBIRTH", "hall"))[-1])
        assert {metric["value"] for name, metric in last.items() if name != "tank-2/level"} == {9.0}
        assert {metric["properties"]["Quality"]["value"] for metric in last.values()} == {192}
        await floor.publish(1)
        await until(partial(equal, host, 1, None, [float(value) for value in range(11)]), "it goes on")
        assert await host.numbers() == [0, 1, 2]
    await until(partial(heard, host, "NDEATH", 1), "it says that it goes")
    (death,) = await host.payloads("NDEATH")
    assert {one["metrics"][0]["value"] for one in await host.payloads("NBIRTH")} == {death["metrics"][0]["value"]}


async def heard(host: Host, verb: str, count: int, device: str = "") -> bool:
    return len(await host.payloads(verb, device)) >= count


async def equal(host: Host, alias: int, historical: bool | None, want: list[float]) -> bool:
    return await host.values(alias, historical=historical) == want


async def has(host: Host, alias: int, count: int) -> bool:
    return set(await host.values(alias)) == set(map(float, range(count)))


async def test_without_its_primary_host_it_is_not_born_and_keeps_everything(
    floor: Plant, broker: Mosquitto, host: Host, until: Until
) -> None:
    floor.apply([sparkplug(broker.url, primary_host="chief")])
    async with floor.delivering() as told:
        await until(partial(is_, told, "disconnected"), "it waits")
        assert "the primary host chief is not online" in told["scada"]["problem"]
        await floor.publish(4)
        assert await host.payloads("NBIRTH") == []
        await host.state(online=True)
        await until(partial(equal, host, 1, True, [0.0, 1.0, 2.0, 3.0]), "what was kept")
        await host.state(online=False)
        await until(partial(heard, host, "NDEATH", 1), "it dies")
        await until(partial(is_, told, "disconnected"), "it goes")
        await floor.publish(2)
        await host.state(online=True)
        await until(partial(equal, host, 1, True, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]), "what was kept since")
        births = [payload["metrics"][0]["value"] for payload in await host.payloads("NBIRTH")]
        assert len(births) == 2 and len(set(births)) == 2


async def test_a_revision_that_changes_a_tag_makes_a_new_birth(
    floor: Plant, broker: Mosquitto, host: Host, until: Until
) -> None:
    floor.apply([sparkplug(broker.url)])
    async with floor.delivering() as told:  # with nothing recorded yet, as it is for a minute
        await until(partial(is_, told, "connected"), "connected")
        await floor.publish(3)
        await until(lambda: bool(told["scada"]["delivered"] == 15), "delivered")
        floor.apply([sparkplug(broker.url)], [setting(n, range=(0.0, 5.0)) for n in range(1, 6)])
        await until(partial(heard, host, "DBIRTH", 2, "hall"), "born again")
        topics = [one["topic"].split("/")[2] for one in await host.hear() if "STATE" not in one["topic"]]
        assert topics[-3:] == ["NDEATH", "NBIRTH", "DBIRTH"]
        found = named((await host.payloads("DBIRTH", "hall"))[-1])
        assert found["tank-1/level"]["properties"]["engHigh"]["value"] == 5
        assert found["tank-1/level"]["value"] == 2.0


@pytest.mark.parametrize("rounds", [1, pytest.param(200, marks=[pytest.mark.soak, pytest.mark.timeout(3000)])])
async def test_killed_it_is_said_to_be_dead_and_born_again_with_the_next_number_and_nothing_is_missing(
    floor: Plant, broker: Mosquitto, host: Host, until: Until, rounds: int
) -> None:
    floor.apply([sparkplug(broker.url)])
    floor.start()
    await until(lambda: floor.told("scada").get("state") == "connected", "connected")
    for round_ in range(1, rounds + 1):
        await floor.publish(200)
        floor.kill()
        await until(partial(heard, host, "NDEATH", round_), "the broker says that it is dead")
        await floor.publish(100)
        floor.start()
        await until(lambda: floor.told("scada").get("state") == "connected", "connected again")
        await until(lambda: floor.told("scada").get("lag_messages") == 0, "everything is delivered")
    for alias in range(1, TAGS + 1):
        await until(partial(has, host, alias, floor.sent), f"everything is heard: {alias}")
    births = [payload["metrics"][0]["value"] for payload in await host.payloads("NBIRTH")]
    deaths = [payload["metrics"][0]["value"] for payload in await host.payloads("NDEATH")]
    assert list(map(int, births)) == list(range(rounds + 1))
    assert deaths == births[:-1]
    assert floor.stop() == 0


@pytest.mark.parametrize("seconds", [0.5, pytest.param(60.0, marks=[pytest.mark.soak, pytest.mark.timeout(600)])])
@pytest.mark.parametrize("how", ["cut", "frozen"])
async def test_after_a_cut_under_load_nothing_is_missing_what_was_kept_is_historical_and_what_is_now_follows(
    floor: Plant, broker: Mosquitto, host: Host, until: Until, how: str, seconds: float
) -> None:
    async with Network(broker.port) as network:
        floor.apply([sparkplug(f"mqtt://127.0.0.1:{network.port}", patience="2s", keep_alive="1s")])
        async with floor.delivering() as told:
            await until(partial(is_, told, "connected"), "connected")
            for step in range(int(seconds * 20) + 20):
                await floor.publish(5)
                await asyncio.sleep(0.05)  # the pace of a plant
                if step == 10:
                    await until(lambda: bool(told["scada"]["delivered"] >= 20 * TAGS), "the first are delivered")
                    network.cut() if how == "cut" else network.freeze()
            await until(partial(is_, told, "disconnected"), "it is noticed")
            network.mend()

            await until(partial(has, host, TAGS, floor.sent), "all have come")
            for alias in range(1, TAGS):
                assert set(await host.values(alias)) == set(map(float, range(floor.sent)))
            kept = await host.values(1, historical=True)
            assert kept == sorted(kept) and len(kept) > 20
            await until(partial(ends, host, float(floor.sent - 1)), "what is now")
            live = await host.values(1, historical=False)
            assert live == sorted(live) and live[:20] == [float(value) for value in range(20)]


async def ends(host: Host, value: float) -> bool:
    return (await host.values(1, historical=False))[-1] == value


async def test_what_sparkplug_has_no_time_for_is_parked(
    floor: Plant, broker: Mosquitto, host: Host, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    floor.apply([sparkplug(broker.url)])
    async with floor.delivering() as told:
        await until(partial(is_, told, "connected"), "connected")
        monkeypatch.setattr("tests.deliver.plant.AT", -2_000_000)
        await floor.publish(4)  # two before 1970 and two after
        await until(lambda: bool(told["scada"]["parked"] == 2 * TAGS), "parked")
        assert told["scada"]["delivered"] == 2 * TAGS
        await until(partial(equal, host, 1, None, [2.0, 3.0]), "the others are heard")


async def test_a_birth_that_the_broker_does_not_take_is_refused_in_words(
    floor: Plant, tmp_path: Path, until: Until, need: Callable[[object, str], None]
) -> None:
    need(HERE, WHAT)
    with Mosquitto(tmp_path / "small", "max_packet_size 300") as broker:
        floor.apply([sparkplug(broker.url)])
        async with floor.delivering() as told:
            await until(partial(is_, told, "refused"), "refused")
            assert "DBIRTH/lyon/hall has" in told["scada"]["problem"]
            assert "and the broker takes 300" in told["scada"]["problem"]


def test_the_number_of_a_birth_counts_on_and_around_also_when_its_file_is_damaged(tmp_path: Path) -> None:
    memory = tmp_path / "birth"
    assert [next_bd(memory) for _ in range(3)] == [0, 1, 2]
    memory.write_text("254")
    assert [next_bd(memory) for _ in range(3)] == [255, 0, 1]
    memory.write_text("nonsense")
    assert next_bd(memory) == 0
