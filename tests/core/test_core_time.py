# SPDX-License-Identifier: Apache-2.0
"""Time: nanoseconds inside, ISO 8601 at the edges."""

from __future__ import annotations

from datetime import UTC
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.core import time
from isthmus.core.errors import IsthmusError, Misasked


@given(st.integers(time.from_iso("1678-01-01"), time.from_iso("2261-12-31")))
def test_iso_keeps_every_nanosecond(ns: int) -> None:
    assert time.from_iso(time.to_iso(ns)) == ns


def test_iso_is_as_short_as_it_can_be() -> None:
    assert time.to_iso(0) == "1970-01-01T00:00:00Z"
    assert time.to_iso(1_500_000_000) == "1970-01-01T00:00:01.500Z"
    assert time.to_iso(1_000_000_100) == "1970-01-01T00:00:01.000000100Z"
    assert time.to_iso(-1) == "1969-12-31T23:59:59.999999999Z"


def test_a_time_without_an_offset_is_read_in_the_zone_of_the_plant() -> None:
    paris = ZoneInfo("Europe/Paris")
    assert time.from_iso("2026-07-01 12:00", paris) == time.from_iso("2026-07-01T10:00:00Z")
    assert time.from_iso("2026-01-01T12:00:00+05:30", paris) == time.from_iso("2026-01-01T06:30:00Z")


@given(st.text(max_size=30))
def test_any_other_text_is_refused_with_a_hint(text: str) -> None:
    try:
        time.from_iso(text)
    except IsthmusError as error:
        assert repr(text) in str(error)


@pytest.mark.parametrize("text", ["2026-13-01", "2026-02-30", "0000-01-01", "9999-01-01", "1600-01-01", "2026", ""])
def test_times_that_do_not_exist_are_refused(text: str) -> None:
    with pytest.raises(IsthmusError):
        time.from_iso(text)


@given(st.integers(time.from_iso("1900-01-02"), time.from_iso("2261-12-30")))
def test_a_local_time_says_its_offset_and_loses_less_than_a_millisecond(ns: int) -> None:
    said = time.to_local(ns, ZoneInfo("Europe/Berlin"))
    assert time.from_iso(said) == ns // time.MILLISECOND * time.MILLISECOND
    assert time.to_local(ns, UTC) == time.to_iso(ns // time.MILLISECOND * time.MILLISECOND)


NOON = time.from_iso("2026-03-29T12:00", ZoneInfo("Europe/Paris"))  # the clocks went forward that night


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("now", "2026-03-29T10:00:00Z"),
        ("today", "2026-03-28T23:00:00Z"),
        ("Yesterday", "2026-03-27T23:00:00Z"),
        ("06:30", "2026-03-29T04:30:00Z"),
        ("3:12:05.5", "2026-03-29T01:12:05.500Z"),
        ("today 00:30", "2026-03-28T23:30:00Z"),
        ("yesterday 06:30", "2026-03-28T05:30:00Z"),
        ("2026-03-28", "2026-03-27T23:00:00Z"),
        ("-1h", "2026-03-29T09:00:00Z"),
    ],
)
def test_times_are_understood_as_an_engineer_says_them(text: str, means: str) -> None:
    assert time.to_iso(time.moment(text, NOON, ZoneInfo("Europe/Paris"))) == means


@pytest.mark.parametrize("text", ["yesterdy", "25:00", "6:5", "", "today yesterday", "tomorrow", "-", "-1y", "03:12Z"])
def test_a_time_nobody_can_read_is_a_wrong_question(text: str) -> None:
    with pytest.raises(Misasked):
        time.moment(text, NOON)


@pytest.mark.parametrize(("text", "ns"), [("250ms", 250 * 10**6), ("1.5s", 1_500_000_000), ("2h", 7200 * 10**9)])
def test_durations_read_as_people_write_them(text: str, ns: int) -> None:
    assert time.duration(text) == ns
    assert time.moment(f"-{text}", 10**19 // 2) == 10**19 // 2 - ns


@given(st.integers(1, 10_000), st.sampled_from(["ms", "s", "m", "h", "d", "w"]))
def test_a_duration_written_is_the_same_when_read(count: int, unit: str) -> None:
    ns = time.duration(f"{count}{unit}")
    assert time.duration(time.to_text(ns)) == ns


@pytest.mark.parametrize("text", ["", "5", "s", "1 year", "-", "1e400d", "-5s", "9" * 400 + "d"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(IsthmusError):
        time.duration(text)
