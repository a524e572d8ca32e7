# SPDX-License-Identifier: Apache-2.0
"""One open server, and one node-opcua client at it, for all tests of a module that need no other."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.opcuaserver.house import URI, House, house
from tests.peers.opcua_client_peer import OpcUaClient


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with house(tmp_path_factory.mktemp("house")) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(opened: House, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[OpcUaClient]:
    async with OpcUaClient(tmp_path_factory.mktemp("client"), opened.url, URI) as made:
        yield made
