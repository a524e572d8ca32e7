# SPDX-License-Identifier: Apache-2.0
"""What every kind that writes must keep: the contract of `Writes` in `systems/contract.py`, against a real peer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from isthmus.core import quality
from isthmus.core.quality import is_bad
from isthmus.core.tag import DataType
from isthmus.systems.contract import Address, Writes
from isthmus.systems.registry import kinds
from tests.contract.adapters import Peer, eventually
from tests.contract.collected import Collected
from tests.contract.conftest import PEERS

pytestmark = pytest.mark.asyncio(loop_scope="module")


WRITERS = [name for name in sorted(PEERS) if "writes" in kinds()[name.partition("-")[0]].powers]


@pytest_asyncio.fixture(params=WRITERS, scope="module", loop_scope="module")
async def shared_peer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Peer]:
    async with PEERS[request.param](tmp_path_factory.mktemp(request.param)) as started:
        yield started


@pytest.fixture
def collected(peer: Peer, tmp_path: Path) -> Collected:
    found = Collected(peer.kind, peer.config, tmp_path, peer.addresses)
    assert isinstance(found.driver, Writes)
    return found


async def test_what_is_written_is_read_back_and_reaches_the_readings(collected: Collected) -> None:
    async with collected.running():
        await eventually(lambda: collected.values(2))
        values = list(zip(collected.addresses, (31.5, 32.5, 33.5), strict=True))
        assert await collected.driver.write(values) == [quality.GOOD] * 3
        for position, value in enumerate((31.5, 32.5, 33.5)):
            await eventually(collected.saw(position, value))


async def test_a_value_that_cannot_be_written_harms_no_other(peer: Peer, collected: Collected) -> None:
    async with collected.running():
        await eventually(lambda: collected.values(2))
        bad = Address(peer.bad_address, DataType.FLOAT)
        one, two, three = collected.addresses
        status = await collected.driver.write([(one, 41.5), (bad, 1.0), (two, "text"), (three, 43.5)])
        assert (status[0], status[3]) == (quality.GOOD, quality.GOOD)
        assert is_bad(np.array(status[1:3], np.uint32)).all()
        await eventually(collected.saw(2, 43.5))


async def test_through_a_cut_it_is_told_of_each_value_that_it_did_not_arrive(peer: Peer, tmp_path: Path) -> None:
    collected = Collected(peer.kind, {**peer.config, **peer.hasty}, tmp_path, peer.addresses)
    async with collected.running():
        await eventually(lambda: collected.values(0))
        await peer.freeze()
        status = await collected.driver.write([(address, 51.5) for address in collected.addresses])
        unknown = {quality.BAD_TIMEOUT, quality.BAD_COMMUNICATION, quality.BAD_NOT_CONNECTED}
        assert set(status) <= unknown
        await eventually(lambda: collected.errors)
        assert await collected.driver.write([(collected.addresses[0], 52.5)]) == [quality.BAD_NOT_CONNECTED]
        await peer.mend()
        await eventually(lambda: collected.opened >= 2)

        async def written() -> bool:
            return bool(await collected.driver.write([(collected.addresses[0], 53.5)]) == [quality.GOOD])

        await eventually(written)  # at once, where this computer has time for it


async def test_while_nothing_is_open_nothing_is_sent(collected: Collected) -> None:
    values = [(address, 61.5) for address in collected.addresses]
    assert await collected.driver.write(values) == [quality.BAD_NOT_CONNECTED] * 3
