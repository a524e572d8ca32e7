# SPDX-License-Identifier: Apache-2.0
"""A web server for the tests of a file, as Node.js has it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.conftest import needed
from tests.peers.web_peer import HERE, WHAT, WebServer


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_server() -> AsyncIterator[WebServer]:
    needed(HERE, WHAT)
    async with WebServer() as started:
        yield started


@pytest_asyncio.fixture(loop_scope="module")
async def server(shared_server: WebServer) -> WebServer:
    """The module's server, which has forgotten everything."""
    await shared_server.do("reset")
    return shared_server
