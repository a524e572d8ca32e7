# SPDX-License-Identifier: Apache-2.0
"""The deliverer's process ends when it is told to, though its far ends are frozen, and nothing is lost by that."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path

from isthmus.plant.revision import OutputSetting
from tests.conftest import Until
from tests.deliver.plant import TAGS, Plant
from tests.deliver.test_deliver_columns import rows
from tests.peers.mosquitto import Listener, Mosquitto

LONG = "5m"
"""How long each output would wait for its far end: longer than the test waits for the process."""


def outputs(broker: Mosquitto, silent: Mosquitto) -> list[OutputSetting]:
    """On a broker, and at one that is frozen from the beginning: the kernel takes connections for it and nobody says
    anything, which is what a frozen database looks like too."""
    mqtt, place = {"url": broker.url, "patience": LONG, "keep_alive": LONG}, f"127.0.0.1:{silent.port}"
    configs = {
        **dict.fromkeys(("mqtt-columns", "mqtt", "sparkplug"), mqtt),
        "sql": {"url": f"postgresql://{place}/postgres?sslmode=disable", "user": "me", "timeout": LONG},
        "http": {"url": f"http://{place}/", "timeout": LONG},
        "kafka": {"servers": place, "patience": LONG},
    }
    return [OutputSetting(name=kind, kind=kind, config=config, begins="now") for kind, config in configs.items()]


def heard(listener: Listener) -> Counter[tuple[str, float]]:
    """(tag, value) of every sample, how often."""
    messages = (json.loads(body) for topic, body in listener.lines() if topic.startswith("columns/"))
    return Counter((path, value) for message in messages for path, _, value, *_ in rows(message))


async def test_it_ends_in_good_order_though_every_far_end_is_frozen_and_the_next_one_delivers_the_rest(
    floor: Plant, broker: Mosquitto, tmp_path: Path, until: Until
) -> None:
    with Mosquitto(tmp_path / "silent") as silent:
        silent.freeze()
        floor.apply(outputs(broker, silent))
        await ended_and_begun_again(floor, broker, tmp_path, until)


async def ended_and_begun_again(floor: Plant, broker: Mosquitto, tmp_path: Path, until: Until) -> None:
    listener = broker.listen("columns/#", tmp_path / "heard.txt")
    floor.start()
    await until(lambda: floor.told("mqtt-columns").get("state") == "connected", "it is connected")
    await floor.publish(10)
    await until(lambda: len(heard(listener)) == 10 * TAGS, "the first are there")
    await until(lambda: floor.told("mqtt-columns").get("lag_messages") == 0, "and confirmed")
    broker.freeze()
    await floor.publish(10)
    await until(lambda: floor.told("mqtt-columns").get("lag_messages", 0) > 0, "the others are on their way")
    assert floor.told("mqtt-columns")["state"] == "connected"  # nobody knows yet that the broker is frozen
    assert floor.stop() == 0, (floor.data / "deliver.out").read_text()
    broker.thaw()
    floor.start()
    await until(lambda: len(heard(listener)) == 20 * TAGS, "all are there")
    await until(lambda: floor.told("mqtt-columns").get("lag_messages") == 0, "and confirmed")
    await asyncio.to_thread(listener.wait)
    counts = heard(listener)
    assert {counts[one] for one in counts if one[1] < 10} == {1}  # they had been confirmed
    assert {counts[one] for one in counts if one[1] >= 10} <= {1, 2}  # they were on their way
