# SPDX-License-Identifier: Apache-2.0
"""`isthmus demo order`: has the operators of the chemical plant make another grade, or stop."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from isthmus.app.cli import simulation
from isthmus.app.cli.simulation import DataOption


class Order(StrEnum):
    """What they can be told."""

    STANDARD = "standard"
    PREMIUM = "premium"
    ECONOMY = "economy"
    STOP = "stop"


def register(group: typer.Typer) -> None:
    group.command("order")(order)


def order(
    what: Annotated[Order, typer.Argument(metavar="GRADE", help="standard, premium, economy, or stop.")],
    data: DataOption = None,
    for_: Annotated[
        str, typer.Option("--for", metavar="SPAN", help="How long, in the plant's time; then their plan goes on.")
    ] = "8h",
) -> None:
    """Have the operators of the chemical plant make another grade, or stop; from a stop, a grade starts it up.

    What they do takes its time: a change of grade about an hour, a stop some minutes, a start-up from cold several
    hours. `--tempo` of `isthmus demo` quickens all of it.

    \b
    Examples:
      isthmus demo order premium --for 12h
      isthmus demo order stop --for 2h
    """
    from isthmus.app.demo.chemical.desk import Ask
    from isthmus.core import time

    hours = time.duration(for_) / time.SECOND / 3600
    grade = "" if what is Order.STOP else what.value
    answer = simulation.asked(data, Ask(do="order", grade=grade, hours=hours))
    typer.echo(f"Ordered; the plant is {answer['phase']}.")
