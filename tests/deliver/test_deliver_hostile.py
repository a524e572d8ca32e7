# SPDX-License-Identifier: Apache-2.0
"""What answers nonsense, nothing, or is not there at all stops the one output that was sent there, in words."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from isthmus.plant.revision import OutputSetting
from tests.conftest import Until
from tests.deliver.plant import TAGS, Plant
from tests.peers.opcua_peer import free_port

KINDS = ("mqtt", "mqtt-columns", "sparkplug", "http", "kafka")
"""Outputs that go to an address; those to databases are in tests/database."""


def output(kind: str, place: str) -> OutputSetting:
    """One that goes to this place, and waits a second for an answer."""
    known: dict[str, dict[str, Any]] = {
        "http": {"url": f"http://{place}/samples", "timeout": "1s"},
        "kafka": {"servers": [place], "patience": "1s"},
    }
    config = known.get(kind, {"url": f"mqtt://{place}", "patience": "1s"})
    return OutputSetting(name=f"to-{kind}", kind=kind, config=config)


class Stranger:
    """A server that is none of those that we look for; it counts who comes."""

    def __init__(self, says: bool) -> None:
        self._says, self._chance = says, random.Random(7)
        self.place = ""
        self.came = 0
        self.answering: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Somebody came."""
        self.came += 1
        self.answering[asyncio.create_task(self._answer(reader, writer))] = writer

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Whatever it is asked, something else each time, or nothing."""
        with suppress(OSError):
            while await reader.read(65_536):
                if self._says:
                    writer.write(self._chance.randbytes(self._chance.randrange(1, 5000)))
                    await writer.drain()
        writer.transport.abort()


@asynccontextmanager
async def stranger(*, says: bool) -> AsyncIterator[Stranger]:
    made = Stranger(says)
    server = await asyncio.start_server(made.accept, "127.0.0.1", 0)
    made.place = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        try:
            yield made
        finally:
            server.close()
            for _ in range(10):  # whoever was let in by now gets as far as `accept`
                await asyncio.sleep(0)
            for writer in made.answering.values():
                writer.transport.abort()
            await asyncio.gather(*made.answering)


async def stands_alone(floor: Plant, folder: Path, until: Until, place: str, *, tries: int = 0) -> None:
    """Every output that goes to this place says in words that it gets nowhere, and one to a folder keeps its pace."""
    lake = OutputSetting(name="lake", kind="parquet", config={"folder": str(folder / "lake")})
    floor.apply([lake, *(output(kind, place) for kind in KINDS)])
    async with floor.delivering() as told:

        def stands(name: str) -> bool:
            said = told.get(name, {})
            words = said.get("problem") if said.get("state") in ("disconnected", "refused") else ""
            return bool(words and said["lag_messages"])

        await until(lambda: bool(told.get("lake", {}).get("state") == "connected"), "the other one is connected")
        for _ in range(3):
            await floor.publish(10)
        await until(lambda: bool(told["lake"]["delivered"] == floor.sent * TAGS), "the other one delivers")
        await until(lambda: bool(told["to-http"]["again"] >= tries), "it is tried again and again")
        for name in (f"to-{kind}" for kind in KINDS):
            await until(partial(stands, name), f"{name} says that it gets nowhere")
            problem = told[name]["problem"]
            assert place.partition(":")[0] in problem and "Error(" not in problem and len(problem) < 300, problem
            assert told[name]["delivered"] == told[name]["parked"] == 0, name
            events = await floor.said(name)
            assert events[-1].startswith((f"output {name} is disconnected: ", f"output {name} is refused: "))
            assert len(events) <= 2, events  # said once, and before that maybe that somebody is there


@pytest.mark.parametrize("says", [True, False])
async def test_a_far_end_that_answers_nonsense_or_nothing_stops_one_output(
    floor: Plant, tmp_path: Path, until: Until, says: bool
) -> None:
    async with stranger(says=says) as far_end:
        began = asyncio.get_running_loop().time()
        await stands_alone(floor, tmp_path, until, far_end.place, tries=3)
        lasted = asyncio.get_running_loop().time() - began
        assert len(KINDS) <= far_end.came < 20 + 20 * lasted  # nobody tries without a pause


async def test_an_address_where_nobody_is_stops_one_output(floor: Plant, tmp_path: Path, until: Until) -> None:
    await stands_alone(floor, tmp_path, until, f"127.0.0.1:{free_port()}")


async def test_a_name_that_nobody_has_stops_one_output(floor: Plant, tmp_path: Path, until: Until) -> None:
    await stands_alone(floor, tmp_path, until, "nobody.invalid:1")
