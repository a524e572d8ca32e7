# SPDX-License-Identifier: Apache-2.0
"""A real Modbus server, C over libmodbus, in a process of its own, driven by a test."""

from __future__ import annotations

import asyncio
import os
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import pytest

from tests.peers.child import Child
from tests.peers.opcua_peer import free_port

PROGRAM = Path(__file__).parent / "build" / "modbus_server"
SLOWEST = 90.0


def need_server() -> str:
    """The server's program; without it the test is skipped aloud, and fails where CI=true."""
    if PROGRAM.is_file():
        return str(PROGRAM)
    why = "the Modbus server is missing: run `make test`, which builds it (needs gcc and libmodbus-dev)"
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)


class Server(Child):
    """A Modbus server; `do` sends it a command (see modbus_server.c)."""

    def __init__(self) -> None:
        self.port = free_port()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def start(self) -> None:
        """Starts it, always on its port, and waits until it listens."""
        self._process = await asyncio.create_subprocess_exec(
            need_server(), str(self.port), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        assert await self._answer() == f"READY {self.port}"

    async def _answer(self) -> str:
        assert self._process and self._process.stdout
        async with asyncio.timeout(SLOWEST):
            line = await self._process.stdout.readline()
        assert line, "the Modbus server ended"
        return line.decode().strip()

    async def do(self, command: str) -> int:
        assert self._process and self._process.stdin
        self._process.stdin.write(command.encode() + b"\n")
        answer = await self._answer()
        assert answer.startswith("ok "), answer
        return int(answer.removeprefix("ok "))

    async def set(self, unit: int, table: str, address: int, words: Sequence[int]) -> None:
        """Puts words, or for coils and inputs 0 or 1, there."""
        for start in range(0, len(words), 100):
            some = " ".join(f"{word:x}" for word in words[start : start + 100])
            await self.do(f"set {unit} {table} {address + start} {some}")

    async def set_float(self, unit: int, address: int, value: float) -> None:
        await self.set(unit, "holding", address, struct.unpack(">2H", struct.pack(">f", value)))
