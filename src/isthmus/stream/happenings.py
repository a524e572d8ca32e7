# SPDX-License-Identifier: Apache-2.0
"""Events and what could not be understood, as they travel: one in a message, or neighbours of one subject together.

The log syncs every message by itself, so a hundred events in one message cost what one does. One event is a JSON
object, several are a list of them; one put aside is a msgpack map, several are an array of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

import msgspec

from isthmus.core.errors import Damaged
from isthmus.core.event import Event
from isthmus.stream import names

QUARANTINED: Final = 64 << 10
"""Bytes kept of one payload that could not be understood."""

EVENT: Final = 1 << 20
"""Bytes of an event; of a longer one the texts are cut."""

MESSAGE: Final = 1 << 20
"""Bytes of a message of several."""


class Quarantined(msgspec.Struct, frozen=True):
    """Something that arrived and could not be understood."""

    source: str
    reason: str
    at: int
    size: int
    """Bytes it had; `payload` has at most `QUARANTINED` of them."""
    payload: bytes

    @classmethod
    def of(cls, source: str, reason: str, payload: bytes, at: int) -> Quarantined:
        """A payload, cut where it is long."""
        return cls(source, _text(reason, 1000), at, len(payload), bytes(payload[:QUARANTINED]))

    @classmethod
    def unpack(cls, data: bytes) -> Quarantined:
        """One of `put_aside`; raises Damaged on other bytes."""
        try:
            return msgspec.msgpack.decode(data, type=cls)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Damaged(f"not a quarantined payload: {error}") from error


class Parcel(NamedTuple):
    """One message for the log."""

    subject: str
    body: bytes
    id: str
    """The same for the same content: a second one within the log's de-duplication window is not stored."""


def of_events(events: Iterable[Event]) -> Iterator[Parcel]:
    """The messages of these events, in their order."""
    packed = ((names.event_subject(event.kind, event.source), _packed(event), event.id) for event in events)
    for subject, bodies, ids in _together(packed):
        body = bodies[0] if len(bodies) == 1 else b"[" + b",".join(bodies) + b"]"
        token = ids[0] if len(ids) == 1 else hashlib.blake2b("\n".join(ids).encode(), digest_size=16).hexdigest()
        yield Parcel(subject, body, f"event-{names.token(token)}")


def of_quarantined(several: Iterable[Quarantined]) -> Iterator[Parcel]:
    """The messages of these, in their order."""
    packed = ((names.quarantine_subject(one.source), msgspec.msgpack.encode(one), "") for one in several)
    for subject, bodies, _ in _together(packed):
        body = bodies[0] if len(bodies) == 1 else msgspec.msgpack.encode([msgspec.Raw(one) for one in bodies])
        yield Parcel(subject, body, f"aside-{hashlib.blake2b(body, digest_size=16).hexdigest()}")


def _together(packed: Iterable[tuple[str, bytes, str]]) -> Iterator[tuple[str, list[bytes], list[str]]]:
    """(subject, bodies, ids) of neighbours with one subject, as many as a message takes."""
    subject, bodies, ids, size = "", list[bytes](), list[str](), 0
    for where, body, id_ in packed:
        if bodies and (where != subject or size + len(body) > MESSAGE):
            yield subject, bodies, ids
            bodies, ids, size = [], [], 0
        subject, size = where, size + len(body)
        bodies.append(body)
        ids.append(id_)
    if bodies:
        yield subject, bodies, ids


def read_events(data: bytes) -> Sequence[Event]:
    """The events of a message; raises Damaged on other bytes."""
    try:
        if data[:1] == b"[":
            return msgspec.json.decode(data, type=list[Event])
        return (msgspec.json.decode(data, type=Event),)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise Damaged(f"not an event: {error}") from error


def put_aside(data: bytes) -> Sequence[bytes]:
    """What `Quarantined.unpack` reads one by one, of a message; other bytes as they are."""
    try:
        return [bytes(one) for one in msgspec.msgpack.decode(data, type=list[msgspec.Raw])]
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return (data,)


def _packed(event: Event) -> bytes:
    """An event as it travels, whatever a far end says in it: headers of HTTP need be no Unicode, cells have no end."""
    try:
        if len(packed := msgspec.json.encode(event)) <= EVENT:
            return packed
    except UnicodeEncodeError:
        pass
    most = EVENT // (6 * (len(event.details) + 1))  # a character may be \\u0000
    details = {name: _text(one, most) if isinstance(one, str) else one for name, one in event.details.items()}
    return msgspec.json.encode(msgspec.structs.replace(event, message=_text(event.message, most), details=details))


def _text(said: str, most: int) -> str:
    """The beginning of a text, and of what is no Unicode in it a question mark."""
    return said[:most].encode("utf-8", "replace").decode()
