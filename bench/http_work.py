# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.http_work WORK PORT`: reads, takes or pushes; prints READY, then its CPU and rate."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
from aiohttp import web

from isthmus.core.tag import DataType, Tag
from isthmus.outputs.contract import Delivery
from isthmus.outputs.contract import Surroundings as House
from isthmus.outputs.registry import output_kinds
from isthmus.plant.revision import Revision, TagSetting
from isthmus.store.history.columns import Columns, empty
from isthmus.systems.contract import Address, Surroundings
from isthmus.systems.registry import kinds

SECRET = "0123456789abcdef0123456789abcdef"
PATHS, TAGS = 40, 50
"""Of what is polled."""
POLLED = 60_000
"""Values polled."""
ROWS, MESSAGES = 100, 400
"""Rows of a message that is taken, and messages."""
PORTION, PORTIONS = 2_000, 40
"""Samples of a delivery that is pushed, and deliveries."""


class Clock:
    """CPU and wall time since it began."""

    def __init__(self) -> None:
        self._cpu, self._wall = time.process_time(), time.monotonic()

    def said(self, count: int) -> dict[str, float]:
        cpu, wall = time.process_time() - self._cpu, time.monotonic() - self._wall
        return {"cpu": cpu / count * 1e6, "rate": count / wall}


@asynccontextmanager
async def reading(kind: str, config: dict[str, Any], addresses: list[Address]) -> AsyncIterator[Any]:
    found = kinds()[kind]
    with tempfile.TemporaryDirectory() as folder:
        driver: Any = found.connect(found.spec.model_validate(config), Surroundings("bench", Path(folder)))
        async with driver.open(addresses) as stream:
            print("READY", flush=True)
            yield stream


async def poll_ours(port: int) -> dict[str, float]:
    """The driver as the collector opens it, every reading taken at once."""
    config = {"url": f"http://127.0.0.1:{port}", "every": "50ms", "time": "/at", "quality": "/quality"}
    addresses = [Address(f"/{path}#/v{tag}", DataType.FLOAT) for path in range(PATHS) for tag in range(TAGS)]
    clock, taken = Clock(), 0
    async with reading("http", config, addresses) as stream:
        async for readings in stream:
            clock = clock if taken else Clock()
            taken += len(readings)
            readings.done()
            if taken >= POLLED:
                break
        return clock.said(taken)


async def poll_plain(port: int) -> dict[str, float]:
    """aiohttp and json.loads, as many requests one after the other; the values picked out one by one."""
    print("READY", flush=True)
    async with aiohttp.ClientSession() as session:
        clock, taken = Clock(), list[tuple[float, str, str]]()
        for number in range(POLLED // TAGS):
            async with session.get(f"http://127.0.0.1:{port}/{number % PATHS}") as answer:
                said = json.loads(await answer.read())
            taken += [(said[f"v{tag}"], said["at"], said["quality"]) for tag in range(TAGS)]
        return clock.said(len(taken))


async def take_ours(port: int) -> dict[str, float]:
    """The webhook as the collector opens it, each message answered as soon as it is taken."""
    config = {"listen": f"127.0.0.1:{port}", "secret": SECRET, "rate": 10_000, "time": "at", "quality": "quality"}
    addresses = [Address(f"value[tag=t{tag}]", DataType.FLOAT) for tag in range(ROWS)]
    clock, taken = Clock(), 0
    async with reading("webhook", config, addresses) as stream:
        async for readings in stream:
            clock = clock if taken else Clock()
            taken += len(readings)
            readings.done()
            if taken >= ROWS * MESSAGES:
                break
        said = clock.said(taken)
        await asyncio.sleep(0.1)
    return said


async def take_plain(port: int) -> dict[str, float]:
    """aiohttp's server, the HMAC, json.loads, and the members picked out one by one."""
    clock, taken, over = Clock(), list[tuple[str, float, str, str]](), asyncio.Event()

    async def take(request: web.BaseRequest) -> web.Response:
        nonlocal clock
        clock = clock if taken else Clock()
        body, said = await request.read(), request.headers
        signed = f"{said['webhook-id']}.{said['webhook-timestamp']}.".encode() + body
        hmac.compare_digest(hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest(), "0" * 64)
        taken.extend((row["tag"], row["value"], row["at"], row["quality"]) for row in json.loads(body))
        if len(taken) >= ROWS * MESSAGES:
            over.set()
        return web.Response(status=202)

    server = web.Server(take, access_log=None)
    await asyncio.get_running_loop().create_server(server, "127.0.0.1", port)
    print("READY", flush=True)
    await over.wait()
    said = clock.said(len(taken))
    await asyncio.sleep(0.1)
    return said


def _columns() -> Columns:
    rows = empty(PORTION)
    rows.tag[:], rows.value[:] = 1 + np.arange(PORTION) % TAGS, np.arange(PORTION) / 8
    rows.time[:] = 1_800_000_000_000_000_000 + np.arange(PORTION) * 1_000_000
    return rows


def _output(port: int, folder: Path, **more: Any) -> Any:
    tags = {
        number: TagSetting(
            tag=Tag(number, f"acme/lyon/hall/tank-{number}/level", "m", DataType.FLOAT, False), system="dcs", address=""
        )
        for number in range(1, TAGS + 1)
    }
    revision = Revision(
        number=1, created=0, author="", comment="", plant="acme/lyon", time_zone="UTC", systems=(), assets=(),
        tags=tuple(tags.values()),
    )  # fmt: skip
    kind = output_kinds()["http"]
    spec = kind.spec.model_validate({"url": f"http://127.0.0.1:{port}/", "secret": SECRET, **more})
    assert kind.connect is not None
    return kind.connect(spec, House("bench", revision, tags, folder, folder))


async def push_ours(port: int, **more: Any) -> dict[str, float]:
    """The output as the deliverer opens it."""
    columns = _columns()
    with tempfile.TemporaryDirectory() as folder:
        async with _output(port, Path(folder), **more).open() as sink:
            print("READY", flush=True)
            clock = Clock()
            for _ in range(PORTIONS):
                assert not await sink.write(Delivery(columns))
            return clock.said(PORTION * PORTIONS)


async def push_packed(port: int) -> dict[str, float]:
    return await push_ours(port)


async def push_unpacked(port: int) -> dict[str, float]:
    return await push_ours(port, gzip=False)


async def push_plain(port: int) -> dict[str, float]:
    """aiohttp posting what json.dumps makes of the same samples."""
    columns = _columns()
    rows = list(zip(columns.tag.tolist(), columns.value.tolist(), columns.time.tolist(), strict=True))
    print("READY", flush=True)
    async with aiohttp.ClientSession() as session:
        clock = Clock()
        for _ in range(PORTIONS):
            body = "\n".join(
                json.dumps(
                    {"tag": f"acme/lyon/hall/tank-{tag}/level", "value": value, "at": _iso(at), "quality": "Good",
                     "unit": "m"}
                )
                for tag, value, at in rows
            )  # fmt: skip
            async with session.post(f"http://127.0.0.1:{port}/", data=body.encode()) as answer:
                assert answer.status == 202
        return clock.said(PORTION * PORTIONS)


def _iso(at: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(at / 1e9, UTC).isoformat()


WORK = {
    "poll-ours": poll_ours, "poll-plain": poll_plain, "take-ours": take_ours, "take-plain": take_plain,
    "push-ours": push_packed, "push-unpacked": push_unpacked, "push-plain": push_plain,
}  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(asyncio.run(WORK[sys.argv[1]](int(sys.argv[2])))), flush=True)
