# SPDX-License-Identifier: Apache-2.0
"""The `serve` service as a process: `python -m isthmus.app.run.serve`, started by the supervisor."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

import structlog
import uvicorn

from isthmus.app.api.application import application
from isthmus.app.api.picture import Picture
from isthmus.app.run.address import LOOPBACK, Address
from isthmus.app.run.service import Work, main
from isthmus.core.errors import InUse, IsthmusError
from isthmus.core.ports import by_chance

if TYPE_CHECKING:
    from litestar.types import ASGIApp

say = structlog.get_logger("serve")

PORT: Final = 8640
"""Where people look for the API."""

LONGEST_QUESTION: Final = 1 << 20
"""Bytes of an address with its parameters, and of its headers."""

WAITING: Final = 1 << 16
"""Bytes for one client that wait in the kernel; pages beyond that are skipped by who does not take them in time."""

STOPPING: Final = 3
"""Seconds that answers under way have when the service stops."""


async def body(work: Work) -> None:
    """Answers until it is told to stop; says under which address."""
    with _listening(work) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, WAITING)
        url = f"http://{Address(*listening.getsockname()[:2])}"
        work.say({"url": url})
        say.info("the API and the screen are served", url=url)
        picture, begun = Picture(work.place), asyncio.Event()
        server = _Server(application(work.place, work.log, picture))
        async with asyncio.TaskGroup() as group:
            living = [group.create_task(picture.follow(begun)), group.create_task(picture.turn_pages())]
            answering = group.create_task(server.serve([listening]))
            await begun.wait()
            work.ready()
            await work.stop.wait()
            server.should_exit = True
            await answering
            for task in living:
                task.cancel()


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the service has its own."""

    def __init__(self, app: ASGIApp) -> None:
        config = uvicorn.Config(
            app,
            log_config=None,
            log_level="warning",
            access_log=False,
            lifespan="off",
            ws="websockets-sansio",
            ws_max_size=1 << 20,
            ws_per_message_deflate=False,  # it would be done for each client anew: seven eighths of what a page costs
            http="h11",
            h11_max_incomplete_event_size=LONGEST_QUESTION,
            server_header=False,
            timeout_graceful_shutdown=STOPPING,
        )
        super().__init__(config)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _listening(work: Work) -> socket.socket:
    """A socket where it was asked for, or else on the port of last time, the usual one, or any that is free.

    Raises InUse when another program has the one that was asked for.
    """
    if work.listen is not None:
        return work.listen.bound()
    last = work.place.run / "api-port"
    try:
        tries = [int(last.read_text()), PORT]
    except (OSError, ValueError):
        tries = [PORT]
    for port in tries:
        with suppress(InUse):
            return Address(LOOPBACK, port).bound()
    listening = _anywhere()
    last.write_text(str(listening.getsockname()[1]))
    return listening


def _anywhere() -> socket.socket:
    for port in by_chance():
        with suppress(InUse):
            return Address(LOOPBACK, port).bound()
    raise IsthmusError("no port of the loopback is free")


if __name__ == "__main__":
    main("serve", body)
