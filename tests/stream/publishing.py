# SPDX-License-Identifier: Apache-2.0
"""Publishes numbered samples and keeps its own record of what was acknowledged, synced to disk: the oracle.

`python -m tests.stream.publishing ENDPOINT ORACLE [first]` until it gets SIGTERM, then waits for the acknowledgements.
The oracle has one line per acknowledged message: `epoch number`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import structlog

from isthmus.stream.log import Endpoint, open_log
from isthmus.stream.publish import Publisher
from tests.stream.making import numbered


async def main(endpoint: Path, oracle: Path) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    file = os.open(oracle, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    async with (
        open_log(Endpoint.load(endpoint), name="oracle", wait=30) as log,
        Publisher.open(log, "acme/lyon", "oracle", time.time_ns(), window=8) as publisher,
    ):
        futures: set[asyncio.Future[int]] = set()

        def acknowledged(future: asyncio.Future[int], number: int) -> None:
            futures.discard(future)
            if not future.cancelled() and future.exception() is None:
                os.write(file, f"{publisher.epoch} {number}\n".encode())
                os.fdatasync(file)

        number = 0
        print("publishing", flush=True)
        while not stop.is_set():
            number += 1
            future = await publisher.send([numbered(number, 50, epoch=publisher.epoch)])
            futures.add(future)
            future.add_done_callback(lambda future, number=number: acknowledged(future, number))  # type: ignore[misc]
            await asyncio.sleep(0.001)
        async with asyncio.timeout(60):
            await asyncio.gather(*futures)
            await asyncio.sleep(0)
    os.close(file)


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
