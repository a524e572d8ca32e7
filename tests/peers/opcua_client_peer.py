# SPDX-License-Identifier: Apache-2.0
"""A real OPC UA client (node-opcua) in a process of its own, driven by a test."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from tests.peers.child import Child
from tests.peers.opcua_peer import HERE, SLOWEST_ANSWER, SLOWEST_START, need_node


class Refusal(Exception):
    """What the client says when it cannot."""


class OpcUaClient(Child):
    """An OPC UA client; `do` sends it a command (see opcua_client.js)."""

    def __init__(self, folder: Path, url: str, namespace: str, **config: Any) -> None:
        self.folder = folder
        self.config: dict[str, Any] = {"url": url, "namespace": namespace, "pki": str(folder / "client-pki"), **config}

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def start(self) -> None:
        """Starts it and waits until it has a session; raises Refusal when it gets none."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "client.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                need_node(), str(HERE / "opcua_client.js"), json.dumps(self.config),
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=log, limit=1 << 26,
            )  # fmt: skip
        try:
            await self._answer(SLOWEST_START)
        except BaseException:
            await self.kill()
            raise

    async def _answer(self, slowest: float) -> dict[str, Any]:
        assert self._process and self._process.stdout
        async with asyncio.timeout(slowest):
            while True:
                line = await self._process.stdout.readline()
                assert line, f"the client ended: {(self.folder / 'client.log').read_text()[-2000:]}"
                with suppress(json.JSONDecodeError):
                    found: dict[str, Any] = json.loads(line)
                    break
        if "error" in found:
            raise Refusal(found["error"])
        return found

    async def do(self, command: str, **given: Any) -> dict[str, Any]:
        assert self._process and self._process.stdin
        self._process.stdin.write(json.dumps({"do": command, **given}).encode() + b"\n")
        return await self._answer(SLOWEST_ANSWER)

    async def heard(self, wanted: int, *, within: float = 60.0) -> list[dict[str, Any]]:
        """The next notifications, at least so many."""
        found: list[dict[str, Any]] = []
        async with asyncio.timeout(within):
            while len(found) < wanted:
                found += (await self.do("heard"))["heard"]
                await asyncio.sleep(0.02)
        return found
