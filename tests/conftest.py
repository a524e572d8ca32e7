# SPDX-License-Identifier: Apache-2.0
"""What every test may use: a running log, waiting for a condition, skipping where a peer is missing; their order."""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Protocol

import pytest
from hypothesis import HealthCheck, settings

from isthmus.stream.log import Log, open_log
from isthmus.stream.server import LogServer

# On a busy machine an example takes long; and the same commit is judged by the same examples, whoever tries it.
settings.register_profile("plant", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("plant"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "plant")

HERE = Path(__file__).parent
WEIGHTS = {name: int(seconds) for seconds, name in map(str.split, (HERE / "longest.txt").read_text().splitlines())}
"""Seconds that the longest files take, alone on a quiet machine."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first: one that begins last keeps everyone waiting."""
    items.sort(key=lambda item: -WEIGHTS.get(item.path.relative_to(HERE).as_posix(), 0))


class Until(Protocol):
    """Waits until a condition holds, with a deadline."""

    async def __call__(
        self, condition: Callable[[], bool | Awaitable[bool]], what: str, *, within: float = 60.0
    ) -> None: ...


@pytest.fixture
def until() -> Until:
    """Waits until a condition (plain or async) is true; fails with `what` when it is not within so many seconds."""

    async def wait(condition: Callable[[], bool | Awaitable[bool]], what: str, *, within: float = 60.0) -> None:
        end = asyncio.get_running_loop().time() + within
        while True:
            held = condition()
            if await held if inspect.isawaitable(held) else held:
                return
            if asyncio.get_running_loop().time() > end:
                pytest.fail(f"not within {within:g} s: {what}")
            await asyncio.sleep(0.02)

    return wait


@pytest.fixture
def need() -> Callable[[object, str], None]:
    """`need(available, what)`: skips aloud when a peer program is not there; fails instead when CI=true."""
    return needed


def needed(available: object, what: str) -> None:
    if available:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI must have it: {what}")
    pytest.skip(f"not here: {what}")


@pytest.fixture
async def log_server(tmp_path: Path) -> AsyncIterator[LogServer]:
    """A running log in the test's own folder."""
    async with LogServer(tmp_path / "log") as server:
        yield server


@pytest.fixture
async def admin_log(log_server: LogServer) -> AsyncIterator[Log]:
    """The running log, with every right."""
    async with open_log(log_server.endpoint, name="test") as log:
        yield log
