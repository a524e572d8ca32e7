# SPDX-License-Identifier: Apache-2.0
"""The log's ceiling: `python -m bench.following DATA LAST` reads the log up to a sequence, and does nothing with it.

One JSON object: messages, seconds, CPU seconds.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from contextlib import aclosing
from pathlib import Path

from isthmus.stream.follow import Message, follow
from isthmus.stream.log import Endpoint, open_log


async def main(data: Path, last: int) -> None:
    read, began, cpu = 0, 0.0, 0.0
    async with (
        open_log(Endpoint.load(data / "log" / "endpoints" / "record.json"), name="bench") as log,
        aclosing(follow(log, None)) as items,
    ):
        async for item in items:
            if not began:
                began, cpu = time.monotonic(), time.process_time()
            if isinstance(item, Message):
                read += 1
                if item.position.sequence >= last:
                    break
        seconds, cpu = time.monotonic() - began, time.process_time() - cpu
    print(json.dumps({"messages": read, "seconds": seconds, "cpu": cpu}), flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
