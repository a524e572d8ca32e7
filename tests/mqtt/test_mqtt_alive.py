# SPDX-License-Identifier: Apache-2.0
"""A connection that is only told things is kept alive too."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from isthmus.systems.mqtt import packet
from isthmus.systems.mqtt.client import Where, connected
from isthmus.systems.mqtt.packet import Greeting, Version
from tests.peers import mosquitto


async def test_a_listener_that_hears_something_all_the_time_is_not_taken_for_dead(
    tmp_path: Path, need: Callable[[object, str], None]
) -> None:
    need(mosquitto.HERE, mosquitto.WHAT)
    with mosquitto.Mosquitto(tmp_path, "log_type all") as broker:
        where = Where("127.0.0.1", broker.port)
        said = [Greeting(Version.V5, who, alive, clean=True) for who, alive in (("listener", 4), ("speaker", 60))]
        async with connected(where, said[0], 60.0) as listener, connected(where, said[1], 60.0) as speaker:
            await listener.subscribe(["news"])
            heard = 0
            async with asyncio.timeout(240):
                while "Received PINGREQ from listener" not in (tmp_path / "mosquitto.log").read_text():
                    with suppress(TimeoutError):
                        await speaker.tell([(packet.text("news"), b"1")])
                        heard += len(await listener.received(100, 0.1))
            assert heard
