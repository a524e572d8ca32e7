# SPDX-License-Identifier: Apache-2.0
"""Kafka out, to librdkafka's mock cluster in a process of its own: what was sent is what a consumer reads, once."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from isthmus.core.errors import Disconnected, Refused
from isthmus.core.tag import DataType, Tag
from isthmus.core.time import from_iso
from isthmus.flow.deliver.book import Book
from isthmus.flow.deliver.deliver import folder_of
from isthmus.outputs.contract import Delivery, Surroundings
from isthmus.outputs.registry import output_kinds
from isthmus.plant.revision import OutputSetting, Revision, TagSetting
from isthmus.store.history.columns import Columns, empty
from tests.conftest import Until
from tests.deliver.plant import AT, PLANT, TAGS, Plant, plant, setting
from tests.opcua.certificates import make
from tests.peers.kafka_cluster import Cluster
from tests.peers.kafka_door import Doors
from tests.web.certificates import certificates

KIND = output_kinds()["kafka"]
TOPIC = "acme.lyon"
PRODUCE = 0
"""The API key of Produce requests."""


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with Cluster(TOPIC) as made:
        yield made


@pytest.fixture
async def floor(tmp_path: Path) -> AsyncIterator[Plant]:
    async with plant(tmp_path / "data") as made:
        yield made


def output(servers: list[str], folder: Path, **config: Any) -> Any:
    tags = {number: setting(number) for number in range(1, TAGS + 1)}
    tags[9] = TagSetting(tag=Tag(9, f"{PLANT}/hall/note", "", DataType.TEXT, True), system="dcs", address="note")
    revision = Revision(
        number=1, created=0, author="", comment="", plant=PLANT, time_zone="UTC", systems=(), assets=(),
        tags=tuple(tags.values()),
    )  # fmt: skip
    spec = KIND.spec.model_validate({"servers": servers, "patience": "60s", **config})
    assert KIND.connect is not None
    return KIND.connect(spec, Surroundings("stream", revision, tags, folder, folder))


def samples(count: int) -> Columns:
    rows = empty(count)
    rows.tag[:], rows.value[:] = 1 + np.arange(count) % TAGS, np.arange(count)
    rows.time[:] = AT + np.arange(count) * 1_000_000
    rows.quality[rows.value % 7 == 3] = 0x4000_0000
    return rows


def consumed(servers: list[str], count: int, within: float = 90) -> list[tuple[str, int, dict[str, Any]]]:
    """(key, partition, value) of the messages of the topic, at least so many."""
    from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

    consumer = Consumer({"bootstrap.servers": ",".join(servers), "group.id": "test", "log_level": 0})
    found, end, more = list[tuple[str, int, dict[str, Any]]](), time.monotonic() + within, True
    try:
        consumer.assign([TopicPartition(TOPIC, number, OFFSET_BEGINNING) for number in range(4)])
        while time.monotonic() < end and (len(found) < count or more):
            messages = consumer.consume(1000, 0.3)
            more = bool(messages)
            found += [
                (one.key().decode(), one.partition(), json.loads(one.value())) for one in messages if not one.error()
            ]
    finally:
        consumer.close()
    return found


async def test_what_was_written_is_what_a_consumer_reads(cluster: Cluster, tmp_path: Path) -> None:
    columns = samples(500)
    async with output(cluster.servers, tmp_path).open() as sink:
        assert not await sink.write(Delivery(columns))
        assert not await sink.write(Delivery(empty()))
    found = consumed(cluster.servers, 500)
    got = sorted((from_iso(one["at"]), one["tag"], one["value"], one["quality"]) for _, _, one in found)
    assert got == [
        (int(at), f"{PLANT}/hall/tank-{tag}/level", float(value), "Uncertain" if bad else "Good")
        for at, tag, value, bad in zip(columns.time, columns.tag, columns.value, columns.quality, strict=True)
    ]
    assert all(key == one["tag"] for key, _, one in found)
    by_key = {key: [one["value"] for other, _, one in found if other == key] for key, *_ in found}
    assert all(values == sorted(values) for values in by_key.values())  # the order of a tag is kept
    assert all(len({partition for other, partition, _ in found if other == key}) == 1 for key in by_key)


async def test_a_message_that_is_too_large_is_refused_and_the_others_are_there(
    cluster: Cluster, tmp_path: Path
) -> None:
    rows = empty(3)
    rows.tag[:], rows.time[:], rows.text[1], rows.value[:] = (1, 9, 2), AT, 1, (1.0, np.nan, 2.0)
    columns = Columns(("x" * 5000,), *rows.arrays())
    async with output(cluster.servers, tmp_path, largest=2000).open() as sink:
        refused = await sink.write(Delivery(columns))
    assert [one.row for one in refused] == [1] and "large" in refused[0].reason.lower()
    assert sorted(one["value"] for _, _, one in consumed(cluster.servers, 2)) == [1.0, 2.0]


async def test_what_a_broker_refuses_for_good_is_parked(cluster: Cluster, tmp_path: Path) -> None:
    async with output(cluster.servers, tmp_path).open() as sink:
        cluster.do("errors", PRODUCE, 10)  # MESSAGE_TOO_LARGE
        assert len(await sink.write(Delivery(samples(1)))) == 1
        assert not await sink.write(Delivery(samples(1)))


@pytest.mark.parametrize("code", [10, 18])
async def test_a_batch_that_is_too_large_for_a_broker_is_taken_apart(
    cluster: Cluster, tmp_path: Path, code: int
) -> None:
    """MESSAGE_TOO_LARGE and RECORD_LIST_TOO_LARGE are said of all messages of a request."""
    async with output(cluster.servers, tmp_path).open() as sink:
        cluster.do("errors", PRODUCE, code, code)
        assert not await sink.write(Delivery(samples(500)))
    found = consumed(cluster.servers, 500)
    assert sorted(one["value"] for _, _, one in found) == list(map(float, range(500)))


async def test_what_passes_is_tried_again_and_is_there_once(cluster: Cluster, tmp_path: Path) -> None:
    async with output(cluster.servers, tmp_path).open() as sink:
        cluster.do("errors", PRODUCE, 6, 7, 19)  # NOT_LEADER, REQUEST_TIMED_OUT, NOT_ENOUGH_REPLICAS
        assert not await sink.write(Delivery(samples(100)))
    assert len(consumed(cluster.servers, 100)) == 100


async def test_brokers_that_are_gone_or_frozen_count_as_away(cluster: Cluster, tmp_path: Path) -> None:
    async with output(cluster.servers, tmp_path, patience="3s").open() as sink:
        cluster.freeze()
        with pytest.raises(Disconnected):
            await sink.write(Delivery(samples(10)))
    cluster.process.kill()
    made = output(cluster.servers, tmp_path, patience="1s")
    errors = set()
    for _ in range(2):
        with pytest.raises(Disconnected) as error:
            async with made.open():
                pass
        errors.add(str(error.value))
    assert len(errors) == 1, errors  # said once


async def test_a_topic_that_is_not_there_is_waited_for_and_named(cluster: Cluster, tmp_path: Path) -> None:
    with pytest.raises(Disconnected, match="nowhere"):
        cluster.do("errors", 3, 3, 3, 3, 3)  # Metadata: UNKNOWN_TOPIC_OR_PARTITION
        async with output(cluster.servers, tmp_path, topic="nowhere", patience="2s").open():
            pass


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
@pytest.mark.parametrize("compression", ["none", "lz4", "zstd", "gzip"])
async def test_every_setting_is_one_that_librdkafka_takes(tmp_path: Path, mechanism: str, compression: str) -> None:
    secret = {"user": "me", "password": "p", "mechanism": mechanism, "tls": True, "compression": compression}
    made = output(["127.0.0.1:9"], tmp_path, patience="1s", **secret)
    sink = made.sink()  # refused here, were a setting none
    sink.close()


async def test_a_file_that_is_missing_is_said_to_be(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"ca\.pem"):
        async with output(["127.0.0.1:9"], tmp_path, tls=True, ca="ca.pem").open():
            pass


@pytest.mark.parametrize(
    "config",
    [
        {"servers": []},
        {"servers": "http://kafka"},
        {"servers": "kafka"},
        {"topic": "a topic"},
        {"topic": "x" * 250},
        {"user": "me"},
        {"user": "me", "password": "in the clear"},
        {"ca": "ca.pem"},
        {"patience": "soon"},
    ],
)
def test_bad_configuration_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        KIND.spec.model_validate({"servers": "127.0.0.1:9092", **config})


@pytest.mark.parametrize(
    ("days", "name", "trusted", "words"),
    [
        (-1, "127.0.0.1", True, "certificate has expired"),
        (30, "127.0.0.1", False, "self-signed certificate"),
        (30, "127.0.0.9", True, "certificate is not valid for '127.0.0.1'"),
    ],
)
async def test_a_certificate_that_is_not_good_is_named_and_not_tried_without_end(
    cluster: Cluster, tmp_path: Path, days: int, name: str, trusted: bool, words: str
) -> None:
    pair = certificates(tmp_path / "theirs", days=days, name=name)
    ca = pair if trusted else certificates(tmp_path / "others")
    (tmp_path / "pki").mkdir()
    shutil.copy(ca[0], tmp_path / "pki" / "ca.pem")
    async with Doors(cluster.servers, *pair) as doors:
        made = output(doors.servers, tmp_path, tls=True, ca="ca.pem", patience="1m")
        began = time.monotonic()
        for tries in (1, 2):
            with pytest.raises(Disconnected) as error:
                async with made.open():
                    pass
            assert words in str(error.value) and f"({doors.servers[0]})" in str(error.value)
            assert TOPIC in str(error.value) and "renew it at the broker" in str(error.value)
            # a second, and one more for us; each broker is tried about once in it, and by us where it is the first
            assert doors.greeted <= 5 * (time.monotonic() - began) + 4 * tries


async def test_what_a_broker_with_an_expired_certificate_did_not_get_it_gets_once_it_is_renewed(
    cluster: Cluster, floor: Plant, tmp_path: Path, until: Until
) -> None:
    ours = make("ours", authority=True)
    ours.write(floor.data / "pki", "ca")
    good = make("broker", issuer=ours).write(tmp_path, "good")
    expired = make("broker", issuer=ours, days=(-2.0, -1.0)).write(tmp_path, "expired")
    async with Doors(cluster.servers, *good) as doors:
        config = {"servers": doors.servers, "patience": "4s", "tls": True, "ca": "ca.pem"}
        floor.apply([OutputSetting(name="stream", kind="kafka", config=config, begins="now")])
        async with floor.delivering() as told:
            await until(lambda: told.get("stream", {}).get("state") == "connected", "connected, by TLS")
            await floor.publish(100)
            await until(lambda: told["stream"]["delivered"] == 100 * TAGS, "delivered")
            doors.show(*expired)
            doors.cut()
            await floor.publish(100)
            await until(lambda: told["stream"]["state"] == "disconnected", "it is not spoken to")
            await until(lambda: "certificate has expired" in told["stream"]["problem"], "and why")
            await floor.publish(100)
            await until(lambda: bool(told["stream"]["lag_messages"]), "what is kept is told")
            doors.show(*good)
            await until(lambda: told["stream"]["delivered"] == 300 * TAGS, "all is delivered")
            assert told["stream"]["parked"] == told["stream"]["lost"] == 0
    found = consumed(cluster.servers, 300 * TAGS)
    assert len(Counter((one["tag"], one["at"], one["value"]) for _, _, one in found)) == 300 * TAGS
    said = await floor.said("stream")
    assert any("disconnected" in one and "certificate has expired" in one for one in said), said


async def cut_under_load(cluster: Cluster, floor: Plant, until: Until, rounds: int, count: int) -> None:
    config = {"servers": cluster.servers, "patience": "1s"}
    floor.apply([OutputSetting(name="stream", kind="kafka", config=config, begins="now")])
    floor.start()
    await until(lambda: floor.told("stream").get("state") == "connected", "it is connected")
    for _ in range(rounds):
        await floor.publish(count)
        cluster.cut()
        await floor.publish(count)
        await until(lambda: floor.told("stream").get("state") == "disconnected", "it notices")
        cluster.mend()
        await until(lambda: floor.told("stream").get("delivered") == floor.sent * TAGS, "all is delivered")
    found = consumed(cluster.servers, floor.sent * TAGS, 60)
    counted = Counter((one["tag"], one["at"], one["value"]) for _, _, one in found)
    assert len(counted) == floor.sent * TAGS and floor.told("stream")["parked"] == 0


async def test_many_outputs_that_are_frozen_keep_no_other_waiting(
    cluster: Cluster, floor: Plant, tmp_path: Path, until: Until
) -> None:
    def place() -> Any:
        book = Book.open(folder_of(floor.data, "lake"))
        try:
            return book.place()
        finally:
            book.close()

    lake = OutputSetting(name="lake", kind="parquet", config={"folder": str(tmp_path / "lake")}, tags=())
    frozen = [
        OutputSetting(name=f"frozen-{n}", kind="kafka", config={"servers": cluster.servers, "patience": "60s"}, tags=())
        for n in range(12)
    ]
    floor.apply([lake])
    async with floor.delivering() as told:
        await until(lambda: told.get("lake", {}).get("state") == "connected", "connected")
        began = place()
        cluster.freeze()
        try:
            floor.apply([lake, *frozen])
            await until(lambda: len(told) == 13, "the others try")
            await floor.publish(5)
            await until(lambda: told["lake"]["delivered"] == 5 * TAGS, "delivered")
            await until(lambda: place() != began, "its place is on the disk")
            assert {told[one.name]["state"] for one in frozen} == {"starting"}
        finally:
            cluster.thaw()


@pytest.mark.parametrize("when", ["it opens", pytest.param("it writes", marks=pytest.mark.soak)])
async def test_an_output_ends_at_once_though_its_brokers_are_frozen(
    cluster: Cluster, floor: Plant, until: Until, when: str
) -> None:
    config = {"servers": cluster.servers, "patience": "5m"}
    floor.apply([OutputSetting(name="stream", kind="kafka", config=config, begins="now")])
    if when == "it opens":
        cluster.freeze()
    floor.start()
    state = "starting" if when == "it opens" else "connected"
    await until(lambda: floor.told("stream").get("state") == state, when)
    await until(lambda: floor.told("stream").get("lag_messages") == 0, "it knows where it begins")
    cluster.freeze()
    await floor.publish(50)
    await until(lambda: bool(floor.told("stream").get("lag_messages")), "it tries")
    assert await asyncio.to_thread(floor.stop) == 0  # long before its patience is over
    cluster.thaw()
    floor.start()
    await until(lambda: floor.told("stream").get("lag_messages") == 0, "all is delivered")
    counted = Counter((one["tag"], one["at"], one["value"]) for _, _, one in consumed(cluster.servers, 50 * TAGS))
    assert len(counted) == 50 * TAGS


async def test_a_cut_under_load_loses_nothing(cluster: Cluster, floor: Plant, until: Until) -> None:
    await cut_under_load(cluster, floor, until, 1, 200)


@pytest.mark.soak
@pytest.mark.timeout(1800)
async def test_two_hundred_cuts_under_load_lose_nothing(cluster: Cluster, floor: Plant, until: Until) -> None:
    await cut_under_load(cluster, floor, until, 200, 20)
