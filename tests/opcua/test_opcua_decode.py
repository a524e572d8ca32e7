# SPDX-License-Identifier: Apache-2.0
"""The fast decoder against asyncua's own, value by value: every scalar type, mixed layouts, hostile bytes."""

from __future__ import annotations

import base64
import math
import struct
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from isthmus.core import quality, time
from isthmus.core.quality import BAD_TYPE_MISMATCH
from isthmus.systems.contract import Form
from isthmus.systems.opcua import columns, notification, wire
from isthmus.systems.opcua.columns import Columns
from isthmus.systems.opcua.wire import Malformed

LAST = 2**63 - 1
many = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def packed(layout: str) -> Any:
    return lambda value: struct.pack("<" + layout, value)


def string(text: str | bytes | None) -> bytes:
    if text is None:
        return b"\xff\xff\xff\xff"
    data = text.encode() if isinstance(text, str) else text
    return struct.pack("<i", len(data)) + data


texts = st.none() | st.text(max_size=12)
ticks = st.sampled_from([0, 1, -1, LAST, -LAST - 1, wire.TICKS_TO_1970, wire.FIRST_TICK, wire.LAST_TICK]) | st.integers(
    1, 2_650_467_743_990_000_000
)
node_ids = st.one_of(
    st.builds(lambda n: bytes([0, n]), st.integers(0, 255)),
    st.builds(lambda s, n: b"\x01" + struct.pack("<BH", s, n), st.integers(0, 255), st.integers(0, 65535)),
    st.builds(lambda s, n: b"\x02" + struct.pack("<HI", s, n), st.integers(0, 65535), st.integers(0, 2**32 - 1)),
    st.builds(lambda s, t: b"\x03" + struct.pack("<H", s) + string(t), st.integers(0, 65535), st.text(max_size=9)),
    st.builds(lambda s, u: b"\x04" + struct.pack("<H", s) + u.bytes_le, st.integers(0, 65535), st.uuids()),
    st.builds(lambda s, t: b"\x05" + struct.pack("<H", s) + string(t), st.integers(0, 65535), st.binary(max_size=9)),
)
FIXED: dict[int, st.SearchStrategy[bytes]] = {
    1: st.sampled_from([b"\0", b"\1", b"\xff"]),
    2: st.integers(-128, 127).map(packed("b")),
    3: st.integers(0, 255).map(packed("B")),
    4: st.integers(-(2**15), 2**15 - 1).map(packed("h")),
    5: st.integers(0, 2**16 - 1).map(packed("H")),
    6: st.integers(-(2**31), 2**31 - 1).map(packed("i")),
    7: st.integers(0, 2**32 - 1).map(packed("I")),
    8: (st.sampled_from([-(2**63), 2**63 - 1, 2**53 + 1]) | st.integers(-(2**63), 2**63 - 1)).map(packed("q")),
    9: (st.sampled_from([0, 2**64 - 1, 2**63, 2**53 + 1]) | st.integers(0, 2**64 - 1)).map(packed("Q")),
    10: st.floats(width=32).map(packed("f")),
    11: st.floats().map(packed("d")),
    19: st.integers(0, 2**32 - 1).map(packed("I")),
}
OTHER: dict[int, st.SearchStrategy[bytes]] = {
    0: st.just(b""),
    12: texts.map(string),
    13: ticks.map(packed("q")),
    14: st.uuids().map(lambda u: u.bytes_le),
    15: (st.none() | st.binary(max_size=12)).map(string),
    16: texts.map(string),
    17: node_ids,
    18: node_ids,
    20: st.builds(lambda s, t: struct.pack("<H", s) + string(t), st.integers(0, 65535), texts),
    21: st.builds(
        lambda m, a, b: bytes([m]) + (string(a) if m & 1 else b"") + (string(b) if m & 2 else b""),
        st.integers(0, 3),
        texts,
        texts,
    ),
}
SCALARS = FIXED | OTHER


def variants(types: dict[int, st.SearchStrategy[bytes]]) -> st.SearchStrategy[bytes]:
    return st.one_of([body.map(lambda b, t=t: bytes([t]) + b) for t, body in types.items()])  # type: ignore[misc]  # t=t binds now


def arrays(types: dict[int, st.SearchStrategy[bytes]]) -> st.SearchStrategy[bytes]:
    def of(type_: int) -> st.SearchStrategy[bytes]:
        elements = st.lists(types[type_], max_size=4)
        plain = elements.map(lambda all_: bytes([type_ | 128]) + struct.pack("<i", len(all_)) + b"".join(all_))
        square = elements.map(
            lambda all_: bytes([type_ | 192]) + struct.pack("<i", len(all_)) + b"".join(all_)
            + struct.pack("<iii", 2, 1, len(all_))
        )  # fmt: skip
        return plain | square

    return st.sampled_from([t for t in types if t]).flatmap(of)


structures = st.builds(lambda n, b: b"\x16" + n + b"\x01" + string(b), node_ids, st.binary(max_size=20)).filter(
    lambda b: b[1:5] != b"\0\0\1"
)
nested = st.builds(lambda inner: b"\x18" + inner, variants(SCALARS))


def data_values(variant: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    def build(mask: int, value: bytes, status: int, at: int, pico: int) -> bytes:
        parts: tuple[bytes, ...] = (value, struct.pack("<I", status), struct.pack("<q", at), struct.pack("<H", pico))
        parts += (struct.pack("<q", at), struct.pack("<H", pico))
        bits = (1, 2, 4, 16, 8, 32)
        return bytes([mask]) + b"".join(part for bit, part in zip(bits, parts, strict=True) if mask & bit)

    status = st.sampled_from([0, 0x80000000, 0x40000480, 0x808C0000, 0xFFFFFFFF]) | st.integers(0, 2**32 - 1)
    return st.builds(build, st.integers(0, 63), variant, status, ticks, st.integers(0, 65535))


def rows(variant: st.SearchStrategy[bytes]) -> st.SearchStrategy[list[bytes]]:
    row = st.builds(lambda h, v: struct.pack("<I", h) + v, st.integers(0, 2**32 - 1), data_values(variant))
    return st.lists(row, max_size=12)


def extension(number: int, body: bytes) -> bytes:
    return b"\x01\x00" + struct.pack("<H", number) + b"\x01" + string(body)


def data_change(items: list[bytes]) -> bytes:
    return extension(811, struct.pack("<i", len(items)) + b"".join(items) + b"\xff\xff\xff\xff")


def response(parts: list[bytes], header: bytes = b"\0\xff\xff\xff\xff\0\0\0", sequence: int = 7) -> bytes:
    return (
        b"\x01\x00" + struct.pack("<H", 829) + struct.pack("<qII", 0, 1, 0) + header
        + struct.pack("<IiIII?", 42, 3, 5, 6, 7, False)
        + struct.pack("<Iqi", sequence, 0, len(parts)) + b"".join(parts)
        + struct.pack("<iI", 1, 0) + b"\xff\xff\xff\xff"
    )  # fmt: skip


def read(body: bytes) -> Columns:
    return notification.contents(notification.published(body, 0)).columns


def oracle(body: bytes) -> list[Any]:
    """The items as asyncua's own decoder has them."""
    answer = struct_from_binary(ua.PublishResponse, Buffer(body))
    parts = answer.Parameters.NotificationMessage.NotificationData or []
    return [item for part in parts if isinstance(part, ua.DataChangeNotification) for item in part.MonitoredItems]


def written(value: Any) -> str | None:
    """A value asyncua decoded, as the text a reading has."""
    if isinstance(value, ua.LocalizedText):
        return shown(value.Text)
    if isinstance(value, ua.XmlElement):
        return shown(value.Value)
    if isinstance(value, ua.QualifiedName):
        space, name = value.NamespaceIndex & 0xFFFF, shown(value.Name)  # asyncua reads the index as signed
        return f"{space}:{name}" if name is not None and space else name
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, ua.NodeId):
        return node_text(value)
    return shown(value)


def shown(text: Any) -> str | None:
    """asyncua hides bytes that are no text in surrogates; ours shows them."""
    if text is None:
        return None
    return str(text).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def node_text(node: ua.NodeId) -> str:
    kind = {3: "s", 4: "g", 5: "b"}.get(node.NodeIdType.value, "i")
    name = written(node.Identifier) or ""
    return f"ns={node.NamespaceIndex};{kind}={name}" if node.NamespaceIndex else f"{kind}={name}"


def same_time(at: int, moment: datetime | None) -> bool:
    """asyncua keeps microseconds; ours is exact, and UNKNOWN for what 64 bits of ns cannot hold."""
    if moment is None:
        return at == time.UNKNOWN
    floor = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    if at == time.UNKNOWN:
        return moment.year == 1601 or not time.EARLIEST < floor * 1000 < time.LATEST or floor == 0
    return at // 1000 == floor


def agree(mine: Columns, theirs: list[Any]) -> None:
    at = mine.at()
    assert len(mine) == len(theirs)
    odd = {row: reason for row, reason, _ in mine.odd}
    for row, item in enumerate(theirs):
        value = item.Value
        assert mine.handle[row] == item.ClientHandle
        assert same_time(int(at[row]), value.SourceTimestamp), (at[row], value.SourceTimestamp)
        status = value.StatusCode.value if value.StatusCode is not None else 0
        if row in odd:
            variant = value.Value
            unwrapped = odd[row] == "a Variant"  # a Variant in a Variant is not allowed; asyncua takes the inner one
            assert unwrapped or variant.is_array or variant.VariantType.value >= 22
            assert mine.quality[row] == (status if status >= 0x80000000 else BAD_TYPE_MISMATCH)
            assert mine.form[row] == Form.NONE and math.isnan(mine.value[row])
            continue
        assert mine.quality[row] == status
        same_value(mine, row, value.Value)


FORMS = dict.fromkeys((2, 4, 6, 8), Form.SIGNED) | dict.fromkeys((3, 5, 7, 9, 19), Form.UNSIGNED)
FORMS |= {1: Form.BOOLEAN, 10: Form.FLOAT, 11: Form.FLOAT}


def same_value(mine: Columns, row: int, variant: Any) -> None:
    value: Any = None if variant is None else variant.Value
    type_ = 0 if variant is None else variant.VariantType.value
    form, number = int(mine.form[row]), float(mine.value[row])
    if type_ in FORMS:
        value = value.value if isinstance(value, ua.StatusCode) else value
        assert form == FORMS[type_]
        assert number == float(value) or (math.isnan(number) and math.isnan(value))
        if form in (Form.SIGNED, Form.UNSIGNED):
            assert mine.integer is not None
            assert int(mine.integer[row]) & (2**64 - 1) == value & (2**64 - 1)
    elif type_ == 13:
        same_date(mine, row, value)
    else:
        text = mine.text[row] if mine.text is not None else None
        assert text == written(value)
        assert form == (Form.NONE if text is None else Form.TEXT) and math.isnan(number)


def same_date(mine: Columns, row: int, value: datetime) -> None:
    text = mine.text[row] if mine.text is not None else None
    if text is None:
        assert value == datetime(1601, 1, 1, tzinfo=UTC)
    elif value.year < 9999:
        whole, _, fraction = text.removesuffix("Z").partition(".")
        assert datetime.fromisoformat(whole + "+00:00") == value.replace(microsecond=0)
        assert int((fraction or "0").ljust(9, "0")[:6]) == value.microsecond


@many
@given(st.sampled_from(sorted(FIXED)).flatmap(lambda t: rows(variants({t: FIXED[t]}))))
def test_rows_of_one_type_agree(items: list[bytes]) -> None:
    body = response([data_change(items)])
    agree(read(body), oracle(body))


@many
@given(
    st.tuples(st.sampled_from(sorted(FIXED)), st.integers(0, 63)).flatmap(
        lambda how: st.lists(
            st.tuples(st.integers(0, 2**32 - 1), FIXED[how[0]], st.integers(0, 2**32 - 1), ticks),
            min_size=1,
            max_size=20,
        ).map(lambda all_: (how, all_))
    )
)
def test_rows_of_one_layout_agree_through_the_view_and_row_by_row(case: Any) -> None:
    (type_, mask), all_ = case
    items = []
    for handle, value, status, at in all_:
        tail = (bytes([type_]) + value, struct.pack("<I", status), struct.pack("<q", at), b"\1\0", b"\0" * 8, b"\2\0")
        kept = b"".join(part for bit, part in zip((1, 2, 4, 16, 8, 32), tail, strict=True) if mask & bit)
        items.append(struct.pack("<IB", handle, mask) + kept)
    body = response([data_change(items)])
    agree(read(body), oracle(body))
    raw, empty = b"".join(items), columns.empty(len(items))
    view = columns._alike(raw, 0, len(items), 4)
    p = 0
    for row in range(len(items)):
        p = columns._one(raw, p, 4, empty, row)
    walked = columns._unlike(raw, 0, len(items), 4)
    assert view is not None and view[1] == walked[1] == p
    for other in (view[0], walked[0]):
        for name in ("handle", "ticks", "quality", "form", "value"):
            np.testing.assert_array_equal(getattr(other, name), getattr(empty, name))
        assert (other.integer is None) == (empty.integer is None)
        if other.integer is not None and empty.integer is not None:
            np.testing.assert_array_equal(other.integer, empty.integer)


@many
@given(rows(variants(SCALARS)), rows(variants(SCALARS)))
def test_mixed_rows_and_several_notifications_agree(first: list[bytes], second: list[bytes]) -> None:
    body = response([data_change(first), data_change(second)])
    agree(read(body), oracle(body))


@many
@given(rows(variants(SCALARS) | arrays(SCALARS) | structures | nested))
def test_odd_values_are_told_apart_and_their_neighbours_agree(items: list[bytes]) -> None:
    body = response([data_change(items)])
    try:
        theirs = oracle(body)
    except Exception:
        read(body)
        return
    mine = read(body)
    agree(mine, theirs)
    for row, _, payload in mine.odd:
        assert items[row][4:] == payload


@many
@given(st.sampled_from([0, 1]), st.lists(st.text(max_size=5), max_size=3), st.integers(0, 15), texts)
def test_headers_with_diagnostics_and_strings_are_passed(kind: int, table: list[str], mask: int, text: Any) -> None:
    diagnostics = bytes([mask | 16 | 32]) + b"\1\0\0\0" * mask.bit_count() + string(text) + b"\0\0\0\x80"
    strings = struct.pack("<i", len(table)) + b"".join(map(string, table))
    header = (diagnostics if kind else b"\0") + strings + b"\0\0\0"
    item = struct.pack("<IBBd", 3, 1, 11, 1.5)
    body = response([data_change([item])], header, sequence=9)
    message = notification.published(body, 0)
    assert (message.subscription, message.sequence, message.parts) == (42, 9, 1)
    agree(read(body), oracle(body))


def test_a_status_change_and_foreign_notifications_are_told_apart() -> None:
    gone = extension(820, struct.pack("<I", 0x800A0000) + b"\0")
    events = extension(916, b"\xff\xff\xff\xff")
    contents = notification.contents(notification.published(response([events, gone]), 0))
    assert contents.status == 0x800A0000 and len(contents.columns) == 0


hostile = st.one_of(
    st.tuples(st.just("cut"), st.integers(0, 400), st.just(0)),
    st.tuples(st.just("flip"), st.integers(0, 400), st.integers(1, 255)),
    st.tuples(st.just("length"), st.integers(0, 400), st.sampled_from([-1, -2, 2**31 - 1, -(2**31), 65536])),
)


def damaged(body: bytes, how: tuple[str, int, int]) -> bytes:
    kind, where, what = how
    where %= len(body)
    if kind == "cut":
        return body[:where]
    if kind == "flip":
        return body[:where] + bytes([body[where] ^ what]) + body[where + 1 :]
    return body[:where] + struct.pack("<i", what) + body[where + 4 :]


anything = rows(variants(SCALARS) | arrays(SCALARS) | structures | nested)


@settings(parent=many, max_examples=250)
@given(anything, st.lists(hostile, min_size=1, max_size=3))
@example([], [("length", 40, 2**31 - 1)])
def test_damaged_bytes_give_the_right_answer_or_none(items: list[bytes], damage: list[Any]) -> None:
    right_or_none(items, damage)


@pytest.mark.soak
@settings(parent=many, max_examples=30_000)
@given(anything, st.lists(hostile, min_size=1, max_size=3))
def test_thirty_thousand_damaged_notifications(items: list[bytes], damage: list[Any]) -> None:
    right_or_none(items, damage)


def right_or_none(items: list[bytes], damage: list[Any]) -> None:
    body = response([data_change(items)])
    for how in damage:
        body = damaged(body, how) or b"\0"
    try:
        mine = read(body)
    except (Malformed, ua.UaStatusCodeError):
        return
    try:
        theirs = oracle(body)
    except Exception:
        return
    if len(theirs) == len(mine) and not any(strange(item.Value.Value) for item in theirs):
        agree(mine, theirs)


def strange(variant: Any) -> bool:
    """What asyncua reads in its own way: types that do not exist, dimensions of a scalar, URIs in NodeIds."""
    if variant is None:
        return False
    if variant.VariantType.value > 25 or variant.Dimensions is not None:
        return True
    return getattr(variant.Value, "NamespaceUri", None) is not None or bool(getattr(variant.Value, "ServerIndex", 0))


@settings(parent=many, max_examples=250)
@given(st.binary(max_size=200))
def test_any_bytes_give_columns_a_bad_status_or_malformed(body: bytes) -> None:
    for reader in (read, lambda b: notification.republished(b, 0, 1)):
        try:
            reader(body)
        except (Malformed, ua.UaStatusCodeError):
            continue


def test_values_nested_without_end_are_refused_at_once() -> None:
    deep = b"\x18" * 100_000 + b"\x01\x01"
    item = struct.pack("<IB", 1, 1) + deep
    with pytest.raises(Malformed):
        read(response([data_change([item])]))
    chain = struct.pack("<IB", 1, 1) + b"\x19" + b"\x40" * 100_000 + b"\0"
    with pytest.raises(Malformed):
        read(response([data_change([chain])]))


def test_a_huge_count_costs_nothing() -> None:
    for type_ in (0x81, 0x8C, 0x98):
        item = struct.pack("<IBBi", 1, 1, type_, 2**31 - 1)
        with pytest.raises(Malformed):
            read(response([data_change([item])]))
    with pytest.raises(Malformed):
        read(response([extension(811, struct.pack("<i", 2**31 - 1))]))


def test_times_keep_their_hundred_nanoseconds_and_null_ones_are_unknown() -> None:
    times = [
        0,
        1,
        wire.TICKS_TO_1970 + 17_953_966_836_230_001,
        LAST,
        wire.FIRST_TICK,
        wire.LAST_TICK,
        wire.LAST_TICK + 1,
    ]
    items = [struct.pack("<IBBdq", i, 5, 11, 0.0, at) for i, at in enumerate(times)]
    at = read(response([data_change(items)])).at().tolist()
    assert at[2] == 1_795_396_683_623_000_100
    assert [at[0], at[1], at[3], at[6]] == [time.UNKNOWN] * 4
    assert time.EARLIEST <= at[4] < time.EARLIEST + 100 and time.LATEST - 100 < at[5] <= time.LATEST


def test_bytes_that_are_no_text_show_themselves() -> None:
    item = struct.pack("<IBB", 1, 1, 12) + string(b"a\xffb")
    text = read(response([data_change([item])])).text
    assert text == ["a\\xffb"]


def test_a_guid_is_written_as_the_standard_writes_it() -> None:
    known = uuid.UUID("09087e75-8e5e-499b-954f-f2a9603db28a")
    item = struct.pack("<IBB", 1, 1, 14) + known.bytes_le
    assert read(response([data_change([item])])).text == [str(known)]


def test_the_names_of_status_codes_are_the_standards_own() -> None:
    known = {code: ua.status_codes.get_name_and_doc(code)[0] for code in quality.NAMES}
    assert known == quality.NAMES
