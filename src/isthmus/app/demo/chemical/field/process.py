# SPDX-License-Identifier: Apache-2.0
"""The process of all systems that speak no OPC UA: each follows the simulation and shows it in its own way.

`python -m isthmus.app.demo.chemical.field.process --folder DIR --gateway PORT ...`, started by `isthmus demo chemical`.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

from isthmus.app.demo.chemical.database import conninfo
from isthmus.app.demo.chemical.faces import FACES
from isthmus.app.demo.chemical.field import NAME, results, skid, table
from isthmus.app.demo.chemical.field.gateway import Gateway
from isthmus.app.demo.chemical.field.meters import EdgeNode
from isthmus.app.demo.chemical.field.mirror import Mirror
from isthmus.app.run import lifeline
from isthmus.app.run.leave import leave
from isthmus.app.run.service import Diary
from isthmus.core.threads import Threads


async def show(arguments: Any, diary: Diary) -> None:
    """All of them, until `diary.stop` is set; those without a port are left out."""
    mirrors = {name: Mirror(name) for name, face in FACES.items() if face.kind != "opcua"}
    shown = list(_shown(arguments, mirrors))
    tasks = [asyncio.create_task(work) for work in (diary.keep(), *shown)]
    tasks += [asyncio.create_task(mirror.follow(arguments.folder)) for mirror in mirrors.values()]
    stopped = asyncio.create_task(diary.stop.wait())
    try:
        await _ready(mirrors, diary, stopped)
        done, _ = await asyncio.wait((stopped, *tasks), return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()  # none ends by itself: this raises why it did
    finally:
        for task in (stopped, *tasks):
            task.cancel()
        await asyncio.wait((stopped, *tasks))


def _shown(arguments: Any, mirrors: dict[str, Mirror]) -> list[Coroutine[Any, Any, None]]:
    works: list[Coroutine[Any, Any, None]] = [
        Gateway(mirrors["utilities"]).serve(arguments.gateway),
        results.report(mirrors["laboratory"], arguments.laboratory),
    ]
    if arguments.broker:
        works += [skid.tell(mirrors["treatment"], arguments.broker), EdgeNode(mirrors["meters"]).tell(arguments.broker)]
    if arguments.database:
        works.append(table.enter(mirrors["quality"], lambda: conninfo(arguments.secret, arguments.database)))
    return works


async def _ready(mirrors: dict[str, Mirror], diary: Diary, stopped: asyncio.Task[bool]) -> None:
    """Says so once the simulation has told all of them their values."""
    told = asyncio.gather(*(mirror.told.wait() for mirror in mirrors.values()))
    await asyncio.wait((told, stopped), return_when=asyncio.FIRST_COMPLETED)
    if not told.cancel():
        diary.ready()


async def _main(arguments: Any) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_default_executor(Threads(8, "field"))
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    diary = Diary(arguments.status, NAME, stop)
    with suppress(asyncio.CancelledError):
        await show(arguments, diary)


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Systems of the chemical plant that speak no OPC UA, started by `isthmus demo chemical`."
    )
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--status", type=Path, required=True)
    parser.add_argument("--laboratory", type=Path, required=True, help="the folder it drops its files into")
    parser.add_argument("--secret", type=Path, required=True, help="the file with the database's password")
    parser.add_argument("--gateway", type=int, required=True, help="port of the Modbus gateway")
    parser.add_argument("--broker", type=int, default=0, help="port of the broker; 0: there is none")
    parser.add_argument("--database", type=int, default=0, help="port of PostgreSQL; 0: there is none")
    parser.add_argument(lifeline.PARENT, type=int, required=True)
    arguments = parser.parse_args()
    lifeline.end_with(arguments.parent)
    try:
        asyncio.run(_main(arguments))
    except OSError as error:
        sys.exit(f"isthmus: the systems of the plant cannot work: {error}")
    leave(0)


if __name__ == "__main__":
    main()
