# SPDX-License-Identifier: Apache-2.0
"""MQTT as it is read: what payloads become, what garbage does, and that nothing published at QoS 1 is lost."""

from __future__ import annotations

import asyncio
import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.core import quality
from isthmus.core.errors import IsthmusError, Refused
from isthmus.core.event import EventKind
from isthmus.core.tag import DataType, Tag
from isthmus.core.time import UNKNOWN
from isthmus.plant.revision import Revision, SystemSetting, TagSetting
from isthmus.stream.codec import unpack
from isthmus.stream.follow import Idle, Message, follow
from isthmus.stream.log import open_log
from isthmus.stream.names import SAMPLES
from isthmus.stream.server import LogServer
from isthmus.systems.contract import Address, Form, Surroundings
from isthmus.systems.mqtt.address import check_address, split
from isthmus.systems.mqtt.reading import LAST_USABLE
from isthmus.systems.pointer import found, steps
from isthmus.systems.registry import kinds
from tests.conftest import Until
from tests.contract.collected import Collected
from tests.peers.mosquitto import HERE, WHAT, Mosquitto

KIND = kinds()["mqtt"]


@pytest.fixture
def broker(tmp_path: Path, need: Callable[[object, str], None]) -> Iterator[Mosquitto]:
    need(HERE, WHAT)
    with Mosquitto(tmp_path / "broker", "max_inflight_messages 0") as made:
        yield made


def reading(broker: Mosquitto, folder: Path, *addresses: tuple[str, DataType], **more: Any) -> Collected:
    config = {"url": broker.url, "patience": "1m", "keep_alive": "1m", "time": "/at", "quality": "/quality", **more}
    return Collected(KIND, config, folder, [Address(text, type_) for text, type_ in addresses])


@pytest.mark.parametrize(
    "text", ["", "a/+/b", "#", "a#b", "a#/~2", "a#/b~", "a\0b", "+", "#/value", "ä" * 40_000, "\0 not an address"]
)
def test_what_cannot_be_an_address_is_refused(text: str) -> None:
    with pytest.raises(IsthmusError):
        check_address(text)


@given(st.lists(st.text(max_size=6), min_size=1, max_size=4))
def test_a_pointer_finds_what_it_was_made_for(names: list[str]) -> None:
    payload: Any = 7
    for name in reversed(names):
        payload = {name: payload}
    pointer = "".join("/" + name.replace("~", "~0").replace("/", "~1") for name in names)
    assert found(payload, steps(pointer)) == 7


def test_an_address_is_a_topic_and_a_pointer() -> None:
    assert check_address("a b/c#") == "a b/c"
    assert split(check_address("a b/c#/d~1e/0")) == ("a b/c", ("d/e", "0"))


PAYLOADS: list[tuple[str, str | bytes, DataType, tuple[int, int, Any]]] = [
    ("", "81.5", DataType.FLOAT, (Form.FLOAT, quality.GOOD, 81.5)),
    ("", " 7 ", DataType.INTEGER, (Form.SIGNED, quality.GOOD, 7)),
    ("", "18446744073709551615", DataType.UNSIGNED, (Form.UNSIGNED, quality.GOOD, -1)),
    ("", "true", DataType.BOOLEAN, (Form.BOOLEAN, quality.GOOD, 1.0)),
    ("", "läuft", DataType.TEXT, (Form.TEXT, quality.GOOD, "läuft")),
    ("", "12", DataType.TEXT, (Form.TEXT, quality.GOOD, "12")),
    ("", '"on"', DataType.FLOAT, (Form.TEXT, quality.GOOD, "on")),
    ("#/v", '{"v": [1]}', DataType.TEXT, (Form.TEXT, quality.GOOD, "[1]")),
    ("#/v/1", '{"v": [1, 2.5]}', DataType.FLOAT, (Form.FLOAT, quality.GOOD, 2.5)),
    ("#/v", '{"v": 3, "quality": "BadSensorFailure"}', DataType.INTEGER, (Form.SIGNED, 0x808C_0000, 3)),
    ("#/v", '{"v": 3, "quality": 1073741824}', DataType.INTEGER, (Form.SIGNED, 0x4000_0000, 3)),
    ("#/v", '{"v": null}', DataType.FLOAT, (Form.NONE, quality.BAD_NO_DATA, None)),
    ("#/v", '{"w": 1}', DataType.FLOAT, (Form.NONE, quality.BAD_TYPE_MISMATCH, None)),
    ("#/v", '{"v": {"x": 1}}', DataType.FLOAT, (Form.NONE, quality.BAD_TYPE_MISMATCH, None)),
    ("#/v", '{"v": 1, "at": "yesterday"}', DataType.FLOAT, (Form.NONE, quality.BAD_TYPE_MISMATCH, None)),
    ("#/v", '{"v": 1, "at": 1e300}', DataType.FLOAT, (Form.NONE, quality.BAD_TYPE_MISMATCH, None)),
    ("#/v", '{"v": 1, "at": 1e308}', DataType.FLOAT, (Form.NONE, quality.BAD_TYPE_MISMATCH, None)),
    ("#/v", f'{{"v": 1, "at": {10**400}}}', DataType.FLOAT, (Form.NONE, quality.BAD_TYPE_MISMATCH, None)),
    ("#/v", f'{{"v": {10**400}}}', DataType.FLOAT, (Form.FLOAT, quality.GOOD, math.inf)),
    ("#/v", f'{{"v": -{10**400}}}', DataType.FLOAT, (Form.FLOAT, quality.GOOD, -math.inf)),
    ("#/v", '{"v": 1, "quality": "splendid"}', DataType.FLOAT, (Form.NONE, quality.BAD_TYPE_MISMATCH, None)),
    ("#/v", b"\xff\xfe\0", DataType.FLOAT, (Form.NONE, quality.BAD_TYPE_MISMATCH, None)),
    ("", b"\xff\xfe\0", DataType.TEXT, (Form.NONE, quality.BAD_TYPE_MISMATCH, None)),
    ("#/v", "[" * 5000, DataType.FLOAT, (Form.NONE, quality.BAD_TYPE_MISMATCH, None)),
    ("#/v", "", DataType.FLOAT, (Form.NONE, quality.BAD_TYPE_MISMATCH, None)),
]


async def test_payloads_become_what_they_say_and_garbage_harms_only_itself(
    broker: Mosquitto, tmp_path: Path, until: Until
) -> None:
    addresses = [(f"t/{n}{pointer}", type_) for n, (pointer, _, type_, _) in enumerate(PAYLOADS)]
    collected = reading(broker, tmp_path, *addresses)
    async with collected.running():
        await until(lambda: collected.opened == 1, "open")
        for n, (_, payload, *_) in enumerate(PAYLOADS):
            await asyncio.to_thread(broker.publish, f"t/{n}", payload)
        await until(lambda: len(list(collected.rows(len(PAYLOADS) - 1))) == 1, "all have come")
    assert not collected.errors
    for n, (_, payload, _, want) in enumerate(PAYLOADS):
        assert told(collected, n) == want, payload
    wrong = [n for n, (*_, want) in enumerate(PAYLOADS) if want[1] == quality.BAD_TYPE_MISMATCH]
    oddities = [oddity for readings in collected.readings for oddity in readings.oddities]
    assert [oddity.index for oddity in oddities] == wrong
    assert len(collected.told(EventKind.TAG)) == len(wrong)


def told(collected: Collected, position: int) -> tuple[int, int, Any]:
    """(form, quality, value) of the only reading of an address."""
    for readings in collected.readings:
        for row in range(len(readings)):
            if readings.index[row] != position:
                continue
            form, status = int(readings.form[row]), int(readings.quality[row])
            assert readings.text is not None and readings.integer is not None
            whole = form in (Form.SIGNED, Form.UNSIGNED)
            value: Any = readings.text[row] or (int(readings.integer[row]) if whole else float(readings.value[row]))
            return form, status, None if form == Form.NONE else value
    raise AssertionError(f"nothing of {position}")


async def test_times_are_the_payloads_own_and_a_retained_value_without_one_is_uncertain(
    broker: Mosquitto, tmp_path: Path, until: Until
) -> None:
    await asyncio.to_thread(broker.publish, "old", "5", "-r")
    for unit, number in (("s", "1.5"), ("ms", "1500"), ("ns", "1500000000")):
        collected = reading(
            broker, tmp_path / unit, ("old", DataType.FLOAT), ("new#/v", DataType.FLOAT), time_unit=unit
        )
        async with collected.running():
            await until(lambda: len(collected.values(0)) == 1, "the retained one")  # noqa: B023  (of this round)
            await asyncio.to_thread(broker.publish, "new", f'{{"v": 1, "at": {number}}}')
            await until(lambda: len(collected.values(1)) == 1, "the new one")  # noqa: B023
        assert list(collected.rows(0)) == [(UNKNOWN, LAST_USABLE, 5.0)]
        assert list(collected.rows(1)) == [(1_500_000_000, quality.GOOD, 1.0)]


async def test_a_time_with_a_fraction_is_the_one_that_is_written(
    broker: Mosquitto, tmp_path: Path, until: Until
) -> None:
    collected = reading(broker, tmp_path, ("t#/v", DataType.FLOAT), time_unit="s")
    async with collected.running():
        await until(lambda: collected.opened == 1, "open")
        await asyncio.to_thread(broker.publish, "t", '{"v": 1, "at": 1795392000.123}')
        await until(lambda: len(collected.values(0)) == 1, "it has come")
    assert [at for at, *_ in collected.rows(0)] == [1_795_392_000_123_000_000]


async def test_what_a_payload_says_does_not_make_more_to_remember(
    broker: Mosquitto, tmp_path: Path, until: Until
) -> None:
    collected = reading(broker, tmp_path, ("t#/v", DataType.FLOAT))
    async with collected.running():
        await until(lambda: collected.opened == 1, "open")
        for n in range(5):
            await asyncio.to_thread(broker.publish, "t", f'{{"v": 1, "at": "day {n}", "quality": "q{n}"}}')
        await until(lambda: len(collected.values(0)) == 5, "all have come")
    assert len([oddity for readings in collected.readings for oddity in readings.oddities]) == 1


@pytest.mark.parametrize("version", [5, "3.1.1"])
async def test_what_is_not_kept_comes_again_and_what_is_kept_does_not(
    broker: Mosquitto, tmp_path: Path, until: Until, version: Any
) -> None:
    address = ("t", DataType.FLOAT)
    first = reading(broker, tmp_path, address, version=version)
    first.keep = False
    async with first.running():
        await until(lambda: first.opened == 1, "open")
        for value in range(3):
            await asyncio.to_thread(broker.publish, "t", str(value))
        await until(lambda: first.values(0) == [0, 1, 2], "all three")
        next(readings for readings in first.readings if len(readings)).done()  # the log has the first only
        known = len(next(readings for readings in first.readings if len(readings)))
    await asyncio.to_thread(broker.publish, "t", "3")
    second = reading(broker, tmp_path, address, version=version)
    async with second.running():
        await until(lambda: second.values(0) == [*range(known, 3), 3], "what was not acknowledged, and what came since")


async def test_topics_that_the_plant_file_has_no_more_are_unsubscribed(
    broker: Mosquitto, tmp_path: Path, until: Until
) -> None:
    async with reading(broker, tmp_path, ("old", DataType.FLOAT)).running() as first:
        await until(lambda: first.opened == 1, "open")
    async with reading(broker, tmp_path, ("new", DataType.FLOAT)).running() as second:
        await until(lambda: second.opened == 1, "open")
        for topic in ("old", "new", "old", "new"):
            await asyncio.to_thread(broker.publish, topic, "1")
        await until(lambda: second.values(0) == [1, 1], "only the new one counts")
    assert not second.errors


async def test_browsing_shows_topics_and_what_is_in_them(broker: Mosquitto, tmp_path: Path) -> None:
    await asyncio.to_thread(broker.publish, "a/plain", "1.5", "-r")
    await asyncio.to_thread(broker.publish, "a/json", '{"x": {"y/z": true}, "t": "text", "l": [1]}', "-r")
    await asyncio.to_thread(broker.publish, "b", "no", "-r")
    driver = KIND.connect(KIND.spec.model_validate({"url": broker.url}), Surroundings("far", tmp_path))
    told = {}
    async with aclosing(driver.browse("a/#")) as items:
        async for item in items:
            told[item.address] = item.type
            if len(told) == 3:
                break
    assert told == {"a/plain": DataType.FLOAT, "a/json#/x/y~1z": DataType.BOOLEAN, "a/json#/t": DataType.TEXT}
    for address in told:
        assert check_address(address) == address


async def test_wrong_credentials_are_refused_in_words(tmp_path: Path, need: Callable[[object, str], None]) -> None:
    need(HERE, WHAT)
    (tmp_path / "known").write_text("")
    with Mosquitto(tmp_path / "b", "allow_anonymous false", f"password_file {tmp_path / 'known'}") as broker:
        driver = KIND.connect(KIND.spec.model_validate({"url": broker.url}), Surroundings("far", tmp_path))
        with pytest.raises(Refused, match="not authorised"):
            async with driver.open([Address("t", DataType.FLOAT)]):
                pass


COUNT = 1200


async def test_nothing_published_at_qos_1_is_lost_when_the_collector_is_killed(
    broker: Mosquitto, tmp_path: Path, until: Until
) -> None:
    data = tmp_path / "data"
    applied(data, broker.url)
    async with LogServer(data / "log") as server, open_log(server.endpoint_of("admin"), name="test") as log:
        collector = started(data)
        await until(lambda: b"connected" in (data / "out").read_bytes(), "connected")
        publisher = publishing(broker.port)
        assert publisher.stdin is not None
        for number in range(COUNT):
            publisher.stdin.write(f'{{"v": {number}, "at": {1_700_000_000_000 + number}}}\n'.encode())
            if number % 100 == 0:
                publisher.stdin.flush()
                await asyncio.sleep(0.05)
            if number in (COUNT // 4, COUNT // 2, COUNT * 3 // 4):
                collector.kill()
                await asyncio.to_thread(collector.wait)
                collector = started(data)
        publisher.stdin.close()
        await asyncio.to_thread(publisher.wait, 240)
        values = set[float]()
        async with aclosing(follow(log, None)) as items:
            async with asyncio.timeout(240):
                async for item in items:
                    if isinstance(item, Message) and item.subject.startswith(SAMPLES):
                        values |= {value for block in unpack(item.data) for value in block.value.tolist()}
                    if isinstance(item, Idle) and len(values) == COUNT:
                        break
        collector.terminate()
        assert await asyncio.to_thread(collector.wait, 120) == 0
    assert values == set(map(float, range(COUNT)))


def publishing(port: int) -> subprocess.Popen[bytes]:
    """A mosquitto_pub that publishes every line it is given, at QoS 1."""
    words = ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(port), "-q", "1", "-t", "count", "-l"]
    return subprocess.Popen(words, stdin=subprocess.PIPE)


def applied(data: Path, url: str) -> None:
    config = {"url": url, "time": "/at"}
    tag = TagSetting(tag=Tag(1, "acme/lyon/count", "", DataType.FLOAT, False), system="far", address="count#/v")
    revision = Revision(
        number=1, created=0, author="test", comment="", plant="acme/lyon", time_zone="UTC",
        systems=(SystemSetting(name="far", kind="mqtt", config=config),), assets=(), tags=(tag,),
    )  # fmt: skip
    folder = data / "revisions"
    folder.mkdir(parents=True)
    (folder / f"{revision.number:06d}-{revision.digest[:8]}.json").write_bytes(revision.pack())
    (folder / "current").write_text(f"{revision.number} {revision.digest}\n")
    (data / "run").mkdir()


def started(data: Path) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-m", "isthmus.app.run.collect", "--data", str(data), "--parent", str(os.getpid())]
    with (data / "out").open("ab") as out:
        return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
