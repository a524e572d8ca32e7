# SPDX-License-Identifier: Apache-2.0
"""Nothing that the log accepted is missing at the far end, whoever dies: deliverer, broker, or both."""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
from collections.abc import Sequence
from contextlib import aclosing, closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from isthmus.app.backup import back_up, restore
from isthmus.app.cli.status_command import _outputs
from isthmus.app.run.place import Place
from isthmus.core.time import now
from isthmus.flow.deliver.book import Book
from isthmus.flow.deliver.book import Place as Reached
from isthmus.store.history.columns import empty
from isthmus.store.history.since import SLACK, Part, since
from isthmus.store.history.state import State
from isthmus.stream.follow import Message, follow
from isthmus.stream.log import Position
from tests.conftest import Until
from tests.deliver.plant import PLANT, TAGS, Plant, mqtt, plant
from tests.peers.mosquitto import Listener, Mosquitto
from tests.peers.network import Network

VICTIMS = ("deliverer", "broker", "both", "network")


class Heard:
    """What a listener has heard of the tags, by path; only what is new is looked at."""

    def __init__(self, listener: Listener) -> None:
        self._listener, self._seen = listener, 0
        self._values: dict[str, set[float]] = {}

    def __call__(self) -> dict[str, set[float]]:
        lines = self._listener.lines()
        for topic, payload in lines[self._seen :]:
            if topic.endswith("/level") and payload:
                self._values.setdefault(topic.removeprefix("uns/"), set()).add(json.loads(payload)["value"])
        self._seen = len(lines)
        return self._values


def everything(floor: Plant) -> dict[str, set[float]]:
    """What was accepted."""
    values = set(map(float, range(floor.sent)))
    return {f"{PLANT}/hall/tank-{number}/level": values for number in range(1, TAGS + 1)}


async def rounds(floor: Plant, broker: Mosquitto, folder: Path, until: Until, victims: Sequence[str]) -> None:
    """Kills in a row while samples flow; the listener is back before anything is delivered again."""
    listener = await asyncio.to_thread(broker.listen, "uns/#", folder / "heard")
    heard = Heard(listener)
    async with Network(broker.port) as network, floor.recording():
        floor.apply([mqtt("namespace", f"mqtt://127.0.0.1:{network.port}")])
        floor.start()
        for victim in victims:
            await until(lambda: floor.told("namespace").get("state") == "connected", "connected")
            publishing = asyncio.create_task(flow(floor))
            await asyncio.sleep(random.random() * 0.3)  # the phase in which it dies
            if victim in ("deliverer", "both"):
                floor.kill()
            if victim in ("broker", "both", "network"):
                network.cut()
            if victim in ("broker", "both"):
                broker.kill()
                await asyncio.to_thread(broker.start)
                await asyncio.to_thread(listener.wait)
            network.mend()
            if victim in ("deliverer", "both"):
                floor.start()
            await publishing
        want = everything(floor)
        await until(lambda: heard() == want, "everything delivered")
        await until(lambda: floor.told("namespace").get("lag_messages") == 0, "no lag is left")
        assert floor.stop() == 0


async def flow(floor: Plant) -> None:
    for _ in range(20):
        await floor.publish(20)
        await asyncio.sleep(0.01)


async def test_nothing_is_missing_when_deliverer_broker_and_both_are_killed(
    floor: Plant, broker: Mosquitto, tmp_path: Path, until: Until
) -> None:
    await rounds(floor, broker, tmp_path, until, VICTIMS)


@pytest.mark.soak
async def test_two_hundred_kills_in_a_row(floor: Plant, broker: Mosquitto, tmp_path: Path, until: Until) -> None:
    chance = random.Random(5)
    await rounds(floor, broker, tmp_path, until, [chance.choice(VICTIMS) for _ in range(200)])


async def test_an_output_that_falls_behind_the_log_goes_on_from_history(
    floor: Plant, broker: Mosquitto, tmp_path: Path, until: Until
) -> None:
    heard = Heard(await asyncio.to_thread(broker.listen, "uns/#", tmp_path / "heard"))
    floor.apply([mqtt("namespace", broker.url)])
    floor.start()
    await until(lambda: floor.told("namespace").get("state") == "connected", "connected")
    await floor.publish(10)
    await until(lambda: heard() == everything(floor), "the first ones")
    assert floor.stop() == 0
    async with floor.recording():
        for _ in range(5):
            await floor.publish(50)
        last = (await floor.log.state()).last

        async def purged() -> bool:
            return (await floor.log.state()).first > last

        await until(purged, "the log has none of them any more")
        await floor.publish(10)
        floor.start()
        await until(lambda: heard() == everything(floor), "all of it, from history and from the log")
        await until(lambda: floor.told("namespace").get("lag_messages") == 0, "no lag is left")
        assert floor.told("namespace")["lost"] == 0


async def test_what_neither_the_log_nor_a_history_has_is_told_as_lost(
    floor: Plant, broker: Mosquitto, until: Until
) -> None:
    floor.apply([mqtt("namespace", broker.url)])
    async with floor.delivering() as told:
        await until(partial(is_, told, "namespace", "connected"), "connected")
        await floor.publish(10)
        await until(lambda: told["namespace"]["delivered"] == 10 * TAGS, "delivered")
    for _ in range(3):
        await floor.publish(10)
    before = (await floor.log.state()).last
    await floor.log.purge(before)
    async with floor.delivering() as told:
        await until(lambda: told.get("namespace", {}).get("lost", 0) >= 3, "the loss is counted")
        await floor.publish(10)
        await until(lambda: told["namespace"]["delivered"] == 10 * TAGS, "and it goes on")
    assert "lost" in show(told["namespace"])
    position = Position((await floor.log.state()).stream, before)
    async with asyncio.timeout(60), aclosing(follow(floor.log, position)) as items:
        async for item in items:
            if isinstance(item, Message) and b"output namespace lost" in item.data:
                break


def show(told: dict[str, Any]) -> str:
    (row,) = _outputs({"namespace": {**told, "last_state": told["state"]}})
    return " ".join(row)


async def test_a_segment_behind_the_position_is_given_whole_whatever_the_clocks_say(floor: Plant, until: Until) -> None:
    later = dict.fromkeys(
        range(1, TAGS + 1), now() + 2 * SLACK
    )  # of a source that a tag was moved to, or set back since

    async def recorded() -> bool:
        return (await floor.log.state()).first > last.last

    async with floor.recording():
        await floor.publish(5)
        last = await floor.log.state()
        await until(recorded, "in a segment of its own")
        await floor.publish(7)
        position, last = Position(last.stream, last.last), await floor.log.state()
        await until(recorded, "in another one")
    for heard in ({}, later):
        parts = [part for part in since(floor.data / "history", position, heard) if isinstance(part, Part)]
        assert sum(len(part.columns) for part in parts) == 7 * TAGS


async def test_one_book_that_is_damaged_stops_one_output(floor: Plant, broker: Mosquitto, until: Until) -> None:
    for number, harm in enumerate(("UPDATE place SET state = 'nonsense'", "DROP TABLE parked")):
        with closing(Book.open(floor.data / "outputs" / f"harmed-{number}", create=True)) as book:
            book.commit(Reached(State()), empty(), (), 1)
        with closing(sqlite3.connect(floor.data / "outputs" / f"harmed-{number}" / "book.db")) as db:
            db.execute(harm)
            db.commit()
    floor.apply([mqtt("harmed-0", broker.url), mqtt("harmed-1", broker.url), mqtt("well", broker.url)])
    async with floor.delivering() as told:
        await until(partial(is_, told, "well", "connected"), "connected")
        for number in range(2):
            await until(partial(is_, told, f"harmed-{number}", "failed"), "told")
        await floor.publish(10)
        await until(lambda: told["well"]["delivered"] == 10 * TAGS, "the other one delivers")


async def test_an_output_of_a_restored_plant_goes_on_where_the_backup_has_it(
    broker: Mosquitto, tmp_path: Path, until: Until
) -> None:
    listener = await asyncio.to_thread(broker.listen, "uns/#", tmp_path / "heard")
    heard = Heard(listener)
    async with plant(tmp_path / "data") as floor, floor.recording():
        floor.apply([mqtt("namespace", broker.url)])
        async with floor.delivering():
            await until(lambda: len(listener.lines()) > 0, "online")
            await floor.publish(10)
            await until(lambda: heard() == everything(floor), "the first ones")
        await floor.publish(20)
        want = everything(floor)
    await back_up(Place(tmp_path / "data"), tmp_path / "backup", quiet)
    await asyncio.to_thread(restore, tmp_path / "backup", Place(tmp_path / "restored"), quiet)
    async with plant(tmp_path / "restored") as floor, floor.delivering():
        await until(lambda: heard() == want, "the others, from the restored history")


def quiet(what: str, done: int, of: int) -> None:
    """Nobody looks."""


async def test_a_frozen_broker_delays_nobody_else(
    floor: Plant, broker: Mosquitto, tmp_path: Path, until: Until
) -> None:
    with Mosquitto(tmp_path / "other") as other:
        heard = Heard(await asyncio.to_thread(other.listen, "uns/#", tmp_path / "heard"))
        floor.apply([mqtt("frozen", broker.url, patience="1s", keep_alive="1s"), mqtt("well", other.url)])
        async with floor.delivering() as told:
            for name in ("frozen", "well"):
                await until(partial(is_, told, name, "connected"), f"{name} is connected")
            broker.freeze()
            await floor.publish(100)
            await until(lambda: heard() == everything(floor), "delivered to the other")
            await until(partial(is_, told, "frozen", "disconnected"), "told as gone")
            assert "does not answer" in told["frozen"]["problem"]
            await until(lambda: bool(told["frozen"]["lag_messages"]), "its lag is told")
            broker.thaw()
            await until(lambda: told["frozen"]["lag_messages"] == 0, "it catches up")


def is_(told: dict[str, Any], name: str, state: str) -> bool:
    return bool(told.get(name, {}).get("state") == state)
