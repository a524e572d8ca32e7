# SPDX-License-Identifier: Apache-2.0
"""What every kind that reads must keep: the contract in `systems/contract.py`, against a real peer."""

from __future__ import annotations

import asyncio
import itertools
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from isthmus.core import time
from isthmus.core.errors import Disconnected, IsthmusError
from isthmus.core.event import EventKind
from isthmus.core.quality import GOOD, is_bad
from isthmus.core.tag import DataType
from isthmus.core.time import UNKNOWN
from isthmus.plant.grammar import SYSTEM
from isthmus.systems.contract import Address
from tests.contract.adapters import Peer, eventually, moment
from tests.contract.collected import Collected

pytestmark = pytest.mark.asyncio(loop_scope="module")

SENSOR_FAILURE = 0x808C_0000


def missed(peer: Peer, what: str = "that it is gone") -> None:
    """Skips where nobody can notice what does not come: the far end calls us."""
    if getattr(peer, "calls", False):
        pytest.skip(f"the far end comes to us: {what} cannot be noticed")


def collecting(peer: Peer, folder: Path, addresses: list[Address] | None = None, *, hasty: bool = False) -> Collected:
    config = {**peer.config, **(peer.hasty if hasty else {})}
    return Collected(peer.kind, config, folder, addresses or peer.addresses)


async def test_it_opens_and_values_flow(peer: Peer, tmp_path: Path) -> None:
    async with collecting(peer, tmp_path).running() as collected:
        for position, value in itertools.product(range(3), (1.5, 2.5)):
            await eventually(lambda: collected.opened == 1)
            await peer.change(position, value)
            await eventually(collected.saw(position, value))
    assert not collected.errors


async def test_a_silent_far_end_still_gives_heartbeats(peer: Peer, tmp_path: Path) -> None:
    async with collecting(peer, tmp_path).running() as collected:
        await eventually(lambda: collected.values(2))
        before = len(collected.readings)
        await eventually(lambda: any(r.alive and not len(r) for r in collected.readings[before:]))


async def test_device_time_and_quality_arrive_as_they_were(peer: Peer, tmp_path: Path) -> None:
    if not peer.timed:
        await no_time_is_made_up(peer, tmp_path)
        return
    hour = 3_600_000_000_000
    sent = [(moment() - 5 * hour, 0, 10.0), (moment() + 5 * hour, 0, 11.0), (moment(), SENSOR_FAILURE, 12.0)]
    async with collecting(peer, tmp_path).running() as collected:
        await eventually(lambda: collected.values(0))
        for at, quality, value in sent:
            await peer.change(0, value, quality=quality, at=at)
            await eventually(lambda at=at: at in [when for when, *_ in collected.rows(0)])
    rows = [row for row in collected.rows(0) if row[0] in [at for at, *_ in sent]]
    assert [(at, quality) for at, quality, _ in rows] == [(at, quality) for at, quality, _ in sent]
    assert [value for *_, value in rows][:2] == [10.0, 11.0]


async def no_time_is_made_up(peer: Peer, tmp_path: Path) -> None:
    began = time.now()
    async with collecting(peer, tmp_path).running() as collected:
        await peer.change(0, 10.0)
        await eventually(collected.saw(0, 10.0))
    assert {quality for _, quality, _ in collected.rows(0)} == {GOOD}
    for readings in collected.readings:  # of several answers each has the time at which it came, by our clock
        assert began <= readings.seen <= time.now()
        assert all(at == UNKNOWN or began <= at <= readings.seen for at in readings.at.tolist())


async def test_a_bad_address_harms_only_itself_and_is_named(peer: Peer, tmp_path: Path) -> None:
    missed(peer, "that it never has rows of an address")
    addresses = [Address(peer.bad_address, DataType.FLOAT), *peer.addresses]
    async with collecting(peer, tmp_path, addresses).running() as collected:
        await eventually(lambda: collected.values(0) and collected.values(3))
        await peer.change(2, 77.0)
        await eventually(collected.saw(3, 77.0))
    assert all(is_bad(np.array([quality], np.uint32)) for _, quality, _ in collected.rows(0))
    assert any(peer.bad_address in e.message for e in collected.events if e.kind is EventKind.TAG)
    assert not collected.errors


async def test_an_address_that_goes_and_comes_back_is_said_to_and_harms_no_other(
    peer: Peer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not peer.tells:
        pytest.skip("the far end does not say that an address is gone")
    module, _, name = peer.again.partition(":")
    monkeypatch.setattr(import_module(module), name, 0.5)
    async with collecting(peer, tmp_path).running() as collected:
        await eventually(lambda: collected.values(0) and collected.values(1))
        await peer.lose()
        await eventually(lambda: any(is_bad(np.array([quality], np.uint32)) for _, quality, _ in collected.rows(1)))
        await peer.change(0, 61.0)
        await eventually(collected.saw(0, 61.0))
        await peer.find()
        await peer.change(1, 62.0)
        await eventually(collected.saw(1, 62.0))
        await eventually(lambda: len(collected.told(EventKind.TAG)) >= 2)
    gone, back = collected.told(EventKind.TAG)[:2]
    assert peer.addresses[1].text in gone.message and peer.addresses[1].text in back.message
    assert "can be read again" in back.message
    assert not collected.errors


async def test_it_survives_a_cut_and_says_so(peer: Peer, tmp_path: Path) -> None:
    missed(peer)
    async with collecting(peer, tmp_path).running() as collected:
        await eventually(lambda: collected.values(0))
        await peer.cut()
        await eventually(lambda: collected.errors)
        await peer.mend()
        await eventually(lambda: collected.opened >= 2)
        await peer.change(0, 41.0)
        await eventually(collected.saw(0, 41.0))
        if not peer.keeps:  # what nobody observed must not be interpolated over
            await eventually(lambda: collected.told(EventKind.GAP))
    assert all(isinstance(error, Disconnected) for error in collected.errors)


async def test_a_far_end_that_was_killed_flows_again(peer: Peer, tmp_path: Path) -> None:
    missed(peer)
    async with collecting(peer, tmp_path).running() as collected:
        await eventually(lambda: collected.values(0))
        await peer.kill()
        await eventually(lambda: collected.errors)
        await peer.restart()
        await peer.change(0, 43.0)
        await eventually(collected.saw(0, 43.0))
    assert all(isinstance(error, Disconnected) for error in collected.errors)


async def test_a_half_open_connection_is_noticed(peer: Peer, tmp_path: Path) -> None:
    missed(peer)
    async with collecting(peer, tmp_path, hasty=True).running() as collected:
        await eventually(lambda: collected.values(0))
        await peer.freeze()
        await eventually(lambda: collected.errors)
        await peer.mend()
        await peer.change(0, 44.0)
        await eventually(collected.saw(0, 44.0))


async def test_what_happens_during_a_short_cut_is_not_lost_where_the_far_end_keeps_it(
    peer: Peer, tmp_path: Path
) -> None:
    if not peer.keeps:
        pytest.skip("the far end keeps nothing")
    async with collecting(peer, tmp_path).running() as collected:
        await peer.change(1, 999.0)  # a broker killed in an earlier test may have forgotten its last values
        await eventually(collected.saw(1, 999.0))
        for round_ in range(3):
            await peer.cut()
            for i in range(5):
                await peer.change(1, 100.0 * round_ + i + 1000)
                await asyncio.sleep(peer.pace)  # a far end reports what it sees when it looks
            await peer.mend()
            await eventually(collected.saw(1, 100.0 * round_ + 1004))
    expected = [100.0 * round_ + i + 1000 for round_ in range(3) for i in range(5)]
    seen = [value for value in collected.values(1) if value >= 1000]
    assert list(dict.fromkeys(seen)) == expected  # in order; what was not acknowledged yet may come again


async def test_nothing_is_acknowledged_before_it_is_kept(peer: Peer, tmp_path: Path) -> None:
    if await peer.unacknowledged() is None:
        pytest.skip("the far end cannot say what it keeps for us")
    collected = collecting(peer, tmp_path)
    collected.keep = False
    async with collected.running():
        await eventually(lambda: collected.values(0))
        for i in range(5):
            await peer.change(0, 200.0 + i)
            await eventually(collected.saw(0, 200.0 + i))
        held = await peer.unacknowledged()
        assert held is not None and held >= 5
        for readings in collected.readings:
            readings.done()
        collected.keep = True

        async def forgotten() -> bool:
            await peer.change(0, float(moment() % 1000))
            left = await peer.unacknowledged()
            return left is not None and left <= 2

        await eventually(forgotten)


async def test_closing_is_quick_and_final(peer: Peer, tmp_path: Path) -> None:
    collected, tasks = collecting(peer, tmp_path), asyncio.all_tasks()
    async with collected.running():
        await eventually(lambda: collected.values(0))
        began = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - began < 30
    before = len(collected.readings)
    assert all(task in tasks or is_network(task) for task in asyncio.all_tasks())
    await peer.change(0, 5.0)
    assert len(collected.readings) == before


def is_network(task: asyncio.Task[object]) -> bool:
    """It belongs to the test's own piece of network, which lives on."""
    return "Network." in str(task.get_coro())


async def test_a_far_end_that_is_not_there_is_said_to_be_so(peer: Peer, tmp_path: Path) -> None:
    missed(peer)
    await peer.cut()
    async with collecting(peer, tmp_path).running() as collected:
        await eventually(lambda: len(collected.errors) > 2)
    assert all(isinstance(error, Disconnected) for error in collected.errors)
    assert len({str(error) for error in collected.errors}) == 1  # so that the collector says it once
    assert collected.errors[0].where


async def test_bad_configuration_and_addresses_are_refused(peer: Peer) -> None:
    for config in peer.bad_configs:
        with pytest.raises(ValidationError):
            peer.kind.spec.model_validate(config)
    with pytest.raises(IsthmusError):
        peer.kind.check_address("\0 not an address")
    assert all(field.description for field in peer.kind.spec.model_fields.values())
    assert not peer.kind.spec.model_fields.keys() & SYSTEM.by_name.keys()  # those are every system's own
