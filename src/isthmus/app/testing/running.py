# SPDX-License-Identifier: Apache-2.0
"""Running the tests of a plant file: each by itself, none asks a device or the network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from time import perf_counter

from isthmus.app.testing.bench import Bench
from isthmus.app.testing.case import Difference, Outcome, Test
from isthmus.app.testing.comparing import differences, problems
from isthmus.app.testing.reading import files_of, read_tests
from isthmus.core.errors import NotFound, PlantFileError
from isthmus.outputs.registry import output_kinds
from isthmus.plant.check import check_plant
from isthmus.plant.findings import Findings
from isthmus.systems.registry import kinds


def load_tests(plant: Path, named: Sequence[Path] = ()) -> tuple[Bench, list[Test]]:
    """A plant file's bench, and its tests, or those in the files named.

    Raises PlantFileError with all that is wrong with either, NotFound when there are no tests.
    """
    bench = Bench(check_plant(plant, kinds(), outputs=output_kinds()))
    paths = list(named) or files_of(plant)
    if not paths:
        folder = plant if plant.is_dir() else plant.parent
        hint = "isthmus test --example prints one to begin with"
        raise NotFound("there are no tests", where=str(folder / "tests" / "*.yaml"), hint=hint)
    findings = Findings()
    tests = read_tests(paths, bench, findings)
    findings.raise_problems()
    return bench, tests


def run_tests(bench: Bench, tests: Sequence[Test]) -> Iterator[Outcome]:
    """How each test ends."""
    for test in tests:
        began = perf_counter()
        found = tuple(_checked(test) if test.plant is not None else _compared(bench, test))
        yield Outcome(test, found, perf_counter() - began)


def _compared(bench: Bench, test: Test) -> Iterator[Difference]:
    return differences(test.expected, bench.run(test.given, test.now))


def _checked(test: Test) -> Iterator[Difference]:
    """A plant file is checked, and its problems are compared."""
    assert test.plant is not None
    said: list[str] = []
    try:
        check_plant(test.plant, kinds(), outputs=output_kinds())
    except PlantFileError as error:
        folder = f"{test.plant.parent}/"
        said = [str(problem).removeprefix(folder) for problem in error.problems if not problem.warning]
    return problems(test.expected, said)
