# SPDX-License-Identifier: Apache-2.0
"""The `collect` service as a process: `python -m isthmus.app.run.collect`, started by the supervisor."""

from __future__ import annotations

import asyncio
from typing import Final

from isthmus.app.run.service import Work, main
from isthmus.core.threads import Threads
from isthmus.flow.collect import collect

THREADS: Final = 64
"""Names of hosts are looked up, and files read, in threads: so many may hang (a name server that is away, a share)
before anything else waits for them. Python's own pool has a few more than the machine has cores."""


async def body(work: Work) -> None:
    asyncio.get_running_loop().set_default_executor(Threads(THREADS, "collect"))
    await collect(work.log, work.place.root, work.node, ready=work.ready, stop=work.stop, report=work.say)


if __name__ == "__main__":
    main("collect", body)
