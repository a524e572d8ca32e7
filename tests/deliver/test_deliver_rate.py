# SPDX-License-Identifier: Apache-2.0
"""Ten times the normal rate, to far ends that are slow: outputs fall behind, say so, hold little, and lose nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.conftest import Until
from tests.deliver.far_ends import KINDS, PAST, far_ends
from tests.deliver.plant import TAGS, Plant
from tests.peers.mosquitto import Mosquitto

NORMAL = 20
"""Samples of each tag in a tenth of a second: of a thousand tags one each second."""
HELD = 300 << 20
"""Bytes that the deliverer may need more than at the normal rate, however long it is behind."""


class Weighed:
    """How much memory a process has had at most since it began to be looked at."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self.before = self.most = self._process.memory_info().rss

    def look(self) -> None:
        self.most = max(self.most, self._process.memory_info().rss)


async def nobody() -> None:
    """Looks."""


async def paced(floor: Plant, count: int, seconds: float, look: Callable[[], Awaitable[object]]) -> None:
    """So many samples of each tag every tenth of a second; on a busy machine less often."""
    for _ in range(round(seconds * 10)):
        await floor.publish(count)
        await look()
        await asyncio.sleep(0.1)


async def at_ten_times(
    floor: Plant, broker: Mosquitto, folder: Path, until: Until, kinds: tuple[str, ...], seconds: float
) -> None:
    async with far_ends(folder, broker, kinds) as far:
        floor.apply(list(far.outputs.values()))
        floor.start()

        def told(what: str) -> dict[str, Any]:
            return {name: floor.told(name).get(what) for name in far.outputs}

        def have(what: str, value: object) -> Callable[[], bool]:
            return lambda: set(told(what).values()) == {value}

        await until(have("state", "connected"), "all are connected")
        await paced(floor, NORMAL, 1.0, nobody)
        await until(have("lag_messages", 0), "the normal rate is no trouble")
        memory, behind = Weighed(floor.pid), set[str]()

        async def look() -> bool:
            memory.look()
            behind.update(name for name, lag in told("lag_messages").items() if lag)
            await far.look()
            return behind >= far.slower

        async def caught_up() -> bool:
            await look()
            return set(told("delivered").values()) == {floor.sent * TAGS}

        far.slow(10)
        await paced(floor, 10 * NORMAL, seconds, look)
        await until(look, "status tells who is behind")
        far.slow(0)
        await until(caught_up, "they catch up", within=120 + 10 * seconds)
        await until(have("lag_messages", 0), "no lag is left")
        assert set(told("parked").values()) == set(told("lost").values()) == {0}
        assert set(told("state").values()) == {"connected"}
        assert memory.most - memory.before < HELD, (memory.before, memory.most)
        await far.complete(floor, until, within=120 + 2 * seconds)


async def test_at_ten_times_the_rate_slow_far_ends_get_everything_and_memory_is_bounded(
    floor: Plant, broker: Mosquitto, tmp_path: Path, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.deliver.plant.AT", PAST)
    await at_ten_times(floor, broker, tmp_path, until, KINDS, 1.0)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kind", KINDS)
async def test_a_minute_at_ten_times_the_rate(
    floor: Plant, broker: Mosquitto, tmp_path: Path, until: Until, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr("tests.deliver.plant.AT", PAST)
    await at_ten_times(floor, broker, tmp_path, until, (kind,), 60.0)
