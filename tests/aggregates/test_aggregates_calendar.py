# SPDX-License-Identifier: Apache-2.0
"""Plant time begins where clocks on the wall say so, also when they are changed."""

from __future__ import annotations

import itertools
import zoneinfo
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from isthmus.core.errors import IsthmusError
from isthmus.core.time import SECOND, from_iso
from isthmus.plant.calendar import DAY, Calendar, Rotation, Shift
from isthmus.store.history.aggregates.calendar import Unit, edges, instant, periods

HOUR = 3600 * SECOND
ZONES = (
    "Europe/Paris",
    "America/New_York",
    "America/Sao_Paulo",
    "America/Havana",
    "Asia/Kolkata",
    "Asia/Beirut",
    "Africa/Cairo",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "America/Toronto",
    "Asia/Kathmandu",
    "UTC",
)
MINUTES = 60
THREE = Calendar(
    shifts=(
        Shift("early", 6 * MINUTES, 14 * MINUTES),
        Shift("late", 14 * MINUTES, 22 * MINUTES),
        Shift("night", 22 * MINUTES, 30 * MINUTES),
    )
)

moments = st.integers(int(datetime(1905, 1, 1, tzinfo=UTC).timestamp()), int(datetime(2100, 1, 1).timestamp()))
zones = st.sampled_from(ZONES)


def local(zone: str, ns: int) -> datetime:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=ns // SECOND)).astimezone(ZoneInfo(zone))


def naive(zone: str, ns: int) -> datetime:
    return local(zone, ns).replace(tzinfo=None)


def hours(found: NDArray[np.int64]) -> list[float]:
    return [float(length) / HOUR for length in np.diff(found)]


def test_days_have_23_24_and_25_hours() -> None:
    spring = edges("Europe/Paris", "day", from_iso("2026-03-28T12:00Z"), from_iso("2026-03-30T12:00Z"))
    assert hours(spring) == [24, 23, 24]
    autumn = edges("Europe/Paris", "day", from_iso("2026-10-24T12:00Z"), from_iso("2026-10-26T12:00Z"))
    assert hours(autumn) == [24, 25, 24]
    assert autumn[0] == from_iso("2026-10-23T22:00Z")


def test_the_night_shift_lasts_seven_or_nine_hours_when_clocks_change() -> None:
    spring = periods("Europe/Paris", "shift", from_iso("2026-03-28T06:00Z"), from_iso("2026-03-29T12:00Z"), THREE)
    assert spring.names == ("2026-03-28 early", "2026-03-28 late", "2026-03-28 night", "2026-03-29 early")
    assert hours(spring.edges) == [8, 8, 7, 8]
    autumn = periods("Europe/Paris", "shift", from_iso("2026-10-24T21:00Z"), from_iso("2026-10-25T04:00Z"), THREE)
    assert (autumn.names, hours(autumn.edges)) == (("2026-10-24 night",), [9])


def test_a_shift_that_begins_in_the_repeated_hour_begins_the_first_time_and_the_one_before_ends_there() -> None:
    two = Calendar(shifts=(Shift("a", 150, 150 + DAY // 2), Shift("b", 150 + DAY // 2, 150 + DAY)))
    found = periods("Europe/Paris", "shift", from_iso("2026-10-24T12:00Z"), from_iso("2026-10-26T00:00Z"), two)
    assert found.names == ("2026-10-24 a", "2026-10-24 b", "2026-10-25 a", "2026-10-25 b")
    assert found.edges[2] == from_iso("2026-10-25T00:30Z")
    assert hours(found.edges) == [12, 12, 13, 12]


def test_between_shifts_that_rest_at_the_week_end_there_is_time_without_a_name() -> None:
    day = Calendar(shifts=(Shift("day", 6 * MINUTES, 18 * MINUTES, (0, 1, 2, 3, 4)),))
    found = periods("Europe/Paris", "shift", from_iso("2026-11-20T08:00Z"), from_iso("2026-11-23T08:00Z"), day)
    assert found.names == ("2026-11-20 day", "", "2026-11-23 day")
    assert hours(found.edges) == [12, 60, 12]
    assert [worked is None for worked in found.shifts] == [False, True, False]


def test_on_days_without_shifts_none_begins_and_the_night_before_goes_on_to_its_end() -> None:
    calendar = Calendar(shifts=THREE.shifts, no_shifts=(("2026-12-25", "2026-12-26"),))
    found = periods("Europe/Paris", "shift", from_iso("2026-12-24T20:00Z"), from_iso("2026-12-27T06:00Z"), calendar)
    assert found.names == ("2026-12-24 late", "2026-12-24 night", "", "2026-12-27 early")
    assert hours(found.edges) == [8, 8, 48, 8]


def test_a_range_without_any_shift_is_one_period_without_a_name() -> None:
    closed = Calendar(shifts=THREE.shifts, no_shifts=(("2026-08-01", "2026-08-31"),))
    found = periods("Europe/Paris", "shift", from_iso("2026-08-10T00:00Z"), from_iso("2026-08-12T00:00Z"), closed)
    assert found.names == ("",)


def test_crews_rotate_by_days_or_by_weeks() -> None:
    crews = {"A": ("early", "late", "night"), "B": ("late", "night", "early"), "C": ("night", "early", "late")}
    weekly = Calendar(shifts=THREE.shifts, rotation=Rotation(begins="2026-01-05", each=7, crews=crews))
    days = from_iso("2026-01-05T05:00Z"), from_iso("2026-01-06T05:00Z")
    found = periods("Europe/Paris", "shift", *days, weekly)
    assert found.names == ("2026-01-05 early A", "2026-01-05 late B", "2026-01-05 night C")
    begin, end = days
    later = begin + 9 * 24 * HOUR, end + 9 * 24 * HOUR
    assert [w.crew for w in periods("Europe/Paris", "shift", *later, weekly).shifts if w] == ["C", "A", "B"]
    before = begin - 24 * HOUR, end - 24 * HOUR
    assert [w.crew for w in periods("Europe/Paris", "shift", *before, weekly).shifts if w] == ["B", "C", "A"]
    daily = Calendar(shifts=THREE.shifts, rotation=Rotation(begins="2026-01-05", each=1, crews={"A": ("early", "off")}))
    assert [w.crew for w in periods("Europe/Paris", "shift", *days, daily).shifts if w] == ["A", "", ""]
    next_day = begin + 24 * HOUR, end + 24 * HOUR
    assert [w.crew for w in periods("Europe/Paris", "shift", *next_day, daily).shifts if w] == ["", "", ""]


def test_weeks_begin_on_monday_and_months_on_their_first() -> None:
    start, end = from_iso("2026-10-20T00:00Z"), from_iso("2026-11-10T00:00Z")
    assert periods("Europe/Paris", "week", start, end).names == ("2026-10-19", "2026-10-26", "2026-11-02", "2026-11-09")
    months = periods("Europe/Paris", "month", start, end)
    assert months.names == ("2026-10-01", "2026-11-01")
    assert hours(months.edges) == [31 * 24 + 1, 30 * 24]


def test_weeks_begin_where_the_plant_says() -> None:
    start, end = from_iso("2026-10-20T00:00Z"), from_iso("2026-10-26T00:00Z")
    found = periods("Europe/Paris", "week", start, end, Calendar(week_begins=6))
    assert found.names == ("2026-10-18", "2026-10-25")
    assert hours(found.edges) == [24 * 7, 24 * 7 + 1]


def test_hours_are_named_with_their_offset_where_the_clock_shows_one_twice() -> None:
    found = periods("Europe/Paris", "hour", from_iso("2026-10-25T00:00Z"), from_iso("2026-10-25T02:00Z"))
    assert found.names == ("2026-10-25T02:00+0200", "2026-10-25T02:00+0100")


def test_a_shift_in_the_skipped_hour_begins_at_the_jump() -> None:
    assert instant(ZoneInfo("Europe/Paris"), datetime(2026, 3, 29, 2, 30)) == from_iso("2026-03-29T01:00Z")
    assert instant(ZoneInfo("Europe/Paris"), datetime(2026, 10, 25, 2, 30)) == from_iso("2026-10-25T00:30Z")


def test_a_day_that_a_country_skipped_is_no_period() -> None:
    found = periods("Pacific/Apia", "day", from_iso("2011-12-29T12:00Z"), from_iso("2011-12-31T00:00Z"))
    assert "2011-12-30" not in found.names[:-1] or hours(found.edges) == [24] * len(found.names)
    assert all(length > 0 for length in hours(found.edges))


@settings(max_examples=300, deadline=None)
@given(zones, moments, st.integers(1, 40 * 24))
@example("America/Toronto", int(datetime(1919, 3, 30, 12, tzinfo=UTC).timestamp()), 72)
@example("Pacific/Apia", int(datetime(2011, 12, 29, tzinfo=UTC).timestamp()), 96)
def test_each_day_begins_at_the_first_moment_of_its_date(zone: str, moment: int, length: int) -> None:
    start = moment * SECOND
    found = edges(zone, "day", start, start + length * HOUR).tolist()
    assert found[0] <= start < found[1] and found[-2] < start + length * HOUR <= found[-1]
    for ns in found:
        assert local(zone, ns - SECOND).date() < local(zone, ns).date()
    for early, late in itertools.pairwise(found):
        assert local(zone, early).date() == local(zone, late - SECOND).date()


@settings(max_examples=300, deadline=None)
@given(zones, moments, st.times().map(lambda t: t.replace(second=0, microsecond=0)))
def test_an_instant_is_the_first_at_which_clocks_have_come_so_far(zone: str, moment: int, clock: time) -> None:
    wall = datetime.combine(local(zone, moment * SECOND).date(), clock)
    found = instant(ZoneInfo(zone), wall)
    shown = naive(zone, found)
    assert shown >= wall
    if shown != wall:
        assert naive(zone, found - SECOND) < wall
        for fold in (0, 1):
            there = wall.replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC).astimezone(ZoneInfo(zone))
            assert there.replace(tzinfo=None) != wall
    else:
        assert local(zone, found).fold == 0


@settings(max_examples=150, deadline=None)
@given(zones, moments, st.integers(1, 24 * 20), st.sampled_from(["hour", "day", "week", "month", "shift"]))
def test_periods_adjoin_and_cover_the_range(zone: str, moment: int, length: int, unit: Unit) -> None:
    start, end = moment * SECOND, (moment + length * 3600) * SECOND
    found = periods(zone, unit, start, end, THREE)
    assert len(found.names) == len(found.edges) - 1
    assert bool((np.diff(found.edges) > 0).all())
    assert found.edges[0] <= start < found.edges[1]
    assert found.edges[-2] < end <= found.edges[-1]


@settings(max_examples=100, deadline=None)
@given(zones, moments)
def test_weeks_and_months_are_whole_days(zone: str, moment: int) -> None:
    start = moment * SECOND
    days = set(edges(zone, "day", start - 70 * 24 * HOUR, start + 80 * 24 * HOUR).tolist())
    assert set(edges(zone, "week", start, start + 20 * 24 * HOUR).tolist()) <= days
    assert set(edges(zone, "month", start, start + 20 * 24 * HOUR).tolist()) <= days


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(IsthmusError, match="empty"):
        edges("UTC", "day", 5, 5)
    with pytest.raises(IsthmusError, match="no time zone"):
        edges("Europe/Lyons", "day", 0, 5)
    with pytest.raises(IsthmusError, match="no shifts"):
        edges("UTC", "shift", 0, 5)


def test_the_zones_are_the_ones_zoneinfo_knows() -> None:
    assert set(ZONES) <= zoneinfo.available_timezones()
    assert date(2026, 11, 23).weekday() == 0
