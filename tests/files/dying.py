# SPDX-License-Identifier: Apache-2.0
"""A collector in a process of its own, to be killed: `python -m tests.files.dying DATA` says `ready` and collects."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from isthmus.flow.collect import collect
from isthmus.stream.log import Endpoint, open_log


async def main(data: Path) -> None:
    endpoint = Endpoint.load(data / "log" / "endpoints" / "collect.json")
    async with open_log(endpoint, name="collect") as log:
        said = lambda: print("ready", flush=True)  # noqa: E731  (a callback of one word)
        await collect(log, data, "", ready=said, stop=asyncio.Event(), report=lambda _: None)


asyncio.run(main(Path(sys.argv[1])))
