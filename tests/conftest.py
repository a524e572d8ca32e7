# SPDX-License-Identifier: Apache-2.0
"""What every test may use: a running log, waiting for a condition, skipping where a peer is missing; their order."""

from __future__ import annotations

import asyncio
import inspect
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadFileScheduling

from isthmus.stream.log import Log, open_log
from isthmus.stream.server import LogServer

# On a busy machine an example takes long; and the same commit is judged by the same examples, whoever tries it.
settings.register_profile("plant", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("plant"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "plant")

HERE = Path(__file__).parent
WEIGHTS = {name: int(seconds) for seconds, name in map(str.split, (HERE / "longest.txt").read_text().splitlines())}
"""Seconds that the longest files take, alone on a quiet machine."""


TOGETHER = re.compile(r"tests/api/|tests/app/test_app_(look|retrieval|revisions)")
"""Files whose tests share a plant that runs until all tests are over: one worker has them all, so it runs once."""


def _work(nodeid: str) -> str:
    """What one worker has to itself: a file, or all that share a plant."""
    shared = TOGETHER.match(nodeid)
    return shared[0].partition("test_")[0] if shared else nodeid.partition("::")[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Asked where tests run in several processes."""
    if config.getoption("dist") != "loadfile":
        return None
    made = LoadFileScheduling(config, log)
    made._split_scope = _work
    return made


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first: one that begins last keeps everyone waiting."""
    items.sort(key=lambda item: -WEIGHTS.get(item.path.relative_to(HERE).as_posix(), 0))


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Notes how it ended for `.ci/run`: make tells only that it did not end well."""
    cache = getattr(session.config, "cache", None)  # none where it was left out
    if not hasattr(session.config, "workerinput") and cache is not None:
        cache.set("isthmus/ended", int(exitstatus))


class Until(Protocol):
    """Waits until a condition holds, with a deadline."""

    async def __call__(
        self, condition: Callable[[], bool | Awaitable[bool]], what: str, *, within: float = 180.0
    ) -> None: ...


@pytest.fixture
def until() -> Until:
    """Waits until a condition (plain or async) is true; fails with `what` when it is not within so many seconds."""

    async def wait(condition: Callable[[], bool | Awaitable[bool]], what: str, *, within: float = 180.0) -> None:
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
