# SPDX-License-Identifier: Apache-2.0
"""Bytes that are no answer: they never become a value, never crash, and the connection is left in time."""

from __future__ import annotations

import asyncio
import itertools
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.core import quality
from isthmus.core.errors import Disconnected
from isthmus.core.tag import DataType
from isthmus.systems.contract import Address
from isthmus.systems.modbus import wire
from isthmus.systems.polled.language import Garbled
from isthmus.systems.polled.link import Link
from isthmus.systems.registry import kinds
from tests.contract.adapters import eventually
from tests.contract.collected import Collected

QUESTION = wire.question(1, "holding", 100, 2)
DATA = b"\x40\x20\0\0"
ANSWER = b"\x01\x03\x04" + DATA


def framed(body: bytes, transaction: int = 1, protocol: int = 0, length: int | None = None) -> bytes:
    return struct.pack(">HHH", transaction, protocol, len(body) if length is None else length) + body


class Wire(asyncio.Transport):
    """Takes what is sent; what comes back is the test's."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent = bytes(data)

    def abort(self) -> None: ...


async def answer_of(pieces: list[bytes]) -> bytes | int | None:
    """What the question's answer holds when these bytes come; None when there is none to be had."""
    link = Link("there", wire.FRAMING)
    link.connection_made(Wire())

    def arrive() -> None:
        for piece in pieces:
            link.data_received(piece)
        link._expire()  # nothing more will come

    asyncio.get_running_loop().call_soon(arrive)
    try:
        return wire.contents(await link.ask(QUESTION, 60), QUESTION, len(DATA))
    except (TimeoutError, Disconnected, Garbled):
        return None


def pieces_of(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[a:b] for a, b in itertools.pairwise(edges)]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 60)), st.lists(st.integers(2, 65_535), max_size=3))
def test_an_answer_is_found_however_it_is_cut_and_whatever_late_ones_come_before_it(
    cuts: list[int], late: list[int]
) -> None:
    before = b"".join(framed(ANSWER[:-1] + b"\x09", transaction) for transaction in late)
    assert asyncio.run(answer_of(pieces_of(before + framed(ANSWER), cuts))) == DATA


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(framed(ANSWER)) - 1), st.integers(1, 255))
def test_a_flipped_byte_gives_no_other_value_than_the_byte_it_flips(place: int, flip: int) -> None:
    data = bytearray(framed(ANSWER))
    data[place] ^= flip
    found = asyncio.run(answer_of([bytes(data)]))
    head = len(data) - len(DATA)
    assert found == (bytes(data[head:]) if place >= head else None)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.binary(max_size=300), max_size=6))
def test_no_bytes_break_the_link(pieces: list[bytes]) -> None:
    found = asyncio.run(answer_of(pieces))
    assert found is None or framed(b"\x01\x03\x04")[:2] in b"".join(pieces)


HOSTILE: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda q: b"",
    "rubbish": lambda q: b"\xff" * 4096,
    "zeros": lambda q: bytes(4096),
    "a web server": lambda q: b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
    "half an answer": lambda q: q[:2] + framed(ANSWER)[2:-2],
    "another transaction": lambda q: framed(ANSWER, int.from_bytes(q[:2], "big") + 1),
    "another protocol": lambda q: q[:2] + b"\0\x01" + framed(ANSWER)[4:],
    "a length of zero": lambda q: q[:2] + framed(ANSWER, length=0)[2:],
    "a length beyond all frames": lambda q: q[:2] + framed(ANSWER, length=65_535)[2:],
}
ODD: dict[str, Callable[[bytes], bytes]] = {
    "the question itself": lambda q: q,
    "another unit": lambda q: q[:2] + framed(b"\x02" + ANSWER[1:])[2:],
    "another function": lambda q: q[:2] + framed(b"\x01\x04" + ANSWER[2:])[2:],
    "fewer bytes than said": lambda q: q[:2] + framed(ANSWER[:-2])[2:],
    "fewer bytes than asked for": lambda q: q[:2] + framed(b"\x01\x03\x02\x40\x20")[2:],
    "more bytes than asked for": lambda q: q[:2] + framed(b"\x01\x03\x06" + DATA + b"\0\0")[2:],
    "an exception with data": lambda q: q[:2] + framed(b"\x01\x83\x02\x02")[2:],
    "an exception of none": lambda q: q[:2] + framed(b"\x01\x83\0")[2:],
}


async def collected_from(
    hostile: Callable[[bytes], bytes], until: Callable[[Collected], bool], timeout: str = "60s"
) -> Collected:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                while question := await reader.readexactly(12):
                    writer.write(hostile(question))
        finally:  # also where the test ends before this has seen its end
            writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listener:
        port = listener.sockets[0].getsockname()[1]
        config = {"host": "127.0.0.1", "port": port, "timeout": timeout, "every": "20ms"}
        addresses = [Address("holding.100:float32", DataType.FLOAT)]
        collected = Collected(kinds()["modbus"], config, Path("."), addresses)
        async with collected.running():
            await eventually(lambda: until(collected))
        await asyncio.sleep(0)
    return collected


@pytest.mark.parametrize("name", HOSTILE)
async def test_what_is_no_modbus_device_is_left_and_told(name: str) -> None:
    collected = await collected_from(HOSTILE[name], lambda collected: len(collected.errors) >= 2, "100ms")
    assert not collected.readings
    assert all(isinstance(error, Disconnected) and error.where for error in collected.errors)


@pytest.mark.parametrize("name", ODD)
async def test_an_answer_that_does_not_fit_goes_to_quarantine_and_its_address_is_bad(name: str) -> None:
    collected = await collected_from(ODD[name], lambda collected: len(collected.values(0)) >= 3)
    assert {code for _, code, _ in collected.rows(0)} == {quality.BAD_DECODING}
    assert not [value for value in collected.values(0) if value == value] and not collected.errors
    oddities = [oddity for readings in collected.readings for oddity in readings.oddities]
    assert len(oddities) == 1 and oddities[0].index == 0  # one a minute
    assert "holding.100:float32 holds an answer that does not fit" in oddities[0].reason
