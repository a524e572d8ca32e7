# SPDX-License-Identifier: Apache-2.0
"""Addresses: what is one, what it becomes, and what is said of what is none."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.core.errors import IsthmusError
from isthmus.systems.modbus.address import PATTERN, Place, check_address, check_write, parse
from isthmus.systems.registry import kinds
from tests.modbus.oracle import places


@pytest.mark.parametrize(
    ("said", "canonical"),
    [
        ("holding.100", "holding.100:uint16"),
        (" Holding.0100:Float32:cdab ", "holding.100:float32:CDAB"),
        ("007/input.3:INT16", "7/input.3:int16"),
        ("0/coil.12", "0/coil.12"),
        ("discrete.65535", "discrete.65535"),
        ("holding.40:bits04-7", "holding.40:bits4-7"),
        ("holding.41:uint8-high", "holding.41:uint8-high"),
        ("holding.50:text20:BADC", "holding.50:text20:BADC"),
        ("holding.65536", "holding.65536:uint16"),
    ],
)
def test_an_address_has_one_canonical_writing(said: str, canonical: str) -> None:
    assert check_address(said) == canonical == check_address(canonical)
    assert re.fullmatch(PATTERN, canonical)


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ("40101", "did you mean holding.100?"),
        ("400101", "did you mean holding.100?"),
        ("30001:int16", "did you mean input.0?"),
        ("10001", "did you mean discrete.0?"),
        ("holdin.100", "did you mean 'holding'?"),
        ("hr.100", "did you mean 'holding'?"),
        ("coils.1", "did you mean 'coil'?"),
        ("memory.1", "there are holding, input, coil, discrete"),
        ("holding", "write holding.100"),
        ("holding.x", "a number from 0 to 65535, not 'x'"),
        ("holding.-1", "a number from 0 to 65535, not '-1'"),
        ("holding.70000", "a number from 0 to 65535"),
        ("holding.65536:int32", "ends behind the last address"),
        ("holding.1:flaot32", "did you mean 'float32'?"),
        ("holding.1:float", "did you mean 'float32'?"),
        ("holding.1:word", "did you mean 'uint16'?"),
        ("holding.1:string", "did you mean 'text20'?"),
        ("holding.1:quux", "int16, uint16"),
        ("holding.1:bit16", "the bits of a register are 0"),
        ("holding.1:bits7-4", "write bits4-7"),
        ("holding.1:text0", "1 to 250 bytes"),
        ("holding.1:text251", "1 to 250 bytes"),
        ("holding.1:int32:ABDC", "there is no order 'ABDC'"),
        ("holding.1:int32:CDBA", "ABCD, CDAB, BADC, DCBA"),
        ("coil.1:bit0", "takes no type"),
        ("256/holding.1", "a number from 0 to 255, not '256'"),
        ("/holding.1", "a number from 0 to 255, not ''"),
        ("", "write holding.100:float32"),
        ("nsu=urn:acme;s=T1", "write holding.100:float32"),
        ("holding.1:int16:ABCD:x", "write holding.100:float32"),
    ],
)
def test_what_is_no_address_is_told_with_what_was_meant(said: str, hint: str) -> None:
    with pytest.raises(IsthmusError) as caught:
        check_address(said)
    assert hint in str(caught.value)


@given(places)
def test_what_is_written_is_read_back_and_fits_the_pattern(place: Place) -> None:
    assert parse(str(place)) == place
    assert re.fullmatch(PATTERN, str(place))


@given(st.text(max_size=30) | st.from_regex(PATTERN))
def test_no_text_breaks_the_parser_and_what_it_takes_fits_the_pattern(text: str) -> None:
    try:
        canonical = check_address(text)
    except IsthmusError as error:
        assert error.what
    else:
        assert check_address(canonical) == canonical and re.fullmatch(PATTERN, canonical)


def test_the_kind_publishes_the_pattern() -> None:
    assert kinds()["modbus"].pattern == PATTERN


def test_a_tag_that_can_be_written_is_at_no_input() -> None:
    assert check_write("holding.1:uint16") == check_write("coil.1") == ""
    assert "input register" in check_write("input.1:int16") and "discrete input" in check_write("discrete.3")
