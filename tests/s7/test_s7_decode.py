# SPDX-License-Identifier: Apache-2.0
"""Pieces and their decoding against python-snap7's own, value by value: every type, at every place of a question."""

from __future__ import annotations

import datetime
import math
import struct
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from snap7.util import getters

from isthmus.systems.contract import Form
from isthmus.systems.polled.schedule import Scan
from isthmus.systems.s7 import wire
from isthmus.systems.s7.address import MOMENTS, NUMBERS, Place, parse
from isthmus.systems.s7.blocks import Block, Room, Wanted, coalesce

SIZE = 700
areas = st.sampled_from([("db", 1), ("db", 2), ("m", 0), ("i", 0)])
starts = st.integers(0, 600)
places = st.one_of(
    st.builds(lambda a, n, t: Place(a[0], a[1], n, 0, t), areas, starts, st.sampled_from([*NUMBERS, *MOMENTS])),
    st.builds(lambda a, n, b: Place(a[0], a[1], n, b, "bool"), areas, starts, st.integers(0, 7)),
    st.builds(lambda a, n, length: Place(a[0], a[1], n, 0, "char", length), areas, starts, st.integers(1, 40)),
)
rooms = st.builds(Room, st.sampled_from([240, 480, 960]), st.integers(0, 64))
memories = st.binary(min_size=40, max_size=40).map(lambda some: (some * 18)[:SIZE])
FORMATS = {
    "byte": "B", "usint": "B", "sint": "b", "word": "H", "uint": "H", "int": "h", "dword": "I", "udint": "I",
    "dint": "i", "time": "i", "lword": "Q", "ulint": "Q", "lint": "q", "real": "f", "lreal": "d",
}  # fmt: skip


def decoded(blocks: Sequence[Block], memory: bytes) -> dict[int, object]:
    """Position → what is read where every area holds `memory`."""
    data = b"".join(memory[s.start : s.start + s.count] for block in blocks for s, _ in block.items)
    layout = Scan[Wanted](0, 1.0, (), 0.0).layout(tuple(blocks))
    columns, found = layout.decode(data), dict[int, object]()
    for row, position in enumerate(layout.index.tolist()):
        form = int(layout.form[row])
        if form == Form.TEXT:
            assert columns.text is not None
            found[position] = columns.text[row]
        elif form in (Form.SIGNED, Form.UNSIGNED):
            assert columns.integer is not None
            found[position] = int(columns.integer[row]) & (2**64 - 1 if form == Form.UNSIGNED else -1)
        else:
            found[position] = float(columns.value[row])
    return found


def expected(place: Place, memory: bytes) -> object:
    data = memory[place.byte : place.byte + place.size]
    if place.type == "bool":
        return float(getters.get_bool(bytearray(memory), place.byte, place.bit))
    if place.type == "char":
        return data.split(b"\0")[0].rstrip(b" ").decode("latin-1")
    return struct.unpack(f">{FORMATS[place.type]}", data)[0]


@settings(max_examples=150, deadline=None)
@given(st.lists(places, min_size=1, max_size=30), memories, rooms)
def test_every_value_is_read_as_it_stands_whatever_is_read_with_it(
    some: list[Place], memory: bytes, room: Room
) -> None:
    blocks = coalesce([Wanted(i, place) for i, place in enumerate(some)], room)
    assert all(block.fits for block in blocks)
    found = decoded(blocks, memory)
    assert sorted(found) == list(range(len(some)))
    for position, place in enumerate(some):
        if place.type not in MOMENTS:
            theirs = expected(place, memory)
            assert found[position] == theirs or (isinstance(theirs, float) and math.isnan(theirs))


@given(st.lists(places, min_size=1, max_size=60), rooms)
def test_pieces_keep_to_the_gap_and_questions_to_the_message(some: list[Place], room: Room) -> None:
    for block in coalesce([Wanted(i, place) for i, place in enumerate(some)], room):
        assert len(block.question) <= room.message and len(block.items) <= wire.MOST_ITEMS
        for span, group in block.items:
            reached = span.start
            for one in group:
                assert one.place.byte - reached <= room.gap
                reached = max(reached, one.end)
            assert reached == span.start + span.count <= span.start + room.longest
        if len(block.wanted) > 1:
            assert all(half.fits for half in block.halves())


def test_neighbours_are_one_piece_and_many_pieces_one_question() -> None:
    some = [parse(text) for text in ("db1.0:real", "db1.4:real", "db1.40:int", "db2.0:int", "m7:byte")]
    (block,) = coalesce([Wanted(i, place) for i, place in enumerate(some)], Room(240, 16))
    assert [(s.area, s.block, s.start, s.count) for s, _ in block.items] == [
        ("db", 1, 0, 8), ("db", 1, 40, 2), ("db", 2, 0, 2), ("m", 0, 7, 1),
    ]  # fmt: skip
    many = coalesce([Wanted(i, parse(f"db{i + 1}.0:byte")) for i in range(45)], Room(960, 16))
    assert [len(block.items) for block in many] == [20, 20, 5]


def text_of(said: str, data: bytes) -> object:
    blocks = coalesce([Wanted(0, parse(said))], Room(960, 0))
    return decoded(blocks, data)[0]


@given(st.text(st.characters(max_codepoint=255), max_size=20))
def test_a_string_says_what_python_snap7_reads_of_it(text: str) -> None:
    data = bytes((20, len(text))) + text.encode("latin-1").ljust(20, b"?")
    assert text_of("db1.0:string20", data) == text == getters.get_string(bytearray(data), 0)


@given(st.text(st.characters(max_codepoint=0xD7FF), max_size=20))
def test_a_wstring_says_what_python_snap7_reads_of_it(text: str) -> None:
    data = struct.pack(">HH", 20, len(text)) + text.encode("utf-16-be").ljust(40, b"?")
    assert text_of("db1.0:wstring20", data) == text == getters.get_wstring(bytearray(data), 0)


@given(st.datetimes(datetime.datetime(1990, 1, 1), datetime.datetime(2089, 12, 31)))
def test_times_are_iso_texts_that_say_what_python_snap7_reads_of_them(moment: datetime.datetime) -> None:
    moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    digits = f"{moment:%y%m%d%H%M%S}{moment.microsecond // 1000:03d}{moment.isoweekday() % 7 + 1}"
    dt = bytes.fromhex(digits)
    assert datetime.datetime.fromisoformat(str(text_of("db1.0:dt", dt))) == moment
    assert datetime.datetime.fromisoformat(getters.get_dt(bytearray(dt), 0)) == moment
    dtl = struct.pack(
        ">HBBBBBBI", moment.year, moment.month, moment.day, 1, moment.hour, moment.minute, moment.second,
        moment.microsecond * 1000,
    )  # fmt: skip
    assert datetime.datetime.fromisoformat(str(text_of("db1.0:dtl", dtl))) == moment == getters.get_dtl(
        bytearray(dtl), 0
    )  # fmt: skip
    days = struct.pack(">H", (moment.date() - datetime.date(1990, 1, 1)).days)
    assert text_of("db1.0:date", days) == moment.date().isoformat()


@pytest.mark.parametrize(
    ("said", "data"),
    [
        ("db1.0:string4", b"\x04\x05abcd"),
        ("db1.0:string4", b"\xfe\x06abcd"),
        ("db1.0:wstring2", b"\0\x02\0\x03abcd"),
        ("db1.0:dt", bytes(8)),
        ("db1.0:dt", b"\x26\x13" + bytes(6)),
        ("db1.0:dt", b"\x2a" + bytes(7)),
        ("db1.0:dtl", bytes(12)),
        ("db1.0:dtl", struct.pack(">HBBBBBBI", 2026, 2, 30, 1, 0, 0, 0, 0)),
        ("db1.0:dtl", struct.pack(">HBBBBBBI", 2026, 2, 3, 1, 0, 0, 0, 1_000_000_000)),
    ],
)
def test_what_is_no_text_and_no_time_is_none(said: str, data: bytes) -> None:
    assert text_of(said, data) is None


@given(st.sampled_from(["string9", "wstring9", "dt", "dtl", "date", "char9"]), st.binary(min_size=22, max_size=22))
def test_no_bytes_break_the_reading_of_texts(type_: str, data: bytes) -> None:
    found = text_of(f"db1.0:{type_}", data)
    assert found is None or isinstance(found, str)
