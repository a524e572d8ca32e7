# SPDX-License-Identifier: Apache-2.0
"""A log of its own for a measurement: `python -m bench.logserver DATA` runs until its input ends."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from isthmus.stream.server import LogServer


async def main(data: Path) -> None:
    over = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin, over.set)
    async with LogServer(data / "log"):
        print("READY", flush=True)
        await over.wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
