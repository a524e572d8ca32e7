# SPDX-License-Identifier: Apache-2.0
"""Far ends that nobody reaches for a while, under load: what was accepted before and after is what they have then."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Until
from tests.deliver.far_ends import PAST, far_ends
from tests.deliver.plant import TAGS, Plant
from tests.peers.mosquitto import Mosquitto

KINDS = ("mqtt", "mqtt-columns", "sparkplug", "http", "kafka")
"""Those whose far end is somewhere else, but for databases: these are in tests/database."""


async def cut(
    floor: Plant, broker: Mosquitto, folder: Path, until: Until, kinds: tuple[str, ...], seconds: float, how: str
) -> None:
    """How: `cut`, connections break and none can be made; `half-open`, they stay, and nothing arrives any more."""
    async with far_ends(folder, broker, kinds, "2s") as far:
        floor.apply(list(far.outputs.values()))

        async def flow(for_: float) -> None:
            for _ in range(round(for_ * 10)):
                await floor.publish(20)
                await far.look()
                await asyncio.sleep(0.1)

        async with floor.delivering() as told:

            def have(what: str, value: object) -> bool:
                return {told.get(name, {}).get(what) for name in kinds} == {value}

            async def caught_up() -> bool:
                await far.look()
                return have("delivered", floor.sent * TAGS)

            await until(lambda: have("state", "connected"), "all are connected")
            await flow(0.5)
            await until(caught_up, "all is delivered before")
            before: Any = {name: told[name]["delivered"] for name in kinds}
            (far.cut if how == "cut" else far.freeze)()
            await flow(seconds)
            await until(lambda: not [name for name in kinds if told[name]["state"] == "connected"], "all notice")
            assert {name: told[name]["delivered"] for name in kinds} == before
            await until(lambda: all(told[name]["lag_messages"] for name in kinds), "their lags are told")
            far.mend()
            await flow(0.5)
            await until(caught_up, "all is delivered after")
            await until(lambda: have("state", "connected"), "all are connected again")
            assert have("parked", 0) and have("lost", 0)
        await far.complete(floor, until, within=120 + seconds)


@pytest.mark.parametrize("how", ["cut", "half-open"])
async def test_a_cut_of_two_seconds_under_load_loses_nothing(
    floor: Plant, broker: Mosquitto, tmp_path: Path, until: Until, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr("tests.deliver.plant.AT", PAST)
    await cut(floor, broker, tmp_path, until, KINDS, 2.0, how)


@pytest.mark.soak
@pytest.mark.parametrize("how", ["cut", "half-open"])
@pytest.mark.parametrize("kind", KINDS)
async def test_a_cut_of_a_minute_under_load_loses_nothing(
    floor: Plant, broker: Mosquitto, tmp_path: Path, until: Until, monkeypatch: pytest.MonkeyPatch, kind: str, how: str
) -> None:
    monkeypatch.setattr("tests.deliver.plant.AT", PAST)
    await cut(floor, broker, tmp_path, until, (kind,), 60.0, how)
