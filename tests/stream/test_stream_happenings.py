# SPDX-License-Identifier: Apache-2.0
"""Events and what is put aside share messages, keep their order, and are read as they were written."""

from __future__ import annotations

from contextlib import suppress
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.core.errors import Damaged
from isthmus.core.event import Event, EventKind, Severity
from isthmus.stream.happenings import MESSAGE, Quarantined, of_events, of_quarantined, put_aside, read_events
from isthmus.stream.log import Log
from tests.stream.making import read_all


def event(number: int, source: str = "lims", size: int = 10) -> Event:
    return Event(
        id=f"{source}-{number}", kind=EventKind.REPORT, severity=Severity.WARNING, source=source, at=number,
        message="x" * size,
    )  # fmt: skip


def odd(number: int, source: str = "lims", size: int = 10) -> Quarantined:
    return Quarantined.of(source, "no number", bytes(size), number)


@given(
    st.lists(st.tuples(st.sampled_from(["lims", "mes"]), st.sampled_from([0, 10, 300_000, MESSAGE + 5])), max_size=9)
)
def test_neighbours_of_one_source_travel_together_in_their_order(shapes: list[tuple[str, int]]) -> None:
    events = [event(number, source, size) for number, (source, size) in enumerate(shapes)]
    parcels = list(of_events(events))
    read = [one for parcel in parcels for one in read_events(parcel.body)]
    assert [one.id for one in read] == [one.id for one in events]
    assert all(len(parcel.body) <= MESSAGE + 1000 for parcel in parcels)
    assert len({parcel.id for parcel in parcels}) == len(parcels)
    changes = sum(1 for one, next_ in pairwise(shapes) if one[0] != next_[0])
    if shapes and max(size for _, size in shapes) < 100:
        assert len(parcels) == changes + 1


@given(st.lists(st.tuples(st.sampled_from(["lims", "mes"]), st.integers(0, 70_000)), max_size=30))
def test_what_is_put_aside_comes_out_one_by_one(shapes: list[tuple[str, int]]) -> None:
    several = [odd(number, source, size) for number, (source, size) in enumerate(shapes)]
    parcels = list(of_quarantined(several))
    assert [Quarantined.unpack(one) for parcel in parcels for one in put_aside(parcel.body)] == several
    assert all(len(parcel.body) <= MESSAGE + 1000 for parcel in parcels)
    assert len({parcel.id for parcel in parcels}) == len(parcels)


def test_one_alone_is_written_as_it_always_was() -> None:
    (parcel,) = of_events([event(1)])
    assert msgspec.json.decode(parcel.body, type=Event) == event(1) and parcel.id == "event-lims-1"
    (parcel,) = of_quarantined([odd(1)])
    assert msgspec.msgpack.decode(parcel.body, type=Quarantined) == odd(1)


@given(st.binary(max_size=60) | st.sampled_from([b"[]", b"[1]", b"[{}]", b"{}", b"\x90", b"\x91\x01", b"[" * 99]))
def test_other_bytes_are_told_as_damaged(data: bytes) -> None:
    with suppress(Damaged):
        assert read_events(data) == []
    for one in put_aside(data):
        with pytest.raises(Damaged):
            Quarantined.unpack(one)


async def test_a_parcel_is_one_message_of_the_log_and_a_second_time_none(admin_log: Log) -> None:
    (parcel,) = of_events(event(number) for number in range(100))
    await admin_log.put(parcel)
    await admin_log.put(parcel)
    (message,) = (await read_all(admin_log)).others
    assert [one.at for one in read_events(message.data)] == list(range(100))
