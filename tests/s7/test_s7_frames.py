# SPDX-License-Identifier: Apache-2.0
"""Frames written down from the protocol, byte by byte: what we send, what we take, and bytes that are no answer."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.core import quality
from isthmus.core.errors import Disconnected
from isthmus.core.event import EventKind
from isthmus.core.tag import DataType
from isthmus.systems.contract import Address
from isthmus.systems.polled.language import Garbled
from isthmus.systems.polled.link import Link
from isthmus.systems.registry import kinds
from isthmus.systems.s7 import wire
from isthmus.systems.s7.wire import Span
from tests.contract.adapters import eventually
from tests.contract.collected import Collected


def octets(*lines: str) -> bytes:
    return bytes.fromhex("".join(lines))


CONNECT = octets(
    "03 00 00 16",  # TPKT: version 3, 22 bytes
    "11 E0 00 00 00 01 00",  # X.224 connection request: 17 bytes follow, to 0, from 1, class 0
    "C0 01 0A",  # messages of 2^10 bytes
    "C1 02 01 00",  # calling TSAP
    "C2 02 01 02",  # called TSAP: programming device, rack 0, slot 2
)
CONFIRM = octets("03 00 00 16", "11 D0 00 01 00 44 00", "C0 01 0A", "C1 02 01 00", "C2 02 01 02")
SETUP = octets(
    "03 00 00 19",
    "02 F0 80",  # X.224 data, the last piece
    "32 01 00 00 00 02 00 08 00 00",  # a job, number 2, 8 bytes of parameters, none of data
    "F0 00 00 01 00 01 03 C0",  # set up: one question in flight, messages of 960 bytes
)
AGREE = octets("03 00 00 1B", "02 F0 80", "32 03 00 00 00 02 00 08 00 00 00 00", "F0 00 00 01 00 01 00 F0")  # 240
READ = octets(
    "03 00 00 2B",
    "02 F0 80",
    "32 01 00 00 00 03 00 1A 00 00",
    "04 02",  # read two items
    "12 0A 10 02 00 04 00 01 84 00 00 50",  # 4 bytes of data block 1 from byte 10 (bit 80)
    "12 0A 10 02 00 01 00 00 81 00 00 00",  # 1 byte of the inputs
)
FOUND = octets(
    "03 00 00 22",
    "02 F0 80",
    "32 03 00 00 00 03 00 02 00 0D 00 00",
    "04 02",
    "FF 04 00 20 42 F6 E9 79",  # good, 32 bits: 123.456 as REAL
    "FF 04 00 08 05",  # good, 8 bits: I0.0 and I0.2
)
NO_BLOCK = octets("32 03 00 00 00 00 00 02 00 04 00 00 04 01 0A 00 00 00")
"""As an S7-1500 answered for a block that is not there (github.com/S7NetPlus/s7netplus/issues/310)."""
TOO_FAR = octets("32 03 00 00 00 00 00 02 00 04 00 00 04 01 05 00 00 00")
"""The same for bytes behind the end of a block."""
FORBIDDEN = octets("32 02 00 00 00 00 00 00 00 00 81 04")
"""Without PUT/GET permitted: error class 0x81, code 0x04."""

TEXTS = ("db1.10:real", "i0.0:bool", "i0.1:bool", "i0.2:bool")


def framed(body: bytes, number: bytes = b"") -> bytes:
    body = body[:4] + number + body[6:] if number else body
    return (len(body) + 7).to_bytes(4, "big").replace(b"\0\0", b"\3\0", 1) + b"\x02\xf0\x80" + body


Answer = Callable[[bytes], bytes]


@asynccontextmanager
async def speaking(answers: Sequence[Answer], heard: list[bytes]) -> AsyncIterator[int]:
    """A port behind which the n-th question of a connection gets the n-th answer, later ones the last."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                for turn in itertools.count():
                    head = await reader.readexactly(4)
                    question = head + await reader.readexactly(int.from_bytes(head[2:], "big") - 4)
                    heard.append(question)
                    writer.write(answers[min(turn, len(answers) - 1)](question))
        finally:  # also where the test ends before this has seen its end
            writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listener:
        yield listener.sockets[0].getsockname()[1]
        await asyncio.sleep(0)


def collecting(port: int, texts: Sequence[str] = TEXTS, timeout: str = "60s") -> Collected:
    config = {"host": "127.0.0.1", "port": port, "slot": 2, "every": "20ms", "timeout": timeout}
    return Collected(kinds()["s7"], config, Path("."), [Address(text, DataType.FLOAT) for text in texts])


def agreeing(answer: Answer) -> list[Answer]:
    return [lambda _: CONFIRM, lambda _: AGREE, answer]


def numbered(frame: bytes) -> Answer:
    """The same answer to whatever is asked."""
    return lambda question: frame[:11] + question[11:13] + frame[13:]


async def test_a_connection_is_asked_for_agreed_on_and_read_from_byte_by_byte() -> None:
    heard: list[bytes] = []
    async with speaking(agreeing(numbered(FOUND)), heard) as port, collecting(port).running() as collected:
        await eventually(lambda: collected.values(3))
    assert heard[:2] == [CONNECT, SETUP] and heard[2] == READ
    assert collected.values(0)[0] == pytest.approx(123.456)
    assert [collected.values(i)[0] for i in (1, 2, 3)] == [1.0, 0.0, 1.0]
    assert not collected.errors


async def test_an_answer_may_come_in_pieces_of_any_kind() -> None:
    body = FOUND[7:]

    def torn(question: bytes) -> bytes:
        told = body[:4] + question[11:13] + body[6:]
        pieces = [b"\x02\xf0\0" + told[:9], b"\x02\xf0\0" + told[9:10], b"\x02\xf0\x80" + told[10:]]
        return b"".join(b"\3\0" + (len(piece) + 4).to_bytes(2, "big") + piece for piece in pieces)

    async with speaking(agreeing(torn), []) as port, collecting(port).running() as collected:
        await eventually(lambda: collected.values(0))
    assert collected.values(0)[0] == pytest.approx(123.456)


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        (NO_BLOCK, quality.BAD_NODE_ID_UNKNOWN, "optimised block"),
        (TOO_FAR, quality.BAD_NODE_ID_UNKNOWN, "optimised block"),
        (FORBIDDEN, quality.BAD_USER_ACCESS_DENIED, "PUT/GET"),
    ],
)
async def test_what_a_controller_refuses_is_told_with_what_to_do(answer: bytes, code: int, said: str) -> None:
    refusing = agreeing(lambda question: framed(answer, question[11:13]))
    async with speaking(refusing, []) as port, collecting(port, ["db1.10:real"]).running() as collected:
        await eventually(lambda: collected.told(EventKind.TAG))
    assert [status for _, status, _ in collected.rows(0)] == [code]
    (event,) = collected.told(EventKind.TAG)
    assert "db1.10:real" in event.message and said in event.message and not collected.errors


async def test_a_controller_that_refuses_the_connection_is_told_with_what_to_look_at() -> None:
    refused = octets("03 00 00 0B", "06 80 00 01 00 00 02")
    async with speaking([lambda _: refused], []) as port, collecting(port).running() as collected:
        await eventually(lambda: len(collected.errors) >= 2)
    assert "refuses the connection; are rack: and slot: right" in str(collected.errors[0])
    assert all(isinstance(error, Disconnected) for error in collected.errors)


async def test_a_text_longer_than_a_message_is_told_and_harms_no_other() -> None:
    def answer(question: bytes) -> bytes:
        return framed(octets("32 03 0000 0000 0002 0008 00 00 04 01 FF 04 00 20 42 F6 E9 79"), question[11:13])

    texts = ["db1.10:real", "db1.100:string254"]
    async with speaking(agreeing(answer), []) as port, collecting(port, texts).running() as collected:
        await eventually(lambda: collected.values(0) and collected.values(1))
    assert [status for _, status, _ in collected.rows(1)] == [quality.BAD_CONFIGURATION]
    assert "longer than what one message of this controller holds" in collected.told(EventKind.TAG)[0].message


HOSTILE: dict[str, Answer] = {
    "nothing": lambda q: b"",
    "rubbish": lambda q: b"\xff" * 4096,
    "zeros": lambda q: bytes(4096),
    "a web server": lambda q: b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
    "a modbus device": lambda q: octets("00 01 00 00 00 03 01 83 02"),
    "half an answer": lambda q: numbered(FOUND)(q)[:-3],
    "a length of nothing": lambda q: octets("03 00 00 04"),
    "data that is not S7": lambda q: octets("03 00 00 13 02 F0 80 33 03 00 00 00 03 00 00 00 00 00 00"),
    "a piece that is never the last": lambda q: octets("03 00 00 07 02 F0 00"),
}
ODD: dict[str, Answer] = {
    "fewer items": numbered(FOUND[:2] + b"\0\x1d" + FOUND[4:15] + b"\0\x08" + FOUND[17:-5]),
    "fewer bytes": numbered(FOUND[:-4] + b"\x00\x00\x00\x00"),
    "another function": numbered(FOUND[:19] + b"\x05" + FOUND[20:]),
    "another count of items": numbered(FOUND[:20] + b"\x01" + FOUND[21:]),
    "a return code of 0": numbered(FOUND[:21] + b"\0" + FOUND[22:]),
    "lengths that do not add up": numbered(FOUND[:16] + b"\x0c" + FOUND[17:]),
    "a job in place of an answer": numbered(FOUND[:8] + b"\x01" + FOUND[9:]),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("turn", [0, 1, 2])
async def test_what_is_no_controller_is_left_and_told(name: str, turn: int) -> None:
    answers = [*agreeing(HOSTILE[name])[:turn], HOSTILE[name]]
    async with speaking(answers, []) as port, collecting(port, timeout="100ms").running() as collected:
        await eventually(lambda: collected.errors)
    assert not [value for i in range(4) for value in collected.values(i) if value == value]
    assert all(isinstance(error, Disconnected) and error.where for error in collected.errors)


@pytest.mark.parametrize("name", ODD)
async def test_an_answer_that_does_not_fit_goes_to_quarantine_and_its_addresses_are_bad(name: str) -> None:
    async with speaking(agreeing(ODD[name]), []) as port, collecting(port).running() as collected:
        await eventually(lambda: len(collected.values(0)) >= 3)
    assert {code for i in range(4) for _, code, _ in collected.rows(i)} == {quality.BAD_DECODING}
    assert not [value for value in collected.values(0) if value == value] and not collected.errors
    oddities = [oddity for readings in collected.readings for oddity in readings.oddities]
    assert len(oddities) == 1 and "an answer that does not fit" in oddities[0].reason  # one a minute


class Sent(asyncio.Transport):
    """Takes what is sent; what comes back is the test's."""

    def write(self, data: bytes | bytearray | memoryview) -> None: ...
    def abort(self) -> None: ...


async def answer_of(pieces: list[bytes]) -> bytes | int | None:
    question = wire.question([Span("db", 1, 10, 4), Span("i", 0, 0, 1)])
    link = Link("there", wire.FRAMING)
    link.connection_made(Sent())
    link._transaction = 2

    def arrive() -> None:
        for piece in pieces:
            link.data_received(piece)
        link._expire()  # nothing more will come

    asyncio.get_running_loop().call_soon(arrive)
    try:
        return wire.contents(await link.ask(question, 60), question, 5)
    except (TimeoutError, Disconnected, Garbled):
        return None


DATA = octets("42 F6 E9 79 05")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, len(FOUND))))
def test_an_answer_is_found_however_it_is_cut(cuts: list[int]) -> None:
    edges = sorted({0, len(FOUND), *cuts})
    assert asyncio.run(answer_of([FOUND[a:b] for a, b in itertools.pairwise(edges)])) == DATA


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(FOUND) - 1), st.integers(1, 255))
def test_a_flipped_byte_gives_no_other_value_than_the_byte_it_flips(place: int, flip: int) -> None:
    data = bytearray(FOUND)
    data[place] ^= flip
    found = asyncio.run(answer_of([bytes(data)]))
    if isinstance(found, bytes):
        theirs = bytes(data[25:29] + data[33:34])
        assert found == theirs


@settings(max_examples=150, deadline=None)
@given(st.lists(st.binary(max_size=300), max_size=6))
def test_no_bytes_break_the_link(pieces: list[bytes]) -> None:
    assert asyncio.run(answer_of(pieces)) is None
