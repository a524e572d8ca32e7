# SPDX-License-Identifier: Apache-2.0
"""A plant with outputs, and a broker to deliver to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from tests.deliver.plant import Plant, plant
from tests.peers.mosquitto import HERE, WHAT, Mosquitto


@pytest.fixture
async def floor(tmp_path: Path) -> AsyncIterator[Plant]:
    async with plant(tmp_path / "data") as made:
        yield made


@pytest.fixture
def broker(tmp_path: Path, need: Callable[[object, str], None]) -> Iterator[Mosquitto]:
    need(HERE, WHAT)
    with Mosquitto(tmp_path / "broker") as made:
        yield made
