# SPDX-License-Identifier: Apache-2.0
"""The bytes of Modbus TCP: questions that read, and what counts as an answer to one.

Modbus Application Protocol Specification V1.1b3 (6.1 to 6.4, 7); Modbus Messaging on TCP/IP Implementation Guide V1.0b.
"""

from __future__ import annotations

import struct
from typing import Final

from isthmus.core import quality
from isthmus.systems.polled.language import Garbled
from isthmus.systems.polled.link import Alien

FUNCTIONS: Final = {"coil": 1, "discrete": 2, "holding": 3, "input": 4}
HEADER: Final = struct.Struct(">HHH")
"""Transaction, protocol (0), length of what follows."""
UNIT: Final = 4
"""Where a question, without its transaction number, has its unit."""
SHORTEST: Final = 3
LONGEST: Final = 254
"""Bytes that may follow the header in an answer: unit, function, an exception code; or 252 of data."""

_QUESTION: Final = struct.Struct(">HHBBHH")
_EXCEPTION: Final = 0x80

GONE: Final = frozenset({10, 11})
"""Exceptions by which a gateway says that the unit behind it does not answer."""
ASKED_WRONGLY: Final = frozenset({1, 2, 3})
"""Exceptions that mean what was asked for: asked for less, the device may answer."""
_EXCEPTIONS: Final = {
    1: (quality.BAD_NOT_SUPPORTED, "the device does not know this function"),
    2: (quality.BAD_NODE_ID_UNKNOWN, "the device has no such address"),
    3: (quality.BAD_OUT_OF_RANGE, "the device does not take this question"),
    4: (quality.BAD_DEVICE_FAILURE, "the device failed"),
    5: (quality.BAD_RESOURCE_UNAVAILABLE, "the device needs longer"),
    6: (quality.BAD_RESOURCE_UNAVAILABLE, "the device is busy"),
    8: (quality.BAD_DEVICE_FAILURE, "the device's memory is damaged"),
    10: (quality.BAD_NO_COMMUNICATION, "the gateway has no way to the unit"),
    11: (quality.BAD_NO_COMMUNICATION, "the unit does not answer the gateway"),
}


class _Framing:
    """A transaction number, a protocol number that is 0, a length, and so many bytes."""

    def packed(self, transaction: int, question: bytes) -> bytes:
        return transaction.to_bytes(2, "big") + question

    def taken(self, data: bytes, start: int) -> tuple[int, bytes, int] | None:
        if len(data) - start < HEADER.size:
            return None
        transaction, protocol, length = HEADER.unpack_from(data, start)
        if protocol or not SHORTEST <= length <= LONGEST:
            raise Alien("what answers there does not speak Modbus TCP")
        end = start + HEADER.size + length
        return (transaction, data[start + HEADER.size : end], end) if end <= len(data) else None


FRAMING: Final = _Framing()


def question(unit: int, table: str, start: int, count: int) -> bytes:
    """The request for `count` registers (or bits) from `start`, without its transaction number."""
    return _QUESTION.pack(0, 6, unit, FUNCTIONS[table], start, count)


def headed(body: bytes) -> bytes:
    """A request, which begins with its unit, as `Link.ask` takes it."""
    return struct.pack(">HH", 0, len(body)) + body


def size(table: str, count: int) -> int:
    """Bytes of data that the answer has to carry."""
    return 2 * count if table in ("holding", "input") else (count + 7) // 8


def contents(frame: bytes, asked: bytes, expected: int) -> bytes | int:
    """The data of an answer (what follows the header) to the question `asked`, or the code of an exception.

    Raises Garbled for anything that is not the answer to just this question.
    """
    unit, function = asked[4], asked[5]
    if frame[0] != unit:
        raise Garbled(f"unit {frame[0]} answered in place of unit {unit}")
    if frame[1] == function | _EXCEPTION:
        if len(frame) != SHORTEST or not frame[2]:
            raise Garbled(f"an exception of {len(frame)} bytes")
        return frame[2]
    if frame[1] != function:
        raise Garbled(f"function {frame[1]} in place of {function}")
    if frame[2] != expected or len(frame) != expected + SHORTEST:
        raise Garbled(f"{len(frame) - SHORTEST} bytes of data that are said to be {frame[2]} and should be {expected}")
    return frame[SHORTEST:]


def status(code: int) -> int:
    """The StatusCode that stands for an exception."""
    return _EXCEPTIONS.get(code, (quality.BAD_UNEXPECTED, ""))[0]


def meaning(code: int) -> str:
    """What an exception says, for a person."""
    known = _EXCEPTIONS.get(code)
    return f"{known[1]} (exception {code})" if known else f"exception {code}"
