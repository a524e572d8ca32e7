# SPDX-License-Identifier: Apache-2.0
"""Ten times the normal rate, for three clients of which one does not read: each hears what its queues can hold."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from isthmus.core.tag import DataType
from isthmus.outputs.opcua.connection import UNREAD
from isthmus.outputs.opcua.subscription import KEPT
from isthmus.store.history.columns import Columns
from tests.conftest import Until
from tests.opcuaserver.house import AT, PLANT, URI, House, house, samples, setting
from tests.peers.opcua_client_peer import OpcUaClient

COUNT = 50
TAGS = tuple(setting(n, f"{PLANT}/hall/t{n}", DataType.FLOAT) for n in range(1, COUNT + 1))
PATHS = [one.tag.path for one in TAGS]
OVERFLOW = 0x480
"""InfoType DataValue, and the bit Overflow (Part 4, 7.39.1)."""
BURST = 10
"""Values of a tag in a tenth of a second, where one would be normal."""
LARGEST_MESSAGE = 1 << 20
"""Bytes, more than any answer of this test has."""


def burst(first: int) -> Columns:
    """The next values of every tag, a hundredth of a second apart."""
    tags = np.repeat(np.arange(1, COUNT + 1), BURST)
    values = np.tile(np.arange(first, first + BURST), COUNT)
    return samples(tags.tolist(), (AT + values * 10_000_000).tolist(), values.astype(float).tolist())


class Reader:
    """A client with a subscription of its own, and what it heard of each tag, in order."""

    def __init__(self, client: OpcUaClient) -> None:
        self.client = client
        self.values: dict[str, list[tuple[int, int]]] = {path: [] for path in PATHS}

    async def hear(self) -> None:
        for one in (await self.client.do("heard"))["heard"]:
            if one["value"] is not None:
                self.values[one["node"]].append((int(one["value"]), one["status"]))

    async def has(self, last: int) -> bool:
        await self.hear()
        return all(heard and heard[-1][0] == last for heard in self.values.values())

    def check(self) -> None:
        """Where values are missing the next one says so, and no other (Part 4, 5.13.1.5; the oldest are left out)."""
        for path, heard in self.values.items():
            for (before, _), (value, status) in pairwise(heard):
                assert value > before, (path, before, value)
                assert status == (0 if value == before + 1 else OVERFLOW), (path, before, value, hex(status))


@asynccontextmanager
async def readers(opened: House, folder: Path, sizes: Sequence[int]) -> AsyncIterator[list[Reader]]:
    """Clients whose items have queues of these sizes; all have heard a first value."""
    async with AsyncExitStack() as stack:
        clients = [OpcUaClient(folder / f"client-{n}", opened.url, URI, retry=1000) for n in range(len(sizes))]
        found = [Reader(await stack.enter_async_context(client)) for client in clients]
        for reader, size in zip(found, sizes, strict=True):
            said = await reader.client.do("subscribe", nodes=PATHS, size=size)
            assert said["good"] == COUNT
        yield found


def held(opened: House) -> Iterable[Any]:
    """The server's own subscriptions."""
    inside: Any = opened.sink._server  # type: ignore[attr-defined]  # looked at, not touched
    for visit in inside.iserver._external_sessions.values():
        yield from visit.publishing.subscriptions.values()


def unread(opened: House) -> int:
    """Bytes at most that wait for a client to read them."""
    inside: Any = opened.sink._server  # type: ignore[attr-defined]  # looked at, not touched
    return max(int(one.transport.get_write_buffer_size()) for one in inside.bserver.clients if one.transport)


@pytest.mark.parametrize("rounds", [10, pytest.param(3000, marks=[pytest.mark.soak, pytest.mark.timeout(1800)])])
async def test_at_ten_times_the_rate_one_client_that_does_not_read_costs_the_others_nothing(
    tmp_path: Path, until: Until, rounds: int
) -> None:
    async with house(tmp_path / "house", tags=TAGS, assets=()) as opened:
        await opened.deliver(burst(0).pick(slice(0, None, BURST)))
        async with readers(opened, tmp_path, (1000, 3, 3)) as (all_of_it, some, deaf):
            for reader in (all_of_it, some, deaf):
                await until(partial(reader.has, 0), "the first values")
            deaf.client.signal(signal.SIGSTOP)
            number = 1
            for _ in range(rounds):
                await opened.deliver(burst(number))
                number += BURST
                for subscription in held(opened):
                    assert all(len(item.queue) <= item.terms.size for item in subscription.items.values())
                    assert sum(map(len, subscription.sent.values())) <= KEPT
                assert unread(opened) <= UNREAD + LARGEST_MESSAGE
                await asyncio.sleep(0.1)
                await all_of_it.hear()
                await some.hear()
            last = number - 1
            for reader in (all_of_it, some):
                await until(partial(reader.has, last), "the others have it all, or the last", within=60)
                reader.check()
            assert all([value for value, _ in heard] == list(range(number)) for heard in all_of_it.values.values())
            assert all(any(status for _, status in heard) for heard in some.values.values())
            still_there = len(list(held(opened))) == 3  # its session is over after a while; then it has another one
            deaf.client.signal(signal.SIGCONT)
            await until(lambda: deaf.has(last), "it reads on", within=120)
            if still_there:
                deaf.check()
                assert all(any(status for _, status in heard) for heard in deaf.values.values())
