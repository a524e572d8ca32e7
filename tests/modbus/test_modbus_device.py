# SPDX-License-Identifier: Apache-2.0
"""A real device (libmodbus): what it refuses, how often it is asked, gateways with silent units, slow ones."""

from __future__ import annotations

import asyncio
import itertools
import math
import random
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from pymodbus.client import AsyncModbusTcpClient

from isthmus.core import quality
from isthmus.core.errors import Disconnected
from isthmus.core.event import EventKind
from isthmus.core.tag import DataType
from isthmus.core.time import SECOND, now
from isthmus.systems.contract import Address, Form
from isthmus.systems.modbus.address import ORDERS, SIZES, parse
from isthmus.systems.polled import polling, remarks, rounds
from isthmus.systems.registry import kinds
from tests.contract.adapters import eventually
from tests.contract.collected import Collected, read_alike
from tests.modbus.oracle import expected
from tests.peers.modbus_peer import Server

pytestmark = pytest.mark.asyncio(loop_scope="module")

SOAK_ROUNDS = 200


@pytest_asyncio.fixture(loop_scope="module")
async def server() -> AsyncIterator[Server]:
    async with Server() as started:
        yield started


def collecting(server: Server, texts: Sequence[str], every: int = 0, **config: Any) -> Collected:
    kind = kinds()["modbus"]
    addresses = [Address(kind.check_address(text), DataType.FLOAT, sampling=every) for text in texts]
    said = {"host": "127.0.0.1", "port": server.port, "every": "50ms", "timeout": "60s", **config}
    return Collected(kind, said, Path("."), addresses)


def qualities(collected: Collected, position: int) -> list[int]:
    return [code for _, code, _ in collected.rows(position)]


async def rounds_of(collected: Collected, count: int) -> None:
    """Waits for so many more readings."""
    before = len(collected.readings)
    await eventually(lambda: len(collected.readings) >= before + count)


async def asked(server: Server, collected: Collected, count: int) -> float:
    """Questions a round, over so many rounds at least, and those that go by while the server is asked for them."""
    questions, rounds_before = await server.do("count"), len(collected.readings)
    await rounds_of(collected, count)
    questions = await server.do("count") - questions
    return questions / (len(collected.readings) - rounds_before)


async def test_a_device_gives_what_pymodbus_and_the_oracle_read_of_it(server: Server) -> None:
    chosen = random.Random(7)
    words = [chosen.randrange(0x1_0000) for _ in range(400)]
    bits = [chosen.randrange(2) for _ in range(2000)]
    await server.set(3, "input", 0, words)
    await server.set(3, "discrete", 0, bits)
    texts = [
        f"3/input.{chosen.randrange(390)}:{type_}:{order}" for type_ in [*SIZES, "bit9", "bits3-11"] for order in ORDERS
    ] + [f"3/discrete.{chosen.randrange(2000)}" for _ in range(40)]
    collected = collecting(server, texts)
    async with collected.running():
        await eventually(lambda: collected.readings)
    readings = collected.readings[0]
    assert readings.integer is not None and sorted(readings.index.tolist()) == list(range(len(texts)))
    async with AsyncModbusTcpClient("127.0.0.1", port=server.port, timeout=60) as theirs:
        for row, position in enumerate(readings.index.tolist()):
            place = parse(collected.addresses[position].text)
            read = theirs.read_input_registers if place.registers else theirs.read_discrete_inputs
            got = await read(place.number, count=place.size, device_id=3)
            right = expected(place, place.order or "ABCD", got.registers if place.registers else got.bits)
            value: float | int = float(readings.value[row])
            if readings.form[row] in (Form.SIGNED, Form.UNSIGNED):
                value = int(readings.integer[row]) & (2**64 - 1 if readings.form[row] == Form.UNSIGNED else -1)
            assert value == right or (isinstance(right, float) and math.isnan(right) and math.isnan(value))


async def test_a_hole_in_a_block_harms_only_what_lies_in_it_and_is_remembered(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "SPLITTING", 600.0)  # however long the questions take that find it
    await server.do("hole 1 holding 140 141")
    collected = collecting(server, [f"holding.{n}" for n in range(100, 200)])
    async with collected.running():
        await eventually(lambda: all(qualities(collected, i) for i in range(100)))
        await rounds_of(collected, 3)
        questions = await asked(server, collected, 20)
        bad = [i for i in range(100) if quality.BAD_NODE_ID_UNKNOWN in qualities(collected, i)]
        assert bad == [40, 41]
        assert questions < 10  # the halves that the hole left, no longer the hole
        named = "\n".join(str(event.details["addresses"]) for event in collected.told(EventKind.TAG))
        assert sorted(named.split()) == [f"holding.{n}:uint16" for n in (140, 141)]
        monkeypatch.setattr(rounds, "AGAIN", 0.2)
        for scan in collected.driver._plan.scans:
            scan.again = 0.0
        await server.do("hole 1 holding 9 8")
        await eventually(lambda: all(qualities(collected, i)[-1] == quality.GOOD for i in (40, 41)))
    assert any("holding.140:uint16" in e.message and "can be read again" in e.message for e in collected.events)
    assert all(set(qualities(collected, i)) == {quality.GOOD} for i in range(100) if i not in (40, 41))
    assert not collected.errors


async def test_a_device_that_takes_only_short_questions_is_asked_short_ones(server: Server) -> None:
    await server.do("most 10")
    collected = collecting(server, [f"holding.{n}:float32" for n in range(0, 120, 2)])
    async with collected.running():
        await eventually(lambda: all(qualities(collected, i)[-1:] == [quality.GOOD] for i in range(60)))
        await rounds_of(collected, 3)
        assert await asked(server, collected, 10) < 20
    assert not collected.told(EventKind.TAG) and not collected.errors


async def test_each_value_has_the_time_at_which_its_own_answer_came(server: Server) -> None:
    await server.do("delay 60")
    collected = collecting(server, [f"holding.{n}" for n in range(0, 100, 20)], block=1)
    async with collected.running():
        await eventually(lambda: collected.readings)
    await server.do("delay 0")
    readings = collected.readings[0]
    times = readings.at[readings.index.argsort()].tolist()
    assert all(later - before >= 0.05 * SECOND for before, later in itertools.pairwise(times))
    assert times[-1] <= readings.seen


async def test_exceptions_are_the_quality_of_what_was_asked_and_go_with_it(server: Server) -> None:
    collected = collecting(server, ["holding.1", "2/holding.1:text4", "2/coil.5"])
    codes = {4: quality.BAD_DEVICE_FAILURE, 6: quality.BAD_RESOURCE_UNAVAILABLE, 8: quality.BAD_DEVICE_FAILURE}
    async with collected.running():
        for code, status in codes.items():
            await server.do(f"fail 2 {code}")
            await eventually(
                lambda status=status: status in qualities(collected, 1) and status in qualities(collected, 2)
            )
            await server.do("fail 2 0")
            await eventually(lambda: qualities(collected, 1)[-1] == quality.GOOD == qualities(collected, 2)[-1])
        await server.do("fail 2 1")
        await eventually(lambda: quality.BAD_NOT_SUPPORTED in qualities(collected, 2))
        await rounds_of(collected, 5)
        assert set(qualities(collected, 0)) == {quality.GOOD}
    for readings in collected.readings:
        spoilt = readings.quality != quality.GOOD
        assert (readings.form[spoilt] == Form.NONE).all()
        assert all(readings.text is None or readings.text[row] is None for row in spoilt.nonzero()[0])
    told = collected.told(EventKind.TAG)  # two, where the device came to refuse it between the two questions of a round
    named = sorted(name for event in told for name in str(event.details["addresses"]).split())
    assert named == ["2/coil.5", "2/holding.1:text4"] and not collected.errors


@pytest.mark.parametrize("how", ["mute 2 1", "fail 2 11"])
async def test_a_silent_unit_is_asked_less_often_and_the_others_of_its_gateway_keep_their_schedule(
    server: Server, how: str
) -> None:
    collected = collecting(server, ["1/holding.1", "2/holding.1", "3/holding.1"], timeout="400ms")
    status = quality.BAD_TIMEOUT if how.startswith("mute") else quality.BAD_NO_COMMUNICATION
    async with collected.running():
        await eventually(lambda: all(collected.values(i) for i in range(3)))
        await server.do(how)
        await eventually(lambda: any("unit 2 does not answer" in e.message for e in collected.events))
        assert status in qualities(collected, 1)
        counts, began = [len(collected.values(i)) for i in range(3)], asyncio.get_running_loop().time()
        await eventually(lambda: len(collected.values(0)) >= counts[0] + 40)
        assert len(collected.values(2)) - counts[2] > 20
        passed = asyncio.get_running_loop().time() - began
        assert (
            len(collected.values(1)) - counts[1] <= 2 + passed / 4
        )  # it is left alone for four seconds, then for longer
        await server.do(how[:-2] + " 0")
        await eventually(lambda: qualities(collected, 1)[-1] == quality.GOOD)
        await eventually(lambda: any("unit 2 answers again" in e.message for e in collected.events))
        assert await server.do("overlaps") == 0
    assert not collected.errors


async def test_a_device_that_cannot_keep_up_is_read_as_often_as_it_can_and_that_is_said(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remarks, "PACE", 0.5)
    await server.do("delay 120")
    collected = collecting(server, ["holding.1"])
    async with collected.running():
        await eventually(lambda: collected.told(EventKind.OVERRUN))
        assert await server.do("overlaps") == 0
    (event, *_) = collected.told(EventKind.OVERRUN)
    assert "unit 1 cannot be read every 0.05 s" in event.message and "reading takes up to " in event.message
    assert float(event.details["longest"] or 0) >= 0.12
    missed, read = (int(event.details[name] or 0) for name in ("missed", "read"))
    assert missed >= read  # each reading took the time of two more
    assert set(qualities(collected, 0)) == {quality.GOOD} and not collected.errors


async def test_a_device_that_is_read_seldom_still_shows_that_it_lives_and_its_death_is_noticed(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polling, "BEAT", 0.2)
    collected = collecting(server, ["holding.1"], every=3_600_000_000_000, timeout="500ms")
    async with collected.running():
        await eventually(lambda: sum(r.alive and not len(r) for r in collected.readings) >= 3)
        assert len(collected.values(0)) <= collected.opened
        failed, opened = len(collected.errors), collected.opened
        server.signal(signal.SIGSTOP)
        await eventually(lambda: len(collected.errors) > failed)
        server.signal(signal.SIGCONT)
        await eventually(lambda: collected.opened > opened and len(collected.values(0)) >= 2)
        assert len(collected.values(0)) <= collected.opened
    assert all(isinstance(error, Disconnected) for error in collected.errors)


async def test_only_changes_are_samples_where_that_is_asked_for(server: Server) -> None:
    kind = kinds()["modbus"]
    addresses = [
        Address("holding.1:float32", DataType.FLOAT, deadband=2.0),
        Address("holding.3:uint16", DataType.FLOAT),
    ]
    config = {"host": "127.0.0.1", "port": server.port, "every": "20ms", "timeout": "60s"}
    collected = Collected(kind, config, Path("."), addresses)
    async with collected.running():
        for value in (1.0, 2.5, 3.5, 2.0, 0.0):
            await server.set_float(1, 1, value)
            await rounds_of(collected, 3)
        assert len(collected.values(1)) >= 15
    assert [v for v in collected.values(0) if v] == [1.0, 3.5] and collected.values(0)[-1] == 0.0
    sparing = Collected(
        kind, {**config, "changes": True}, Path("."), [*addresses[1:], Address("holding.8:text4", DataType.TEXT)]
    )
    async with sparing.running():
        await rounds_of(sparing, 10)
        await server.set(1, "holding", 8, [0x4142])
        await eventually(lambda: any(r.text and "AB" in r.text for r in sparing.readings))
    assert [r.text for r in sparing.readings if len(r)] == [[None, ""], ["AB"]]


async def test_numbers_count_from_one_where_the_manual_does(server: Server) -> None:
    await server.set(1, "holding", 0, [11, 12])
    collected = collecting(server, ["holding.1", "holding.2", "holding.0", "holding.65536"], first=1)
    async with collected.running():
        await eventually(lambda: all(collected.values(i) for i in range(4)))
        await rounds_of(collected, 2)
    assert (collected.values(0)[0], collected.values(1)[0]) == (11.0, 12.0)
    assert qualities(collected, 2) == [quality.BAD_CONFIGURATION] and quality.GOOD in qualities(collected, 3)
    (event,) = collected.told(EventKind.TAG)
    assert "holding.0:uint16: outside" in event.message and not collected.errors


async def test_a_unit_nobody_answers_for_is_told_with_what_to_look_at(server: Server) -> None:
    await server.do("mute 9 1")
    collected = collecting(server, ["holding.1"], unit=9, timeout="100ms")
    async with collected.running():
        said = (
            f"127.0.0.1:{server.port}: it takes the connection but does not answer for unit 9; "
            "is unit: right, and timeout: long enough?"
        )
        await eventually(lambda: [str(error) for error in collected.errors].count(said) > 2)
    assert all(isinstance(error, Disconnected) for error in collected.errors)


async def killed(server: Server, how_often: int) -> None:
    collected = collecting(server, [f"holding.{n}" for n in range(50)])
    async with collected.running():
        for value in range(1, how_often + 1):
            await server.kill()
            await eventually(lambda value=value: len(collected.errors) >= value)
            await server.start()
            await server.set(1, "holding", 7, [value])
            await eventually(collected.saw(7, float(value)))
    assert all(isinstance(error, Disconnected) for error in collected.errors)
    assert {code for i in range(50) for code in qualities(collected, i)} == {quality.GOOD}


@pytest.mark.soak
async def test_two_hundred_kills(server: Server) -> None:
    await killed(server, SOAK_ROUNDS)


async def frozen(server: Server, how_often: int) -> None:
    collected = collecting(server, ["holding.7"], timeout="500ms")
    async with collected.running():
        await eventually(lambda: collected.values(0))
        for value in range(1, how_often + 1):
            before = len(collected.errors)
            server.signal(signal.SIGSTOP)
            await eventually(lambda before=before: len(collected.errors) > before)
            server.signal(signal.SIGCONT)
            await server.set(1, "holding", 7, [value])
            await eventually(collected.saw(0, float(value)))
    assert set(qualities(collected, 0)) <= {quality.GOOD, quality.BAD_TIMEOUT}
    gaps = collected.told(EventKind.GAP)  # more where this computer had no time for the device
    assert how_often <= len(gaps) < collected.opened
    assert all(int(g.details["first"] or 0) < int(g.details["last"] or 0) for g in gaps)


async def test_a_frozen_device_is_noticed_and_read_again_when_it_thaws(server: Server) -> None:
    await frozen(server, 2)


@pytest.mark.soak
async def test_two_hundred_freezes(server: Server) -> None:
    await frozen(server, SOAK_ROUNDS)


async def ten_dead_of_a_hundred(server: Server, count: int) -> None:
    """Ninety devices are read so many times, all of them, while each wait for one of ten dead goes on for longer."""
    async with Server() as frozen_one, AsyncExitStack() as stack:
        frozen_one.signal(signal.SIGSTOP)
        away = Server()
        away.port = 1
        devices = [server] * 90 + [frozen_one] * 5 + [away] * 5
        every = 500_000_000
        kind, texts = kinds()["modbus"], [f"holding.{n}" for n in range(30)]
        addresses = [Address(kind.check_address(text), DataType.FLOAT, sampling=every) for text in texts]
        all_of_them = []
        for number, device in enumerate(devices):
            config = {"host": "127.0.0.1", "port": device.port, "timeout": "30s"}
            collected = Collected(kind, config, Path("."), addresses, system=f"meter-{number}")
            all_of_them.append(await stack.enter_async_context(collected.running()))
        alive, dead = all_of_them[:90], all_of_them[90:]
        await read_alike(alive, count)
        await eventually(lambda: all(collected.errors for collected in dead[5:]))
        assert not [str(error) for collected in alive for error in collected.errors]
        assert not any(collected.readings for collected in dead)
        assert all(isinstance(error, Disconnected) for collected in dead for error in collected.errors)
        frozen_one.signal(signal.SIGCONT)


async def test_ten_dead_devices_of_a_hundred_harm_only_themselves(server: Server) -> None:
    await ten_dead_of_a_hundred(server, 6)


@pytest.mark.soak
async def test_ten_dead_devices_of_a_hundred_for_five_minutes(server: Server) -> None:
    await ten_dead_of_a_hundred(server, 600)


async def test_what_nobody_observed_before_the_collector_started_is_a_gap_told_once(server: Server) -> None:
    collected = collecting(server, ["holding.1", "holding.9"])
    ended = now() - 3600 * SECOND
    collected.resume["holding.1:uint16"] = ended
    async with collected.running():
        await rounds_of(collected, 5)
    (gap,) = collected.told(EventKind.GAP)
    assert gap.details["first"] == ended and gap.details["tags"] == 2
    fresh = collecting(server, ["holding.1"])
    async with fresh.running():
        await rounds_of(fresh, 5)
    assert not fresh.told(EventKind.GAP)
