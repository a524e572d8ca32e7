# SPDX-License-Identifier: Apache-2.0
"""A real far end (python-snap7's server): what is asked of it, absent blocks, kills, freezes."""

from __future__ import annotations

import asyncio
import signal
import struct
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from isthmus.core import quality
from isthmus.core.errors import Disconnected
from isthmus.core.event import EventKind
from isthmus.core.tag import DataType
from isthmus.core.time import SECOND
from isthmus.systems.contract import Address
from isthmus.systems.polled import remarks, rounds
from isthmus.systems.registry import kinds
from tests.contract.adapters import eventually
from tests.contract.collected import Collected
from tests.peers.network import Network
from tests.peers.s7_peer import S7Server

pytestmark = pytest.mark.asyncio(loop_scope="module")

SOAK_ROUNDS = 200


@pytest_asyncio.fixture(loop_scope="module")
async def server() -> AsyncIterator[S7Server]:
    async with S7Server(db1=400) as started:
        yield started


def collecting(port: int, texts: Sequence[str], **config: Any) -> Collected:
    kind = kinds()["s7"]
    addresses = [Address(kind.check_address(text), DataType.FLOAT) for text in texts]
    said = {"host": "127.0.0.1", "port": port, "every": "50ms", "timeout": "60s", **config}
    return Collected(kind, said, Path("."), addresses)


def qualities(collected: Collected, position: int) -> set[int]:
    return {code for _, code, _ in collected.rows(position)}


async def test_many_addresses_in_many_blocks_are_few_questions(server: S7Server) -> None:
    for block in range(2, 32):
        await server.do(f"block {block} {struct.pack('>fhh', block / 4, -block, block).hex()}")
    texts = [f"db{block}.{rest}" for block in range(2, 32) for rest in ("0:real", "4:int", "6:word")]
    collected = collecting(server.port, texts)
    async with collected.running():
        await eventually(lambda: all(collected.values(i) for i in range(90)))
        asked, rounds = int(await server.do("count")), len(collected.readings)
        await eventually(lambda: len(collected.readings) >= rounds + 10)
        asked, rounds = int(await server.do("count")) - asked, len(collected.readings) - rounds
    for i, block in enumerate(range(2, 32)):
        assert [collected.values(3 * i + j)[0] for j in range(3)] == [block / 4, -block, block]
    assert asked <= 2 * (rounds + 1)
    assert not collected.errors


async def test_a_block_that_is_not_there_harms_nobody_who_shares_its_question(
    server: S7Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "SPLITTING", 600.0)  # however long the questions take that find it
    texts = [f"db{block}.0:byte" for block in (1, 40, 41, 1)] + ["db1.500:byte", "db1.3:byte"]
    collected = collecting(server.port, texts)
    async with collected.running():
        await eventually(lambda: all(collected.values(i) for i in range(6)))
        await eventually(lambda: len(collected.values(5)) >= 5)
    for i in (0, 3, 5):
        assert qualities(collected, i) == {quality.GOOD}
    for i in (1, 2, 4):
        assert qualities(collected, i) == {quality.BAD_NODE_ID_UNKNOWN} and len(collected.values(i)) == 1
    told = collected.told(EventKind.TAG)
    assert sorted(event.details["tags"] for event in told) == [1, 2]  # type: ignore[type-var]  # numbers, these
    assert all("optimised" in event.message for event in told)


async def test_texts_and_times_arrive_and_what_is_none_is_bad(server: S7Server) -> None:
    dtl = struct.pack(">HBBBBBBI", 2026, 11, 23, 2, 6, 30, 0, 250_000_000)
    await server.do(f"block 7 {(bytes((8, 4)) + b'Reis    ' + dtl).hex()}")
    collected = collecting(server.port, ["db7.0:string8", "db7.10:dtl", "db1.0:dt"])
    async with collected.running():
        await eventually(lambda: all(collected.values(i) for i in range(3)))
    said = {
        int(position): readings.text[row]
        for readings in collected.readings
        if readings.text
        for row, position in enumerate(readings.index)
    }
    assert said == {0: "Reis", 1: "2026-11-23T06:30:00.25", 2: None}
    assert qualities(collected, 2) == {quality.BAD_DECODING}


async def test_a_slow_controller_is_read_as_often_as_it_can_be(server: S7Server) -> None:
    async with Network(server.port) as network:
        collected = collecting(network.port, ["db1.0:real"], every="20ms")
        async with collected.running():
            await eventually(lambda: collected.values(0))
            network.delay = 0.05
            before = len(collected.values(0))
            await eventually(lambda: len(collected.values(0)) >= before + 5)
        assert not collected.errors


@pytest.mark.parametrize("rounds", [4, pytest.param(100, marks=[pytest.mark.soak, pytest.mark.timeout(300)])])
async def test_a_controller_asked_ten_times_too_often_is_told_of_and_keeps_no_neighbour_from_its_schedule(
    server: S7Server, monkeypatch: pytest.MonkeyPatch, rounds: int
) -> None:
    """It answers after half a second and is asked every 50 ms; it has tags read seldom, and a quick neighbour."""
    monkeypatch.setattr(remarks, "PACE", 0.5)
    async with Network(server.port) as network:
        network.delay = 0.25  # there and back
        far = collecting(network.port, ["db1.0:real", "db1.4:real"])
        far.addresses[1] = replace(far.addresses[1], sampling=2 * SECOND)
        near = collecting(server.port, ["db1.0:real"])
        async with far.running(), near.running():
            await eventually(lambda: len(far.values(0)) >= rounds and far.told(EventKind.OVERRUN), 20 * rounds)
            slow, seldom = len(far.values(0)), len(far.values(1))
            network.freeze()  # however long an answer of the one takes, the other is read
            quick = len(near.values(0))
            await eventually(lambda: len(near.values(0)) >= quick + 10)
            assert len(far.values(0)) <= slow + 2  # what was on its way already
            network.mend()
            last = len(far.values(0))
            await eventually(lambda: len(far.values(0)) > last)
    assert slow <= 5 * (seldom + 1) and qualities(far, 0) == {quality.GOOD} and not far.errors and not near.errors
    (event, *_) = far.told(EventKind.OVERRUN)
    assert "data cannot be read every 0.05 s" in event.message and "reading takes up to " in event.message
    assert int(event.details["missed"] or 0) >= 4 * int(event.details["read"] or 0)  # of ten, nine are left out


async def killed(server: S7Server, how_often: int) -> None:
    collected = collecting(server.port, ["db1.0:real", "db1.8:real"])
    async with collected.running():
        await eventually(lambda: collected.values(0))
        for value in range(1, how_often + 1):
            await server.kill()
            await eventually(lambda value=value: len(collected.errors) >= value)
            await server.start()
            await server.set_real(1, 0, value)
            await eventually(collected.saw(0, float(value)))
    assert all(isinstance(error, Disconnected) for error in collected.errors)


@pytest.mark.soak
async def test_two_hundred_kills(server: S7Server) -> None:
    await killed(server, SOAK_ROUNDS)


async def frozen(server: S7Server, how_often: int) -> None:
    collected = collecting(server.port, ["db1.0:real"], timeout="500ms")
    async with collected.running():
        await eventually(lambda: collected.values(0))
        for value in range(1, how_often + 1):
            before = len(collected.errors)
            server.signal(signal.SIGSTOP)
            await eventually(lambda before=before: len(collected.errors) > before)
            server.signal(signal.SIGCONT)
            await server.set_real(1, 0, value)
            await eventually(collected.saw(0, float(value)))
    assert qualities(collected, 0) <= {quality.GOOD, quality.BAD_TIMEOUT}
    assert how_often <= len(collected.told(EventKind.GAP)) < collected.opened


async def test_a_frozen_controller_is_noticed_and_read_again_when_it_thaws(server: S7Server) -> None:
    await frozen(server, 1)


@pytest.mark.soak
async def test_two_hundred_freezes(server: S7Server) -> None:
    await frozen(server, SOAK_ROUNDS)


async def cut(server: S7Server, seconds: float) -> None:
    """What nobody read during a cut is a gap as long as the cut, and readings go on at their pace after it."""
    async with Network(server.port) as network:
        collected = collecting(network.port, [f"db1.{4 * i}:real" for i in range(100)])
        async with collected.running():
            await eventually(lambda: collected.values(99))
            network.cut()
            await asyncio.sleep(seconds)
            network.mend()
            await eventually(lambda: collected.told(EventKind.GAP))
            (gap,) = collected.told(EventKind.GAP)
            assert int(gap.details["last"] or 0) - int(gap.details["first"] or 0) >= 0.9 * seconds * 1e9
            before = [len(collected.values(i)) for i in range(100)]
            await eventually(lambda: len(collected.values(0)) >= before[0] + 10)
        assert len({len(collected.values(i)) for i in range(100)}) == 1


async def test_a_cut_under_load_is_a_gap_and_every_tag_goes_on(server: S7Server) -> None:
    await cut(server, 1)


@pytest.mark.soak
async def test_a_minute_s_cut_under_load(server: S7Server) -> None:
    await cut(server, 60)
