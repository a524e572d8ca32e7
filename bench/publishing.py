# SPDX-License-Identifier: Apache-2.0
"""A collector alone: `python -m bench.publishing DATA TAGS SECONDS FIRST SLICES RATE` publishes the workload.

Messages of 2,000 samples, as fast as the log takes them, or so many samples per second. One JSON object: samples, the
sequence of the last one, seconds.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import deque
from pathlib import Path

import numpy as np

from bench.workload import WORDS, Workload, messages
from isthmus.core.samples import Samples
from isthmus.core.tag import TagList
from isthmus.store.history.columns import Columns
from isthmus.stream.log import Endpoint, open_log
from isthmus.stream.publish import Publisher

WINDOW = 16


def samples(message: Columns, tags: TagList, epoch: int, number: int) -> Samples:
    """A message's samples as a collector sends them: each tag's number is its place in the list."""
    texts = message.text.any()
    return Samples(
        source="bench",
        epoch=epoch,
        number=number,
        tags=tags.digest,
        index=message.tag,
        at=message.time,
        quality=message.quality,
        mark=message.mark,
        value=message.value,
        integer=message.integer if message.whole.any() else None,
        text=[WORDS[code - 1] if code else None for code in message.text.tolist()] if texts else None,
        seen=int(message.seen[0]),
    )


async def main(data: Path, workload: Workload, seconds: int, first: int, slices: int, rate: float) -> None:
    tags = TagList(workload.list())
    waiting: deque[asyncio.Future[int]] = deque()
    sent = last = number = 0
    async with (
        open_log(Endpoint.load(data / "log" / "endpoints" / "collect.json"), name="bench") as log,
        Publisher.open(log, "acme_bench", "publishing", time.time_ns(), WINDOW) as publisher,
    ):
        await publisher.keep_list(tags)
        taken = 0.0
        for part in range(first, first + slices):
            columns = workload.slice(part, seconds)
            began = time.monotonic()
            for message in messages(columns):
                number += 1
                waiting.append(await publisher.send([samples(message, tags, publisher.epoch, number)]))
                sent += len(message)
                while len(waiting) > WINDOW:
                    last = await waiting.popleft()
                ahead = sent / rate - taken - (time.monotonic() - began) if rate else 0.0
                if ahead > 0:
                    await asyncio.sleep(ahead)
            taken += time.monotonic() - began
        while waiting:
            last = await waiting.popleft()
    print(json.dumps({"samples": sent, "last": last, "seconds": taken}), flush=True)


if __name__ == "__main__":
    folder, *numbers = sys.argv[1:]
    np.seterr(all="raise")
    how = (int(numbers[1]), int(numbers[2]), int(numbers[3]), float(numbers[4]))
    asyncio.run(main(Path(folder), Workload(int(numbers[0])), *how))
