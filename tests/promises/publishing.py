# SPDX-License-Identifier: Apache-2.0
"""A collector that keeps a diary: `python -m tests.promises.publishing DATA DIARY RUN` publishes until it is killed.

Sample i of run r has value r * 10**9 + i and a time of its own. Once the log has acknowledged samples, and only then,
the diary gets a line "<first value> <count>", fsynced: it is the oracle of what was accepted.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

import numpy as np

from isthmus.core.samples import Samples
from isthmus.core.tag import DataType, Tag, TagList
from isthmus.stream.log import Endpoint, open_log
from isthmus.stream.publish import Publisher

ROWS = 1000
TAG = Tag(4_000_000, "acme/oracle/counter", "", DataType.FLOAT, False)
TAGS = TagList((TAG,))


def samples(epoch: int, number: int, first: int) -> Samples:
    value = np.arange(first, first + ROWS, dtype=np.float64)
    return Samples(
        source="oracle", epoch=epoch, number=number, tags=TAGS.digest, index=np.zeros(ROWS, np.uint32),
        at=1_700_000_000_000_000_000 + value.astype(np.int64) * 1000, quality=np.zeros(ROWS, np.uint32),
        mark=np.zeros(ROWS, np.uint8), value=value, seen=time.time_ns(),
    )  # fmt: skip


async def main(data: Path, diary: int, run: int) -> None:
    """Publishes with a few messages on their way, and writes down what is acknowledged, in order."""
    endpoint = Endpoint.load(data / "log" / "endpoints" / "collect.json")
    async with (
        open_log(endpoint, name="oracle", wait=60) as log,
        Publisher.open(log, "acme_oracle", "oracle", time.time_ns(), window=8) as publisher,
    ):
        await publisher.keep_list(TAGS)
        under_way: asyncio.Queue[tuple[int, asyncio.Future[int]]] = asyncio.Queue(8)
        writing = asyncio.create_task(_write(under_way, diary))
        first, number = run * 10**9, 0
        while not writing.done():
            number += 1
            future = await publisher.send([samples(publisher.epoch, number, first)])
            await under_way.put((first, future))
            first += ROWS
            await asyncio.sleep(0.01)
        writing.result()


async def _write(under_way: asyncio.Queue[tuple[int, asyncio.Future[int]]], diary: int) -> None:
    while True:
        first, future = await under_way.get()
        await future
        os.write(diary, f"{first} {ROWS}\n".encode())
        os.fsync(diary)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT), int(sys.argv[3])))
