# SPDX-License-Identifier: Apache-2.0
"""What a person sees who points an MQTT client at the namespace, and what happens when the broker does not want it."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from typer.testing import CliRunner

from isthmus.app.cli.commands import app
from isthmus.app.forgetting import forget
from isthmus.app.run.place import Place
from isthmus.core.errors import Disconnected, IsthmusError, NotFound
from isthmus.core.tag import DataType, Tag
from isthmus.flow.deliver import output
from isthmus.flow.deliver.book import Book
from isthmus.flow.deliver.deliver import folder_of
from isthmus.plant.revision import OutputSetting, TagSetting
from isthmus.store.history.columns import Columns
from tests.conftest import Until
from tests.deliver.plant import AT, PLANT, TAGS, Plant, mqtt, setting
from tests.opcua.certificates import make
from tests.peers.mosquitto import HERE, WHAT, Mosquitto

LEVEL = f"uns/{PLANT}/hall/tank-1/level"


def is_(told: dict[str, Any], name: str, state: str) -> bool:
    return bool(told.get(name, {}).get("state") == state)


OVER_MQTT = ("mqtt", "mqtt-columns", "sparkplug")


def over_mqtt(url: str, **config: Any) -> list[OutputSetting]:
    """An output of each kind that speaks to a broker, named like it."""
    return [OutputSetting(name=kind, kind=kind, config={"url": url, "patience": "5s", **config}) for kind in OVER_MQTT]


async def retained(broker: Mosquitto, filter_: str = "uns/#", *more: str) -> dict[str, Any]:
    found = await asyncio.to_thread(broker.retained, filter_, *more)
    return {topic: json.loads(payload) for topic, payload in found.items()}


async def delivered(told: dict[str, Any], until: Until, samples: int, name: str = "namespace") -> None:
    await until(partial(is_, told, name, "connected"), "connected")
    await until(lambda: bool(told[name]["delivered"] == samples), "everything is delivered")


async def test_each_tag_has_a_topic_on_which_its_value_lies(floor: Plant, broker: Mosquitto, until: Until) -> None:
    state = TagSetting(
        tag=Tag(2, f"{PLANT}/hall/tank-2/level", "", DataType.ENUMERATION, True), system="dcs", address="state",
        labels={9: "filling"},
    )  # fmt: skip
    tags = (setting(1, range=(0.0, 100.0), description="How full."), state, *(setting(n) for n in (3, 4, 5)))
    floor.apply([mqtt("namespace", broker.url, version="3.1.1")], tags)
    async with floor.delivering() as told:
        await until(partial(is_, told, "namespace", "connected"), "connected")
        await floor.publish(10)
        await delivered(told, until, 50)
        found = await retained(broker)
        at = "2027-01-15T08:00:00.009Z"
        assert found[LEVEL] == {"value": 9.0, "at": at, "quality": "Good", "unit": "m"}
        assert found[f"uns/{PLANT}/_isthmus/namespace"]["state"] == "online"
        assert found[f"uns/{PLANT}/hall/tank-1/_schema"] == {
            "path": f"{PLANT}/hall/tank-1",
            "type": "tank@1",
            "tags": {
                "level": {
                    "type": "float", "unit": "m", "range": [0.0, 100.0], "description": "How full.", "stepped": False,
                }
            },
        }  # fmt: skip
        assert AT == 1_800_000_000_000_000_000
    said = (await retained(broker, "+/+/+/_isthmus/#"))[f"uns/{PLANT}/_isthmus/namespace"]
    assert said["state"] == "offline" and "at" in said  # said by us, not by the broker for us


async def test_a_broker_that_forgets_gets_everything_back(floor: Plant, broker: Mosquitto, until: Until) -> None:
    floor.apply([mqtt("namespace", broker.url)])
    async with floor.recording():
        async with floor.delivering() as told:
            await until(partial(is_, told, "namespace", "connected"), "connected")
            await floor.publish(3)
            await delivered(told, until, 15)
            before = await retained(broker, f"uns/{PLANT}/hall/+/level")
            assert len(before) == 5
            broker.kill()
            await until(partial(is_, told, "namespace", "disconnected"), "disconnected")
            await asyncio.to_thread(broker.start)
            await until(partial(is_, told, "namespace", "connected"), "connected again")
            assert await retained(broker, f"uns/{PLANT}/hall/+/level") == before
        broker.kill()
        await asyncio.to_thread(broker.start)
        async with floor.delivering() as told:  # another process would know no more than this one
            await until(partial(is_, told, "namespace", "connected"), "connected")
            assert await retained(broker, f"uns/{PLANT}/hall/+/level") == before


async def test_when_isthmus_dies_the_broker_says_that_it_is_offline(
    floor: Plant, broker: Mosquitto, until: Until
) -> None:
    floor.apply([mqtt("namespace", broker.url)])
    floor.start()
    await until(lambda: floor.told("namespace").get("state") == "connected", "connected")
    floor.kill()

    async def offline() -> bool:
        said = await retained(broker, f"uns/{PLANT}/_isthmus/#")
        return bool(said[f"uns/{PLANT}/_isthmus/namespace"] == {"state": "offline"})

    await until(offline, "offline")


async def test_changes_within_the_deadband_are_not_sent_and_late_ones_neither(
    floor: Plant, broker: Mosquitto, tmp_path: Path, until: Until
) -> None:
    tags = [setting(n, range=(0.0, 1000.0)) for n in range(1, 6)]
    listener = await asyncio.to_thread(broker.listen, LEVEL, tmp_path / "heard")
    floor.apply([mqtt("namespace", broker.url, deadband=1.0)], tags)
    async with floor.delivering() as told:
        await until(partial(is_, told, "namespace", "connected"), "connected")
        await floor.publish(34)
        await until(lambda: told["namespace"]["delivered"] == 5 * 34, "delivered")
        await asyncio.to_thread(listener.wait)  # what was published before is there then
        assert [json.loads(payload)["value"] for _, payload in listener.lines()] == [0.0, 11.0, 22.0, 33.0]
        floor.sent = 5  # a source that comes back with what it had kept
        await floor.publish(20)
        await until(lambda: told["namespace"]["delivered"] == 5 * 54, "delivered")
        await asyncio.to_thread(listener.wait)
        assert len(listener.lines()) == 4


async def test_topics_of_tags_that_are_taken_out_are_cleared_and_other_outputs_go_on(
    floor: Plant, broker: Mosquitto, until: Until
) -> None:
    other = mqtt("other", broker.url, prefix="a b/é", describe=False)
    floor.apply([mqtt("namespace", broker.url), other])
    async with floor.delivering() as told:
        await until(partial(is_, told, "other", "connected"), "connected")
        await floor.publish(2)
        await delivered(told, until, 10)
        await delivered(told, until, 10, "other")
        opened = told["other"]["since"]
        floor.apply([mqtt("namespace", broker.url, tags=("**/tank-2/**",)), other])
        await until(lambda: told["namespace"]["tags"] == 1, "opened anew")
        await until(partial(is_, told, "namespace", "connected"), "connected")
        found = await retained(broker)
        assert sorted(found) == [
            f"uns/{PLANT}/_isthmus/namespace",
            f"uns/{PLANT}/hall/tank-2/_schema",
            f"uns/{PLANT}/hall/tank-2/level",
        ]
        assert len(await retained(broker, "a b/é/+/+/hall/+/level")) == 5
        assert told["other"]["since"] == opened


async def test_what_the_broker_refuses_is_parked_and_can_be_tried_again(
    floor: Plant, tmp_path: Path, until: Until, need: Callable[[object, str], None]
) -> None:
    need(HERE, WHAT)
    rights = tmp_path / "rights"
    allowed = [f"topic readwrite uns/{PLANT}/hall/tank-{n}/#" for n in (2, 3, 4, 5)]
    rights.write_text("\n".join([f"topic readwrite uns/{PLANT}/_isthmus/#", *allowed]) + "\n")
    with Mosquitto(tmp_path / "broker", f"acl_file {rights}") as broker:
        floor.apply([mqtt("namespace", broker.url, describe=False)])
        async with floor.delivering() as told:
            await until(partial(is_, told, "namespace", "connected"), "connected")
            await floor.publish(7)
            await until(lambda: told["namespace"]["parked"] == 7, "parked")
            assert told["namespace"]["delivered"] == 4 * 7
            said = CliRunner().invoke(app, ["parked", "--data", str(floor.data)]).stdout
            assert said.split() == ["output", "parked", "namespace", "7"]
            book = Book.open(folder_of(floor.data, "namespace"))
            found = book.parked(100)
            assert set(found.columns.tag.tolist()) == {1}
            assert found.columns.value.tolist() == [float(value) for value in range(7)]
            assert set(found.reasons) == {"not authorised"}
            rights.write_text(f"topic readwrite uns/{PLANT}/#\n")
            broker.reload()
            assert book.retry() == 7
            await until(lambda: told["namespace"]["parked"] == 0, "delivered after all")
            assert book.count() == 0
            book.close()
            assert told["namespace"]["delivered"] == 5 * 7


async def test_an_output_with_no_room_for_more_that_is_parked_stands_still_until_somebody_decides(
    floor: Plant,
    tmp_path: Path,
    until: Until,
    need: Callable[[object, str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    need(HERE, WHAT)
    monkeypatch.setattr("isthmus.flow.deliver.book.MOST_PARKED", 10)
    rights = tmp_path / "rights"
    allowed = [f"topic readwrite uns/{PLANT}/hall/tank-{n}/#" for n in (2, 3, 4, 5)]
    rights.write_text("\n".join([f"topic readwrite uns/{PLANT}/_isthmus/#", *allowed]) + "\n")
    with Mosquitto(tmp_path / "broker", f"acl_file {rights}") as broker:
        floor.apply([mqtt("namespace", broker.url, describe=False)])
        async with floor.delivering() as told:
            await until(partial(is_, told, "namespace", "connected"), "connected")
            await floor.publish(7)
            await until(lambda: told["namespace"]["parked"] == 7, "parked")
            await floor.publish(7)
            await until(partial(is_, told, "namespace", "standing still"), "it stands still")
            assert "isthmus parked namespace --retry or --drop" in told["namespace"]["problem"]
            await until(lambda: bool(told["namespace"]["lag_messages"]), "its lag is told")
            book = Book.open(folder_of(floor.data, "namespace"))
            assert book.drop() == 7
            book.close()
            await until(lambda: told["namespace"]["delivered"] == 2 * 4 * 7, "it goes on")
            assert (told["namespace"]["state"], told["namespace"]["parked"]) == ("connected", 7)


async def test_a_stranger_is_refused_in_words_and_welcome_once_the_secret_is_right(
    floor: Plant, tmp_path: Path, until: Until, need: Callable[[object, str], None]
) -> None:
    need(HERE, WHAT)
    known = tmp_path / "known"
    known.write_text("isthmus:right\n")
    hide = partial(subprocess.run, check=True, capture_output=True)
    await asyncio.to_thread(hide, ["mosquitto_passwd", "-U", known])
    secret = floor.data / "secrets" / "broker"
    await asyncio.to_thread(secret.parent.mkdir)
    secret.write_text("wrong")
    with Mosquitto(tmp_path / "broker", "allow_anonymous false", f"password_file {known}") as broker:
        floor.apply(over_mqtt(broker.url, user="isthmus", password={"!secret": "broker"}))
        async with floor.delivering() as told:
            for kind in OVER_MQTT:
                await until(partial(is_, told, kind, "refused"), f"{kind} is refused")
                assert "not authorised" in told[kind]["problem"]
            secret.write_text("right")
            for kind in OVER_MQTT:
                await until(partial(is_, told, kind, "connected"), f"{kind} is connected")


@pytest.mark.parametrize("age", ["good", "expired", "unknown"])
async def test_over_tls_only_a_broker_with_a_good_certificate_is_spoken_to(
    floor: Plant, tmp_path: Path, until: Until, age: str, need: Callable[[object, str], None]
) -> None:
    need(HERE, WHAT)
    ours, theirs = (make(name, authority=True) for name in ("ours", "theirs"))
    ours.write(floor.data / "pki", "ca")
    days = (-2.0, -1.0) if age == "expired" else (-1.0, 1.0)
    certificate, key = make("broker", days=days, issuer=theirs if age == "unknown" else ours).write(tmp_path, "broker")
    with Mosquitto(tmp_path / "broker", f"certfile {certificate}", f"keyfile {key}") as broker:
        floor.apply([mqtt("namespace", f"mqtts://127.0.0.1:{broker.port}", ca="ca.pem")])
        async with floor.delivering() as told:
            state = "connected" if age == "good" else "disconnected"
            await until(partial(is_, told, "namespace", state), state)
            words = {
                "good": "",
                "expired": "certificate has expired",
                "unknown": "the broker's certificate is not good",
            }
            await until(lambda: words[age] in told["namespace"]["problem"], f"it is told why: {age}")


async def test_an_encrypted_key_is_refused_in_words_and_nobody_is_asked_for_its_password(
    floor: Plant, until: Until
) -> None:
    pair = make("us")
    pair.write(floor.data / "pki", "us")
    encrypted = pair.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"word"))
    (floor.data / "pki" / "us.key.pem").write_bytes(encrypted)
    floor.apply([mqtt("namespace", "mqtts://127.0.0.1:1", certificate="us.pem", key="us.key.pem")])
    async with floor.delivering() as told:
        await until(partial(is_, told, "namespace", "refused"), "refused")
        assert "the key is encrypted" in told["namespace"]["problem"]


async def test_an_output_that_was_taken_out_is_forgotten_with_what_it_left_on_the_broker(
    floor: Plant, broker: Mosquitto, until: Until
) -> None:
    floor.apply([mqtt("namespace", broker.url), mqtt("other", broker.url, prefix="else")])
    async with floor.delivering() as told:
        await until(partial(is_, told, "namespace", "connected"), "connected")
        await floor.publish(10)
        await delivered(told, until, 50)
        await delivered(told, until, 50, "other")
        with pytest.raises(IsthmusError, match="is in the plant file"):
            await forget(Place(floor.data), "namespace")
        floor.apply([mqtt("other", broker.url, prefix="else")])
        await until(partial(is_offline, broker, "namespace"), "taken out")
        assert LEVEL in await retained(broker)
        assert await forget(Place(floor.data), "namespace") == 2 * TAGS
        assert await retained(broker) == {}
        assert len(await retained(broker, "else/#")) > TAGS
        assert not folder_of(floor.data, "namespace").exists()
        with pytest.raises(NotFound, match="nothing of an output 'namespac'"):
            await forget(Place(floor.data), "namespac")
    floor.apply([])
    broker.kill()
    with pytest.raises(Disconnected):
        await forget(Place(floor.data), "other")
    assert folder_of(floor.data, "other").exists()
    assert await forget(Place(floor.data), "other", far_end=False) == 0


async def is_offline(broker: Mosquitto, name: str) -> bool:
    topic = f"uns/{PLANT}/_isthmus/{name}"
    return bool((await retained(broker, topic)).get(topic, {}).get("state") == "offline")


def test_long_texts_are_handed_over_in_small_portions() -> None:
    words = ["x" * (output.TEXTS // 4), "short", "y" * (2 * output.TEXTS)]

    def columns(codes: list[int]) -> Columns:
        n, zeros = len(codes), np.zeros(len(codes), np.int64)
        return Columns(
            words=words, tag=zeros.astype(np.uint32), time=zeros, seen=zeros, value=np.full(n, np.nan), integer=zeros,
            whole=np.zeros(n, np.bool_), text=np.array(codes, np.int32), quality=zeros.astype(np.uint32),
            mark=zeros.astype(np.uint8),
        )  # fmt: skip

    assert output.fitting(columns([1] * 10), 0) == 4
    assert output.fitting(columns([2] * 5000), 100) == output.PORTION
    assert output.fitting(columns([0] * 5000), 0) == output.PORTION
    assert output.fitting(columns([3, 1, 1]), 0) == 1
    assert output.fitting(columns([3, 1, 1]), 1) == 2


async def test_what_was_published_is_not_replaced_by_what_the_recorder_had_by_then(
    floor: Plant, broker: Mosquitto, until: Until
) -> None:
    floor.apply([mqtt("namespace", broker.url)])
    async with floor.recording(), floor.delivering() as told:
        await until(partial(is_, told, "namespace", "connected"), "connected")
        await floor.publish(3)
        await delivered(told, until, 15)
    async with floor.delivering() as told:  # the recorder does not run: what follows is in the log alone
        await until(partial(is_, told, "namespace", "connected"), "connected")
        await floor.publish(2)
        await delivered(told, until, 10)
    async with floor.delivering() as told:
        await until(partial(is_, told, "namespace", "connected"), "connected")
        assert (await retained(broker))[LEVEL]["value"] == 4.0
