# SPDX-License-Identifier: Apache-2.0
"""The bytes of S7 communication: a connection asked for, questions that read, and what counts as an answer to one.

The carriers are standards: RFC 1006 (TPKT) and ISO 8073 / X.224 class 0. Siemens never published what they carry; it is
written here as the S7 dissector of Wireshark and the frames of real controllers in public issue trackers show it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from isthmus.core import quality
from isthmus.systems.polled.language import Garbled
from isthmus.systems.polled.link import Alien

AREAS: Final = {"i": 0x81, "q": 0x82, "m": 0x83, "db": 0x84}
_TPKT: Final = struct.Struct(">BBH")
_HEADER: Final = struct.Struct(">BBHHHH")
"""0x32, what it is, 0, our number, bytes of parameters, bytes of data."""
_ITEM: Final = struct.Struct(">BBBBHHBBH")
"""0x12, 10, 0x10 (an absolute address), type of element, how many, block, area, address in bits (24)."""
_FOUND: Final = struct.Struct(">BBH")
"""Return code, how the length counts, length."""

_JOB, _ACK, _ACK_DATA = 1, 2, 3
_READ: Final = 0x04
_SETUP: Final = 0xF0
_BYTES: Final = 0x02
_DATA, _CONFIRM, _REFUSE = 0xF0, 0xD0, 0x80
_GOOD: Final = 0xFF
_IN_BITS: Final = frozenset({0x03, 0x04, 0x05})
"""Kinds of answers whose length counts bits."""

QUESTION_HEAD: Final = _HEADER.size + 2
"""Bytes of a question around its items, each of which has `ITEM`."""
ITEM: Final = _ITEM.size
ANSWER_HEAD: Final = _HEADER.size + 2 + 2
"""Bytes of an answer around its items, each of which has `ITEM_HEAD` before its data."""
ITEM_HEAD: Final = _FOUND.size
MOST_ITEMS: Final = 20
"""Items of one question that every controller takes."""
SMALLEST: Final = 240
"""Bytes of a message that every controller takes."""

NO_ACCESS: Final = 0x8104
_OPTIMISED: Final = (
    "or it is an optimised block, which nobody can read this way: clear 'Optimized block access' in its attributes "
    "and load it again, or use the controller's OPC UA server"
)
_CODES: Final = {
    0x01: (quality.BAD_DEVICE_FAILURE, "the controller reports a fault of its hardware"),
    0x03: (quality.BAD_USER_ACCESS_DENIED, "the controller does not allow access to this"),
    0x05: (quality.BAD_NODE_ID_UNKNOWN, f"the controller has nothing there: the block is shorter, {_OPTIMISED}"),
    0x06: (quality.BAD_NOT_SUPPORTED, "the controller does not know this type"),
    0x07: (quality.BAD_NOT_SUPPORTED, "the type does not fit what is there"),
    0x0A: (quality.BAD_NODE_ID_UNKNOWN, f"the controller has no such block, {_OPTIMISED}"),
    NO_ACCESS: (
        quality.BAD_USER_ACCESS_DENIED,
        "the controller does not let itself be read: permit access with PUT/GET communication in its protection "
        "settings (S7-1200 and S7-1500)",
    ),
}
NARROWER: Final = frozenset({0x03, 0x05, 0x06, 0x07, 0x0A, NO_ACCESS})
"""Codes that say what was asked for was wrong."""


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes of one area that are read as one item."""

    area: str
    """One of `AREAS`."""
    block: int
    """Number of the data block; 0 in other areas."""
    start: int
    count: int

    @property
    def padded(self) -> int:
        """Bytes that an answer needs for it at most."""
        return ITEM_HEAD + self.count + self.count % 2


class _Framing:
    """TPKT around X.224: a question has our number in bytes 4 and 5, whatever it is, and its answer repeats it."""

    def packed(self, transaction: int, question: bytes) -> bytes:
        numbered = question[:4] + transaction.to_bytes(2, "big") + question[6:]
        carried = b"\x02\xf0\x80" + numbered if question[0] == 0x32 else numbered
        return _TPKT.pack(3, 0, _TPKT.size + len(carried)) + carried

    def taken(self, data: bytes, start: int) -> tuple[int, bytes, int] | None:
        whole = b""
        while True:
            if len(data) - start < _TPKT.size:
                return None
            version, _, length = _TPKT.unpack_from(data, start)
            if version != 3 or length < 7:
                raise Alien("what answers there does not speak S7 (ISO on TCP)")
            end = start + length
            if end > len(data):
                return None
            piece, start = data[start + _TPKT.size : end], end
            if piece[1] & 0xF0 != _DATA or piece[0] != 2:
                return _connected(piece), piece, end
            whole += piece[3:]
            if len(whole) > 0xFFFF:
                raise Alien("a message longer than any")
            if piece[2] & 0x80:
                return _answered(whole), whole, end


FRAMING: Final = _Framing()


def _connected(piece: bytes) -> int:
    """The number of our request that a confirmation or refusal repeats."""
    if piece[1] & 0xF0 not in (_CONFIRM, _REFUSE) or len(piece) < 6:
        raise Alien("what answers there does not speak S7 (ISO on TCP)")
    return int.from_bytes(piece[2:4], "big")


def _answered(whole: bytes) -> int:
    if len(whole) < _HEADER.size or whole[0] != 0x32:
        raise Alien("what answers there speaks ISO on TCP, but not S7")
    return int.from_bytes(whole[4:6], "big")


def connect(local: bytes, remote: bytes) -> bytes:
    """The request for a connection between two TSAPs, which takes messages of up to 1,024 bytes."""
    parameters = b"\xc0\x01\x0a" + b"\xc1\x02" + local + b"\xc2\x02" + remote
    return bytes((6 + len(parameters), 0xE0, 0, 0, 0, 0, 0)) + parameters


def confirmed(frame: bytes) -> int | None:
    """The longest message the far end takes (bytes), of its answer to `connect`; None: it refuses the connection."""
    if frame[1] & 0xF0 != _CONFIRM:
        return None
    at = 7
    while at + 2 <= len(frame):
        kind, length = frame[at], frame[at + 1]
        if kind == 0xC0 and length == 1 and at + 2 < len(frame) and 7 <= frame[at + 2] <= 13:
            return 1 << frame[at + 2]
        at += 2 + length
    return 1024


def setup(longest: int) -> bytes:
    """The request for messages of up to `longest` bytes, with one question in flight."""
    return _HEADER.pack(0x32, _JOB, 0, 0, 8, 0) + struct.pack(">BBHHH", _SETUP, 0, 1, 1, longest)


def agreed(frame: bytes) -> int:
    """The longest message (bytes), of the answer to `setup`; raises Garbled."""
    rest = _body(frame)
    if isinstance(rest, int):
        raise Garbled(meaning(rest))
    if len(rest) != 8 or rest[0] != _SETUP:
        raise Garbled("no answer to the set-up of communication")
    longest = int.from_bytes(rest[6:8], "big")
    if longest < 64:
        raise Garbled(f"messages of {longest} bytes hold nothing")
    return longest


def question(spans: Sequence[Span]) -> bytes:
    """The request for these bytes, without its number."""
    items = b"".join(item(span, _BYTES, span.count, span.start * 8) for span in spans)
    return _HEADER.pack(0x32, _JOB, 0, 0, len(items) + 2, 0) + bytes((_READ, len(spans))) + items


def item(span: Span, type_: int, count: int, bit: int) -> bytes:
    """Where something stands, `bit` counted from the beginning of the area."""
    return _ITEM.pack(0x12, 10, 0x10, type_, count, span.block, AREAS[span.area], bit >> 16, bit & 0xFFFF)


def contents(frame: bytes, asked: bytes, expected: int) -> bytes | int:
    """The data of an answer to the question `asked`, items joined, or the code that stands in place of one of them.

    Raises Garbled for anything that is not the answer to just this question.
    """
    body = _body(frame)
    if isinstance(body, int):
        return body
    if body[:2] != asked[10:12]:
        raise Garbled(f"function and items {body[:2].hex(' ')} in place of {asked[10:12].hex(' ')}")
    found = list(_items(body[2:], _counts(asked)))
    for one in found:
        if isinstance(one, int):
            return one
    data = b"".join(one for one in found if isinstance(one, bytes))
    if len(data) != expected:
        raise Garbled(f"{len(data)} bytes of data in place of {expected}")
    return data


def _body(frame: bytes) -> bytes | int:
    """What follows the header of an answer, or the code of an error."""
    _, what, _, _, parameters, data = _HEADER.unpack_from(frame)
    if what not in (_ACK, _ACK_DATA) or len(frame) < _HEADER.size + 2:
        raise Garbled(f"a message of kind {what} in place of an answer")
    code = int.from_bytes(frame[10:12], "big")
    if code:
        return code
    if len(frame) != _HEADER.size + 2 + parameters + data:
        raise Garbled(f"{len(frame)} bytes that are said to be {_HEADER.size + 2 + parameters + data}")
    return frame[_HEADER.size + 2 :]


def _counts(asked: bytes) -> list[int]:
    """Bytes asked for by each item of a question."""
    return [_ITEM.unpack_from(asked, QUESTION_HEAD + ITEM * i)[4] for i in range(asked[11])]


def _items(data: bytes, counts: Sequence[int]) -> Iterator[bytes | int]:
    """Each item's data, or the code in place of it."""
    at = 0
    for count in counts:
        if len(data) < at + ITEM_HEAD:
            raise Garbled("fewer items than asked for")
        code, kind, length = _FOUND.unpack_from(data, at)
        at += ITEM_HEAD
        if code != _GOOD:
            if not code:
                raise Garbled("an item with the return code 0")
            yield code
            continue
        length = (length + 7) // 8 if kind in _IN_BITS else length
        if length != count or len(data) < at + length:
            raise Garbled(f"{length} bytes, {len(data) - at} of them there, in place of {count}")
        yield data[at : at + length]
        at += length + length % 2
    if len(data) > at:
        raise Garbled(f"{len(data) - at} bytes behind the last item")


def status(code: int) -> int:
    """The StatusCode that stands for a code."""
    return _CODES.get(code, (quality.BAD_UNEXPECTED, ""))[0]


def meaning(code: int) -> str:
    """What a code says, for a person."""
    known = _CODES.get(code)
    return f"{known[1]} (code {code:#04x})" if known else f"the controller answers with code {code:#04x}"
