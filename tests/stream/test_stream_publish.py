# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import os
import random
import signal
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import numpy as np
import pytest

from isthmus.core.errors import InUse, LogFull, Refused
from isthmus.core.event import Event, EventKind, Severity
from isthmus.core.samples import Samples
from isthmus.core.tag import DataType, Tag, TagList
from isthmus.stream import names
from isthmus.stream.log import Log, open_log
from isthmus.stream.publish import Publisher
from isthmus.stream.server import LogServer
from tests.conftest import Until
from tests.peers.child import freeze
from tests.stream.making import numbered, read_all


def happened(number: int) -> Event:
    return Event(
        id=str(number), kind=EventKind.SERVICE, severity=Severity.INFORMATION, source="test", at=number, message="m"
    )


async def test_messages_lie_in_the_log_in_the_order_they_were_sent(admin_log: Log) -> None:
    async with Publisher.open(admin_log, "acme/lyon", "main", 1) as publisher:
        futures = [await publisher.send([numbered(n)]) for n in range(1, 301)]
        sequences = await asyncio.gather(*futures)
    assert sequences == sorted(sequences)
    reading = await read_all(admin_log)
    assert reading.numbers == list(range(1, 301))
    assert (await admin_log.state()).last == 300


async def test_send_waits_only_while_the_window_is_full(log_server: LogServer, admin_log: Log) -> None:
    pid = log_server.pid
    assert pid is not None
    async with Publisher.open(admin_log, "s", "c", 1, window=4) as publisher:
        freeze(pid)
        try:
            async with asyncio.timeout(60):
                futures = [await publisher.send([numbered(n, 10)]) for n in range(1, 5)]
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await publisher.send([numbered(99, 10)])
            backlog = publisher.backlog
            assert (backlog.messages, backlog.samples) == (4, 40)
            assert backlog.bytes > 500 and backlog.oldest > 0.1
        finally:
            os.kill(pid, signal.SIGCONT)
        await asyncio.gather(*futures)
        assert publisher.backlog.messages == 0
    assert (await read_all(admin_log)).numbers == [1, 2, 3, 4]


async def test_one_message_may_carry_several_sources(admin_log: Log) -> None:
    async with Publisher.open(admin_log, "s", "c", 1) as publisher:
        await (await publisher.send([numbered(1, source="a"), numbered(1, source="b")]))
    assert (await read_all(admin_log)).sources.state.keys() == {"a", "b"}


async def test_collectors_and_events_side_by_side_keep_each_their_order(admin_log: Log) -> None:
    async def collect(name: str) -> None:
        async with Publisher.open(admin_log, "s", name, 1, window=8) as publisher:
            futures = [await publisher.send([numbered(n, 10, source=name)]) for n in range(1, 101)]
            await asyncio.gather(*futures)

    async def tell() -> None:
        for number in range(20):
            await admin_log.emit(happened(number))

    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        for name in "abc":
            tasks.create_task(collect(name))
        tasks.create_task(tell())
    reading = await read_all(admin_log)
    assert (reading.missing, reading.repeated) == ([], [])
    assert len(reading.numbers) == 300 and len(reading.others) == 20
    assert (await admin_log.state()).last == 320


async def test_a_full_log_refuses_and_what_was_refused_can_be_sent_again(tmp_path: Path) -> None:
    async with LogServer(tmp_path / "log", max_bytes=1 << 20) as server, open_log(server.endpoint) as log:
        async with Publisher.open(log, "s", "c", 1, window=8) as publisher:
            kept: list[int] = []
            refused: list[int] = []
            number = 0
            while not refused:
                batch = list(range(number + 1, number + 9))
                number += 8
                # The sizes differ: a small message would still fit when the large one before it does not.
                futures = [await publisher.send([numbered(n, 20 + 400 * (n % 2))]) for n in batch]
                for n, future in zip(batch, await asyncio.gather(*futures, return_exceptions=True), strict=True):
                    (refused if isinstance(future, LogFull) else kept).append(n)
            state = await log.state()
            assert state.fill > 0.95
            assert kept == list(range(1, kept[-1] + 1)) and refused == list(range(kept[-1] + 1, number + 1))
            with pytest.raises(LogFull):
                for other in range(10_000):
                    await log.emit(happened(other))
            position = (await read_all(log)).position
            await log.purge(state.last - 10)
            for n in refused:
                await (await publisher.send([numbered(n, 20 + 400 * (n % 2))]))
            reading = await read_all(log, position)
        assert reading.numbers == refused and not reading.holes


async def test_what_waits_for_room_behind_a_refused_message_is_refused_with_it(tmp_path: Path) -> None:
    async with LogServer(tmp_path / "log", max_bytes=1 << 20) as server, open_log(server.endpoint) as log:
        async with Publisher.open(log, "s", "c", 1, window=2) as publisher:
            futures: list[asyncio.Future[int]] = []
            number, refused = 0, False
            while not refused and not any(future.done() and future.exception() for future in futures):
                number += 1
                try:
                    futures.append(await publisher.send([numbered(number, 2000 if number % 3 else 1)]))
                except LogFull:
                    refused = True
            results = await asyncio.gather(*futures, return_exceptions=True)
            kept = [n for n, result in enumerate(results, 1) if not isinstance(result, LogFull)]
            assert len(kept) < number and kept == list(range(1, len(kept) + 1))
        assert (await read_all(log)).numbers == kept


async def test_a_message_that_is_too_large_is_refused_and_harms_nothing_else(admin_log: Log) -> None:
    async with Publisher.open(admin_log, "s", "c", 1) as publisher:
        with pytest.raises(Refused, match="bytes"):
            await publisher.send([numbered(1, 300_000)])
        await (await publisher.send([numbered(1, 160_000)]))
    assert (await read_all(admin_log)).numbers == [1]


async def test_a_second_collector_of_the_same_name_takes_over_and_the_first_is_told(admin_log: Log) -> None:
    async with Publisher.open(admin_log, "s", "c", 1) as first:
        await (await first.send([numbered(1, epoch=first.epoch)]))
        async with Publisher.open(admin_log, "s", "c", 1) as second:
            assert second.epoch > first.epoch
            await (await second.send([numbered(1, epoch=second.epoch)]))
            with pytest.raises(InUse, match="another collector"):
                await (await first.send([numbered(2, epoch=first.epoch)]))
            with pytest.raises(InUse):
                await first.send([numbered(2, epoch=first.epoch)])
            await (await second.send([numbered(2, epoch=second.epoch)]))
    assert (await read_all(admin_log)).numbers == [1, 1, 2]


async def test_the_epoch_grows_even_when_the_clock_went_back(admin_log: Log) -> None:
    async with Publisher.open(admin_log, "s", "c", 1000) as publisher:
        await (await publisher.send([numbered(1, epoch=publisher.epoch)]))
    async with Publisher.open(admin_log, "s", "c", 10) as publisher:
        assert publisher.epoch > 1000


async def test_purging_what_a_publisher_sent_last_does_not_disturb_it(admin_log: Log) -> None:
    async with Publisher.open(admin_log, "s", "c", 1) as publisher:
        for number in range(1, 10):
            await (await publisher.send([numbered(number)]))
            await admin_log.purge((await admin_log.state()).last)
        await (await publisher.send([numbered(10)]))
    assert (await read_all(admin_log)).numbers == [10]


async def test_nothing_is_stored_twice_after_an_outage_longer_than_the_de_duplication_window(
    tmp_path: Path, until: Until
) -> None:
    async with LogServer(tmp_path / "log", duplicates=0.2) as server, open_log(server.endpoint) as log:
        async with Publisher.open(log, "s", "c", 1, window=16) as publisher:
            killed: list[int | None] = [None]
            for _ in range(3):
                await until(lambda: server.pid not in killed, "the server is back")
                pid = server.pid
                assert pid is not None
                first = publisher._given + 1
                futures = [await publisher.send([numbered(n, 1000)]) for n in range(first, first + 16)]
                freeze(pid)  # some are stored, and hardly one of their acknowledgements arrived
                await asyncio.wait(futures, timeout=0.6)
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)
                await asyncio.gather(*futures)
        # By a connection of its own: if all was acknowledged before the kill, the other one may not know of it yet.
        async with open_log(server.endpoint, wait=60) as other:
            reading = await read_all(other)
        assert reading.numbers == list(range(1, 49))
        assert (reading.repeated, reading.missing, reading.holes) == ([], [], [])


async def test_bytes_that_an_old_connection_still_held_are_refused(admin_log: Log) -> None:
    """What a publisher sent before it lost its connection may arrive after it has gone on by a new one."""
    subject = names.samples_subject("s", "c")
    async with Publisher.open(admin_log, "s", "c", 5) as publisher:
        await asyncio.gather(*[await publisher.send([numbered(n, epoch=5)]) for n in range(1, 5)])
        await admin_log.emit(happened(1))
        before = (await admin_log.state()).last
        for number, previous in ((2, 1), (3, 2), (4, 3)):
            for condition in (
                {"Nats-Expected-Last-Msg-Id": publisher._id(previous)},
                {"Nats-Expected-Last-Subject-Sequence": str(previous)},
            ):
                late = {"Nats-Msg-Id": f"late-{number}", **condition}  # its id is forgotten after the window
                answer = await admin_log.wire.ask(subject, b"late", headers=late)
                assert b"wrong last" in answer.data
        assert (await admin_log.state()).last == before
        await (await publisher.send([numbered(5, epoch=5)]))
    assert (await read_all(admin_log)).numbers == [1, 2, 3, 4, 5]


async def test_a_tag_list_is_kept_again_in_a_log_that_was_lost(tmp_path: Path, until: Until) -> None:
    tags = TagList(tuple(Tag(n, f"a/b/t{n}", "Cel", DataType.FLOAT, False) for n in range(4096)))
    folder = tmp_path / "log"
    async with AsyncExitStack() as stack:
        async with LogServer(folder) as server:
            log = await stack.enter_async_context(open_log(server.endpoint))
            publisher = await stack.enter_async_context(Publisher.open(log, "s", "c", 1))
            await publisher.keep_list(tags)
            await publisher.keep_list(tags)
            await (await publisher.send([numbered(1)]))
        for path in sorted((folder / "store").rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        async with LogServer(folder) as server:
            await (await publisher.send([numbered(2)]))
            async with open_log(server.endpoint) as other:
                assert await other.tag_list(tags.digest) == tags
                assert (await read_all(other)).numbers == [2]
            await stack.aclose()


async def test_a_random_storm_of_kills_and_stops_changes_nothing(tmp_path: Path) -> None:
    chance = random.Random(1)
    async with LogServer(tmp_path / "log", duplicates=0.1) as server, open_log(server.endpoint) as log:
        async with Publisher.open(log, "s", "c", 1, window=8) as publisher:

            async def disturb() -> None:
                for _ in range(6):
                    await asyncio.sleep(chance.uniform(0.0, 0.5))
                    if (pid := server.pid) is not None:
                        with suppress(ProcessLookupError):  # it has just died of the last one
                            os.kill(pid, signal.SIGSTOP if chance.random() < 0.3 else signal.SIGKILL)
                            await asyncio.sleep(0.1)
                            if server.pid == pid:
                                os.kill(pid, signal.SIGCONT)

            disturbing = asyncio.create_task(disturb())
            futures, number = [], 0
            while not disturbing.done() or number < 50:
                number += 1
                futures.append(await publisher.send([numbered(number, 50)]))
                if number % 7 == 0:
                    await asyncio.sleep(0.002)
            async with asyncio.timeout(60):
                await asyncio.gather(*futures)
        reading = await read_all(log)
        assert reading.numbers == list(range(1, number + 1))
        assert (reading.repeated, reading.missing, reading.holes) == ([], [], [])


async def test_samples_with_every_column_arrive_as_they_were(admin_log: Log) -> None:
    sent = Samples(
        source="s", epoch=1, number=1, tags="t",
        index=np.array([1, 2, 3], np.uint32), at=np.array([1, 2, 2**62]),
        quality=np.array([0, 0x80000000, 0x40000000], np.uint32), mark=np.array([0, 1, 31], np.uint8),
        value=np.array([1.5, np.nan, np.inf]), integer=np.array([0, -1, 2**63 - 1]), text=["é", None, ""], seen=7,
    )  # fmt: skip
    async with Publisher.open(admin_log, "s", "c", 1) as publisher:
        await (await publisher.send([sent]))
    message = await admin_log.wire.at(names.STREAM, 1)
    assert message is not None
    from isthmus.stream.codec import unpack

    got = unpack(message.data)[0]
    assert got.text == sent.text and got.seen == 7
    assert got.integer is not None and got.integer.tolist() == [0, -1, 2**63 - 1]
