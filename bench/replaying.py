# SPDX-License-Identifier: Apache-2.0
"""A collector fed with captured notifications as fast as it takes them: no server and no network before it.

`python -m bench.replaying capture URL NAMESPACE_URI N FILE` keeps the bytes of some seconds of PublishResponses;
`python -m bench.replaying play FILE N ENDPOINT SECONDS RATE` sends them through decoding, standardising and publishing,
again and again with the time set forward, and prints one JSON object: values accepted by the log, seconds, CPU seconds,
and the delay from publishing to the acknowledgement (p50, p99, in seconds).
"""

from __future__ import annotations

import asyncio
import json
import pickle
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from isthmus.core.samples import Samples
from isthmus.core.tag import DataType, Tag
from isthmus.flow.complaints import Complaints
from isthmus.flow.hold import Hold
from isthmus.flow.ship import WINDOW, Shipment, drained, ship
from isthmus.flow.source import Source, run_source
from isthmus.flow.standardise import standards
from isthmus.plant.revision import TagSetting
from isthmus.stream.log import Endpoint, open_log
from isthmus.stream.publish import Publisher
from isthmus.systems.contract import Address, Readings, Surroundings
from isthmus.systems.opcua import notification, publishing
from isthmus.systems.registry import kinds

HOLD = 8 << 20
CAPTURED = 3.0

Body = tuple[bytes, int]


async def capture(url: str, uri: str, count: int) -> list[Body]:
    """What our driver is sent, as it came over the wire."""
    bodies: list[Body] = []
    published = notification.published

    def keep(b: bytes, p: int) -> notification.Message:
        bodies.append((bytes(b), p))
        return published(b, p)

    publishing.notification.published = keep  # type: ignore[attr-defined]  # only this process, which ends here
    kind = kinds()["opcua"]
    spec = kind.spec.model_validate({"url": url, "publishing": "100ms", "sampling": "0s"})
    driver = kind.connect(spec, Surroundings("source", Path(tempfile.mkdtemp())))
    addresses = [Address(f"nsu={uri};s=t{i}", DataType.FLOAT) for i in range(count)]
    async with driver.open(addresses) as stream:
        end = time.monotonic() + CAPTURED
        async for readings in stream:
            readings.done()
            if time.monotonic() > end:
                break
    return [body for body in bodies if len(body[0]) > 20 * count]


class Replay:
    """A driver whose far end is a list of bodies."""

    def __init__(self, bodies: Sequence[Body], seconds: float, rate: float) -> None:
        self.bodies, self.seconds, self.rate = bodies, seconds, rate
        self.over = asyncio.Event()

    @asynccontextmanager
    async def open(self, addresses: Sequence[Address]) -> AsyncIterator[AsyncIterator[Readings]]:
        yield self._readings()

    async def _readings(self) -> AsyncIterator[Readings]:
        began, step, sent = time.monotonic(), 0, 0
        end = began + self.seconds
        while time.monotonic() < end:
            for b, p in self.bodies:
                columns = notification.contents(notification.published(b, p)).columns
                step += 1
                readings = Readings(
                    columns.handle, columns.at() + step, columns.quality, columns.form, columns.value,
                    columns.integer, columns.text, seen=time.time_ns(),
                )  # fmt: skip
                yield readings
                sent += len(readings)
                ahead = sent / self.rate - (time.monotonic() - began) if self.rate else 0.0
                await asyncio.sleep(max(0.0, ahead))
        self.over.set()
        await asyncio.Event().wait()


async def play(bodies: Sequence[Body], count: int, endpoint: Path, seconds: float, rate: float) -> None:
    """Feeds the collector's own parts, from bytes to the log's acknowledgement; `rate` in values/s, 0: all it takes."""
    settings = [
        TagSetting(tag=Tag(i + 1, f"acme/bench/t{i}/v", "", DataType.FLOAT, False), system="source", address=f"t{i}")
        for i in range(count)
    ]
    rules, hold, replay = standards(settings), Hold(limit=HOLD), Replay(bodies, seconds, rate)
    async with (
        open_log(Endpoint.load(endpoint), name="bench") as log,
        Publisher.open(log, "acme_bench", "replay", time.time_ns(), WINDOW) as publisher,
        asyncio.TaskGroup() as group,
    ):
        for rule in rules:
            await publisher.keep_list(rule.tags)
        source = _source(settings, replay)
        shipment, delays = Shipment(publisher.epoch), _timed(publisher)
        before, cpu = time.monotonic(), time.process_time()
        tasks = [
            group.create_task(ship(hold, log, publisher, shipment)),
            group.create_task(run_source(source, hold, publisher.epoch)),
        ]
        await replay.over.wait()
        await drained(hold, 60)
        result = {
            "values": shipment.accepted,
            "seconds": time.monotonic() - before,
            "cpu": time.process_time() - cpu,
            "last": (await log.state()).last,
            "p50": statistics.median(delays),
            "p99": statistics.quantiles(delays, n=100)[98],
        }
        for task in tasks:
            task.cancel()
    print(json.dumps(result), flush=True)


def _timed(publisher: Publisher) -> list[float]:
    """The publisher's delays from here on, in seconds: filled as acknowledgements come."""
    delays: list[float] = []
    send = publisher.send

    async def timed(samples: Sequence[Samples]) -> asyncio.Future[int]:
        before = time.monotonic()
        future = await send(samples)
        future.add_done_callback(lambda _: delays.append(time.monotonic() - before))
        return future

    publisher.send = timed  # type: ignore[method-assign]  # only here, to look at the clock
    return delays


def _source(settings: Sequence[TagSetting], replay: Replay) -> Source:
    import numpy as np

    source = Source("source", settings, standards(settings), lambda _: replay, overflow="wait")
    count = len(settings)
    complaints = Complaints.of([setting.address for setting in settings], [False] * count)
    return replace(source, newest=np.zeros(count, np.int64), complaints=complaints)


if __name__ == "__main__":
    what, *words = sys.argv[1:]
    if what == "capture":
        Path(words[3]).write_bytes(pickle.dumps(asyncio.run(capture(words[0], words[1], int(words[2])))))
    else:
        bodies = pickle.loads(Path(words[0]).read_bytes())
        asyncio.run(play(bodies, int(words[1]), Path(words[2]), float(words[3]), float(words[4])))
