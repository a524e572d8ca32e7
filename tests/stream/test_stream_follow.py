# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import os
import signal
from contextlib import aclosing

import pytest

from isthmus.core.errors import Disconnected
from isthmus.core.event import Event, EventKind, Severity
from isthmus.stream import names
from isthmus.stream.follow import BATCH, Hole, Idle, Message, follow
from isthmus.stream.log import Log, Position, open_log
from isthmus.stream.publish import Publisher
from isthmus.stream.server import LogServer
from tests.conftest import Until
from tests.peers.child import freeze
from tests.stream.making import Reading, numbered, read_all


async def publish(log: Log, first: int, last: int, rows: int = 10) -> None:
    async with Publisher.open(log, "s", "c", 1, window=16) as publisher:
        futures = [await publisher.send([numbered(n, rows)]) for n in range(first, last + 1)]
        await asyncio.gather(*futures)


async def test_a_reader_goes_on_after_the_position_it_kept(admin_log: Log) -> None:
    await publish(admin_log, 1, 10)
    first = await Reading().read(admin_log, lambda reading: len(reading.numbers) == 4)
    second = await read_all(admin_log, first.position)
    assert (first.numbers, second.numbers) == ([1, 2, 3, 4], [5, 6, 7, 8, 9, 10])


async def test_many_more_than_one_batch_come_in_order(admin_log: Log) -> None:
    await publish(admin_log, 1, 5 * BATCH)
    assert (await read_all(admin_log)).numbers == list(range(1, 5 * BATCH + 1))


async def test_large_messages_come_one_pull_after_another(admin_log: Log) -> None:
    await publish(admin_log, 1, 20, 200_000)
    assert (await read_all(admin_log)).numbers == list(range(1, 21))


async def test_what_is_published_while_following_comes_at_once(admin_log: Log) -> None:
    reading = Reading()
    task = asyncio.create_task(reading.read(admin_log, lambda reading: len(reading.numbers) == 3))
    await publish(admin_log, 1, 3)
    await task
    assert reading.numbers == [1, 2, 3]
    assert reading.position is not None and reading.position.at > 0


async def test_idle_comes_when_nothing_else_does(admin_log: Log) -> None:
    reading = await Reading().read(admin_log, lambda reading: reading.idle == 3)
    assert reading.numbers == []


async def test_a_filter_leaves_out_the_rest_without_calling_it_a_hole(admin_log: Log) -> None:
    event = Event(id="1", kind=EventKind.LOG, severity=Severity.INFORMATION, source="s", at=1, message="m")
    await publish(admin_log, 1, 5)
    await admin_log.emit(event)
    got = []
    async with asyncio.timeout(60), aclosing(follow(admin_log, None, subjects=["isthmus.events.>"])) as items:
        async for item in items:
            got.append(item)
            if isinstance(item, Idle):
                break
    assert [type(item) for item in got] == [Message, Idle]


async def test_what_was_purged_unread_is_a_hole_and_what_was_read_is_none(admin_log: Log) -> None:
    await publish(admin_log, 1, 10)
    read = await Reading().read(admin_log, lambda reading: len(reading.numbers) == 4)
    assert read.position is not None
    await admin_log.purge(4)
    assert (await read_all(admin_log, read.position)).holes == []
    await admin_log.purge(7)
    reading = await read_all(admin_log, read.position)
    assert [(hole.first, hole.last) for hole in reading.holes] == [(5, 7)]
    assert reading.holes[0].after == read.position
    assert reading.numbers == [8, 9, 10]
    assert (await read_all(admin_log)).holes == []


async def test_everything_purged_unread_is_a_hole_although_nothing_follows(admin_log: Log) -> None:
    await publish(admin_log, 1, 10)
    position = (await Reading().read(admin_log, lambda reading: len(reading.numbers) == 4)).position
    await admin_log.purge(10)
    reading = await Reading(position).read(admin_log, lambda reading: reading.idle > 0)
    assert [(hole.first, hole.last) for hole in reading.holes] == [(5, 10)]


async def test_messages_removed_from_the_middle_and_the_end_are_holes(admin_log: Log) -> None:
    await publish(admin_log, 1, 10)
    for sequence in (4, 5, 9, 10):
        await admin_log.wire.api(f"STREAM.MSG.DELETE.{names.STREAM}", {"seq": sequence})
    reading = await Reading().read(admin_log, lambda reading: len(reading.holes) == 2)
    assert [(hole.first, hole.last) for hole in reading.holes] == [(4, 5), (9, 10)]
    assert reading.numbers == [1, 2, 3, 6, 7, 8]
    await publish_more(admin_log)
    reading = await Reading(reading.position).read(admin_log, lambda reading: len(reading.numbers) == 1)
    assert reading.holes == []


async def publish_more(log: Log) -> None:
    async with Publisher.open(log, "s", "c", 2) as publisher:
        await (await publisher.send([numbered(1, 10, epoch=publisher.epoch)]))


async def test_a_log_that_is_another_one_is_told_and_read_from_its_start(admin_log: Log) -> None:
    await publish(admin_log, 1, 5)
    old = Position("2020-01-01T00:00:00Z", 3)
    reading = await read_all(admin_log, old)
    assert [(new.old, new.new.sequence) for new in reading.streams] == [(old, 0)]
    assert reading.numbers == [1, 2, 3, 4, 5]


async def test_a_log_that_ends_before_our_position_is_told_and_read_from_its_start(admin_log: Log) -> None:
    await publish(admin_log, 1, 5)
    reading = await read_all(admin_log, Position((await admin_log.state()).stream, 100))
    assert "ends at 5" in reading.streams[0].why
    assert reading.numbers == [1, 2, 3, 4, 5]


async def test_a_log_that_was_rolled_back_and_has_gone_on_is_told_by_the_time_of_a_message(admin_log: Log) -> None:
    await publish(admin_log, 1, 5)
    position = (await read_all(admin_log)).position
    assert position is not None
    reading = await read_all(admin_log, Position(position.stream, 3, position.at - 1))
    assert "message 3 is not the one" in reading.streams[0].why
    assert reading.numbers == [1, 2, 3, 4, 5]


async def test_a_reader_outlasts_kills_of_the_server_and_misses_nothing(log_server: LogServer, admin_log: Log) -> None:
    reading = Reading()
    task = asyncio.create_task(reading.read(admin_log, lambda reading: len(reading.numbers) == 30))
    async with Publisher.open(admin_log, "s", "c", 1) as publisher:
        for number in range(1, 31):
            await (await publisher.send([numbered(number)]))
            if number % 10 == 5 and log_server.pid is not None:
                os.kill(log_server.pid, signal.SIGKILL)
    await task
    assert reading.numbers == list(range(1, 31))
    assert (reading.holes, reading.streams, reading.repeated) == ([], [], [])


async def test_a_consumer_that_somebody_deletes_is_made_anew(admin_log: Log, until: Until) -> None:
    reading = Reading()
    task = asyncio.create_task(reading.read(admin_log, lambda reading: len(reading.numbers) == 2))
    await publish(admin_log, 1, 1)
    await until(lambda: bool(reading.numbers), "the first arrived")
    for consumer in (await admin_log.wire.api(f"CONSUMER.NAMES.{names.STREAM}"))["consumers"]:
        await admin_log.wire.api(f"CONSUMER.DELETE.{names.STREAM}.{consumer}")
    async with Publisher.open(admin_log, "s", "d", 1) as publisher:
        await (await publisher.send([numbered(2)]))
    async with asyncio.timeout(60):
        await task


async def test_an_away_log_is_idle_time_and_a_closed_one_an_error(log_server: LogServer) -> None:
    async with open_log(log_server.endpoint) as log:
        assert log_server.pid is not None
        freeze(log_server.pid)
        away = []
        try:
            async with asyncio.timeout(60), aclosing(follow(log, None, idle=0.1)) as items:
                async for item in items:
                    assert isinstance(item, Idle)
                    away.append(item.away)
                    if item.away:
                        break
        finally:
            os.kill(log_server.pid, signal.SIGCONT)
        assert away[-1]
    with pytest.raises(Disconnected):
        async for item in follow(log, None, idle=0.1):
            assert not isinstance(item, Message | Hole)


async def test_a_reader_that_ends_leaves_no_consumer_behind(admin_log: Log) -> None:
    await publish(admin_log, 1, 5)
    await read_all(admin_log)
    assert not (await admin_log.wire.api(f"CONSUMER.NAMES.{names.STREAM}"))["consumers"]
