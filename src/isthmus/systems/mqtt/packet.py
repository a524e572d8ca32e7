# SPDX-License-Identifier: Apache-2.0
"""MQTT's packets as bytes, for versions 3.1.1 and 5: what a client sends, and what comes back.

Sections cited are those of MQTT Version 5.0 (OASIS, 2019); 3.1.1 is the same without properties and reason codes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from isthmus.core.errors import IsthmusError

LONGEST_TEXT: Final = 65_535
LARGEST: Final = 8 << 20
"""Bytes of a packet that is taken; a larger one ends the connection, and MQTT 5 brokers are told not to send one."""


class Version(IntEnum):
    """The protocol level in a CONNECT (3.1.2.2)."""

    V311 = 4
    V5 = 5


class Type(IntEnum):
    """Control packet types (2.1.2)."""

    CONNECT = 1
    CONNACK = 2
    PUBLISH = 3
    PUBACK = 4
    PUBREC = 5
    PUBREL = 6
    PUBCOMP = 7
    SUBSCRIBE = 8
    SUBACK = 9
    UNSUBSCRIBE = 10
    UNSUBACK = 11
    PINGREQ = 12
    PINGRESP = 13
    DISCONNECT = 14
    AUTH = 15


class Garbled(IsthmusError):
    """Bytes that are no MQTT."""


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker publishes, at QoS 1, when it loses us without a farewell."""

    topic: str
    payload: bytes
    retain: bool = True


@dataclass(frozen=True, slots=True)
class Greeting:
    """What a CONNECT says."""

    version: Version
    client: str
    keep_alive: int
    """Seconds; 0: none."""
    clean: bool
    """Nothing of an earlier session with this client identifier counts."""
    expiry: int = 0
    """Seconds that the broker keeps the session when we are gone (version 5; in 3.1.1 it is for ever)."""
    receive: int = 0
    """QoS 1 messages that we take unacknowledged (version 5); 0: as many as the broker likes."""
    user: str = ""
    password: str | None = None
    will: Will | None = None


@dataclass(frozen=True, slots=True)
class Welcome:
    """What a CONNACK says."""

    code: int
    """0: welcome; else why not, by the version's own list."""
    session: bool
    """The broker has kept our session."""
    receive: int = LONGEST_TEXT
    """QoS 1 messages that it takes unacknowledged."""
    keep_alive: int | None = None
    """Seconds, where the broker says other than we did."""
    largest: int | None = None
    """Bytes of a packet that it takes."""
    retains: bool = True
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Published:
    """A message that arrived."""

    topic: str
    payload: bytes
    qos: int
    retained: bool
    """It was published before we subscribed."""
    again: bool
    id: int
    """To acknowledge it by; 0 at QoS 0."""


def text(value: str) -> bytes:
    """A UTF-8 string with its length (1.5.4); raises IsthmusError when it cannot be one."""
    encoded = value.encode("utf-8", "strict")
    if len(encoded) > LONGEST_TEXT or b"\0" in encoded:
        raise IsthmusError(f"{value[:40]!r} cannot be said in MQTT", hint="at most 65,535 bytes, without NUL")
    return len(encoded).to_bytes(2, "big") + encoded


def length(size: int) -> bytes:
    """A variable byte integer (1.5.5)."""
    if size < 128:
        return bytes((size,))
    out = bytearray()
    while True:
        size, byte = size >> 7, size & 0x7F
        out.append(byte | (0x80 if size else 0))
        if not size:
            return bytes(out)


def packet(first: int, *parts: bytes) -> bytes:
    """A packet of a first byte and its parts."""
    body = b"".join(parts)
    return bytes((first,)) + length(len(body)) + body


def properties(version: Version, *pairs: tuple[int, bytes]) -> bytes:
    """Properties with their length (2.2.2); nothing in 3.1.1."""
    if version is not Version.V5:
        return b""
    body = b"".join(bytes((identifier,)) + value for identifier, value in pairs)
    return length(len(body)) + body


def connect(said: Greeting) -> bytes:
    """A CONNECT packet (3.1)."""
    flags = 2 if said.clean else 0
    pairs = [(0x11, said.expiry.to_bytes(4, "big"))] if said.expiry else []
    pairs += [(0x21, said.receive.to_bytes(2, "big"))] if said.receive else []
    pairs += [(0x27, LARGEST.to_bytes(4, "big"))]
    rest = [text(said.client)]
    if said.will is not None:
        flags |= 0x2C if said.will.retain else 0x0C  # will, QoS 1
        rest += [properties(said.version), text(said.will.topic), len(said.will.payload).to_bytes(2, "big")]
        rest += [said.will.payload]
    if said.user:
        flags |= 0x80
        rest.append(text(said.user))
    if said.password is not None:
        flags |= 0x40
        rest.append(text(said.password))
    head = text("MQTT") + bytes((said.version, flags)) + said.keep_alive.to_bytes(2, "big")
    return packet(0x10, head, properties(said.version, *pairs), *rest)


def subscribe(version: Version, id_: int, filters: Sequence[str]) -> bytes:
    """A SUBSCRIBE packet at QoS 1 for every filter (3.8)."""
    return packet(0x82, id_.to_bytes(2, "big"), properties(version), *(text(one) + b"\x01" for one in filters))


def unsubscribe(version: Version, id_: int, filter_: str) -> bytes:
    """An UNSUBSCRIBE packet (3.10)."""
    return packet(0xA2, id_.to_bytes(2, "big"), properties(version), text(filter_))


def puback(id_: int) -> bytes:
    """Says that a QoS 1 message is taken (3.4)."""
    return b"\x40\x02" + id_.to_bytes(2, "big")


PINGREQ: Final = b"\xc0\x00"
DISCONNECT: Final = b"\xe0\x00"


class Stream:
    """Bytes as they arrive, cut into packets."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """(first byte, body) of every packet that is complete; raises Garbled when it cannot be MQTT."""
        self._bytes += data
        held, place, end = self._bytes, 0, len(self._bytes)
        try:
            while end - place >= 2:
                size, begin = held[place + 1], place + 2
                if size & 0x80:
                    size, begin = _length(held, place + 1)
                    if begin == 0:
                        break
                if size > LARGEST:
                    raise Garbled(f"a packet of {size:,} bytes", hint=f"at most {LARGEST:,}")
                if begin + size > end:
                    break
                first, body = held[place], bytes(held[begin : begin + size])
                place = begin + size
                yield first, body
        finally:
            del held[:place]


def _length(held: bytearray, place: int) -> tuple[int, int]:
    """A variable byte integer, and where it ends; 0 when it is not complete."""
    value = 0
    for count, byte in enumerate(held[place : place + 4]):
        value |= (byte & 0x7F) << 7 * count
        if not byte & 0x80:
            return value, place + count + 1
    if len(held) - place >= 4:
        raise Garbled("a length of more than four bytes")
    return 0, 0


class Reader:
    """Reads the parts of one packet's body; raises Garbled where it ends too soon."""

    def __init__(self, body: bytes) -> None:
        self._body, self._place = body, 0

    def take(self, count: int) -> bytes:
        """The next bytes."""
        part = self._body[self._place : self._place + count]
        if len(part) < count:
            raise Garbled("a packet that ends too soon")
        self._place += count
        return part

    def number(self, count: int) -> int:
        return int.from_bytes(self.take(count), "big")

    def text(self) -> str:
        try:
            return self.take(self.number(2)).decode("utf-8")
        except UnicodeDecodeError as error:
            raise Garbled("a text that is not UTF-8") from error

    def length(self) -> int:
        value = 0
        for count in range(4):
            byte = self.number(1)
            value |= (byte & 0x7F) << 7 * count
            if not byte & 0x80:
                return value
        raise Garbled("a length of more than four bytes")

    def rest(self) -> bytes:
        return self._body[self._place :]

    @property
    def ended(self) -> bool:
        return self._place >= len(self._body)

    def properties(self) -> dict[int, int | str]:
        """Properties by identifier (2.2.2.2), those that are numbers or texts; of several the last."""
        inner = Reader(self.take(self.length()))
        found: dict[int, int | str] = {}
        while not inner.ended:
            identifier = inner.number(1)
            if identifier in _NUMBERS:
                found[identifier] = inner.number(_NUMBERS[identifier])
            elif identifier == 0x0B:
                inner.length()
            elif identifier == 0x26:
                inner.text()
                inner.text()
            elif identifier in (0x09, 0x16):
                inner.take(inner.number(2))
            else:
                found[identifier] = inner.text()
        return found


_NUMBERS: Final = {
    0x01: 1, 0x02: 4, 0x11: 4, 0x13: 2, 0x17: 1, 0x18: 4, 0x19: 1, 0x21: 2, 0x22: 2, 0x23: 2, 0x24: 1, 0x25: 1,
    0x27: 4, 0x28: 1, 0x29: 1, 0x2A: 1,
}  # fmt: skip
"""Identifiers of properties that are numbers, and their bytes."""


def connack(version: Version, body: bytes) -> Welcome:
    """What a CONNACK says (3.2)."""
    reader = Reader(body)
    flags, code = reader.number(1), reader.number(1)
    said = reader.properties() if version is Version.V5 and not reader.ended else {}
    receive, keep_alive, largest = (said.get(one) for one in (0x21, 0x13, 0x27))
    return Welcome(
        code,
        bool(flags & 1),
        receive if isinstance(receive, int) and receive else LONGEST_TEXT,
        keep_alive if isinstance(keep_alive, int) else None,
        largest if isinstance(largest, int) else None,
        said.get(0x25) != 0,
        str(said.get(0x1F, "")),
    )


def published(version: Version, first: int, body: bytes) -> Published:
    """What a PUBLISH brings (3.3)."""
    reader, qos = Reader(body), first >> 1 & 3
    topic = reader.text()
    id_ = reader.number(2) if qos else 0
    if version is Version.V5:
        reader.take(reader.length())
    return Published(topic, reader.rest(), qos, bool(first & 1), bool(first & 8), id_)


def acknowledged(body: bytes) -> tuple[int, int]:
    """(packet identifier, reason code) of a PUBACK (3.4)."""
    if len(body) < 2:
        raise Garbled("a packet that ends too soon")
    return int.from_bytes(body[:2], "big"), body[2] if len(body) > 2 else 0


def farewell(version: Version, body: bytes) -> tuple[int, str]:
    """(reason code, the broker's words) of a DISCONNECT (3.14)."""
    if version is not Version.V5 or not body:
        return 0, ""
    reader = Reader(body)
    code = reader.number(1)
    said = reader.properties() if not reader.ended else {}
    return code, str(said.get(0x1F, ""))


def subscribed(version: Version, body: bytes) -> tuple[int, bytes]:
    """(packet identifier, a code for each filter: from 0x80 on it was refused) of a SUBACK (3.9)."""
    reader = Reader(body)
    id_ = reader.number(2)
    if version is Version.V5:
        reader.take(reader.length())
    return id_, reader.rest()


REASONS: Final = {
    0x80: "an error it does not name", 0x81: "a malformed packet", 0x82: "a protocol error", 0x83: "its own rules",
    0x84: "the protocol version", 0x85: "the client identifier", 0x86: "wrong user name or password",
    0x87: "not authorised", 0x88: "the server is unavailable", 0x89: "the server is busy", 0x8A: "banned",
    0x8B: "the server is shutting down", 0x8C: "the authentication method", 0x8D: "keep alive ran out",
    0x8E: "somebody else connected with the same client identifier", 0x8F: "the topic filter", 0x90: "the topic",
    0x93: "more messages than it takes at once", 0x94: "a topic alias", 0x95: "the packet is too large",
    0x96: "the message rate", 0x97: "a quota is used up", 0x98: "an administrator's decision",
    0x99: "the format of the payload", 0x9A: "it retains no messages", 0x9B: "the QoS",
    0x9C: "use another server", 0x9D: "the server moved", 0x9F: "too many connections",
}  # fmt: skip
"""Reason codes of version 5 in words (2.4)."""

REASONS_311: Final = {
    1: "the protocol version", 2: "the client identifier", 3: "the server is unavailable",
    4: "wrong user name or password", 5: "not authorised",
}  # fmt: skip
"""Return codes of a CONNACK of version 3.1.1 in words (3.2.2.3)."""

PASSING: Final = {Version.V5: {0x80, 0x88, 0x89, 0x8B, 0x8D, 0x8E, 0x93, 0x96, 0x97, 0x98, 0x9F}, Version.V311: {3}}
"""Codes that may be another tomorrow without anybody changing anything."""


def reason(version: Version, code: int) -> str:
    """A code in words."""
    words = REASONS if version is Version.V5 or code >= 0x80 else REASONS_311
    return words.get(code, f"code {code}")
