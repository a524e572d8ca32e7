# SPDX-License-Identifier: Apache-2.0
"""The codec of messages: what is packed comes back bit for bit, and hostile bytes are Damaged."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from isthmus.core.errors import Damaged
from isthmus.core.samples import Samples
from isthmus.stream.codec import pack, unpack

_TEXTS = st.one_of(st.none(), st.text(max_size=20))
_NAMES = st.text(max_size=40)
_INT64 = st.integers(-(2**63), 2**63 - 1)
_COUNTS = st.integers(0, 2**63 - 1)


@st.composite
def some_samples(draw: st.DrawFn) -> Samples:
    rows = draw(st.integers(0, 20))
    return Samples(
        source=draw(_NAMES),
        epoch=draw(_COUNTS),
        number=draw(_COUNTS),
        tags=draw(_NAMES),
        index=draw(arrays(np.uint32, rows)),
        at=draw(arrays(np.int64, rows)),
        quality=draw(arrays(np.uint32, rows)),
        mark=draw(arrays(np.uint8, rows)),
        value=draw(arrays(np.float64, rows)),
        integer=draw(st.none() | arrays(np.int64, rows)),
        text=draw(st.none() | st.lists(_TEXTS, min_size=rows, max_size=rows)),
        seen=draw(_INT64),
    )


def same(one: Samples, other: Samples) -> bool:
    named = ("source", "epoch", "number", "tags", "seen")
    columns = ("index", "at", "quality", "mark", "value", "integer")
    return (
        all(getattr(one, name) == getattr(other, name) for name in named)
        and all(_bytes(getattr(one, name)) == _bytes(getattr(other, name)) for name in columns)
        and (None if one.text is None else list(one.text)) == (None if other.text is None else list(other.text))
    )


def _bytes(column: np.ndarray[tuple[int], np.dtype[np.generic]] | None) -> bytes | None:
    return None if column is None else column.tobytes()


@given(st.lists(some_samples(), max_size=4))
def test_every_combination_of_columns_comes_back_bit_for_bit(several: list[Samples]) -> None:
    back = unpack(pack(several))
    assert len(back) == len(several)
    assert all(map(same, several, back))


@given(st.lists(some_samples(), min_size=1, max_size=2))
def test_unpacked_columns_are_aligned_read_only_views_of_the_message(several: list[Samples]) -> None:
    message = pack(several)
    start = np.frombuffer(message, np.uint8).__array_interface__["data"][0]
    for samples in unpack(message):
        for column in (samples.index, samples.at, samples.quality, samples.mark, samples.value):
            where, read_only = column.__array_interface__["data"]
            assert read_only
            assert len(column) == 0 or start <= where < start + len(message)
            assert len(column) == 0 or (where - start) % column.itemsize == 0


@given(st.binary(max_size=300))
def test_hostile_bytes_are_never_anything_but_damaged(data: bytes) -> None:
    with pytest.raises(Damaged):
        unpack(data)


@given(st.binary(max_size=300), st.integers(0, 2**32 - 1))
def test_hostile_bytes_with_the_right_beginning_are_damaged_or_wholly_understood(data: bytes, size: int) -> None:
    for announced in (size, len(data), len(data) // 2):
        _damaged_or_same(b"ISM1" + announced.to_bytes(4, "little") + data)


@given(st.lists(some_samples(), min_size=1, max_size=3), st.data())
def test_a_message_that_was_cut_is_damaged(several: list[Samples], data: st.DataObject) -> None:
    message = pack(several)
    cut = data.draw(st.integers(0, len(message) - 1))
    with pytest.raises(Damaged):
        unpack(message[:cut])
    with pytest.raises(Damaged):
        unpack(message + b"\0" * 8)


@given(st.lists(some_samples(), min_size=1, max_size=3), st.data())
def test_a_changed_byte_is_damaged_or_wholly_understood(several: list[Samples], data: st.DataObject) -> None:
    message = bytearray(pack(several))
    message[data.draw(st.integers(0, len(message) - 1))] ^= data.draw(st.integers(1, 255))
    _damaged_or_same(bytes(message))


def _damaged_or_same(message: bytes) -> None:
    try:
        several = unpack(message)
    except Damaged:
        return
    assert all(map(same, several, unpack(pack(several))))


def test_columns_of_another_layout_in_memory_are_packed_all_the_same() -> None:
    samples = Samples(
        source="s", epoch=1, number=1, tags="t",
        index=np.arange(10, dtype=np.uint32)[::2], at=np.arange(5).astype(">i8"),
        quality=np.zeros(5, np.uint32), mark=np.zeros(5, np.uint8), value=np.arange(10.0)[::-2],
    )  # fmt: skip
    back = unpack(pack([samples]))[0]
    assert back.index.tolist() == [0, 2, 4, 6, 8]
    assert back.at.tolist() == [0, 1, 2, 3, 4]
    assert back.value.tolist() == [9, 7, 5, 3, 1]


@pytest.mark.parametrize("rows", [0, 1, 2, 1000])
def test_what_is_the_same_in_all_rows_is_kept_once(rows: int) -> None:
    scan = Samples(
        source="dcs", epoch=1, number=1, tags="list", seen=5,
        index=np.arange(7, 7 + rows, dtype=np.uint32), at=np.full(rows, 123, np.int64),
        quality=np.full(rows, 0x4000_0000, np.uint32), mark=np.full(rows, 4, np.uint8), value=np.arange(rows) / 2,
    )  # fmt: skip
    (back,) = unpack(pack([scan]))
    for name in ("index", "at", "quality", "mark", "value"):
        assert getattr(back, name).tolist() == getattr(scan, name).tolist()
    assert len(pack([scan])) <= 8 * rows + 200


def test_an_index_that_runs_over_its_end_is_damaged() -> None:
    top = np.array([2**32 - 2, 2**32 - 1], np.uint32)
    scan = Samples(
        source="dcs", epoch=1, number=1, tags="list", index=top, at=np.zeros(2, np.int64),
        quality=np.zeros(2, np.uint32), mark=np.zeros(2, np.uint8), value=np.zeros(2),
    )  # fmt: skip
    message = pack([scan])
    assert unpack(message)[0].index.tolist() == top.tolist()
    first = message.index(top[:1].tobytes(), 40)
    with pytest.raises(Damaged):
        unpack(message[:first] + b"\xff\xff\xff\xff" + message[first + 4 :])
