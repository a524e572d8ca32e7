# SPDX-License-Identifier: Apache-2.0
"""A Sparkplug edge node and host of Eclipse Tahu's JavaScript libraries, in a process of their own, driven by tests."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from tests.conftest import needed
from tests.peers.child import Child
from tests.peers.mosquitto import HERE as BROKER
from tests.peers.mosquitto import WHAT as BROKER_WHAT

FOLDER = Path(__file__).parent
SLOWEST_START = 180.0
SLOWEST_ANSWER = 90.0


def need_sparkplug() -> str:
    """The node program; the test is skipped aloud where it, its modules or mosquitto are missing."""
    node = shutil.which("node")
    modules = FOLDER / "node_modules"
    here = node and (modules / "sparkplug-client").is_dir() and (modules / "sparkplug-payload").is_dir()
    needed(here, "sparkplug-client: run `make test`, which installs it (needs Node.js)")
    needed(BROKER, BROKER_WHAT)
    assert node
    return node


def metric(name: str, value: Any, type_: str = "Double", **more: Any) -> dict[str, Any]:
    """A metric as the library has it."""
    return {"name": name, "type": type_, "value": value, **more}


class SparkplugPeer(Child):
    """The process; `do` sends it a command (see sparkplug_peer.js)."""

    def __init__(self, folder: Path, url: str = "", **config: Any) -> None:
        self.folder, self.config = folder, {"url": url, **config}

    async def __aenter__(self) -> Self:
        program = need_sparkplug()
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "sparkplug.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                program, str(FOLDER / "sparkplug_peer.js"), json.dumps(self.config),
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=log, limit=1 << 25,
            )  # fmt: skip
        ready = await self._answer(SLOWEST_START)
        assert ready.get("ready"), ready
        return self

    async def _answer(self, slowest: float = SLOWEST_ANSWER) -> dict[str, Any]:
        assert self._process and self._process.stdout
        async with asyncio.timeout(slowest):
            while line := await self._process.stdout.readline():
                if line.startswith(b'{"'):
                    answer: dict[str, Any] = json.loads(line)
                    return answer
        raise AssertionError(f"the peer ended: {(self.folder / 'sparkplug.log').read_text()[-2000:]}")

    async def do(self, command: str, **how: Any) -> Mapping[str, Any]:
        assert self._process and self._process.stdin
        self._process.stdin.write(json.dumps({"do": command, **how}).encode() + b"\n")
        await self._process.stdin.drain()
        answer = await self._answer()
        assert answer["ok"], answer
        return answer

    async def born(self, births: int = 1) -> None:
        """Until it has a connection, and has published so many births."""
        async with asyncio.timeout(SLOWEST_ANSWER):
            while True:
                counts = await self.do("counts")
                if counts["connected"] and counts["births"] >= births:
                    return
                await asyncio.sleep(0.02)
