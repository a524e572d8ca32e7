# SPDX-License-Identifier: Apache-2.0
"""Which gaps are told with the tags that were asked for, and in how few words."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import msgspec
import pytest

from isthmus.app.cli.told import as_data, below, by_clocks_of, nothing
from isthmus.app.gaps import concerning
from isthmus.core import time
from isthmus.core.event import Event, EventKind, Severity
from isthmus.core.samples import Value
from isthmus.core.tag import DataType, Tag
from isthmus.plant.revision import Revision, SystemSetting, TagSetting

FIRST, LAST = (time.from_iso(f"2026-11-23T02:15:{second}Z") for second in ("32.577", "47.100"))


def setting(number: int, system: str, address: str) -> TagSetting:
    tag = Tag(number, f"acme/lyon/thing-{number}/level", "m", DataType.FLOAT, stepped=False)
    return TagSetting(tag=tag, system=system, address=address)


def gap(source: str, message: str = "20 tags were not observed", at: int = LAST, **details: Value) -> Event:
    details = {"first": FIRST, "last": LAST} | details
    return Event(
        id=f"{source}-{message}-{at}", kind=EventKind.GAP, severity=Severity.WARNING, source=source, at=at,
        message=message, details=details,
    )  # fmt: skip


@pytest.fixture
def revision() -> Revision:
    settings = (setting(1, "dcs", "s=A"), setting(2, "dcs", "s=B"), setting(3, "mes", "s=A"))
    systems = tuple(SystemSetting(name=name, kind="opcua", config={}) for name in ("dcs", "mes"))
    return Revision(
        number=1, plant="acme/lyon", time_zone="UTC", tags=settings, systems=systems, assets=(), created=0, author="",
        comment="",
    )  # fmt: skip


def told(revision: Revision, *gaps: Event) -> list[str]:
    """Sources of the gaps that are told of the first tag."""
    return [one.source for one in concerning(gaps, revision.tags[:1], revision)]


def test_gaps_of_other_systems_are_not_told(revision: Revision) -> None:
    assert told(revision, gap("dcs"), gap("mes"), gap("log")) == ["dcs", "log"]


def test_a_damaged_file_is_told_for_the_tags_that_were_in_it(revision: Revision) -> None:
    assert told(revision, gap("log", first_tag=1, last_tag=5), gap("log", first_tag=2, last_tag=5)) == ["log"]


def test_an_overflow_of_other_tags_is_not_told_unless_it_might_be_ours(revision: Revision) -> None:
    ours, others = gap("dcs", tags=1, addresses="s=A"), gap("dcs", tags=1, addresses="s=B")
    former, more = gap("dcs", tags=1, addresses="s=OLD"), gap("dcs", tags=2, addresses="s=B")
    assert concerning([ours, others, former, more], revision.tags[:1], revision) == [ours, former, more]


def test_a_gap_is_one_short_line_with_its_times_once() -> None:
    span = f"from {time.to_iso(FIRST)} to {time.to_iso(LAST)}"
    one = gap("dcs", f"20 tags were not observed {span}: nothing was read back of them")
    line = "gap 2026-11-23T02:15:32Z to 02:15:47Z: 20 tags were not observed: nothing was read back of them"
    assert list(below(3, 0, [one, one])) == [line]
    moment = gap("dcs", "a message of the server cannot be read: no", first=FIRST, last=FIRST)
    assert list(below(3, 0, [moment])) == ["gap 2026-11-23T02:15:32Z: a message of the server cannot be read: no"]
    begins = gap("log", "the log is gone", first="")
    assert list(below(3, 0, [begins])) == ["gap from an unknown time to 2026-11-23T02:15:47Z: the log is gone"]


def test_of_many_gaps_the_newest_are_told_and_where_the_others_are() -> None:
    lines = list(below(3, 4, [gap("dcs", f"overflow {number}") for number in range(9)]))
    assert lines[0] == "3 of 7 rows, the newest; --last 0 for all"
    assert lines[1] == "4 older gaps; isthmus events --kind gap lists all"
    assert [line[-1] for line in lines[2:]] == ["4", "5", "6", "7", "8"]


def test_scripts_get_one_form_of_time() -> None:
    data = as_data(gap("dcs", count=7))
    assert data["time"] == "2026-11-23T02:15:47.100Z"
    assert data["details"] == {"first": "2026-11-23T02:15:32.577Z", "last": "2026-11-23T02:15:47.100Z", "count": 7}


def test_nothing_in_the_future_is_no_wonder() -> None:
    ahead = time.now() + time.SECOND * 3600
    assert nothing("recorded", ahead, ahead + 1).endswith(": all of it lies in the future")
    assert nothing("recorded", 0, 1) == "nothing recorded from 1970-01-01T00:00:00Z to 1970-01-01T00:00:00.000000001Z"


def test_a_system_that_is_not_connected_says_why_and_when_it_is_tried_again() -> None:
    from isthmus.app.cli.status_command import _problem

    soon = time.to_iso(time.now() + 260 * time.SECOND)
    refused = {"problem": "it wants a login", "tags_problem": "1 of 2 tags bad: a (BadTimeout)", "again": soon}
    assert _problem(refused) == "it wants a login; tried again in 4 m"
    assert _problem(refused | {"again": None}) == "it wants a login"
    assert _problem(refused | {"problem": "", "again": None}) == "1 of 2 tags bad: a (BadTimeout)"


def test_times_in_an_event_are_those_of_the_plants_clocks() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    said = "20 tags were not observed from 2026-10-25T00:30:00Z to 2026-10-25T01:30:00.123456789Z"
    assert by_clocks_of(berlin, gap("dcs", said)) == (
        "20 tags were not observed from 2026-10-25T02:30:00+02:00 to 2026-10-25T02:30:00.123+01:00"
    )
    assert by_clocks_of(ZoneInfo("UTC"), gap("dcs", said)).endswith(
        "from 2026-10-25T00:30:00Z to 2026-10-25T01:30:00.123Z"
    )


@pytest.mark.parametrize("said", ["2026-10-25T25:30:00Z", "2026-02-30T00:00:00Z", "9999-01-01T00:00:00Z", "T1-2026Z"])
def test_what_looks_like_a_time_and_is_none_stays(said: str) -> None:
    assert by_clocks_of(ZoneInfo("Europe/Berlin"), gap("dcs", f"no {said}")) == f"no {said}"


def test_the_words_of_a_far_end_stay_as_they_are() -> None:
    told = msgspec.structs.replace(gap("lims", "lot 7 at 2026-10-25T00:30:00Z"), kind=EventKind.REPORT)
    assert by_clocks_of(ZoneInfo("Europe/Berlin"), told) == "lot 7 at 2026-10-25T00:30:00Z"
