# SPDX-License-Identifier: Apache-2.0
"""A client that loses nothing, as Part 4 (1.05) wants a client to be: after every cut it asks for what it has not had.

Part 4, 6.7: after the session is its own again it asks by Republish for the next message that it has not had, and for
the one after, until the server says Bad_MessageNotAvailable, and only then publishes again. With `transfers` it makes
another session each time, takes its subscription over, and asks for all that TransferSubscriptions says is available.
It acknowledges what it has, and with a request that was cut off it acknowledges once more.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, Final, Self

from asyncua import Client, ua
from asyncua.ua.ua_binary import struct_from_binary
from asyncua.ua.uaerrors import BadMessageNotAvailable

PIPELINED: Final = 5
"""Publish requests that wait at the server."""
INTERVAL: Final = 50.0
"""ms."""


class CarefulClient:
    """Hears one variable, each message once."""

    def __init__(self, url: str, node: str, *, transfers: bool = False) -> None:
        self._url, self._node, self._transfers = url, node, transfers
        self._client = Client(url, timeout=60)
        self._left = list[Client]()
        self._leaving = asyncio.Event()
        self._token = ua.NodeId()
        """Of its session."""
        self._subscription = 0
        self._unsaid = list[int]()
        """Numbers of messages that were not acknowledged yet."""
        self._task: asyncio.Task[None] | None = None
        self.messages: dict[int, list[float]] = {}
        """Values by sequence number."""
        self.republished = 0
        """Messages that it got by asking for them."""
        self.returns = 0
        """Times it came back."""

    async def __aenter__(self) -> Self:
        await self._connect()
        await self._sign_in()
        pace = ua.CreateSubscriptionParameters(INTERVAL, 3000, 20, 0, True, 0)
        made = await self._ask(ua.CreateSubscriptionRequest(Parameters=pace), ua.CreateSubscriptionResponse)
        self._subscription = made.Parameters.SubscriptionId
        watched = ua.ReadValueId(ua.NodeId(self._node, 2), ua.AttributeIds.Value)
        terms = ua.MonitoringParameters(ClientHandle=1, SamplingInterval=0.0, QueueSize=1000)
        item = ua.MonitoredItemCreateRequest(watched, ua.MonitoringMode.Reporting, terms)
        items = ua.CreateMonitoredItemsParameters(self._subscription, ua.TimestampsToReturn.Both, [item])
        await self._ask(ua.CreateMonitoredItemsRequest(Parameters=items), ua.CreateMonitoredItemsResponse)
        self._task = asyncio.create_task(self._stay())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        for client in (self._client, *self._left):
            client.disconnect_socket()

    @property
    def values(self) -> list[float]:
        """All it heard, in the order of the messages' numbers."""
        return [value for number in sorted(self.messages) for value in self.messages[number]]

    def check(self) -> None:
        """Raises what ended it; it never ends by itself."""
        assert self._task
        if self._task.done():
            self._task.result()

    async def leave(self) -> None:
        """Comes back over another connection; the one it had stays open, as where a network is cut and nobody told."""
        before = self.returns
        self._left.append(self._client)
        self._leaving.set()
        async with asyncio.timeout(60):
            while self.returns == before:
                self.check()
                await asyncio.sleep(0.02)

    async def _ask(self, request: Any, response: type[Any]) -> Any:
        """Of the library's client, without what it does by itself for whoever subscribes."""
        return struct_from_binary(response, await self._client.uaclient.session._send_request(request))

    async def _connect(self) -> None:
        self._client = Client(self._url, timeout=60)
        if self._transfers:
            self._client.session_timeout = 60_000  # those that it leaves come to an end
        await self._client.connect_sessionless()

    async def _sign_in(self) -> None:
        await self._client.create_session()
        self._token = self._client.uaclient.session.authentication_token
        await self._client.activate_session()

    async def _stay(self) -> None:
        while True:
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._leave())
                    for _ in range(PIPELINED):
                        group.create_task(self._publish())
            except* OSError:
                if self._client not in self._left:
                    self._client.disconnect_socket()
            await self._return()

    async def _leave(self) -> None:
        await self._leaving.wait()
        self._leaving.clear()
        raise ConnectionError("left")

    async def _publish(self) -> None:
        while True:
            said, self._unsaid = self._unsaid, []
            try:
                acknowledged = [ua.SubscriptionAcknowledgement(self._subscription, number) for number in said]
                answer: Any = await self._client.uaclient.publish(acknowledged)
            except BaseException:
                self._unsaid += said
                raise
            self._take(answer.Parameters.NotificationMessage)

    def _take(self, message: Any) -> None:
        if not message.NotificationData:  # a keep-alive: its number is the next message's
            return
        values = [item.Value.Value.Value for data in message.NotificationData for item in data.MonitoredItems]
        assert self.messages.setdefault(message.SequenceNumber, values) == values, "the same message has other values"
        self._unsaid.append(message.SequenceNumber)

    async def _return(self) -> None:
        """Comes back as often as it takes."""
        while True:
            try:
                await self._connect()
                await (self._take_over() if self._transfers else self._go_on())
                self.returns += 1
                return
            except OSError:
                self._client.disconnect_socket()
                await asyncio.sleep(0.05)

    async def _go_on(self) -> None:
        """With its session; asks from the first message on that it has not had, until there is none."""
        self._client.uaclient.session.restore_authentication_token(self._token)
        anonymous = ua.ActivateSessionParameters(UserIdentityToken=ua.AnonymousIdentityToken())
        await self._client.uaclient.activate_session(anonymous)
        number = 1
        with suppress(BadMessageNotAvailable):
            while True:
                if number not in self.messages:
                    await self._republish(number)
                number += 1

    async def _take_over(self) -> None:
        """With another session; asks for what there is and it has not had."""
        await self._sign_in()
        asked = ua.TransferSubscriptionsParameters([self._subscription], False)
        (found,) = await self._client.uaclient.transfer_subscriptions(asked)
        found.StatusCode.check()
        for number in found.AvailableSequenceNumbers or ():
            if number not in self.messages:
                await self._republish(number)

    async def _republish(self, number: int) -> None:
        self._take(await self._client.uaclient.session.republish(self._subscription, number))
        self.republished += 1
