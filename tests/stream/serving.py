# SPDX-License-Identifier: Apache-2.0
"""Runs a log server until it is killed: `python -m tests.stream.serving FOLDER [orphan]`; prints the child's id."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import structlog

from isthmus.stream import child
from isthmus.stream.server import LogServer


async def main(folder: Path, orphan: bool) -> None:
    if orphan:  # as on a system without prctl
        setattr(child, "_LAUNCH", child._LAUNCH.replace('sys.platform == "linux"', "False"))  # noqa: B010  (Final)
    async with LogServer(folder) as server:
        print(server.pid, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    asyncio.run(main(Path(sys.argv[1]), len(sys.argv) > 2))
