# SPDX-License-Identifier: Apache-2.0
"""What `isthmus demo chemical` does before and after the plant runs: its past, and the faults asked for."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from shlex import quote
from typing import Final

import typer

from isthmus.app.cli.banner import Door, called
from isthmus.app.cli.demo_command import Chosen
from isthmus.app.demo.chemical import desk
from isthmus.app.demo.chemical.catalogue import CATALOGUE
from isthmus.app.demo.chemical.database import DATABASE as QUALITY
from isthmus.app.demo.chemical.database import USER
from isthmus.app.demo.chemical.demo import BROKER, DATABASE, HELPERS, OPCUA, Wishes, chemical, folder, makes, secret
from isthmus.app.demo.chemical.story import Story, command, lived, plan, planned, recorded
from isthmus.app.demo.pieces.fault import Fault, FaultKind
from isthmus.app.demo.play import Demo
from isthmus.app.run.lifeline import PARENT
from isthmus.app.run.place import Place
from isthmus.core import time
from isthmus.core.errors import IsthmusError, Misasked

MONTH: Final = 30 * 86_400 * time.SECOND
"""The past of a new plant of which nothing is said."""
SHORTEST: Final = 3600 * time.SECOND
LONGEST: Final = 366 * 86_400 * time.SECOND


@dataclass(frozen=True, slots=True)
class Asked:
    """A fault asked for with `--fault KIND:TARGET[@WHEN]`."""

    kind: str
    target: str
    when: int
    """ns from the start on; before 0: in the past that is filled in first."""


def fault(text: str) -> Asked:
    """Reads `--fault`; raises Misasked with the right form."""
    what, _, when = text.partition("@")
    kind, colon, target = what.partition(":")
    past = when.startswith("-")
    if not (kind and colon and target):
        hint = "say KIND:TARGET, KIND:TARGET@2h or KIND:TARGET@-10d; isthmus demo fault list shows which there are"
        raise Misasked(f"{text!r} names no fault", hint=hint)
    span = time.duration(when.lstrip("+-")) if when else 0
    return Asked(kind, target, -span if past else span)


def chosen(place: Place, *, past: str | None, tempo: float, seed: int, plan: str, faults: Sequence[str]) -> Chosen:
    """The chemical plant as it was asked for; raises IsthmusError when that cannot be."""
    asked = [fault(text) for text in faults]
    wishes = Wishes(seed, tempo, plan)
    served = makes()
    story = past_of(place, past, wishes, asked)

    def before() -> None:
        if story is not None:
            _fill(place, story)

    def after() -> None:
        for one in asked:
            if one.when >= 0:
                typer.echo(_start(place, one))

    demo = chemical(place, wishes, served)
    missing = [helper.missing for helper in HELPERS if not helper.here]
    return Chosen(demo, served, ("demo fault list",), missing, lambda: _doors(place, demo), before, after)


def _doors(place: Place, demo: Demo) -> list[Door]:
    """What listens, and how it is tried; of what is missing nothing."""
    ports, here = demo.ports(), "127.0.0.1"
    found = []
    if BROKER.here:
        port = ports[BROKER.name]
        found.append(Door("MQTT broker", f"mqtt://{here}:{port}", f"mosquitto_sub -h {here} -p {port} -t 'uns/#' -v"))
    url = f"opc.tcp://{here}:{ports[OPCUA]}"
    found.append(Door("OPC UA server", url, f"{called()} browse {url}"))
    if DATABASE.here:
        port, word = ports[DATABASE.name], f'PGPASSWORD="$(cat {quote(str(secret(place)))})"'
        wanted = "SELECT time, asset, temperature, level FROM reactor ORDER BY time DESC LIMIT 5"
        command = f"{word} psql -h {here} -p {port} -U {USER} {QUALITY} -c '{wanted}'"
        found.append(Door("PostgreSQL", f"postgresql://{here}:{port}/{QUALITY}", command))
    gateway = f"mbpoll -m tcp -p {ports['gateway']} -a 1 -0 -r 1 -t 4:float -B {here}"
    return [*found, Door("Modbus gateway", f"{here}:{ports['gateway']}", gateway)]


def _span(past: str | None) -> int | None:
    """ns of `--past`; None: nothing is said of it. Raises Misasked for what is no such span."""
    span = None if past is None else 0 if past.strip() == "0" else time.duration(past)
    if span and not SHORTEST <= span <= LONGEST:
        raise Misasked("--past takes a span from 1h to 366d, or 0 for none")
    return span


def past_of(place: Place, past: str | None, wishes: Wishes, asked: Sequence[Asked]) -> Story | None:
    """The past to fill in: the one asked for, a month, or the one that was begun and cut short; None: there is none.

    `past` is what `--past` says. Raises IsthmusError for what cannot be.
    """
    begun, span = planned(place), _span(past)
    old = lived(place) or (begun is None and recorded(place))
    if begun is not None and not old:
        return _go_on(place, begun, span)
    if old or span == 0:
        _look(place, span, asked)
        return None
    return _new_story(MONTH if span is None else span, wishes, asked)


def _look(place: Place, span: int | None, asked: Sequence[Asked]) -> None:
    """Raises IsthmusError when a past is asked for, or needed, where none is filled in."""
    if span:
        what = "has a plant that has lived already: it gets no other past"
        raise IsthmusError(what, where=str(place.root), hint="choose a new directory with --data")
    if any(one.when < 0 for one in asked):
        hint = "only a new plant gets one; say how long with --past, for example 30d"
        raise Misasked("a fault in the past needs a past", hint=hint)


def _go_on(place: Place, begun: Story, span: int | None) -> Story:
    """The past that was cut short, unless another one is asked for."""
    if span is not None and span != begun.end - begun.start:
        days = (begun.end - begun.start) / (24 * SHORTEST)
        what = f"has a past of {days:.3g} days that was begun and not ended"
        hint = "start it without --past: it goes on; or choose a new directory with --data"
        raise IsthmusError(what, where=str(place.root), hint=hint)
    return begun


def _new_story(span: int, wishes: Wishes, asked: Sequence[Asked]) -> Story:
    now = time.now() // time.SECOND * time.SECOND
    if any(one.when < -span for one in asked):
        raise Misasked("a fault begins before the past that --past fills in")
    wrong = (Fault(_kind(one.kind), one.target, 0.5, _ramp(one), now + one.when) for one in asked if one.when < 0)
    story = Story(seed=wishes.seed, plan=wishes.plan, start=now - span, end=now, faults=tuple(wrong))
    try:
        story.plant()
    except ValueError as error:
        raise IsthmusError(str(error), hint="isthmus demo fault list shows which there are") from error
    return story


def _kind(name: str) -> FaultKind:
    if name not in set(FaultKind):
        raise Misasked(f"there is no fault {name!r}", hint=f"there are {', '.join(FaultKind)}")
    return FaultKind(name)


def _ramp(asked: Asked) -> float:
    return CATALOGUE[_kind(asked.kind)].ramp


def _fill(place: Place, story: Story) -> None:
    """Has a process of its own fill in the past; what it needs for that is given back when it ends."""
    plan(place, story)
    days = (story.end - story.start) / (24 * SHORTEST)
    more = "Ctrl-C stops; it goes on when started again. --past 0 gives a new plant none"
    typer.echo(f"Filling in the past of the plant, {days:.3g} days ({more}) ...")
    try:
        done = subprocess.run([*command(place), PARENT, str(os.getpid())], check=False)
    except KeyboardInterrupt:
        typer.echo(f"\nStopped. `isthmus demo --data {quote(str(place.root))}` goes on with it.")
        raise
    if done.returncode:
        raise IsthmusError("the past was not filled in", where=str(place.root), hint="start it again to go on")


def _start(place: Place, asked: Asked) -> str:
    """Starts one fault; what people are told of it."""
    at = time.now() + asked.when if asked.when else None
    answer = desk.ask(folder(place), desk.Ask(do="start", kind=asked.kind, target=asked.target, start=at))
    when = f"from {time.to_iso(at)}" if at else "from now"
    return f"Fault {answer['number']}: {asked.kind} of {asked.target} {when}."
