# SPDX-License-Identifier: Apache-2.0
"""Addresses of S7: one writing each, and help for what other programs write."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.core.errors import IsthmusError
from isthmus.systems.registry import kinds
from isthmus.systems.s7.address import MOMENTS, NUMBERS, PATTERN, Place, check_address, parse

numbers = st.integers(0, 60_000)
areas = st.one_of(st.tuples(st.just("db"), st.integers(1, 65_535)), st.tuples(st.sampled_from("iqm"), st.just(0)))
places = st.one_of(
    st.builds(lambda a, n, t: Place(a[0], a[1], n, 0, t), areas, numbers, st.sampled_from([*NUMBERS, *MOMENTS])),
    st.builds(lambda a, n, b: Place(a[0], a[1], n, b, "bool"), areas, numbers, st.integers(0, 7)),
    st.builds(
        lambda a, n, t, length: Place(a[0], a[1], n, 0, t, length),
        areas, numbers, st.sampled_from(["char", "string", "wstring"]), st.integers(1, 254),
    ),
)  # fmt: skip


@given(places)
def test_a_place_is_read_as_it_was_written_and_its_writing_fits_the_pattern(place: Place) -> None:
    assert parse(str(place)) == place and check_address(f" {str(place).upper()} ") == str(place)
    assert re.fullmatch(PATTERN, str(place))


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("DB1.4.0", "db1.4.0:bool"),
        ("M3.7", "m3.7:bool"),
        ("db5.0:STRING[20]", "db5.0:string20"),
        ("q2:BYTE", "q2:byte"),
    ],
)
def test_short_writings_have_one_canonical_form(said: str, meant: str) -> None:
    assert check_address(said) == meant


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ("DB1.DBD4", "did you mean db1.4:real?"),
        ("DB10.DBX4.3", "did you mean db10.4.3:bool?"),
        ("MW10", "did you mean m10:int?"),
        ("E0.0", "did you mean i0.0:bool?"),
        ("AB3", "did you mean q3:byte?"),
        ("db1.0:float", "did you mean 'real'?"),
        ("db1.0:rael", "did you mean 'real'?"),
        ("db1.0:bool", "write db1.0.0:bool"),
        ("db1.0:string", "write string20 for STRING[20]"),
        ("db1.4", "write db1.0:real"),
        ("x4:int", "write db1.0:real"),
    ],
)
def test_what_other_programs_write_is_told_how_to_write_here(said: str, hint: str) -> None:
    with pytest.raises(IsthmusError) as raised:
        check_address(said)
    assert hint in str(raised.value)


@pytest.mark.parametrize(
    "said",
    ["db0.0:int", "db1.0.8:bool", "db1.0.0:int", "db1.65533:real", "db1.65536:byte", "db70000.0:int", "db1.0:string255",
     "db1.0:char0", "", "db1", "db1.", "db1.-1:int", "db１.0:int", "db1.0:int:x", "\0"],
)  # fmt: skip
def test_what_cannot_be_an_address_is_refused(said: str) -> None:
    with pytest.raises(IsthmusError):
        check_address(said)


@given(st.text(max_size=40))
def test_no_text_breaks_the_reading_of_addresses(text: str) -> None:
    try:
        canonical = check_address(text)
    except IsthmusError:
        return
    assert re.fullmatch(PATTERN, canonical)


def test_rack_slot_and_kind_of_connection_make_the_tsap_unless_it_is_given() -> None:
    spec = kinds()["s7"].spec
    remote = [
        spec.model_validate({"host": "plc", **said}).remote  # type: ignore[attr-defined]  # an S7Spec
        for said in ({}, {"slot": 2}, {"rack": 1, "slot": 3, "connection": "op"}, {"connection": "basic", "slot": 0},
                     {"tsap": "4d.57"})
    ]  # fmt: skip
    assert remote == [b"\x01\x01", b"\x01\x02", b"\x02\x23", b"\x03\x00", b"\x4d\x57"]
