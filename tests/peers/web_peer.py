# SPDX-License-Identifier: Apache-2.0
"""A web server of Node.js in a process of its own, which a test tells what to serve and asks what it was sent."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
from pathlib import Path
from shutil import which
from typing import Any, Self

from tests.peers.child import Child
from tests.peers.opcua_peer import free_port

HERE = which("node") is not None
WHAT = "Node.js (apt-get install nodejs)"
LONGEST = 64 << 20


class WebServer(Child):
    """One server; it may be killed, frozen and started again on its port, where it has forgotten everything."""

    def __init__(self, certificate: Path | None = None, key: Path | None = None) -> None:
        self.port = free_port()
        self._tls = [str(certificate), str(key)] if certificate else []

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def start(self) -> None:
        """Returns when it listens."""
        words = ["node", str(Path(__file__).with_name("web_server.js")), str(self.port), *self._tls]
        pipe = subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(*words, stdin=pipe, stdout=pipe, limit=LONGEST)
        assert self._process.stdout
        assert (await asyncio.wait_for(self._process.stdout.readline(), 90)) == b"READY\n"

    async def do(self, command: str, /, **said: Any) -> Any:
        """Its answer to a command."""
        assert self._process and self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps({"do": command, **said}).encode() + b"\n")
        return json.loads(await asyncio.wait_for(self._process.stdout.readline(), 90))

    async def page(self, path: str, body: object = None, **said: Any) -> None:
        """Serves `body` as JSON at a path, or what else is said of it."""
        text = {} if body is None else {"body": json.dumps(body)}
        await self.do("page", path=path, **text, **said)

    def freeze(self) -> None:
        self.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.signal(signal.SIGCONT)
