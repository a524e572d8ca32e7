# SPDX-License-Identifier: Apache-2.0
"""The recorder on a real log: what is accepted is kept once, what is missing is said."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import msgspec
import numpy as np
import pytest

from isthmus.core.errors import InUse, LogFull
from isthmus.core.event import Event, EventKind, Severity
from isthmus.core.quality import Mark
from isthmus.store.history import flush
from isthmus.store.history.manifest import Manifest, Oddity, Which
from isthmus.store.history.read import History, open_history
from isthmus.stream import names
from isthmus.stream.happenings import Quarantined, of_events, of_quarantined
from isthmus.stream.log import Log, Position, open_log
from isthmus.stream.server import LogServer
from tests.history.plain import block, table_rows
from tests.history.plant import START, TAGS, accepted, collector, numbered, recorder, until

EVENT = Event(id="e1", kind=EventKind.SERVICE, severity=Severity.INFORMATION, source="a/b", at=START, message="hello")


def values(history: History) -> list[float]:
    found: list[float] = sorted(history.raw(range(1, 101))["value"].to_pylist())
    return found


def blocks(*numbers: int) -> list[float]:
    return [float(number * 100 + i) for number in sorted(numbers) for i in range(100)]


async def test_samples_are_read_from_the_tail_and_from_segments_alike(log: Log, tmp_path: Path) -> None:
    folder = tmp_path / "history"
    async with collector(log) as publisher:
        async with recorder(log, folder) as running:
            await accepted(publisher, *(numbered(n, epoch=1) for n in range(1, 6)))
            async with open_history(folder, log) as history:
                assert values(history) == blocks(1, 2, 3, 4, 5)
                assert len(history.segments) == 0
            await until(lambda: bool(running.said) and running.now.rows == 500)
        async with open_history(folder) as history:
            assert values(history) == blocks(1, 2, 3, 4, 5)
            assert len(history.segments) == 1
        await accepted(publisher, numbered(6, epoch=1))
        async with open_history(folder, log) as history:
            assert not history.behind
            assert values(history) == blocks(1, 2, 3, 4, 5, 6)
            assert history.last([7])["value"].to_pylist() == [606.0]
            assert history.last()["tag"].to_pylist() == list(range(1, 101))
            assert {tag.path for tag in history.tags().values()} == {tag.path for tag in TAGS.tags}


async def test_a_history_that_never_was_recorded_is_read_from_the_log(log: Log, tmp_path: Path) -> None:
    async with collector(log) as publisher:
        await accepted(publisher, numbered(1, epoch=1))
    async with open_history(tmp_path / "history", log) as history:
        assert values(history) == blocks(1)
        assert len(history.last()) == 100


async def test_an_empty_log_has_an_empty_history(log: Log, tmp_path: Path) -> None:
    async with open_history(tmp_path / "history", log) as history:
        assert values(history) == []
        assert len(history.last()) == len(history.events()) == 0


async def test_a_restart_goes_on_where_the_last_one_stopped(log: Log, tmp_path: Path) -> None:
    folder = tmp_path / "history"
    async with collector(log) as publisher:
        for n in range(1, 4):
            async with recorder(log, folder) as running:
                await accepted(publisher, numbered(n, epoch=1))
                await running.has_read(log)
    async with open_history(folder) as history:
        assert values(history) == blocks(1, 2, 3)
        assert history.gaps() == []


async def test_flushes_follow_rows_and_age(log: Log, tmp_path: Path) -> None:
    folder = tmp_path / "history"
    async with collector(log) as publisher, recorder(log, folder, rows=250, seconds=0.5) as running:
        await accepted(publisher, *(numbered(n, epoch=1) for n in range(1, 11)))
        await running.has_recorded(1000)
        assert running.now.segments >= 3
        async with open_history(folder, log) as history:
            assert values(history) == blocks(*range(1, 11))


async def test_a_second_recorder_is_refused(log: Log, tmp_path: Path) -> None:
    async with recorder(log, tmp_path / "history"):
        with pytest.raises(InUse):
            async with recorder(log, tmp_path / "history"):
                pass


async def test_blocks_that_come_again_are_passed_over_and_missing_ones_are_a_gap(log: Log, tmp_path: Path) -> None:
    folder = tmp_path / "history"
    async with collector(log) as publisher, recorder(log, folder) as running:
        await accepted(publisher, *(numbered(n, epoch=1) for n in (1, 2, 2, 5, 1, 6)))
        await until(lambda: bool(running.said) and running.now.rows == 400)
        assert (running.now.repeated, running.now.gaps) == (2, 1)
        async with open_history(folder, log) as history:
            (gap,) = history.gaps()
            assert gap.source == "dcs"
            assert gap.details["blocks"] == 2
            assert (gap.details["first"], gap.details["last"]) == (START + 2 * 10**9, START + 5 * 10**9)
    async with open_history(folder, log) as history:
        assert values(history) == blocks(1, 2, 5, 6)
        assert [found.id for found in history.gaps()] == [gap.id]


async def test_a_gap_noticed_by_the_recorder_is_told_to_everyone_once(log: Log, tmp_path: Path) -> None:
    folder = tmp_path / "history"
    async with collector(log) as publisher:
        async with recorder(log, folder, rows=100, seconds=0.1) as running:
            last = (await log.state()).last + 3  # two of ours, and what the recorder tells
            await accepted(publisher, numbered(1, epoch=1), numbered(3, epoch=1))
            await running.has_recorded(200)
            await until(lambda: running.now.committed is not None and running.now.committed.sequence == last)
        assert running.now.gaps == 1
        assert (await log.state()).last == last
    async with recorder(log, folder) as again:
        await until(lambda: bool(again.said))
        assert again.now.gaps == 1
    async with open_history(folder, log) as history:
        assert len(history.gaps()) == 1


async def test_events_are_kept_once_by_their_id(log: Log, tmp_path: Path) -> None:
    folder = tmp_path / "history"
    for _ in range(2):
        async with recorder(log, folder, seconds=0.1) as running:
            await log.wire.put(names.event_subject(EVENT.kind, EVENT.source), msgspec.json.encode(EVENT))
            await running.has_read(log)
    async with open_history(folder, log) as history:
        assert history.events() == [EVENT]
        assert history.events(START + 1) == []
        assert history.events(kind=EventKind.GAP) == []


async def test_heartbeats_move_the_position_without_segments(log: Log, tmp_path: Path) -> None:
    folder = tmp_path / "history"
    async with collector(log) as publisher, recorder(log, folder, seconds=0.1) as running:
        await accepted(publisher, *(block(TAGS, [], [], [], number=n) for n in range(1, 20)))
        end = (await log.state()).last
        await until(lambda: bool(running.said) and (p := running.now.committed) is not None and p.sequence == end)
        assert running.now.segments == 0
        assert list((folder / "segments").iterdir()) == []


async def test_what_cannot_be_read_is_kept_aside_and_said(log: Log, tmp_path: Path) -> None:
    folder = tmp_path / "history"
    strange = TAGS.__class__(TAGS.tags[:3])
    async with collector(log) as publisher:
        await log.wire.put(names.samples_subject("plant", "other"), b"nonsense")
        await log.wire.put("isthmus.events.gap.x", b"{}")
        unknown = block(strange, [0, 1], [START, START + 1], [1.0, 2.0], source="plc", number=1)
        outside = block(TAGS, [4000], [START], [1.0], source="plc2", number=1)
        late = numbered(1, epoch=1)
        await (await publisher.send([unknown, outside, late]))
    await log.quarantine("plc", "a reason", b"bytes")
    async with recorder(log, folder) as running:
        await until(lambda: running.now.rows == 100 if running.said else False)
        async with open_history(folder, log) as history:
            assert len(history.gaps()) == 4
    async with open_history(folder) as history:
        assert values(history) == blocks(1)
        sources = {gap.source: gap.details.get("count") for gap in history.gaps()}
        assert sources == {"log": None, "plc": 2, "plc2": 1}
        assert len(history.gaps()) == 4
        assert [oddity.subject for oddity in history.oddities()] == ["isthmus.quarantine.plc"]
    kept = {path.read_bytes() for path in (folder / "damaged").iterdir()}
    assert b"nonsense" in kept
    assert len(kept) == 3


async def test_the_future_and_the_past_never_become_the_latest_value(log: Log, tmp_path: Path) -> None:
    folder, far = tmp_path / "history", START + 10**18
    first = block(TAGS, [0, 0], [START, far], [1.0, 2.0], mark=[0, int(Mark.FUTURE)], number=1, seen=START + 5)
    recalled = block(TAGS, [0], [START + 9], [9.0], mark=[int(Mark.HISTORICAL)], number=2, seen=START + 10)
    late = block(TAGS, [0], [START - 7], [0.5], number=3, seen=START + 11)
    now = block(TAGS, [0], [START + 8], [3.0], number=4, seen=START + 12)
    async with collector(log) as publisher, recorder(log, folder, rows=1) as running:
        for samples, expected in ((first, 2.0), (recalled, 2.0), (late, 2.0), (now, 3.0)):
            await accepted(publisher, samples)
            async with open_history(folder, log) as history:
                assert history.last([1])["value"].to_pylist() == [expected]
        await running.has_recorded(5)
    async with open_history(folder) as history:
        assert history.last([1])["value"].to_pylist() == [3.0]
        assert history.raw([1])["value"].to_pylist() == [0.5, 1.0, 2.0, 3.0, 9.0]
        assert [row.time for row in table_rows(history.raw([1]))][2] == START + 5


async def test_the_log_is_purged_behind_what_is_committed(log: Log, tmp_path: Path) -> None:
    folder = tmp_path / "history"
    async with collector(log) as publisher, recorder(log, folder, rows=100, seconds=0.1, margin=0.0) as running:
        for n in range(1, 31):
            await accepted(publisher, numbered(n, epoch=1))
        await running.has_recorded(3000)
        async with asyncio.timeout(60):
            while (await log.state()).first <= 30:  # noqa: ASYNC110  (the log has no event for it)
                await asyncio.sleep(0.05)
        async with open_history(folder, log) as history:
            assert values(history) == blocks(*range(1, 31))
            assert history.gaps() == []


async def test_what_is_committed_stays_in_the_log_for_the_margin(log: Log, tmp_path: Path) -> None:
    async with collector(log) as publisher, recorder(log, tmp_path / "history", rows=100, margin=3600.0) as running:
        for n in range(1, 11):
            await accepted(publisher, numbered(n, epoch=1))
        await running.has_recorded(1000)
    assert (await log.state()).first == 1


async def test_a_full_log_has_room_again_once_it_is_recorded(tmp_path: Path) -> None:
    folder = tmp_path / "history"
    async with LogServer(tmp_path / "log", max_bytes=400_000) as server, open_log(server.endpoint) as log:
        async with collector(log) as publisher:
            sent = 0
            with pytest.raises(LogFull):
                for n in range(1, 1000):
                    await accepted(publisher, numbered(n, epoch=1))
                    sent = n
        async with collector(log, 2) as publisher, recorder(log, folder, seconds=0.1) as running:
            await running.has_recorded(100 * sent)
            async with asyncio.timeout(60):
                while sent < 1000:
                    try:
                        await accepted(publisher, numbered(sent + 1, epoch=2, before=sent))
                        break
                    except LogFull:
                        await asyncio.sleep(0.05)
            await running.has_read(log)
    async with open_history(folder) as history:
        assert values(history) == blocks(*range(1, sent + 2))
        assert [gap for gap in history.gaps() if gap.source == "dcs"] == []


async def test_messages_missing_in_the_log_are_a_gap(log: Log, tmp_path: Path) -> None:
    folder = tmp_path / "history"
    async with collector(log) as publisher:
        async with recorder(log, folder) as running:
            await accepted(publisher, numbered(1, epoch=1))
            await running.has_read(log)
        await accepted(publisher, numbered(2, epoch=1), numbered(3, epoch=1), numbered(4, epoch=1))
        await log.purge((await log.state()).first + 2)
        async with recorder(log, folder) as running:
            await accepted(publisher, numbered(5, epoch=1))
            await running.has_read(log)
    async with open_history(folder, log) as history:
        assert values(history) == blocks(1, 4, 5)
        assert {gap.source: gap.details.get("messages", gap.details.get("blocks")) for gap in history.gaps()} == {
            "log": 2,
            "dcs": 2,
        }


async def test_a_disk_that_refuses_bounds_memory_and_loses_nothing(log: Log, tmp_path: Path) -> None:
    folder = tmp_path / "history"
    async with collector(log) as publisher, recorder(log, folder, rows=300, seconds=0.2) as running:
        (folder / "segments").rename(folder / "elsewhere")
        await accepted(publisher, *(numbered(n, epoch=1) for n in range(1, 101)))
        await until(lambda: bool(running.said) and bool(running.now.problem))
        assert "cannot write history" in running.now.problem
        async with open_history(folder, log) as history:
            assert values(history) == blocks(*range(1, 101))
        assert max(said.rows for said in running.said) <= 400
        assert running.now.recorded == 0
        (folder / "elsewhere").rename(folder / "segments")
        await running.has_recorded(10_000)
        assert running.now.problem == ""
    async with open_history(folder) as history:
        assert values(history) == blocks(*range(1, 101))
        assert history.gaps() == []


async def test_stopping_while_the_disk_refuses_leaves_the_rest_to_the_log(log: Log, tmp_path: Path) -> None:
    folder = tmp_path / "history"
    async with collector(log) as publisher:
        async with recorder(log, folder, seconds=0.1) as running:
            (folder / "segments").rename(folder / "elsewhere")
            await accepted(publisher, numbered(1, epoch=1))
            await until(lambda: bool(running.said) and bool(running.now.problem))
        (folder / "elsewhere").rename(folder / "segments")
        async with recorder(log, folder) as running:
            await accepted(publisher, numbered(2, epoch=1))
            await running.has_read(log)
    async with open_history(folder) as history:
        assert values(history) == blocks(1, 2)


async def test_a_flush_that_fails_for_no_known_reason_is_not_overtaken_by_the_next(
    log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "history"

    def fail(*_: object) -> None:
        raise AttributeError("out of the blue")

    async with collector(log) as publisher:
        with monkeypatch.context() as patched, pytest.raises(AttributeError):
            patched.setattr(flush, "encode", fail)
            async with recorder(log, folder, rows=100) as running:
                await accepted(publisher, numbered(1, epoch=1), numbered(2, epoch=1), numbered(3, epoch=1))
                await until(lambda: running.task is not None and running.task.done())
        async with recorder(log, folder) as running:
            await running.has_read(log)
    async with open_history(folder) as history:
        assert values(history) == blocks(1, 2, 3)
        assert history.gaps() == []


async def test_a_wall_clock_that_steps_disturbs_neither_flushing_nor_reading(
    log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, real, step = tmp_path / "history", time.time_ns, [0]
    monkeypatch.setattr(time, "time_ns", lambda: real() + step[0])
    async with collector(log) as publisher, recorder(log, folder, seconds=0.2) as running:
        for n, hours in enumerate((0, 1, -1, 2, -2), start=1):
            step[0] = hours * 3600 * 10**9
            await accepted(publisher, numbered(n, epoch=1))
            await running.has_recorded(100 * n)
            async with open_history(folder, log) as history:
                assert values(history) == blocks(*range(1, n + 1))


async def test_readers_see_whole_histories_while_the_recorder_flushes_and_purges(log: Log, tmp_path: Path) -> None:
    folder = tmp_path / "history"
    sent, done, rounds = 0, False, [0, 0]

    async def read(reader: int) -> None:
        while not done:
            low = sent
            async with open_history(folder, log) as history:
                found = np.array(values(history))
                assert len(found) >= 100 * low
                assert np.array_equal(found, np.arange(100, 100 + len(found)))
                assert history.gaps() == []
            rounds[reader] += 1

    async with collector(log) as publisher, recorder(log, folder, rows=500, seconds=0.1, margin=0.0) as running:
        reading = [asyncio.create_task(read(reader)) for reader in range(2)]
        for n in range(1, 120):
            await accepted(publisher, numbered(n, epoch=1))
            sent = n
        await running.has_recorded(11_900)
        await until(lambda: min(rounds) > 2 or any(one.done() for one in reading))
        done = True
        await asyncio.gather(*reading)


async def test_what_shares_a_message_is_kept_one_by_one_however_often_it_is_read(log: Log, tmp_path: Path) -> None:
    folder = tmp_path / "history"
    events = [msgspec.structs.replace(EVENT, id=f"e{number}", at=START + number) for number in range(50)]
    aside = [Quarantined.of("plc", f"reason {number}", b"same", START) for number in range(5)]
    for parcel in (*of_events(events), *of_quarantined(aside)):
        await log.put(parcel)
    async with recorder(log, folder) as running:
        await running.has_read(log)
        async with open_history(folder, log) as history:
            assert [one.id for one in history.events()] == [one.id for one in events]
    for _ in range(2):
        await log.put(next(of_events(events[10:60])))
        async with recorder(log, folder) as running:
            await running.has_read(log)
    async with open_history(folder, log) as history:
        assert [one.id for one in history.events()] == [one.id for one in events]
        assert [Quarantined.unpack(one.body).reason for one in history.oddities()] == [one.reason for one in aside]
    manifest = Manifest.open(folder / "manifest.db")
    try:
        again = manifest.oddities()
        manifest.put_aside(manifest.state(), again)
        assert manifest.oddities() == again and len(again) == 5
    finally:
        manifest.close()


def test_quarantine_is_bounded_by_number_and_by_bytes_and_can_be_asked_for(tmp_path: Path) -> None:
    manifest = Manifest.open(tmp_path / "manifest.db")
    try:
        for first in range(0, 12_000, 1000):
            some = [Oddity(Position("s", n), f"q.{n % 2}", n, b"small") for n in range(first, first + 1000)]
            manifest.put_aside(manifest.state(), some)
            manifest.put_aside(manifest.state(), some)
        assert [one.at for one in manifest.oddities()] == list(range(2000, 12_000))
        chosen = manifest.oddities(Which("q.1", 3000, 11_000, 3))
        assert [one.at for one in chosen] == [10_995, 10_997, 10_999]
        large = [Oddity(Position("s", n), "q", n, b"x" * 65_536) for n in range(20_000, 21_030)]
        manifest.put_aside(manifest.state(), large)
        kept = manifest.oddities()
        assert [one.at for one in kept] == list(range(20_006, 21_030))
    finally:
        manifest.close()
