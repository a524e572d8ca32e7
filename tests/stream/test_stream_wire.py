# SPDX-License-Identifier: Apache-2.0
"""Messages written straight to the socket, and messages told as they come, beside all that nats-py does itself."""

from __future__ import annotations

import os
import signal

import pytest

from isthmus.core.errors import Disconnected
from isthmus.stream.log import Log
from isthmus.stream.server import LogServer
from tests.conftest import Until


async def test_a_message_goes_after_all_that_was_given_before_it(admin_log: Log, until: Until) -> None:
    wire = admin_log.wire
    inbox = wire.client.new_inbox()
    heard: list[tuple[str, bytes]] = []

    def hear(subject: str, reply: str, headers: bytes, body: bytes) -> None:
        assert reply == "" and headers in (b"", "NATS/1.0\r\nName: värde\r\n\r\n".encode())
        heard.append((subject, body))

    async with wire.listening(f"{inbox}.*", hear):
        for n in range(0, 20, 2):
            await wire.client.publish(f"{inbox}.a", str(n).encode())  # waits for nats-py's own task
            wire.publish(f"{inbox}.b", str(n + 1).encode(), "", {"Name": "värde"})
        await until(lambda: len(heard) == 20, "all are heard")
    assert heard == [(f"{inbox}.{'ab'[n % 2]}", str(n).encode()) for n in range(20)]


async def test_a_failure_of_who_listens_does_not_end_the_connection(admin_log: Log, until: Until) -> None:
    wire = admin_log.wire
    inbox = wire.client.new_inbox()
    heard: list[int] = []
    async with wire.listening(inbox, lambda *said: heard.append(int(said[-1]))):
        for body in (b"1", b"none", b"2"):
            wire.publish(inbox, body, "", {"Name": "value"})
        await until(lambda: heard == [1, 2], "the others are heard")
        assert (await admin_log.state()).last == 0


async def test_nothing_is_written_to_a_connection_that_is_gone(
    log_server: LogServer, admin_log: Log, until: Until
) -> None:
    assert log_server.pid is not None
    os.kill(log_server.pid, signal.SIGKILL)
    await until(lambda: not admin_log.wire.up, "the connection is gone")
    with pytest.raises(Disconnected, match="gone"):
        admin_log.wire.publish("x", b"", "", {})
