# SPDX-License-Identifier: Apache-2.0
"""A device that is asked ten times too often, and one that is cut off under load: what is told, and who is harmed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import numpy as np
import pytest
import pytest_asyncio
from numpy.typing import NDArray

from isthmus.core import quality
from isthmus.core.event import EventKind
from isthmus.core.time import SECOND
from isthmus.systems.polled import remarks
from tests.conftest import Until
from tests.contract.collected import Collected
from tests.modbus.test_modbus_device import collecting, qualities
from tests.peers.modbus_peer import Server
from tests.peers.network import Network

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def server() -> AsyncIterator[Server]:
    async with Server() as started:
        yield started


@pytest.mark.parametrize("rounds", [4, pytest.param(100, marks=[pytest.mark.soak, pytest.mark.timeout(300)])])
async def test_a_device_asked_ten_times_too_often_is_told_of_and_keeps_no_neighbour_from_its_schedule(
    server: Server, monkeypatch: pytest.MonkeyPatch, until: Until, rounds: int
) -> None:
    """It answers after half a second and is asked every 50 ms; it has tags read seldom, and a quick neighbour."""
    monkeypatch.setattr(remarks, "PACE", 0.5)
    async with Network(server.port) as network:
        network.delay = 0.25  # there and back
        far = collecting(server, ["holding.1", "holding.2"], port=network.port)
        far.addresses[1] = replace(far.addresses[1], sampling=2 * SECOND)
        near = collecting(server, ["holding.1"])
        async with far.running(), near.running():
            await until(lambda: len(far.values(0)) >= rounds, "it is read", within=20.0 * rounds)
            await until(lambda: bool(far.told(EventKind.OVERRUN)), "it is told")
            slow, seldom = len(far.values(0)), len(far.values(1))
            network.freeze()  # however long an answer of the one takes, the other is read
            quick = len(near.values(0))
            await until(lambda: len(near.values(0)) >= quick + 10, "its neighbour is read")
            assert len(far.values(0)) <= slow + 2  # what was on its way already
            network.mend()
            last = len(far.values(0))
            await until(lambda: len(far.values(0)) > last, "it is read on")
    assert slow <= 5 * (seldom + 1)
    assert set(qualities(far, 0)) == {quality.GOOD} and not far.errors and not near.errors
    (event, *_) = far.told(EventKind.OVERRUN)
    assert "unit 1 cannot be read every 0.05 s" in event.message and "reading takes up to " in event.message
    assert int(event.details["missed"] or 0) >= 4 * int(event.details["read"] or 0)  # of ten, nine are left out


@pytest.mark.parametrize("seconds", [2.0, pytest.param(60.0, marks=[pytest.mark.soak, pytest.mark.timeout(300)])])
async def test_a_cut_under_load_is_a_gap_and_every_tag_goes_on(server: Server, until: Until, seconds: float) -> None:
    async with Network(server.port) as network:
        collected = collecting(server, [f"holding.{n}" for n in range(500)], port=network.port)
        async with collected.running():
            await until(lambda: len(collected.values(499)) >= 3, "all are read")
            network.cut()
            await until(lambda: bool(collected.errors), "it is gone")
            before = good(collected)
            await asyncio.sleep(seconds)
            assert (good(collected) == before).all()
            network.mend()
            await until(lambda: bool(collected.told(EventKind.GAP)), "the gap is told")
            await until(lambda: bool(min(good(collected) - before) >= 10), "all are read on")
    (gap,) = collected.told(EventKind.GAP)
    assert int(gap.details["last"] or 0) - int(gap.details["first"] or 0) >= 0.9 * seconds * SECOND
    assert gap.details["tags"] == 500 and len(set(good(collected).tolist())) == 1


def good(collected: Collected) -> NDArray[np.intp]:
    """How many good values came of each address."""
    index = np.concatenate([readings.index[readings.quality == quality.GOOD] for readings in collected.readings])
    return np.bincount(index, minlength=len(collected.addresses))
