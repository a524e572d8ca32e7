# SPDX-License-Identifier: Apache-2.0
"""Real OPC UA servers in processes of their own, driven by a test."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from itertools import count as count_from
from pathlib import Path
from typing import Any, Self

import pytest

from tests.peers.child import Child

HERE = Path(__file__).parent
URI = "urn:isthmus:plant"
SLOWEST_START = 180.0
SLOWEST_ANSWER = 90.0


PORTS = range(12_000, 20_000)
"""Below those that the kernel gives to whoever asks for any port, and to the near end of a connection, and below those
that our own servers choose from."""
_TURN = count_from(random.randrange(len(PORTS)))


def free_port() -> int:
    """A port that is free and stays so until it is taken: each worker has ports of its own, and none twice in a row."""
    worker, workers = (int(os.environ.get(f"PYTEST_XDIST_WORKER{what}", "0").strip("gw")) for what in ("", "_COUNT"))
    mine = PORTS[worker :: max(workers, worker + 1)]
    for _ in mine:
        port = mine[next(_TURN) % len(mine)]
        with socket.socket() as one, suppress(OSError):
            one.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")


def need_node() -> str:
    """The node program; without it (or its modules) the test is skipped aloud, and fails where CI=true."""
    node = shutil.which("node")
    if node and (HERE / "node_modules" / "node-opcua").is_dir():
        return node
    why = "node-opcua is missing: run `make test`, which installs it (needs Node.js)"
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)


class Server(Child):
    """An OPC UA server; `do` sends it a command (see opcua_server.js)."""

    def __init__(self, folder: Path, kind: str = "node", **config: Any) -> None:
        self.kind, self.folder = kind, folder
        self.config: dict[str, Any] = {"port": free_port(), "pki": str(folder / "peer-pki"), **config}
        self.index = 0

    @property
    def url(self) -> str:
        return f"opc.tcp://127.0.0.1:{self.config['port']}/plant"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def start(self, **changes: Any) -> None:
        """Starts it and waits until it listens."""
        self.config |= changes
        script = "opcua_server.js" if self.kind == "node" else "opcua_server.py"
        program = need_node() if self.kind == "node" else sys.executable
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "peer.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                program, str(HERE / script), json.dumps(self.config),
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=log, limit=1 << 20,
            )  # fmt: skip
        ready = await self._answer(SLOWEST_START)
        assert ready.get("ready"), ready
        self.index = ready["index"]

    async def _answer(self, slowest: float = SLOWEST_ANSWER) -> dict[str, Any]:
        assert self._process and self._process.stdout
        async with asyncio.timeout(slowest):
            while line := await self._process.stdout.readline():
                if line.startswith(b'{"'):
                    answer: dict[str, Any] = json.loads(line)
                    return answer
        raise AssertionError(f"the peer ended: {(self.folder / 'peer.log').read_text()[-2000:]}")

    async def do(self, command: str, **how: Any) -> Mapping[str, Any]:
        assert self._process and self._process.stdin
        self._process.stdin.write(json.dumps({"do": command, **how}).encode() + b"\n")
        await self._process.stdin.drain()
        answer = await self._answer()
        assert answer["ok"], answer
        return answer

    def address(self, name: str) -> str:
        return f"nsu={self.config.get('uri', URI)};s={name}"
