# SPDX-License-Identifier: Apache-2.0
"""The plant's broker: a mosquitto on a port of the loopback, with a configuration made for it, that ends with us.

`python -m isthmus.app.demo.chemical.broker --port N --folder DIR ...`, started by `isthmus demo chemical`.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any, Final

from isthmus.app.demo.chemical import programs
from isthmus.app.run import lifeline
from isthmus.app.run.service import Diary

NAME: Final = "broker"
PROGRAM: Final = "mosquitto"


def configuration(port: int) -> str:
    """Whoever is on this machine may use it; nothing is kept on the disk, for all who publish do it again."""
    lines = [f"listener {port} 127.0.0.1", "allow_anonymous true", "persistence false", "max_inflight_messages 0",
             "max_queued_messages 20000", "set_tcp_nodelay true"]  # fmt: skip
    if os.geteuid() == 0:
        lines.append("user root")  # one that becomes another user is no more told when we die (prctl(2))
    return "\n".join(lines) + "\n"


async def run(arguments: Any) -> int:
    """Until SIGTERM; the exit code."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    program = programs.found(PROGRAM)
    if program is None:
        sys.exit(f"isthmus: {PROGRAM} is gone")
    config = arguments.folder.resolve() / "mosquitto.conf"
    config.write_text(configuration(arguments.port), encoding="utf-8")
    process = await programs.start([program, "-c", config], config.with_suffix(".log"))

    async def answers() -> bool:
        return programs.listens(arguments.port)

    return await programs.keep(process, Diary(arguments.status, NAME, stop), answers, signal.SIGTERM)


def main() -> None:
    parser = argparse.ArgumentParser(
        description="The broker of the chemical plant, started by `isthmus demo chemical`."
    )
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--status", type=Path, required=True)
    parser.add_argument(lifeline.PARENT, type=int, required=True)
    arguments = parser.parse_args()
    lifeline.end_with(arguments.parent)
    sys.exit(asyncio.run(run(arguments)))


if __name__ == "__main__":
    main()
