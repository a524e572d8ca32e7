# SPDX-License-Identifier: Apache-2.0
"""HTTP's words: addresses and how they are written, and how long a server asks to be left alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.core.errors import IsthmusError
from isthmus.systems.http.address import check_address
from isthmus.systems.http.client import _rest


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("/status#/a", "/status#/a"),
        ("status#/a", "/status#/a"),
        ("/read?unit=3#", "/read?unit=3"),
        ("/go?to=http://x#/a", "/go?to=http://x#/a"),
    ],
)
def test_addresses_are_written_in_one_way(written: str, canonical: str) -> None:
    assert check_address(written) == canonical == check_address(canonical)


@pytest.mark.parametrize(
    "text", ["", "#/a", "/a b", "/é", "/a#b", "/a#/~2", "http://elsewhere/a", "/a\r\nX: y", "\0", "/" + "a" * 3000]
)
def test_what_cannot_be_an_address_is_refused(text: str) -> None:
    with pytest.raises(IsthmusError):
        check_address(text)


@given(st.text(max_size=60))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    try:
        assert check_address(check_address(text)) == check_address(text)
    except IsthmusError as error:
        assert error.what


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("120", 120.0), ("0", 0.0), ("999999999999", 3600.0), ("soon", 0.0), ("", 0.0), ("-5", 0.0),
     ("Fri, 31 Dec 1999 23:59:59 GMT", 0.0), ("Fri, 31 Dec 2199 23:59:59 GMT", 3600.0)],
)  # fmt: skip
def test_how_long_to_wait_is_read_in_both_ways(said: str, seconds: float) -> None:
    assert _rest(said) == seconds
