# SPDX-License-Identifier: Apache-2.0
"""What `isthmus demo chemical` does before and after the plant runs: its past, and the faults asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import typer

from isthmus.app.cli.demo_command import Chosen
from isthmus.app.demo.chemical import desk
from isthmus.app.demo.chemical.demo import Wishes, chemical, folder, makes
from isthmus.app.run.place import Place
from isthmus.core import time
from isthmus.core.errors import IsthmusError


@dataclass(frozen=True, slots=True)
class Asked:
    """A fault asked for with `--fault KIND:TARGET[@WHEN]`."""

    kind: str
    target: str
    when: int
    """ns from the start on; before 0: in the past that is filled in first."""


def fault(text: str) -> Asked:
    """Reads `--fault`; raises IsthmusError with the right form."""
    what, _, when = text.partition("@")
    kind, colon, target = what.partition(":")
    past = when.startswith("-")
    try:
        if not (kind and colon and target):
            raise ValueError
        span = time.duration(when.lstrip("+-")) if when else 0
    except ValueError as error:
        hint = "say KIND:TARGET, KIND:TARGET@2h or KIND:TARGET@-10d; isthmus demo fault list shows which there are"
        raise IsthmusError(f"{text!r} names no fault", hint=hint) from error
    return Asked(kind, target, -span if past else span)


def chosen(place: Place, *, past: str | None, tempo: float, seed: int, plan: str, faults: Sequence[str]) -> Chosen:
    """The chemical plant as it was asked for."""
    asked = [fault(text) for text in faults]
    wishes = Wishes(seed, tempo, plan)
    served = makes()

    def after() -> None:
        for one in asked:
            if one.when >= 0:
                typer.echo(_start(place, one))

    return Chosen(chemical(place, wishes, served), served, ("demo fault list",), after=after)


def _start(place: Place, asked: Asked) -> str:
    """Starts one fault; what people are told of it."""
    at = time.now() + asked.when if asked.when else None
    answer = desk.ask(folder(place), desk.Ask(do="start", kind=asked.kind, target=asked.target, start=at))
    when = f"from {time.to_iso(at)}" if at else "from now"
    return f"Fault {answer['number']}: {asked.kind} of {asked.target} {when}."
