# SPDX-License-Identifier: Apache-2.0
"""The `serve` service as a process: `python -m isthmus.app.run.serve`, started by the supervisor."""

from __future__ import annotations

import asyncio
import socket
from typing import Final

import uvicorn

from isthmus.app.api.application import application
from isthmus.app.api.picture import Picture
from isthmus.app.run.service import Work, main
from isthmus.core.errors import InUse

PORT: Final = 8640
"""Of the API, where the plant file does not say another."""

STOPPING: Final = 3
"""Seconds that answers under way have when the service stops."""


async def body(work: Work) -> None:
    """Answers until it is told to stop."""
    picture, begun = Picture(work.place), asyncio.Event()
    with _listening("127.0.0.1", PORT) as listening:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(picture.follow(begun)), group.create_task(picture.turn_pages())]
            server = _Server(application(work.place, work.log, picture))
            tasks.append(group.create_task(server.serve([listening])))
            await begun.wait()
            work.ready()
            await work.stop.wait()
            server.should_exit = True
            await tasks.pop()
            for task in tasks:
                task.cancel()


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the service has its own."""

    def __init__(self, app: object) -> None:
        config = uvicorn.Config(
            app,  # type: ignore[arg-type]  # Litestar's ASGI types are its own
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="websockets-sansio",
            ws_max_size=1 << 20,
            ws_per_message_deflate=True,
            server_header=False,
            timeout_graceful_shutdown=STOPPING,
        )
        super().__init__(config)

    def capture_signals(self) -> object:  # type: ignore[override]
        from contextlib import nullcontext

        return nullcontext()


def _listening(address: str, port: int) -> socket.socket:
    """A socket that listens; raises InUse when another program has the port."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((address, port))
    except OSError as error:
        listening.close()
        raise InUse(f"port {port} is taken: {error.strerror}", hint="choose another with --api-port") from error
    return listening


if __name__ == "__main__":
    main("serve", body)
