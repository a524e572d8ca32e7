# SPDX-License-Identifier: Apache-2.0
"""asyncua's transport, with a bound on what it holds, and with the one request of every scan packed by us: Publish.

Chunks, signatures and encryption stay asyncua's. A PublishRequest is the same bytes each time but for a few numbers,
and its answer goes straight to who asked, without a task, a time-out and a turn of the event loop for each.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from asyncua import ua
from asyncua.client.ua_client import UASocketProtocol
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import nodeid_to_binary

from isthmus.core import time
from isthmus.systems.opcua.wire import TICKS_TO_1970

LARGEST_CHUNK: Final = 1024 * 1024
"""Bytes of one chunk we wait for; we ask for at most 65,535 (Part 6, 7.1.2.3)."""

Answer: TypeAlias = Buffer | Exception
"""The bytes of a response, or why there will be none."""

_PUBLISH: Final = b"\x01\x00\x3a\x03"
"""The NodeId of a PublishRequest's encoding (826; Part 6, A.3)."""
_HEADER: Final = struct.Struct("<qIIiIHB")
"""RequestHeader after its token (Part 4, 7.33): time, handle, diagnostics, audit entry, time-out, nothing more."""


class Transport(UASocketProtocol):  # type: ignore[misc]  # asyncua is untyped
    """One connection."""

    _packed: tuple[ua.NodeId | None, bytes] = (None, b"")
    """A session's token and its encoding."""

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        rest = self.receive_buffer or b""
        if len(rest) >= 8 and int.from_bytes(rest[4:8], "little") > LARGEST_CHUNK:
            self.disconnect_socket()

    def publish(self, subscription: int, acks: Sequence[int], answered: Callable[[Answer], None]) -> None:
        """Sends a PublishRequest that acknowledges `acks`; `answered` is called at once when its answer comes.

        Raises ConnectionError when the connection is gone.
        """
        if self.transport is None:
            raise ConnectionError("the connection is closed")
        self._request_handle += 1
        self._request_id += 1
        self.revolve_security_token()
        request = publish_request(self._token(), time.now(), self._request_handle, subscription, acks)
        self._callbackmap[self._request_id] = _Awaited(answered)
        self.transport.write(self._connection.message_to_binary(request, request_id=self._request_id))

    def _token(self) -> bytes:
        """The session's token in its encoding."""
        if self._packed[0] is not self.authentication_token:
            self._packed = self.authentication_token, nodeid_to_binary(self.authentication_token)
        return self._packed[1]


class _Awaited:
    """What asyncua keeps for a request on its way, as far as it uses it: a future that calls at once."""

    __slots__ = ("_answered",)

    def __init__(self, answered: Callable[[Answer], None]) -> None:
        self._answered = answered

    def done(self) -> bool:
        return False

    def set_result(self, answer: Buffer) -> None:
        self._answered(answer)

    def set_exception(self, error: Exception) -> None:
        self._answered(error)


def publish_request(token: bytes, now: int, handle: int, subscription: int, acks: Sequence[int]) -> bytes:
    """The bytes of a PublishRequest (Part 4, 5.14.5): session `token` in its encoding, `now` in ns since 1970."""
    header = _HEADER.pack(now // 100 + TICKS_TO_1970, handle, 0, -1, 0, 0, 0)
    numbers = [number for ack in acks for number in (subscription, ack)]
    return _PUBLISH + token + header + struct.pack(f"<i{len(numbers)}I", len(acks), *numbers)
