# SPDX-License-Identifier: Apache-2.0
"""A link is one secure channel and one session to one server; a session that outlives its channel is taken up again.

asyncua carries the channel, the session and single requests; its own reconnecting, watchdog and publish loop stay off.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeVar

from asyncua import Client, ua
from asyncua.common.connection import TransportLimits
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary

from isthmus.core.errors import Disconnected, Refused
from isthmus.systems.contract import Surroundings
from isthmus.systems.opcua import trust
from isthmus.systems.opcua.failure import TOO_MUCH, explained, status_name
from isthmus.systems.opcua.spec import OpcUaSpec
from isthmus.systems.opcua.transport import Answer, Transport

T = TypeVar("T")
R = TypeVar("R")

AT_ONCE: Final = 1000
"""Operations in one request to a server that names no limit."""
CLOSING: Final = 2.0
"""Seconds a polite good-bye may take."""
LARGEST_MESSAGE: Final = 64 * 1024 * 1024
"""Bytes of one message we accept."""

logging.getLogger("asyncua").setLevel(logging.CRITICAL + 1)  # whatever it reports reaches us as an exception too


class Link:
    """A session with the server at `url`."""

    def __init__(self, spec: OpcUaSpec, surroundings: Surroundings, url: str) -> None:
        self.spec, self.surroundings, self.url = spec, surroundings, url
        self.namespaces: tuple[str, ...] = ()
        self.limits: dict[str, int] = {}
        self._client = Client(url, timeout=spec.seconds("timeout"))
        self._client.name = self._client.description = f"Isthmus {surroundings.system}"
        self._client.product_uri = "urn:isthmus"
        self._client.application_uri = "urn:isthmus"
        self._client.session_timeout = round(spec.seconds("lifetime") * 1000)
        self._client.secure_channel_timeout = 3_600_000
        self._client.uaclient._make_protocol = self._protocol

    def _protocol(self) -> Transport:
        """A transport with bounds on what it will hold (asyncua's own has none)."""
        uaclient = self._client.uaclient
        limits = TransportLimits(65535, 65535, LARGEST_MESSAGE // 8192, LARGEST_MESSAGE)
        protocol = Transport(uaclient._timeout, security_policy=uaclient.security_policy, limits=limits)
        protocol.pre_request_hook = uaclient.pre_request_hook
        protocol.on_connection_lost = uaclient._on_transport_lost
        protocol.is_session_closing = uaclient._is_session_closing
        uaclient.protocol = protocol
        return protocol

    async def open(self) -> None:
        """Connects, makes a channel and a session, reads what the server says of itself."""
        with explained(self.url):
            try:
                await self._set_up_security()
                await self._connect()
                await self._client.open_secure_channel()
                await self._client.create_session()
                await self._activate()
                await self._look_around()
            except BaseException:
                self.drop()
                raise

    async def resume(self) -> bool:
        """Takes the session up again over a new channel; False when that cannot be.

        Raises Disconnected when the server cannot be reached: then it may be possible later.
        """
        with explained(self.url):
            self.drop()
            try:
                await self._connect()
                try:
                    await self._client.open_secure_channel()
                    self._client.uaclient.session.rebind_authentication_token()
                    await self._activate()
                except (ua.UaError, OSError, TimeoutError):
                    self.drop()
                    return False
            except BaseException:
                self.drop()
                raise
        return True

    async def _set_up_security(self) -> None:
        client, spec = self._client, self.spec
        folder = trust.folder(self.surroundings.folder)
        if spec.policy != "None":
            await trust.secure(client, spec, folder, self.url)
        if spec.user is not None:
            client.set_user(spec.user)
            client.set_password(spec.password.get_secret_value() if spec.password else "")
        if spec.user_certificate and spec.user_key:
            await trust.load_user(client, folder / spec.user_certificate, folder / spec.user_key)

    async def _connect(self) -> None:
        async with asyncio.timeout(self.spec.seconds("patience")):
            await self._client.connect_socket()
            await self._client.send_hello()

    async def _activate(self) -> None:
        if self.spec.password is not None and not self.spec.plain_password:
            self._refuse_plain_password()
        await self._client._activate_with_credentials()

    def _refuse_plain_password(self) -> None:
        policy = self._client.server_policy(ua.UserTokenType.UserName).SecurityPolicyUri
        hidden = policy and not policy.endswith("#None")
        if not hidden and self._client.security_policy.Mode != ua.MessageSecurityMode.SignAndEncrypt:
            raise Refused(
                "the server would have the password sent in the clear",
                where=self.url,
                hint="set security: to what the server offers, or plain_password: true if the network is trusted",
            )

    async def _look_around(self) -> None:
        """Reads the namespaces and the limits."""
        self.namespaces = await self.read_namespaces()
        values = await self.read_values([ua.NodeId(number) for number in _LIMITS.values()])
        self.limits = {name: int(v or 0) for name, v in zip(_LIMITS, values, strict=True) if isinstance(v, int | None)}

    async def read_namespaces(self) -> tuple[str, ...]:
        """The server's namespace URIs, by index."""
        (uris,) = await self.read_values([ua.NodeId(ua.ObjectIds.Server_NamespaceArray)])
        return tuple(uri or "" for uri in uris) if isinstance(uris, list) else ()

    async def read_values(self, nodes: Sequence[ua.NodeId], attribute: int = 13) -> list[Any]:
        """An attribute (13: the value) of many nodes; None where it cannot be read."""

        async def read(some: Sequence[ua.NodeId]) -> list[ua.DataValue]:
            return list(await self._client.uaclient.session.read_attributes(list(some), ua.AttributeIds(attribute)))

        results = await self.batched(nodes, self.limits.get("read", 0), read)
        return [r.Value.Value if r.Value is not None and r.StatusCode.is_good() else None for r in results]

    async def probe(self) -> None:
        """Asks for the server's state; raises TimeoutError when no answer comes within our patience."""
        async with asyncio.timeout(self.spec.seconds("patience")):
            await self.read_values([ua.NodeId(ua.ObjectIds.Server_ServerStatus_State)])

    async def send(self, request: Any) -> Buffer:
        """The response to `request` in its bytes. Raises the status of a ServiceFault."""
        return await self._client.uaclient.session._send_request(request)

    def publish(self, subscription: int, acks: Sequence[int], answered: Callable[[Answer], None]) -> None:
        """Sends a PublishRequest; see `Transport.publish`."""
        transport = self._client.uaclient.protocol
        if transport is None:
            raise ConnectionError("the connection is closed")
        transport.publish(subscription, acks, answered)

    async def call(self, request: Any, response: type[Any]) -> Any:
        """The response to `request`; raises its status when that is bad."""
        answer = struct_from_binary(response, await self.send(request))
        answer.ResponseHeader.ServiceResult.check()
        return answer

    async def batched(
        self, items: Sequence[T], limit: int, call: Callable[[Sequence[T]], Awaitable[Sequence[R]]]
    ) -> list[R]:
        """`call` over all items, at most `limit` (0: none named) at once; half as many when the server finds it much.

        Whatever happens there is one result for each item, or an exception.
        """
        size, results = min(limit or AT_ONCE, AT_ONCE), list[R]()
        while len(results) < len(items):
            some = items[len(results) : len(results) + size]
            try:
                got = await call(some)
            except ua.UaStatusCodeError as error:
                if status_name(error) not in TOO_MUCH or size == 1:
                    raise
                size = max(1, min(size, len(some)) // 2)
                continue
            if len(got) != len(some):
                raise Disconnected(f"the server gave {len(got)} results for {len(some)}", where=self.url)
            results += got
        return results

    async def renew(self) -> None:
        """Keeps the channel's keys fresh, for ever (Part 4, 5.6.2: after three quarters of their life)."""
        while True:
            await asyncio.sleep(self._client.secure_channel_timeout * 0.75 / 1000)
            await self._client.open_secure_channel(renew=True)
            self._client.uaclient.revolve_security_token()

    async def close(self) -> None:
        """Says good-bye, for as long as that takes no more than two seconds, and closes the socket."""
        with contextlib.suppress(Exception):  # the far end may be gone; closing is a courtesy
            async with asyncio.timeout(CLOSING):
                await self._client.uaclient.close_session(True)
                await self._client.close_secure_channel()
        self.drop()

    def drop(self) -> None:
        """Closes the socket and nothing else: the server keeps session and subscriptions for their lifetime."""
        transport = self._client.uaclient.protocol and self._client.uaclient.protocol.transport
        self._client.disconnect_socket()
        if transport:
            transport.abort()


_LIMITS: Final = {
    "read": ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead,
    "monitor": ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxMonitoredItemsPerCall,
    "history": ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerHistoryReadData,
    "browse": ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerBrowse,
}
