# SPDX-License-Identifier: Apache-2.0
"""An engineer's questions, of histories made so that the answers are known: spells above a limit, energy per shift."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

import isthmus.client
from isthmus.app.revising import apply, propose
from isthmus.core.errors import IsthmusError
from isthmus.core.tag import Tag, TagList
from isthmus.core.time import SECOND, from_iso
from isthmus.plant.revision import Revision
from isthmus.store.history.compact import compact
from isthmus.store.history.folder import Folder, keep
from tests.app.conftest import invoke
from tests.client import lab

DAY = from_iso("2026-11-20T00:00:00Z")
BAD = 0x8005_0000
PAGE = Path(__file__).parents[2] / "docs" / "sql.md"
PARIS = ZoneInfo("Europe/Paris")


def made(data: Path) -> tuple[Revision, dict[str, Tag]]:
    """The lab's plant without any history."""
    data.mkdir(parents=True)
    (data / "plant.yaml").write_text(lab.PLANT.replace("range: [0, 180]", "range: [0, 180], stepped: true"))
    revision = apply(propose(data / "plant.yaml", data), data)
    tags = TagList(tuple(setting.tag for setting in revision.tags))
    folder = Folder(data / "history")
    folder.make()
    keep(folder.lists / tags.digest, tags.packed)
    return revision, {tag.path.removeprefix("acme/lyon/mixing/"): tag for tag in tags.tags}


def seconds(*points: tuple[float, float] | tuple[float, float, int]) -> list[tuple[int, float, int]]:
    """(seconds since the day began, value, StatusCode)."""
    return [(DAY + round(at * SECOND), value, rest[0] if rest else 0) for at, value, *rest in points]


FIRST_REACTOR = seconds(
    (0, 80),
    (600, 91), (900, 80),  # exactly five minutes
    (1200, 91), (1501, 80),  # a second more
    (2000, 91), (2200, 90), (2201, 91), (2400, 80),  # two spells
    (3000, 91), (3150, 95, BAD), (3200, 91), (3400, 80),  # Bad inside
    (4000, 91), (4250, 92), (4450, 80),  # not observed from 4100 to 4200
    (5000, 91), (5200, 92), (5400, 80),  # one, with a sample inside
)  # fmt: skip
SECOND_REACTOR = seconds((0, 95), (400, 80), (7000, 99))
"""Hot when the range begins; not known between the gap and 7000; then hot up to 7500, when the plant was last seen."""
SPELLS = [
    ("reactor-2", 100, 400, False, True),
    ("reactor-1", 1200, 1501, True, True),
    ("reactor-1", 5000, 5400, True, True),
    ("reactor-2", 7000, 7500, False, False),
]
"""Above 90 for more than 299 s, from 100 s on; the first of exactly five minutes is one of 300."""


@pytest.fixture(scope="module")
def hot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[isthmus.client.Plant]:
    data = tmp_path_factory.mktemp("hot") / "data"
    _, tags = made(data)
    parts = [
        lab.samples(tags["reactor-1/temperature"], FIRST_REACTOR),
        lab.samples(tags["reactor-2/temperature"], SECOND_REACTOR),
        lab.samples(tags["drive/power"], seconds((7500, 1.0))),
    ]
    lab.record(data, parts, [lab.lost("dcs", "2026-11-20T01:08:20Z", "2026-11-20T01:10:00Z")])
    with isthmus.client.open(data) as plant:
        yield plant


def shown(table: isthmus.client.Answer) -> list[tuple[str, float, float, bool, bool]]:
    rows = table.arrow().to_pylist()

    def since(moment: datetime) -> float:
        return (moment - datetime(2026, 11, 20, tzinfo=moment.tzinfo)).total_seconds()

    return [
        (row["tag"].split("/")[3], since(row["since"]), since(row["until"]), row["begins"], row["ends"]) for row in rows
    ]


def test_reactors_above_90_for_more_than_five_minutes(hot: isthmus.client.Plant) -> None:
    asked = ("reactor-*/temperature", "2026-11-20T00:01:40Z", "2026-11-21T00:00:00Z")
    found = shown(hot.spells(*asked, above=90, lasting="5m"))
    assert found == [spell for spell in SPELLS if spell[2] - spell[1] > 300]
    found = shown(hot.spells(*asked, above=90, lasting="299s"))
    assert found == sorted([*SPELLS, ("reactor-1", 600, 900, True, True)], key=lambda spell: spell[1])


def test_the_command_says_the_same(hot: isthmus.client.Plant) -> None:
    words = ["--from", "2026-11-20T00:01:40Z", "--to", "2026-11-21T00:00:00Z", "--above", "90", "--for", "5m"]
    done = invoke("history", "reactor-*/temperature", *words, "--data", hot._place.root)
    assert (done.returncode, done.stderr) == (0, "")
    assert [re.split(r" {2,}", line) for line in done.stdout.splitlines()[:4]] == [
        ["tag", "since (UTC)", "until (UTC)", "highest"],
        ["acme/lyon/mixing/reactor-1/temperature", "2026-11-20T00:20:00Z", "2026-11-20T00:25:01Z", "91 Cel"],
        ["acme/lyon/mixing/reactor-1/temperature", "2026-11-20T01:23:20Z", "2026-11-20T01:30:00Z", "92 Cel"],
        [
            "acme/lyon/mixing/reactor-2/temperature",
            "2026-11-20T01:56:40Z or before",
            "2026-11-20T02:05:00Z or later",
            "99 Cel",
        ],
    ]
    assert done.stdout.splitlines()[4].startswith("gap ")


def test_the_question_in_sql_leads_over_no_bad_value_and_no_gap(hot: isthmus.client.Plant) -> None:
    """Of the same day: without what lies before it, and without what was not over with the last row."""
    (query,) = re.findall(r"```sql\n(WITH known AS .*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    query = query.replace("2026-11-22", "2026-11-20").replace("2026-11-23", "2026-11-21")
    rows = hot.sql(query).arrow().to_pylist()
    assert [(row["asset"].rpartition("/")[2], row["lasted"].nanoseconds / SECOND) for row in rows] == [
        ("reactor-2", 400.0),
        ("reactor-1", 301.0),
        ("reactor-1", 400.0),
    ]


def test_a_limit_has_to_be_one(hot: isthmus.client.Plant) -> None:
    for above, below in ((None, None), (1.0, 2.0), (float("nan"), None)):
        with pytest.raises(IsthmusError, match="above a number, or below one"):
            hot.spells("reactor-1/temperature", above=above, below=below)
    with pytest.raises(IsthmusError, match="text is neither"):
        hot.spells("drive/operator", above=1)


def test_gaps_accompany_formats_that_have_no_place_for_them(hot: isthmus.client.Plant, tmp_path: Path) -> None:
    asked: list[str | Path] = ["history", "reactor-1/temperature", "--from", "2026-11-20T00:00Z"]
    asked += ["--data", hot._place.root, "--to"]
    told = "isthmus: gap 2026-11-20T01:08:20Z to 01:10:00Z: the connection was lost\n"
    formats: list[list[str | Path]] = [
        [],
        ["--aggregate", "Average"],
        ["--above", "90"],
        ["--bounds"],
        ["-o", tmp_path / "a.csv"],
    ]
    for words in formats:
        done = invoke(*asked, "2026-11-21T00:00Z", "--format", "csv", *words)
        assert (done.returncode, told in done.stderr, "gap" in done.stdout) == (0, True, False)
    parquet = invoke(*asked, "2026-11-21T00:00Z", "--format", "parquet", "-o", tmp_path / "a.parquet")
    assert told in parquet.stderr
    assert invoke(*asked, "2026-11-20T00:10Z", "--format", "csv").stderr == ""


NIGHTS = {"2026-03-28": 7, "2026-03-30": 8, "2026-10-24": 9}
"""Hours of the night shift that begins on a day: clocks were changed in the first and in the last."""


@pytest.mark.parametrize("compacted", [False, True])
@pytest.mark.parametrize("day", NIGHTS)
def test_energy_per_shift_counts_the_hours_that_the_clocks_changed(tmp_path: Path, day: str, compacted: bool) -> None:
    """A counter of 40 kW.h an hour, and a power of 100 kW by day and 60 kW from 22:00 to 06:00 by the clock."""
    data = tmp_path / "data"
    _, tags = made(data)
    begin = int(datetime.fromisoformat(day).replace(tzinfo=PARIS).timestamp())
    minutes = range(begin - 3600, begin + 50 * 3600, 60)

    def power(at: int) -> float:
        clock = datetime.fromtimestamp(at, PARIS)
        return 60.0 if clock.hour >= 22 or clock.hour < 6 else 100.0

    parts = [
        lab.samples(tags["drive/power"], [(at * SECOND, power(at), 0) for at in minutes]),
        lab.samples(tags["drive/energy"], [(at * SECOND, (at - begin) / 90, 0) for at in minutes]),
    ]
    lab.record(data, parts)
    if compacted:
        compact(data / "history", today=True)
    next_day = (datetime.fromisoformat(day) + timedelta(days=1)).date()
    asked = (f"{day}T06:00", f"{next_day}T14:00")
    with isthmus.client.open(data) as plant:
        used = plant.history("drive/power", *asked, every="shift", aggregate="Total2", unit="kW.h").pandas()
        counted = plant.history("drive/energy", *asked, every="shift", aggregate="Consumed").pandas()
    hours = [8, 8, NIGHTS[day], 8]
    assert used["shift"].tolist() == counted["shift"].tolist() == ["early", "late", "night", "early"]
    powers = [100, 100, 60, 100]
    assert used["acme/lyon/mixing/drive/power"].tolist() == pytest.approx(
        [h * p for h, p in zip(hours, powers, strict=True)]
    )
    assert counted["acme/lyon/mixing/drive/energy"].tolist() == pytest.approx([40 * h for h in hours])
