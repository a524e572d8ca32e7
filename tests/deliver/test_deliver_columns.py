# SPDX-License-Identifier: Apache-2.0
"""Every sample over MQTT in columns: what a message says, what a reader gets, and what happens when it is too large."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from isthmus.outputs.mqtt.columns import KIND, Message
from isthmus.plant.revision import OutputSetting
from tests.conftest import Until
from tests.deliver.plant import AT, PLANT, TAGS, Plant
from tests.deliver.test_deliver_words import SAMPLE, columns, oracle
from tests.deliver.test_deliver_words import TAGS as SETTINGS
from tests.peers.mosquitto import Mosquitto
from tests.peers.network import Network

READER = KIND.about.partition("```python\n")[2].partition("```")[0]
"""The five lines that docs/outputs.md has for those who read these messages."""


def output(url: str) -> OutputSetting:
    config = {"url": url, "patience": "5s", "keep_alive": "5s"}
    return OutputSetting(name="everything", kind="mqtt-columns", config=config, begins="now")


def nanoseconds(text: str) -> int:
    """Of an ISO 8601 time with up to nine digits behind the second."""
    whole, _, fraction = text.removesuffix("Z").partition(".")
    since = datetime.fromisoformat(f"{whole}+00:00") - datetime.fromtimestamp(0, UTC)
    return since // timedelta(seconds=1) * 10**9 + int(fraction.ljust(9, "0"))


def rows(message: dict[str, Any]) -> list[tuple[Any, ...]]:
    """(path, time, value, quality, mark) of each sample, as a reader would take them."""
    begin, count = nanoseconds(message["from"]), len(message["value"])
    nothing = [0] * count
    paths = [message["tags"][position] for position in message.get("tag", range(count))]
    times = [begin + after for after in message.get("after", nothing)]
    rest = message["value"], message.get("quality", nothing), message.get("mark", nothing)
    return list(zip(paths, times, *rest, strict=True))


@given(st.lists(SAMPLE, min_size=1, max_size=20))
def test_a_message_says_what_the_samples_are(samples: list[tuple[Any, ...]]) -> None:
    found = json.loads(Message(SETTINGS).of(columns(samples)))
    assert nanoseconds(found["from"]) == min(sample[1] for sample in samples)
    expected = [
        (SETTINGS[tag].tag.path, at, oracle(sample)["value"], sample[5], sample[6])
        for sample in samples
        for tag, at in [sample[:2]]
    ]
    assert [same(row) for row in rows(found)] == [same(row) for row in expected]


def same(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """With the value as it is written: true is not 1."""
    return (*row[:2], json.dumps(row[2] if row[2] == row[2] else None), *row[3:])


def test_the_paths_are_those_of_the_message_though_the_last_ones_are_kept() -> None:
    message = Message(SETTINGS)
    for tags in ((1, 2), (2, 1), (3,), (1, 2)):
        made = columns([(tag, 7, 1.5, 0, None, 0, 0) for tag in tags])
        assert [row[0] for row in rows(json.loads(message.of(made)))] == [SETTINGS[tag].tag.path for tag in tags]


@given(st.lists(SAMPLE, min_size=1, max_size=20))
def test_the_reader_on_the_page_reads_what_the_samples_are(samples: list[tuple[Any, ...]]) -> None:
    payload, read = Message(SETTINGS).of(columns(samples)), list[tuple[Any, ...]]()
    exec(READER, {"json": json, "payload": payload, "print": lambda *row: read.append(row)})
    found = [(path, nanoseconds(begin) + after, value, quality) for path, begin, after, value, quality in read]
    expected = [(SETTINGS[one[0]].tag.path, one[1], oracle(one)["value"], one[5]) for one in samples]
    assert [same(row) for row in found] == [same(row) for row in expected]


def test_columns_that_say_nothing_are_left_out() -> None:
    message = Message(SETTINGS)
    scan = columns([(tag, 7, 1.5, 0, None, 0, 0) for tag in (1, 2, 3)])
    assert list(json.loads(message.of(scan))) == ["from", "tags", "value"]
    other = columns([(tag, at, 1.5, 0, None, 1, 1) for tag, at in ((1, 7), (3, 8), (2, 7))])
    assert list(json.loads(message.of(other))) == ["from", "tags", "tag", "after", "value", "quality", "mark"]


def heard(lines: Iterable[tuple[str, str]]) -> Counter[tuple[Any, ...]]:
    return Counter(row for topic, text in lines if topic == f"columns/{PLANT}" for row in rows(json.loads(text)))


def expected(floor: Plant) -> set[tuple[Any, ...]]:
    paths = [f"{PLANT}/hall/tank-{number}/level" for number in range(1, TAGS + 1)]
    return {(path, AT + value * 1_000_000, float(value), 0, 0) for path in paths for value in range(floor.sent)}


async def test_a_reader_gets_every_sample_though_broker_and_deliverer_die(
    floor: Plant, broker: Mosquitto, tmp_path: Path, until: Until
) -> None:
    listener = broker.listen("columns/#", tmp_path / "heard")
    async with Network(broker.port) as network:
        floor.apply([output(f"mqtt://127.0.0.1:{network.port}")])
        floor.start()
        await until(lambda: floor.told("everything").get("state") == "connected", "connected")
        for victim in ("deliverer", "broker", "nobody"):
            await floor.publish(20)
            await until(lambda: set(heard(listener.lines())) == expected(floor), f"everything before {victim} dies")
            if victim == "deliverer":
                floor.kill()
                await floor.publish(20)
                floor.start()
            elif victim == "broker":
                network.cut()
                broker.kill()
                await floor.publish(20)
                await asyncio.to_thread(broker.start)
                await asyncio.to_thread(listener.wait)  # the reader is back before anything is delivered again
                network.mend()
        await until(lambda: set(heard(listener.lines())) == expected(floor), "everything")
        assert await asyncio.to_thread(floor.stop) == 0


async def test_times_too_far_apart_for_exact_numbers_go_in_two_messages(
    floor: Plant, broker: Mosquitto, tmp_path: Path, until: Until
) -> None:
    listener = broker.listen("columns/#", tmp_path / "heard")
    floor.apply([output(broker.url)])
    async with floor.delivering() as told:
        await until(lambda: bool(told.get("everything", {}).get("state") == "connected"), "connected")
        await floor.publish(2, every=2**53)
        await until(lambda: len(heard(listener.lines())) == 2 * TAGS, "everything")
    assert len(listener.lines()) > 1
    assert {row[1] for row in heard(listener.lines())} == {AT, AT + 2**53}


async def test_a_message_too_large_for_the_broker_goes_in_pieces(
    floor: Plant, tmp_path: Path, until: Until, broker: Mosquitto
) -> None:
    del broker  # it is there: this test has one of its own with narrow limits
    with Mosquitto(tmp_path / "narrow", "max_packet_size 700") as narrow:
        listener = narrow.listen("columns/#", tmp_path / "heard")
        floor.apply([output(narrow.url)])
        async with floor.delivering() as told:
            await until(lambda: bool(told.get("everything", {}).get("state") == "connected"), "connected")
            await floor.publish(40)
            await until(lambda: set(heard(listener.lines())) == expected(floor), "everything")
            assert told["everything"]["parked"] == 0
        assert len(listener.lines()) > 5 and max(heard(listener.lines()).values()) == 1
