# SPDX-License-Identifier: Apache-2.0
"""A collector in a process of its own, to be killed: `python -m tests.files.dying DATA` says `ready` and collects.

What it has to tell goes to DATA/collector.log: nobody reads its pipe after that, and a full one would stop it.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import structlog

from isthmus.flow.collect import collect
from isthmus.stream.log import Endpoint, open_log


async def main(data: Path) -> None:
    endpoint = Endpoint.load(data / "log" / "endpoints" / "collect.json")
    async with open_log(endpoint, name="collect") as log:
        said = lambda: print("ready", flush=True)  # noqa: E731  (a callback of one word)
        await collect(log, data, "", ready=said, stop=asyncio.Event(), report=lambda _: None)


with (Path(sys.argv[1]) / "collector.log").open("a") as log:
    structlog.configure(logger_factory=structlog.WriteLoggerFactory(log))
    asyncio.run(main(Path(sys.argv[1])))
