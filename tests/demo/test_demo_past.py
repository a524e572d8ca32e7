# SPDX-License-Identifier: Apache-2.0
"""A past for the plant: what is reported of it, that it is taken in once whatever happens, and what it leads to."""

import asyncio
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from isthmus.app import revising
from isthmus.app.cli.demo_chemical import past_of
from isthmus.app.demo.chemical import FaultKind, Plant, keeping, past, truth
from isthmus.app.demo.chemical.demo import Wishes
from isthmus.app.demo.chemical.exceptions import Exceptions
from isthmus.app.demo.chemical.past import STEP, Tables, fill
from isthmus.app.demo.chemical.plant import rows
from isthmus.app.demo.chemical.story import Story, plan, planned
from isthmus.app.demo.pieces.fault import Fault
from isthmus.app.importing import take
from isthmus.app.recorded import recorded
from isthmus.app.run.place import Place
from isthmus.core import time
from isthmus.core.errors import IsthmusError
from isthmus.core.quality import Mark
from isthmus.core.tag import DataType
from isthmus.store.history.folder import Folder

HOUR = 3600 * time.SECOND
FILE = Path(__file__).parents[2] / "examples/chemical/plant.yaml"
START = 1_790_000_000 * time.SECOND


def test_between_two_reports_no_tag_is_further_away_than_its_deadband() -> None:
    plant = Plant(seed=4, start=START)
    exceptions, every = Exceptions(list(rows()), STEP), list(rows())
    reported = Counter[str]()
    held = np.full(len(every), np.nan)
    for block in plant.past(START, START + 6 * HOUR, STEP):
        reports = exceptions.of(block)
        taken = np.zeros(block.value.shape, bool)
        taken[reports.row, reports.position] = True
        reported.update(every[position].tag.name for position in reports.position.tolist())
        for row in range(len(block.clock)):
            held = np.where(taken[row], block.value[row], held)
            for i in np.flatnonzero(~taken[row]):
                tag = every[i].tag
                if tag.type is DataType.FLOAT and tag.range and tag.range[1] < 1e5 and every[i].taken is None:
                    band = 1e-3 * (tag.range[1] - tag.range[0]) * 1.001
                    assert abs(block.value[row, i] - held[i]) <= (0 if tag.stepped else band), tag.name
                elif tag.type in (DataType.ENUMERATION, DataType.BOOLEAN, DataType.UNSIGNED):
                    assert block.value[row, i] == held[i], tag.name
    assert set(reported) == {row.tag.name for row in every}
    assert reported["PRD.FQ401"] <= 6 * 12 + 6
    assert 6 <= reported["R1.TIC202.MODE"] <= 8
    assert 36 <= reported["LAB.QI301"] <= 37
    assert sum(reported.values()) < 0.35 * 300 * 6 * 3600 / STEP


def test_a_jump_is_reported_with_what_was_just_before_it() -> None:
    plant = Plant(seed=4, start=START)
    position = [tag.name for tag in plant.tags].index("U400.PT411")
    exceptions = Exceptions(list(rows()), STEP)
    next(iter(plant.past(START, START + HOUR, STEP)))
    plant.inject(Fault(FaultKind.COOLING_LOSS, "P411", 1.0, start=plant.now + 600 * time.SECOND))
    (block,) = plant.past(plant.now, plant.now + HOUR, STEP)
    reports = exceptions.of(block)
    taken = reports.row[reports.position == position]
    jump = int(np.argmax(np.abs(np.diff(block.value[:, position])))) + 1
    assert {jump - 1, jump} <= set(taken.tolist())


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A data directory with the chemical plant's revision applied, and nothing running."""
    place = Place(tmp_path / "data")
    place.make()
    revising.apply(revising.propose(FILE, place.root), place.root)
    return place


def _story(hours: float, **how: int) -> Story:
    now = time.now() // time.SECOND * time.SECOND
    wrong = Fault(FaultKind.LEAK, "T401", 0.5, start=now - HOUR)
    return Story(seed=2, plan="steady", start=now - round(hours * HOUR), end=now, faults=(wrong,))


def _samples(place: Place) -> list[tuple[str, int, object, int, int]]:
    found = asyncio.run(recorded(place, ["**"], "-2d", "now"))
    return [(row.setting.tag.path, row.time, row.value, row.quality, row.mark) for row in found.rows()]


def test_a_past_becomes_history_in_the_plants_units_and_the_plant_goes_on_from_it(place: Place) -> None:
    story = _story(3)
    plan(place, story)
    assert planned(place) == story
    told = fill(place, story)
    samples = _samples(place)
    assert len(samples) == told.count > 12_000
    assert {mark & Mark.HISTORICAL for *_, mark in samples} == {Mark.HISTORICAL}
    assert len({path for path, *_ in samples}) == 316
    temperatures = [float(v) for path, _, v, *_ in samples if path.endswith("sump/temperature")]  # type: ignore[arg-type]
    assert 95 < min(temperatures) < max(temperatures) < 125
    assert {v for path, _, v, *_ in samples if path.endswith("production/grade-name")} == {"standard"}
    again = Plant(settle=0.0)
    assert keeping.read(again, place.root / "simulation/state")
    assert story.end - 60 * time.SECOND <= again.now <= time.now()
    (line,) = truth.read(place.root / "simulation/truth.jsonl")
    assert line.kind == "leak"
    assert abs(time.from_iso(line.at) - (story.end - HOUR)) < 60 * time.SECOND


def test_a_new_plant_gets_a_month_and_one_that_has_lived_nothing(place: Place) -> None:
    def days(past: str | None = None) -> float | None:
        found = past_of(place, past, Wishes(), ())
        return (found.end - found.start) / (24 * HOUR) if found is not None else None

    assert (days(), days("7d"), days("0")) == (30, 7, None)
    plan(place, _story(3))
    assert (days(), days("3h")) == (0.125, 0.125), "one that was cut short goes on"
    with pytest.raises(IsthmusError, match="that was begun and not ended"):
        days("7d")
    keeping.write(_story(3).plant(), place.root / "simulation/state")
    assert (days(), days("0")) == (None, None)
    with pytest.raises(IsthmusError, match="lived already"):
        days("3h")


def test_a_plant_with_a_history_gets_no_invented_one(place: Place) -> None:
    Folder(place.history).make()
    (place.history / "manifest.db").touch()
    assert past_of(place, None, Wishes(), ()) is None
    with pytest.raises(IsthmusError, match="lived already"):
        past_of(place, "30d", Wishes(), ())


class Cut(Exception):
    """The process dies here."""


def test_a_past_that_was_cut_short_goes_on_and_has_every_sample_once(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = _story(6)
    plan(place, story)
    monkeypatch.setattr(take, "RUN", 5_000)
    calls = iter(range(5))

    def cut(*_: object, **__: object) -> None:
        if next(calls) == 4:
            raise Cut

    with monkeypatch.context() as patch, pytest.raises(Cut):
        patch.setattr(past.Telling, "tell", cut)
        fill(place, story)
    before = _samples(place)
    assert len(before) > 5_000
    assert not (place.root / "simulation/state").exists()
    fill(place, story)
    counts = Counter(_samples(place))
    whole = sum(len(table) for table in Tables(story.plant()).until(story.end))
    assert whole <= len(counts) < whole + 5_000
    assert max(counts.values()) == 1
    assert not Counter(before) - counts


def test_the_same_story_gives_the_same_tables() -> None:
    story = Story(seed=5, plan="campaign", start=START, end=START + HOUR)
    one, other = (list(Tables(story.plant()).until(story.end)) for _ in range(2))
    assert len(one) == len(other) > 0
    assert all(a.equals(b) for a, b in zip(one, other, strict=True))
