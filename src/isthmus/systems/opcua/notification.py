# SPDX-License-Identifier: Apache-2.0
"""What a server's PublishResponse and RepublishResponse say (Part 4, 5.14.5 and 5.14.6), read from their bytes."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from asyncua import ua

from isthmus.core.quality import BAD
from isthmus.systems.opcua import columns, wire
from isthmus.systems.opcua.columns import Columns
from isthmus.systems.opcua.wire import Malformed

_DATA_CHANGE, _STATUS_CHANGE = 811, 820
"""Encodings of DataChangeNotification and StatusChangeNotification (Part 6, A.3). Anything else is not for us."""
_SMALLEST_ITEM: Final = 5
LONGEST: Final = 200_000
"""Items one notification may carry; a server that sends more is not sane."""

_u4 = struct.Struct("<I").unpack_from


@dataclass(frozen=True, slots=True)
class Message:
    """A NotificationMessage, still in its bytes."""

    subscription: int
    sequence: int
    """Of a keep-alive: the number the next message will have."""
    body: bytes
    start: int
    """Where the notifications begin in `body`."""
    parts: int
    """How many notifications there are; 0: a keep-alive."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What the notifications of one message hold."""

    columns: Columns
    status: int | None = None
    """The subscription's own StatusCode, when the server sent one: it is over."""


def published(b: bytes, p: int) -> Message:
    """The message in the PublishResponse at `p`; raises Malformed, and the status of a response that is bad."""
    try:
        p = _header(b, p)
        subscription = _u4(b, p)[0]
        n, p = wire.count(b, p + 4, 4)
        p += 4 * n + 1
        return _message(b, p, subscription)
    except (struct.error, IndexError) as error:
        raise Malformed("a PublishResponse cut short") from error


def republished(b: bytes, p: int, subscription: int) -> Message:
    """The message in the RepublishResponse at `p`; raises Malformed."""
    try:
        return _message(b, _header(b, p), subscription)
    except (struct.error, IndexError) as error:
        raise Malformed("a RepublishResponse cut short") from error


def _header(b: bytes, p: int) -> int:
    """The position after type and ResponseHeader (Part 4, 7.34); raises its result when that is bad."""
    _, p = wire.node_number(b, p)
    result = _u4(b, p + 12)[0]
    if result >= BAD:
        raise ua.UaStatusCodeError(result)
    p = wire.skip_diagnostics(b, p + 16)
    n, p = wire.count(b, p, 4)
    for _ in range(n):
        _, p = wire.string(b, p)
    return wire.skip_extension(b, p)


def _message(b: bytes, p: int, subscription: int) -> Message:
    sequence = _u4(b, p)[0]
    parts, p = wire.count(b, p + 12, 3)
    return Message(subscription, sequence, b, p, parts)


def contents(message: Message) -> Contents:
    """The readings of a message; raises Malformed."""
    b, p = message.body, message.start
    changes, status = [], None
    try:
        for _ in range(message.parts):
            kind, start, p = wire.extension(b, p)
            if kind == _DATA_CHANGE:
                changes.append(_data_change(b[:p] if p < len(b) else b, start))
            elif kind == _STATUS_CHANGE:
                status = _u4(b[:p], start)[0]
    except (struct.error, IndexError) as error:
        raise Malformed("a notification cut short") from error
    return Contents(columns.join(changes), status)


def _data_change(b: bytes, p: int) -> Columns:
    n, p = wire.count(b, p, _SMALLEST_ITEM)
    if n > LONGEST:
        raise Malformed(f"a notification of {n} items")
    return columns.read(b, p, n)[0]
