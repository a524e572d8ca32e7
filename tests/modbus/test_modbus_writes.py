# SPDX-License-Identifier: Apache-2.0
"""Writes to a real device (libmodbus), read back by pymodbus: every type and order, priority, refusals, unknowns."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from pymodbus.client import AsyncModbusTcpClient

from isthmus.core import quality
from isthmus.core.samples import Value
from isthmus.core.tag import DataType
from isthmus.systems.contract import Address
from isthmus.systems.modbus.address import ORDERS, parse
from isthmus.systems.modbus.encode import encode
from isthmus.systems.registry import kinds
from tests.contract.adapters import eventually
from tests.contract.collected import Collected
from tests.modbus.oracle import expected
from tests.peers.modbus_peer import Server

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def server() -> AsyncIterator[Server]:
    async with Server() as started:
        yield started


@asynccontextmanager
async def writing(server: Server, polled: str = "holding.9", **config: Any) -> AsyncIterator[Collected]:
    said = {"host": "127.0.0.1", "port": server.port, "every": "50ms", "timeout": "60s", **config}
    collected = Collected(kinds()["modbus"], said, Path("."), [Address(polled, DataType.FLOAT)])
    async with collected.running():
        await eventually(lambda: collected.values(0))
        yield collected


def to(*pairs: tuple[str, Value]) -> list[tuple[Address, Value]]:
    return [(Address(kinds()["modbus"].check_address(text), DataType.FLOAT), value) for text, value in pairs]


async def held(server: Server, start: int, count: int) -> list[int]:
    """Holding registers, as pymodbus reads them."""
    async with AsyncModbusTcpClient("127.0.0.1", port=server.port, timeout=60) as theirs:
        return list((await theirs.read_holding_registers(start, count=count)).registers)


VALUES: Sequence[tuple[str, Value]] = (
    ("uint16", 65_535), ("int16", -32_768), ("uint32", 4_000_000_000), ("int32", -2_000_000_000),
    ("uint64", 2**64 - 1), ("int64", -(2**63)), ("float32", 123.5), ("float64", 0.1), ("int8", -5), ("uint8-high", 200),
    ("int8-high", -1), ("bit3", True), ("bit12", True), ("bits4-7", 11), ("bits3-12", 700), ("text6", "Wasser"),
    ("text5", "Öl"), ("uint16", 7.0),
)  # fmt: skip


@pytest.mark.parametrize("order", ORDERS)
async def test_what_is_written_of_any_type_and_order_is_what_the_oracle_reads(server: Server, order: str) -> None:
    before = [0xA5C3] * 200
    await server.set(1, "holding", 0, before)
    pairs = [(f"holding.{10 * i}:{type_}:{order}", value) for i, (type_, value) in enumerate(VALUES)]
    async with writing(server) as collected:
        assert await collected.driver.write(to(*pairs)) == [quality.GOOD] * len(pairs)
    for text, value in pairs:
        place = parse(text)
        words = await held(server, place.number, place.size)
        assert expected(place, order, words) == value
        theirs = encode(place, order, value)
        assert theirs.over(tuple(before[: place.size])) == tuple(words)  # and nobody else's bits have changed
    untouched = {n for text, _ in pairs for n in range(parse(text).number, parse(text).number + parse(text).size)}
    assert {word for n, word in enumerate(await held(server, 0, 100)) if n not in untouched} == {0xA5C3}


@pytest.mark.parametrize(
    ("text", "value", "status"),
    [
        ("holding.0:uint16", 65_536, quality.BAD_OUT_OF_RANGE),
        ("holding.0:uint16", -1, quality.BAD_OUT_OF_RANGE),
        ("holding.0:int8", 128, quality.BAD_OUT_OF_RANGE),
        ("holding.0:bits4-7", 16, quality.BAD_OUT_OF_RANGE),
        ("holding.0:bit1", 2, quality.BAD_OUT_OF_RANGE),
        ("holding.0:float32", 1e39, quality.BAD_OUT_OF_RANGE),
        ("holding.0:float32", float("nan"), quality.BAD_OUT_OF_RANGE),
        ("holding.0:text4", "fünf", quality.BAD_OUT_OF_RANGE),
        ("holding.0:uint16", 1.5, quality.BAD_TYPE_MISMATCH),
        ("holding.0:uint16", "1", quality.BAD_TYPE_MISMATCH),
        ("holding.0:uint16", True, quality.BAD_TYPE_MISMATCH),
        ("holding.0:uint16", None, quality.BAD_TYPE_MISMATCH),
        ("holding.0:text4", 4, quality.BAD_TYPE_MISMATCH),
        ("holding.0:text250", "long", quality.BAD_NOT_SUPPORTED),
        ("coil.0", 2, quality.BAD_OUT_OF_RANGE),
        ("coil.0", "on", quality.BAD_TYPE_MISMATCH),
        ("input.0", 1, quality.BAD_NOT_WRITABLE),
        ("discrete.0", True, quality.BAD_NOT_WRITABLE),
    ],
)
async def test_what_does_not_fit_is_refused_and_nothing_is_sent(
    server: Server, text: str, value: Value, status: int
) -> None:
    async with writing(server, every="1h") as collected:
        before = await server.do("count")
        assert await collected.driver.write(to((text, value))) == [status]
        assert await server.do("count") == before


async def test_neighbouring_coils_are_written_together_and_others_alone(server: Server) -> None:
    pairs = [(f"coil.{n}", n % 3 == 0) for n in range(10, 30)] + [("coil.40", True), ("coil.9", True)]
    async with writing(server, every="1h") as collected:
        before = await server.do("count")
        assert await collected.driver.write(to(*pairs)) == [quality.GOOD] * 22
        assert await server.do("count") == before + 6  # three writes, each read back
        async with AsyncModbusTcpClient("127.0.0.1", port=server.port, timeout=60) as theirs:
            bits = (await theirs.read_coils(9, count=32)).bits[:32]
    assert bits == [True] + [n % 3 == 0 for n in range(10, 30)] + [False] * 10 + [True]


async def test_bits_are_changed_also_where_the_device_cannot_do_it_by_itself(server: Server) -> None:
    await server.do("without 22")
    await server.set(1, "holding", 0, [0xFFFF, 0x1234, 0x5678])
    async with writing(server) as collected:
        wanted = to(("holding.0:bit7", False), ("holding.1:bits4-11", 0xAB), ("holding.2:uint8-high", 1))
        assert await collected.driver.write(wanted) == [quality.GOOD] * 3
    assert await held(server, 0, 3) == [0xFF7F, 0x1AB4, 0x0178]


async def test_a_write_goes_ahead_of_what_is_to_be_read_with_one_request_in_flight(server: Server) -> None:
    """Forty blocks to read at 20 ms each: a write waits for one of them, not for the round."""
    addresses = [f"holding.{200 * n}" for n in range(40)]
    config = {"host": "127.0.0.1", "port": server.port, "every": "100ms", "timeout": "60s"}
    collected = Collected(kinds()["modbus"], config, Path("."), [Address(t, DataType.FLOAT) for t in addresses])
    async with collected.running():
        await eventually(lambda: collected.values(39))
        await server.do("delay 20")
        rounds = len(collected.readings)
        await eventually(lambda: len(collected.readings) > rounds)
        counts = []
        for value in range(5):
            before = await server.do("count")
            assert await collected.driver.write(to(("holding.50", value))) == [quality.GOOD]
            counts.append(await server.do("count") - before)
        assert max(counts) <= 8  # of forty: its own two, and what was in flight before, between and after them
        assert await server.do("overlaps") == 0
        await server.do("delay 0")


async def test_what_the_device_refuses_is_told_by_its_exception_and_harms_no_other_value(server: Server) -> None:
    async with writing(server, unit=1) as collected:
        await server.do("fail 5 4")
        status = await collected.driver.write(to(("holding.1", 1), ("5/holding.1", 2), ("coil.1", True)))
        assert status == [quality.GOOD, quality.BAD_DEVICE_FAILURE, quality.GOOD]
        await server.do("without 6")
        assert await collected.driver.write(to(("holding.1", 1))) == [quality.BAD_NOT_SUPPORTED]
    await server.do("without 0")


async def test_what_the_device_takes_and_does_not_hold_is_uncertain(server: Server) -> None:
    async with writing(server) as collected:
        await server.do("freeze 1 1")
        assert await collected.driver.write(to(("holding.1", 77))) == [quality.UNCERTAIN]
        await server.do("freeze 1 0")
        await server.do("without 3")
        assert await collected.driver.write(to(("holding.1", 78))) == [quality.UNCERTAIN]
        await server.do("without 0")
    assert await held(server, 1, 1) == [78]


async def test_what_was_sent_without_an_answer_is_told_as_unknown_and_sent_once(server: Server) -> None:
    async with writing(server, timeout="500ms") as collected:
        await server.do("mute 8 1")
        before = await server.do("count")
        assert await collected.driver.write(to(("8/holding.1", 1), ("8/coil.1", True))) == [quality.BAD_TIMEOUT] * 2

        async def written() -> bool:
            return bool(await collected.driver.write(to(("holding.1", 5))) == [quality.GOOD])

        await eventually(written)  # at once, where this computer has time for it
        server.signal(signal.SIGSTOP)
        status = await collected.driver.write(to(("holding.1", 6), ("holding.2", 6)))
        server.signal(signal.SIGCONT)
        await eventually(lambda: collected.opened >= 2 or collected.values(0))
    assert await server.do("count") > before
    assert status[0] in (quality.BAD_TIMEOUT, quality.BAD_COMMUNICATION, quality.BAD_NOT_CONNECTED)
    assert status[1] in (quality.BAD_TIMEOUT, quality.BAD_COMMUNICATION, quality.BAD_NOT_CONNECTED)


async def test_without_a_connection_nothing_is_sent(server: Server) -> None:
    async with writing(server) as collected:
        driver = collected.driver
    assert await driver.write(to(("holding.1", 5), ("holding.2", 6))) == [quality.BAD_NOT_CONNECTED] * 2


async def test_many_writers_at_once_do_not_mix(server: Server) -> None:
    async with writing(server, every="10ms") as collected:
        some = [to((f"holding.{n}:uint32", 1_000_000 + n)) for n in range(100, 180, 2)]
        found = await asyncio.gather(*(collected.driver.write(one) for one in some))
    assert found == [[quality.GOOD]] * 40
    words = await held(server, 100, 80)
    assert [words[i] << 16 | words[i + 1] for i in range(0, 80, 2)] == [1_000_000 + n for n in range(100, 180, 2)]
    assert await server.do("overlaps") == 0
