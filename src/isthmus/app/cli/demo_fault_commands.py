# SPDX-License-Identifier: Apache-2.0
"""`isthmus demo fault`: what can go wrong in the chemical plant that runs, what does, letting it, repairing it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from isthmus.app.cli import simulation
from isthmus.app.cli.options import JsonOption
from isthmus.app.cli.simulation import DataOption


def register(group: typer.Typer) -> None:
    faults = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)
    faults.callback()(_fault)
    faults.command("list")(list_)
    faults.command("start")(start)
    faults.command("clear")(clear)
    group.add_typer(faults, name="fault")


def _fault() -> None:
    """Let something go wrong in the chemical plant that runs, and repair it."""


def list_(data: DataOption = None, as_json: JsonOption = False) -> None:
    """Show what can go wrong in the chemical plant, and what does.

    \b
    Examples:
      isthmus demo fault list
      isthmus demo fault list --json
    """
    from isthmus.app.cli.show import print_json
    from isthmus.app.demo.chemical.desk import Ask

    found = simulation.asked(data, Ask(do="look"))
    if as_json:
        print_json(found)
    else:
        typer.echo("\n".join(_lines(found)))


def start(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="What goes wrong; `isthmus demo fault list` has them.")],
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET", help="The equipment, `P201`; of a sensor's faults the tag, `reactor-1/level`."
        ),
    ],
    data: DataOption = None,
    severity: Annotated[
        float, typer.Option(metavar="X", min=0.001, max=1.0, help="How bad it gets; 1 is as bad as the plant knows.")
    ] = 0.5,
    ramp: Annotated[
        str | None, typer.Option(metavar="SPAN", help="How long it grows, in the plant's time; else as is usual.")
    ] = None,
    after: Annotated[str | None, typer.Option(metavar="SPAN", help="Begin so much later.")] = None,
    for_: Annotated[str | None, typer.Option("--for", metavar="SPAN", help="End by itself so long after that.")] = None,
) -> None:
    """Let something go wrong in the chemical plant: its physics changes, or one sensor.

    Every beginning and end is written to DIR/simulation/truth.jsonl, which nothing of Isthmus reads: what there is to
    be found, for those who look for faults in what was recorded.

    \b
    Examples:
      isthmus demo fault start bearing-wear P201
      isthmus demo fault start fouling E301 --severity 0.9 --ramp 30m
      isthmus demo fault start freeze reactor-1/temperature --after 10m --for 1h
    """
    from isthmus.app.demo.chemical.desk import Ask
    from isthmus.core import time

    begins = time.now() + time.duration(after) if after else None
    ends = (begins or time.now()) + time.duration(for_) if for_ else None
    grows = time.duration(ramp) / time.SECOND if ramp is not None else None
    named = simulation.target(data, target)
    question = Ask(do="start", kind=kind, target=named, severity=severity, ramp=grows, start=begins, until=ends)
    answer = simulation.asked(data, question)
    typer.echo(f"Fault {answer['number']}: {kind} of {named}. It will show: {answer['shows']}.")


def clear(
    number: Annotated[int, typer.Argument(metavar="NUMBER", help="Of the fault, as `isthmus demo fault list` says.")],
    data: DataOption = None,
) -> None:
    """Repair a fault of the chemical plant, at once.

    \b
    Examples:
      isthmus demo fault clear 3
    """
    from isthmus.app.demo.chemical.desk import Ask

    simulation.asked(data, Ask(do="clear", number=number))
    typer.echo(f"Fault {number} is repaired.")


def _lines(found: dict[str, Any]) -> Iterator[str]:
    from isthmus.app.cli.show import table
    from isthmus.app.demo.chemical.catalogue import CATALOGUE
    from isthmus.core import time

    yield f"The plant is {found['phase']}, making {found['grade']}."
    now = [one for one in (*found["waiting"], *found["faults"]) if one.get("ended") is None]
    yield "Wrong now: nothing." if not now else table(
        ("number", "fault", "target", "severity", "since"),
        (
            (str(one["number"]), one["kind"], one["target"], f"{one['severity']:g}",
             time.to_iso(one["began"]) if "began" in one else f"from {time.to_iso(one['start'])}")
            for one in now
        ),
    )  # fmt: skip
    yield ""
    rows = (
        (kind.value, entry.what, ", ".join(entry.targets) or "any measured tag") for kind, entry in CATALOGUE.items()
    )
    yield table(("fault", "what it is", "targets"), rows)
