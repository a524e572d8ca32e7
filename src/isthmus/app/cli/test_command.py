# SPDX-License-Identifier: Apache-2.0
"""`isthmus test`: the tests beside a plant file, run without any device."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from isthmus.app.cli import show
from isthmus.app.cli.options import JsonOption

if TYPE_CHECKING:
    from collections.abc import Sequence

    from isthmus.app.testing.case import Outcome


def register(app: typer.Typer) -> None:
    app.command("test")(test)


def test(
    plant: Annotated[
        Path, typer.Argument(metavar="PLANT", help="A plant file, or a folder with a plant.yaml.")
    ] = Path(),
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILE", help="Files of tests; else `tests/*.yaml` and `plant.tests.yaml` beside it."),
    ] = None,
    word: Annotated[
        str, typer.Option("-k", metavar="WORD", help="Only tests whose name, or whose file's, has this in it.")
    ] = "",
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Name those that pass, too.")] = False,
    junit: Annotated[
        Path | None, typer.Option("--junit", metavar="FILE", help="Write the outcome as JUnit XML, for a CI server.")
    ] = None,
    example: Annotated[
        bool, typer.Option("--example", help="Print tests to begin with, one for each system of the plant.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Run the tests beside a plant file: given this from a source, expect these samples or this error.

    What a source says is decoded by its kind's own code and goes through unit, type, range and time as in the running
    plant. Nothing is connected to, nothing is kept. Exit code 1 when a test fails or cannot be read.

    \b
    Examples:
      isthmus test
      isthmus test plants/lyon.yaml -k boiler --junit report.xml
      isthmus test --example > tests/first.yaml
    """
    from isthmus.app.testing.running import load_tests, run_tests

    if example:
        from isthmus.app.testing.example import example_of

        typer.echo(example_of(plant), nl=False)
        return
    began = perf_counter()
    bench, tests = load_tests(plant, files or ())
    chosen = [one for one in tests if word.lower() in one.name.lower() or word.lower() in Path(one.spot.file).name]
    if not chosen:
        raise typer.BadParameter(f"none of {len(tests)} tests has {word!r} in its name or its file's")
    outcomes = list(run_tests(bench, chosen))
    if junit is not None:
        from isthmus.app.testing.junit import written

        junit.write_bytes(written(outcomes))
    if as_json:
        show.print_json([_data(one) for one in outcomes])
    else:
        _print(outcomes, len(tests) - len(chosen), perf_counter() - began, verbose)
    if not all(one.passed for one in outcomes):
        raise typer.Exit(1)


def _data(outcome: Outcome) -> dict[str, Any]:
    test = outcome.test
    return {
        "name": test.name,
        "file": test.spot.file,
        "line": test.spot.line,
        "passed": outcome.passed,
        "differences": [
            {"file": one.spot.file, "line": one.spot.line, "column": one.spot.column, "what": one.what}
            for one in outcome.differences
        ],
    }


def _print(outcomes: Sequence[Outcome], left_out: int, seconds: float, verbose: bool) -> None:
    for outcome in outcomes:
        if outcome.passed and verbose:
            typer.echo(f"passed  {outcome.test.name}")
        if not outcome.passed:
            spot = outcome.test.spot
            typer.echo(f"FAILED  {outcome.test.name}  ({spot.file}:{spot.line})")
            for difference in outcome.differences:
                typer.echo(f"  {difference}")
    failed = sum(not one.passed for one in outcomes)
    counts = [f"{len(outcomes) - failed} passed"]
    counts += [f"{failed} failed"] if failed else []
    counts += [f"{left_out} not chosen"] if left_out else []
    typer.echo(f"{', '.join(counts)} in {seconds:.2f} s")
