# SPDX-License-Identifier: Apache-2.0
"""What waits for the log is bounded, keeps its order, and tells of what the bound cost."""

from __future__ import annotations

import asyncio
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.core.event import Event, EventKind, Severity
from isthmus.core.samples import Samples
from isthmus.flow.hold import EVENTS, Hold, Waiting, weight
from isthmus.flow.ship import MOST, loads, parts
from isthmus.systems.contract import Oddity


def block(source: str, rows: int, first: int = 0, text: str | None = None) -> Samples:
    return Samples(
        source=source,
        epoch=0,
        number=0,
        tags="list",
        index=np.zeros(rows, np.uint32),
        at=np.arange(first, first + rows, dtype=np.int64),
        quality=np.zeros(rows, np.uint32),
        mark=np.zeros(rows, np.uint8),
        value=np.zeros(rows),
        text=[text] * rows if text is not None else None,
    )


def event(number: int) -> Event:
    return Event(id=str(number), kind=EventKind.TAG, severity=Severity.WARNING, source="a", at=number, message="odd")


async def test_what_is_put_is_taken_in_order_and_as_much_as_fits() -> None:
    hold = Hold()
    for number in range(5):
        await hold.put(Waiting((block("a", 100, number),)), "discard-oldest")
    size = weight(block("a", 100))
    assert [int(w.samples[0].at[0]) for w in hold.take(2 * size)] == [0, 1]
    assert [int(w.samples[0].at[0]) for w in hold.take(1)] == [2]
    assert [int(w.samples[0].at[0]) for w in hold.take(100 * size)] == [3, 4]
    assert hold.size == 0 and len(hold) == 0


async def test_at_the_bound_the_oldest_go_and_a_gap_event_says_how_many_and_from_when_to_when() -> None:
    acknowledged: list[int] = []
    hold = Hold(limit=weight(block("a", 250)))
    for number in range(4):
        waiting = Waiting((block("ab"[number % 2], 100, 1000 * number),), done=partial(acknowledged.append, number))
        await hold.put(waiting, "discard-oldest")
    assert acknowledged == [0, 1], "the far end must not keep what we gave up"
    assert [int(w.samples[0].at[0]) for w in hold.take(10**9)] == [2000, 3000]
    gaps = {gap.source: gap.details for gap in hold.owed(epoch=1, now=5)}
    assert gaps["a"] == {"cause": "overflow", "count": 100, "first": 0, "last": 99}
    assert gaps["b"] == {"cause": "overflow", "count": 100, "first": 1000, "last": 1099}
    assert hold.owed(epoch=1, now=6) == [] and hold.discarded == 200


async def test_events_of_what_was_discarded_are_kept_up_to_a_bound() -> None:
    hold = Hold(limit=weight(block("a", 10)))
    for number in range(EVENTS + 50):
        await hold.put(Waiting((block("a", 10),), events=(event(number),)), "discard-oldest")
    kept = [e.at for e in hold.owed(1, 1) if e.kind is EventKind.TAG]
    assert kept == list(range(49, EVENTS + 49))


async def test_quarantined_bytes_count_towards_the_bound_and_what_it_costs_is_told() -> None:
    hold = Hold(limit=1500)
    for source in "abbbb":
        await hold.put(Waiting(oddities=((source, Oddity("strange", bytes(400))),)), "discard-oldest")
    assert hold.size <= 1500 and len(hold) == 2
    told = hold.owed(epoch=1, now=5)
    assert [(one.kind, one.source, one.details["count"]) for one in told] == [
        (EventKind.QUARANTINE, "a", 1),
        (EventKind.QUARANTINE, "b", 2),
    ]
    assert "2 things of b that could not be read were discarded instead of put aside" in told[1].message
    assert hold.owed(epoch=1, now=6) == []


async def test_a_source_that_may_wait_waits_for_room() -> None:
    hold = Hold(limit=weight(block("a", 150)))
    await hold.put(Waiting((block("a", 100),)), "wait")
    second = asyncio.create_task(hold.put(Waiting((block("a", 100, 100),)), "wait"))
    done, _ = await asyncio.wait([second], timeout=0.05)
    assert not done
    hold.take(1)
    await asyncio.wait_for(second, 60)
    assert hold.discarded == 0 and len(hold) == 1


async def test_one_hand_over_larger_than_the_bound_still_goes_through() -> None:
    hold = Hold(limit=10)
    await asyncio.wait_for(hold.put(Waiting((block("a", 100),)), "wait"), 60)
    assert len(hold.take(1)[0].samples[0]) == 100


@given(st.lists(st.tuples(st.integers(0, 200_000), st.sampled_from([None, "", "x" * 300])), max_size=5))
def test_messages_never_outgrow_what_the_log_takes_and_keep_every_row(shapes: list[tuple[int, str | None]]) -> None:
    blocks = [block("a", rows if text != "x" * 300 else rows // 100, 7, text) for rows, text in shapes]
    split = [part for samples in blocks for part in parts(samples)]
    messages = list(loads(split))
    assert all(sum(map(weight, load)) <= MOST for load in messages)
    assert [part for load in messages for part in load] == split
    assert sum(map(len, split)) == sum(map(len, blocks))
    for samples in blocks:
        joined = np.concatenate([part.at for part in parts(samples)])
        assert (joined == samples.at).all()


@pytest.mark.parametrize("rows", [0, 1])
def test_a_small_block_is_one_part(rows: int) -> None:
    samples = block("a", rows)
    assert list(parts(samples)) == [samples]


async def test_what_a_source_that_waits_has_given_is_never_discarded_for_another() -> None:
    hold, kept = Hold(limit=2000), []
    await hold.put(Waiting((block("files", 30),), done=lambda: kept.append("files")), "wait")
    for number in range(6):
        await hold.put(Waiting((block("plc", 30, number),), done=lambda: kept.append("plc")), "discard-oldest")
    assert [w.samples[0].source for w in hold.take(10_000)] == ["files", "plc"]
    assert kept == ["plc"] * 5 and hold.discarded == 150
