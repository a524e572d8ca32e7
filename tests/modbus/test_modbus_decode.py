# SPDX-License-Identifier: Apache-2.0
"""Blocks and the numpy decoder against value-by-value oracles: every type and order, at every place of a block."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pymodbus.client.mixin import ModbusClientMixin
from pymodbus.pdu import bit_message

from isthmus.systems.contract import Form
from isthmus.systems.modbus.address import BITS, ORDERS, REGISTERS, Place, parse
from isthmus.systems.modbus.blocks import Block, Wanted, coalesce
from isthmus.systems.modbus.decode import Spot
from isthmus.systems.modbus.encode import Unfit, encode
from isthmus.systems.modbus.spec import ModbusSpec
from isthmus.systems.polled.layout import Layout
from isthmus.systems.polled.schedule import Scan
from tests.modbus.oracle import expected, places

many = settings(max_examples=150, deadline=None)
Memory = dict[str, list[int]]
Values = dict[int, tuple[int, int | float | str]]


def spec(**more: object) -> ModbusSpec:
    return ModbusSpec.model_validate({"host": "there", **more})


def wanting(some: Sequence[Place], order: str = "ABCD", unit: int = 1) -> list[Wanted]:
    return [
        Wanted(i, p, p.unit if p.unit is not None else unit, p.number, p.order or order) for i, p in enumerate(some)
    ]


def answered(block: Block, memory: Memory) -> bytes:
    """The data a device with this memory answers a block with."""
    words = memory[block.table][block.start : block.start + block.count]
    if block.table in ("holding", "input"):
        return struct.pack(f">{len(words)}H", *words)
    return np.packbits(np.array(words, np.uint8), bitorder="little").tobytes()


def decoded(blocks: Sequence[Block], memory: Memory) -> Values:
    """Position → (form, value)."""
    layout = Scan[Wanted](1, 1.0, (), 0.0).layout(tuple(blocks))
    columns = layout.decode(b"".join(answered(block, memory) for block in blocks))
    found: Values = {}
    for row, position in enumerate(layout.index.tolist()):
        form = int(layout.form[row])
        value: int | float | str = float(columns.value[row])
        if form == Form.TEXT:
            assert columns.text is not None and math.isnan(columns.value[row])
            value = columns.text[row] or ""
        elif form in (Form.SIGNED, Form.UNSIGNED):
            assert columns.integer is not None
            value = int(columns.integer[row]) & (2**64 - 1 if form == Form.UNSIGNED else -1)
            assert columns.value[row] == float(value)
        found[position] = (form, value)
    return found


@st.composite
def memories(draw: Callable[..., list[int]]) -> Memory:
    pattern = draw(st.lists(st.integers(0, 0xFFFF), min_size=7, max_size=60))
    words = [pattern[i % len(pattern)] ^ (i * 0x0101 & 0xFFFF) for i in range(340)]
    bits = [words[i % 340] >> i % 16 & 1 for i in range(900)] + [1]
    return {"holding": words, "input": words[::-1], "coil": bits, "discrete": bits[::-1]}


@many
@given(
    some=st.lists(places, min_size=1, max_size=25),
    memory=memories(),
    order=st.sampled_from(ORDERS),
    block=st.integers(1, REGISTERS),
    gap=st.integers(0, REGISTERS),
)
def test_every_value_is_what_the_oracle_says_however_it_is_read(
    some: list[Place], memory: Memory, order: str, block: int, gap: int
) -> None:
    wanted = wanting(some, order)
    found = decoded(coalesce(wanted, spec(block=block, gap=gap)), memory)
    assert sorted(found) == list(range(len(some)))
    for one in wanted:
        right = expected(one.place, one.order, memory[one.place.table][one.start : one.end])
        form, value = found[one.position]
        assert value == right or (value != value and right != right), (str(one.place), one.order)
        name = one.place.type
        known = {"b": Form.BOOLEAN, "t": Form.TEXT, "f": Form.FLOAT, "i": Form.SIGNED, "u": Form.UNSIGNED}[name[0]]
        assert form == (Form.UNSIGNED if name.startswith("bits") else known)


@many
@given(st.lists(places, min_size=1, max_size=60), st.integers(1, REGISTERS), st.integers(0, REGISTERS))
@example([parse("holding.0:text250"), parse("holding.125:text250"), parse("coil.0"), parse("coil.1999")], 125, 125)
def test_blocks_hold_every_address_once_and_keep_to_the_limits(some: list[Place], block: int, gap: int) -> None:
    blocks = coalesce(wanting(some), spec(block=block, gap=gap))
    assert sorted(w.position for b in blocks for w in b.wanted) == list(range(len(some)))
    for one in blocks:
        registers = one.table in ("holding", "input")
        limit, widest = (block, gap) if registers else (16 * block, 16 * gap)
        assert one.count <= (REGISTERS if registers else BITS)
        assert one.count <= limit or len({(w.start, w.end) for w in one.wanted}) == 1 or _overlap(one)
        assert {(w.unit, w.place.table) for w in one.wanted} == {(one.unit, one.table)}
        reached = one.start
        for wanted in one.wanted:
            assert wanted.start - reached <= widest
            reached = max(reached, wanted.end)


def _overlap(block: Block) -> bool:
    """A long text is read as a whole, and what lies inside it with it."""
    longest = max(block.wanted, key=lambda w: w.end - w.start)
    return block.count == longest.end - longest.start


def test_neighbours_are_one_request_and_distant_ones_are_two() -> None:
    some = [parse(f"holding.{n}") for n in (10, 11, 30, 60)]
    assert [(b.start, b.count) for b in coalesce(wanting(some), spec(gap=20))] == [(10, 21), (60, 1)]
    assert [(b.start, b.count) for b in coalesce(wanting(some), spec(gap=0))] == [(10, 2), (30, 1), (60, 1)]
    assert [(b.start, b.count) for b in coalesce(wanting(some), spec(gap=125))] == [(10, 51)]


@given(st.lists(st.integers(0, 0xFFFF), min_size=4, max_size=4), st.sampled_from(["ABCD", "CDAB"]))
def test_pymodbus_reads_the_same(words: list[int], order: str) -> None:
    memory = {"holding": words}
    for name, type_ in ModbusClientMixin.DATATYPE.__members__.items():
        if name in ("STRING", "BITS"):
            continue
        place = parse(f"holding.0:{name.lower()}")
        theirs = ModbusClientMixin.convert_from_registers(
            words[: place.size], type_, word_order="big" if order == "ABCD" else "little"
        )
        ((_, ours),) = decoded(coalesce(wanting([place], order), spec()), memory).values()
        assert ours == theirs or (ours != ours and theirs != theirs)


@given(st.lists(st.booleans(), min_size=1, max_size=80))
def test_pymodbus_sends_coils_as_we_read_them(bits: list[bool]) -> None:
    answer = bit_message.ReadCoilsResponse(bits=bits).encode()
    some = [parse(f"coil.{i}") for i in range(len(bits))]
    (block,) = coalesce(wanting(some), spec())
    layout = Layout(list(block.spots(0)))
    columns = layout.decode(answer[1:])
    assert [bool(v) for _, v in sorted(zip(layout.index.tolist(), columns.value.tolist(), strict=True))] == bits
    assert len(answer) == block.size + 1


def test_a_signalling_nan_is_a_nan_without_a_warning() -> None:
    layout = Layout([Spot(0, parse("holding.0:float32"), "ABCD", 0), Spot(1, parse("holding.2:float64"), "ABCD", 4)])
    assert np.isnan(layout.decode(b"\x7f\xa0\0\1\x7f\xf4\0\0\0\0\0\1").value).all()


def test_columns_that_readings_share_cannot_be_changed() -> None:
    layout = Layout([Spot(0, parse("holding.0"), "ABCD", 0)])
    with pytest.raises(ValueError, match="read-only"):
        layout.form[0] = 0


@given(
    places.filter(lambda place: place.table == "holding"), st.sampled_from(ORDERS), st.binary(min_size=80, max_size=80)
)
def test_encoding_what_the_oracle_reads_gives_the_registers_back(place: Place, order: str, memory: bytes) -> None:
    words = struct.unpack(">40H", memory)[: place.size]
    value = expected(place, order, words)
    if isinstance(value, float) and value - value != 0:
        with pytest.raises(Unfit):
            encode(place, order, value)
    elif not isinstance(value, str):
        assert encode(place, order, value).over(words) == words
