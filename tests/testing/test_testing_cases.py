# SPDX-License-Identifier: Apache-2.0
"""Folder cases of each kind, and the tests of the demo plants: `isthmus test` runs them, and this does the same."""

from __future__ import annotations

from pathlib import Path

import pytest

import isthmus.app.demo
from isthmus.app.testing.example import example_of
from isthmus.app.testing.page import page
from isthmus.app.testing.running import load_tests, run_tests
from isthmus.systems.registry import kinds

CASES = Path(__file__).parents[1] / "cases" / "systems"
DEMO = Path(isthmus.app.demo.__file__).parent
KINDS = sorted(path.name for path in CASES.iterdir())
PLANTS = [CASES / name for name in KINDS]
PLANTS += sorted(path.parent for path in DEMO.rglob("plant.tests.yaml"))


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.name)
def test_a_kind_or_a_demo_plant_passes_its_own_tests(plant: Path) -> None:
    bench, tests = load_tests(plant)
    failed = [f"{one.test.name}: {difference}" for one in run_tests(bench, tests) for difference in one.differences]
    assert failed == []
    assert tests


def test_every_kind_that_replays_has_a_folder_of_cases() -> None:
    assert {name for name, kind in kinds().items() if kind.replay is not None} <= set(KINDS)


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.name)
def test_the_example_to_begin_with_passes_on_its_own_plant(plant: Path, tmp_path: Path) -> None:
    path = tmp_path / "first.yaml"
    path.write_text(example_of(plant), encoding="utf-8")
    bench, tests = load_tests(plant, [path])
    assert [str(difference) for one in run_tests(bench, tests) for difference in one.differences] == []
    assert tests


@pytest.mark.parametrize("name", sorted(name for name, kind in kinds().items() if kind.replay is not None))
def test_the_example_of_a_kind_can_be_given_in_a_test(name: str, tmp_path: Path) -> None:
    kind = kinds()[name]
    assert kind.replay is not None
    plant = tmp_path / "plant.yaml"
    plant.write_text(f"version: 1\nplant: acme/lyon\ntime_zone: UTC\n\n{kind.example}", encoding="utf-8")
    system = kind.example.split("systems:\n", 1)[1].split(":", 1)[0].strip()
    lines = [f"      {line}" for line in (f"system: {system}", *kind.replay().example.splitlines())]
    text = "\n".join(["tests:", "  it can be given:", "    given:", *lines, "    expect: {only: true}"])
    (tmp_path / "plant.tests.yaml").write_text(text, encoding="utf-8")
    bench, tests = load_tests(plant)
    result = bench.run(tests[0].given, None)
    assert result.error == ""
    assert result.samples
    assert not result.oddities


def test_the_tests_on_the_page_about_them_pass_on_the_chemical_plant(tmp_path: Path) -> None:
    path = tmp_path / "boilers.yaml"
    path.write_text(page().split("```yaml\n", 1)[1].split("```", 1)[0], encoding="utf-8")
    bench, tests = load_tests(DEMO / "chemical" / "plantfile", [path])
    assert [str(difference) for one in run_tests(bench, tests) for difference in one.differences] == []
    assert len(tests) == 2
