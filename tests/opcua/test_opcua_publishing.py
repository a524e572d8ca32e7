# SPDX-License-Identifier: Apache-2.0
"""What real servers do too rarely to wait for: messages late, lost, doubled, out of order, at the turn of numbers."""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import nodeid_to_binary, struct_to_binary
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.core.errors import Disconnected
from isthmus.systems.opcua import publishing
from isthmus.systems.opcua.notification import Message
from isthmus.systems.opcua.publishing import Publishing
from isthmus.systems.opcua.spec import OpcUaSpec
from isthmus.systems.opcua.transport import Answer, publish_request
from tests.contract.adapters import eventually
from tests.opcua.test_opcua_decode import data_change, response

SUBSCRIPTION = 42
NAMES = {"BadMessageNotAvailable", "BadTooManyPublishRequests", "BadNoSubscription", "BadTimeout", "BadSessionClosed"}


def message(sequence: int, *, alive_only: bool = False) -> bytes:
    item = struct.pack("<IBBd", 0, 1, 11, float(sequence))
    return response([] if alive_only else [data_change([item])], sequence=sequence)


def again(sequence: int) -> bytes:
    """The same message as a RepublishResponse."""
    item = struct.pack("<IBBd", 0, 1, 11, float(sequence))
    head = b"\x01\x00" + struct.pack("<H", 835) + struct.pack("<qII", 0, 1, 0) + b"\0\xff\xff\xff\xff\0\0\0"
    return head + struct.pack("<Iqi", sequence, 0, 1) + data_change([item])


def fault(status: int) -> bytes:
    """A ServiceFault."""
    return b"\x01\x00" + struct.pack("<HqIIBiHB", 397, 0, 1, status, 0, 0, 0, 0)


def status(name: str) -> ua.UaStatusCodeError:
    return ua.UaStatusCodeError(getattr(ua.StatusCodes, name))


class Scripted:
    """Stands for the link: no real server misbehaves on demand."""

    url = "opc.tcp://scripted:4840"

    def __init__(self, answers: Iterable[bytes | str], kept: Iterable[int] = (), window: int = 4) -> None:
        self.spec = OpcUaSpec(url=["opc.tcp://scripted:4840"], outstanding=window)
        self._answers: deque[bytes | str] = deque(answers)
        self._asking: deque[Callable[[Answer], None]] = deque()
        self._kept = set(kept)
        self.acknowledged: list[int] = []
        self.asked_again: list[int] = []
        self.most = 0

    @property
    def outstanding(self) -> int:
        return len(self._asking)

    async def send(self, request: ua.RepublishRequest) -> Buffer:
        return self._again(request.Parameters.RetransmitSequenceNumber)

    def publish(self, subscription: int, acks: Sequence[int], answered: Callable[[Answer], None]) -> None:
        assert subscription == SUBSCRIPTION
        self.acknowledged += acks
        self._asking.append(answered)
        self.most = max(self.most, self.outstanding)
        asyncio.get_running_loop().call_soon(self._answer)

    def _answer(self) -> None:
        if self._answers and self._asking:
            answer = self._answers.popleft()
            body = fault(getattr(ua.StatusCodes, answer)) if isinstance(answer, str) else answer
            self._asking.popleft()(Buffer(body))

    def _again(self, sequence: int) -> Buffer:
        self.asked_again.append(sequence)
        if sequence not in self._kept:
            raise status("BadMessageNotAvailable")
        return Buffer(again(sequence))

    def say(self, *answers: bytes | str) -> None:
        self._answers += answers
        for _ in answers:
            self._answer()


class Taken:
    def __init__(self) -> None:
        self.messages: list[int] = []
        self.alive = 0
        self.missed: list[tuple[int, int]] = []
        self.puzzles: list[str] = []

    async def take(self, message: Message) -> None:
        if message.parts:
            self.messages.append(message.sequence)
        else:
            self.alive += 1

    async def miss(self, first: int, messages: int) -> None:
        self.missed.append((first, messages))

    async def puzzle(self, body: bytes, reason: str) -> None:
        self.puzzles.append(reason)


@asynccontextmanager
async def running(link: Scripted, expected: int = 1) -> AsyncIterator[tuple[Publishing, Taken, asyncio.Task[None]]]:
    taken = Taken()
    flow = Publishing(link, SUBSCRIPTION, taken)  # type: ignore[arg-type]  # Scripted stands for a Link
    flow.expected = expected
    task = asyncio.create_task(flow.run())
    try:
        yield flow, taken, task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "LATE", 0.03)
    monkeypatch.setattr(publishing, "PAUSE", 0.01)


async def test_messages_that_overtake_each_other_are_taken_in_order() -> None:
    link = Scripted([message(n) for n in (2, 1, 4, 3, 5)])
    async with running(link) as (_, taken, _):
        await eventually(lambda: len(taken.messages) == 5)
    assert taken.messages == [1, 2, 3, 4, 5] and not link.asked_again and link.most <= 4


async def test_a_missing_message_is_asked_for_again_and_its_followers_wait() -> None:
    link = Scripted([message(n) for n in (1, 3, 4)], kept=[2])
    async with running(link) as (_, taken, _):
        await eventually(lambda: len(taken.messages) == 4)
    assert taken.messages == [1, 2, 3, 4] and link.asked_again == [2] and not taken.missed


async def test_what_the_server_no_longer_has_is_said_to_be_lost_and_the_rest_goes_on() -> None:
    link = Scripted([message(n) for n in (1, 4, 7)], kept=[5])
    async with running(link) as (_, taken, _):
        await eventually(lambda: 7 in taken.messages)
    assert taken.messages == [1, 4, 5, 7] and taken.missed == [(2, 2), (6, 1)]


async def test_a_keep_alive_tells_of_a_message_that_never_came() -> None:
    link = Scripted([message(1), message(3, alive_only=True), message(3)], kept=[2])
    async with running(link) as (_, taken, _):
        await eventually(lambda: len(taken.messages) == 3)
    assert taken.messages == [1, 2, 3] and taken.alive == 1


async def test_a_message_that_comes_twice_is_taken_once() -> None:
    link = Scripted([message(1), message(1), message(2), message(1)])
    async with running(link) as (_, taken, _):
        await eventually(lambda: len(taken.messages) == 2)
        link.say(message(3))
        await eventually(lambda: 3 in taken.messages)
    assert taken.messages == [1, 2, 3]


async def test_numbers_turn_from_the_last_to_one() -> None:
    last = 2**32 - 1
    link = Scripted([message(last - 1), message(1), message(last), message(2)])
    async with running(link, expected=last - 1) as (_, taken, _):
        await eventually(lambda: len(taken.messages) == 4)
    assert taken.messages == [last - 1, last, 1, 2] and not taken.missed


async def test_only_what_was_kept_is_acknowledged() -> None:
    link = Scripted([message(1), message(2), message(3)])
    async with running(link) as (flow, taken, _):
        await eventually(lambda: len(taken.messages) == 3)
        link.say(message(4))
        await eventually(lambda: len(taken.messages) == 4)
        assert link.acknowledged == []
        flow.acknowledge(2)
        flow.acknowledge(2)
        link.say(message(5))
        await eventually(lambda: link.acknowledged == [2])


async def test_a_server_that_holds_fewer_requests_gets_fewer() -> None:
    link = Scripted(["BadTooManyPublishRequests", "BadTooManyPublishRequests", "BadTimeout", message(1)])
    async with running(link) as (flow, taken, _):
        await eventually(lambda: taken.messages == [1])
        assert flow.window == 2
        await eventually(lambda: link.outstanding == 2)


@pytest.mark.parametrize("name", ["BadNoSubscription", "BadSessionClosed"])
async def test_the_end_of_subscription_or_session_ends_the_flow(name: str) -> None:
    async with running(Scripted([message(1), name])) as (_, taken, task):
        with pytest.raises(Disconnected):
            await asyncio.wait_for(task, 60)
        assert taken.messages == [1]


async def test_a_response_that_is_none_is_set_aside_and_the_flow_goes_on() -> None:
    link = Scripted([message(1), b"\xff" * 40, message(2)[:50], message(2)])
    async with running(link) as (_, taken, _):
        await eventually(lambda: 2 in taken.messages)
    assert len(taken.puzzles) == 2 and taken.messages == [1, 2]


@settings(max_examples=40, deadline=None)
@given(st.permutations(range(1, 9)), st.sets(st.integers(1, 7)), st.sets(st.integers(1, 7)), st.integers(1, 5))
def test_whatever_the_order_every_message_is_taken_once_in_order_or_called_lost(
    order: list[int], dropped: set[int], kept: set[int], window: int
) -> None:
    async def run() -> None:
        link = Scripted([message(n) for n in order if n not in dropped], kept=kept, window=window)
        async with running(link) as (_, taken, _):
            await eventually(lambda: 8 in taken.messages)
            await asyncio.sleep(0.05)
            lost = {first + i for first, count in taken.missed for i in range(count)}
            assert taken.messages == sorted(set(taken.messages))
            assert set(taken.messages) | lost == set(range(1, 9)) and not set(taken.messages) & lost
            assert lost <= set(range(1, 9)) - kept

    asyncio.run(run())


@given(
    st.integers(0, 2**32 - 1), st.lists(st.integers(1, 2**32 - 1), max_size=5), st.integers(1, 2**31),
    st.one_of(
        st.integers(0, 2**32 - 1).map(lambda i: ua.NodeId(i, 3)), st.binary(min_size=1).map(lambda b: ua.NodeId(b, 1))
    ),
)  # fmt: skip
def test_a_publish_request_is_packed_as_asyncua_packs_it(
    subscription: int, acks: list[int], handle: int, token: ua.NodeId
) -> None:
    now = datetime(2026, 11, 23, 1, 2, 3, 456789, UTC)
    request = ua.PublishRequest()
    request.RequestHeader.AuthenticationToken = token
    request.RequestHeader.Timestamp = now
    request.RequestHeader.RequestHandle = handle
    known = [ua.SubscriptionAcknowledgement(subscription, ack) for ack in acks]
    request.Parameters.SubscriptionAcknowledgements = known
    ns = int(now.timestamp()) * 10**9 + 456_789_000
    ours = publish_request(nodeid_to_binary(token), ns, handle, subscription, acks)
    assert ours == struct_to_binary(request)
