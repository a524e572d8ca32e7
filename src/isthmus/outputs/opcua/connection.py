# SPDX-License-Identifier: Apache-2.0
"""TCP connections to our OPC UA server: bounded in number, in what they send, and in what they leave unread."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from asyncua import Server, ua
from asyncua.common.connection import TransportLimits
from asyncua.common.utils import ServiceError
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256, SecurityPolicyNone
from asyncua.server.binary_server_asyncio import BinaryServer, OPCUAProtocol
from asyncua.ua.ua_binary import uatcp_to_binary

from isthmus.outputs.opcua.library import UNKNOWN, Channel, Door, House

FRAME: Final = 65_535
"""Bytes of a chunk."""
SMALLEST: Final = 8192
"""Bytes that a client's buffer has to hold."""
MESSAGE: Final = 16 << 20
"""Bytes of a message, ours or a client's."""
UNREAD: Final = 1 << 20
"""Bytes a client may leave unread; then nothing more is sent to it, nor read of it."""
DEAF: Final = 60.0
"""Seconds it may do so; then its connection is closed."""

_FRAMES: Final = (b"HELF", b"OPNF", b"MSGF", b"MSGC", b"MSGA", b"CLOF")


class Limits(TransportLimits):  # type: ignore[misc]  # asyncua has no types that mypy knows
    """What fits into a chunk and a message; a client whose buffers hold less than Part 6, 7.1.2.3 allows is refused."""

    def create_acknowledge_and_set_limits(self, msg: ua.Hello) -> ua.Acknowledge:
        if min(msg.ReceiveBufferSize, msg.SendBufferSize) < SMALLEST:
            raise ServiceError(ua.StatusCodes.BadConnectionRejected)
        return super().create_acknowledge_and_set_limits(msg)


class Connection(OPCUAProtocol):  # type: ignore[misc]  # asyncua has no types that mypy knows
    """One TCP connection; what it may take of us is bounded."""

    processor: Channel | None

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._frame = bytearray()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._deaf: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        strangers = [one for one in self.clients if one.processor is not None and not one.processor.is_known]
        if len(strangers) >= UNKNOWN and strangers[0].transport is not None:
            strangers[0].transport.abort()
        super().connection_made(transport)
        if self.transport is None or self.processor is None:
            return
        self.transport.set_write_buffer_limits(high=UNREAD)
        self.processor = Channel(self.iserver, self.transport, self.limits)
        self.processor.set_policies(self.policies)

    def connection_lost(self, ex: BaseException | None) -> None:
        if self._deaf is not None:
            self._deaf.cancel()
        self._flowing.set()
        super().connection_lost(ex)

    def data_received(self, data: bytes) -> None:
        """Hands over whole chunks; closes at the first byte that cannot be one."""
        frame = self._frame
        frame += data
        while len(frame) >= 8:
            size = int.from_bytes(frame[4:8], "little")
            if bytes(frame[:4]) not in _FRAMES or not 8 < size <= FRAME:
                self._close(ua.StatusCodes.BadTcpMessageTypeInvalid)
                return
            if len(frame) < size:
                return
            whole = bytes(frame[:size])
            del frame[:size]
            super().data_received(whole)

    def pause_writing(self) -> None:
        """The client does not read: it gets nothing more, and is not read either."""
        self._flowing.clear()
        if self.transport is not None and self.processor is not None:
            self.processor.clear = False
            self.transport.pause_reading()
            self._deaf = asyncio.get_running_loop().call_later(DEAF, self.transport.abort)

    def resume_writing(self) -> None:
        self._flowing.set()
        if self._deaf is not None:
            self._deaf.cancel()
        if self.transport is not None and self.processor is not None and not self.transport.is_closing():
            self.transport.resume_reading()
            self.processor.resume()

    async def _process_one_msg(self, header: Any, buf: Any) -> bool:
        await self._flowing.wait()
        try:
            going_on: bool = await super()._process_one_msg(header, buf)
        except (ServiceError, ua.uaerrors.UaStatusCodeError) as error:
            self._close(error.code)
            return False
        except Exception:  # whatever the library makes of bytes that mean nothing
            self._close(ua.StatusCodes.BadSecurityChecksFailed)
            return False
        return going_on

    def _close(self, status: int) -> None:
        """Says why, and ends the connection."""
        if self.transport is None or self.transport.is_closing():
            return
        why = ua.ErrorMessage(ua.StatusCode(status), "")
        self.transport.write(uatcp_to_binary(ua.MessageType.Error, why))
        self.transport.close()


class Ears(BinaryServer):  # type: ignore[misc]  # asyncua has no types that mypy knows
    """Where clients connect."""

    def _make_protocol(self) -> Connection:
        return Connection(
            iserver=self.iserver,
            policies=self._policies,
            clients=self.clients,
            closing_tasks=self.closing_tasks,
            limits=self.limits,
        )

    @property
    def is_serving(self) -> bool:
        return self._server is not None and self._server.is_serving()


class PlantServer(Server):  # type: ignore[misc]  # asyncua has no types that mypy knows
    """asyncua's server, put together of our parts."""

    def __init__(self, door: Door) -> None:
        super().__init__(iserver=House(door))
        self.application_type = ua.ApplicationType.Server
        self.limits = Limits(FRAME, FRAME, MESSAGE // FRAME + 1, MESSAGE)

    async def start(self) -> None:
        """Begins to listen; raises OSError when it cannot."""
        await self._setup_server_nodes()
        for endpoint in self.iserver.endpoints:
            for token in endpoint.UserIdentityTokens:
                plain = token.SecurityPolicyUri == SecurityPolicyNone.URI
                if token.TokenType == ua.UserTokenType.UserName and plain and endpoint.SecurityMode == _CLEAR:
                    token.SecurityPolicyUri = SecurityPolicyBasic256Sha256.URI
        self.bserver = Ears(self.iserver, *self.socket_address, self.limits)
        self.bserver.set_policies(self._policies)
        await self.bserver.start()
        await self.iserver.start()


_CLEAR: Final = ua.MessageSecurityMode.None_
