# SPDX-License-Identifier: Apache-2.0
"""A real S7 server, python-snap7's, in a process of its own, driven by a test."""

from __future__ import annotations

import asyncio
import struct
import sys
from pathlib import Path
from typing import Self

from tests.peers.child import Child
from tests.peers.opcua_peer import free_port

PROGRAM = Path(__file__).parent / "s7_server.py"
SLOWEST = 90.0


class S7Server(Child):
    """An S7 server; `do` sends it a command (see s7_server.py)."""

    def __init__(self, **blocks: int) -> None:
        """`db1=12`: data blocks of so many bytes, which it has whenever it starts."""
        self.port = free_port()
        self._blocks = [f"{name.removeprefix('db')}:{size}" for name, size in blocks.items()]

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def start(self) -> None:
        """Starts it, always on its port, and waits until it listens."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(PROGRAM),
            str(self.port),
            *self._blocks,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert await self._answer() == f"READY {self.port}"

    async def _answer(self) -> str:
        assert self._process and self._process.stdout
        async with asyncio.timeout(SLOWEST):
            line = await self._process.stdout.readline()
        assert line, "the S7 server ended"
        return line.decode().strip()

    async def do(self, command: str) -> str:
        assert self._process and self._process.stdin
        self._process.stdin.write(command.encode() + b"\n")
        return await self._answer()

    async def set_real(self, block: int, byte: int, value: float) -> None:
        await self.do(f"set {block} {byte} {struct.pack('>f', value).hex()}")
