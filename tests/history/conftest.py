# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from isthmus.stream.log import Endpoint, Log, open_log
from isthmus.stream.server import LogServer


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[LogServer]:
    async with LogServer(tmp_path / "log") as running:
        yield running


@pytest.fixture
async def log(server: LogServer, tmp_path: Path) -> AsyncIterator[Log]:
    """As everyone: publishes, records and purges."""
    async with open_log(Endpoint.load(tmp_path / "log" / "endpoints" / "admin.json")) as opened:
        yield opened
