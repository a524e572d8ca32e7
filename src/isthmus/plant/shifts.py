# SPDX-License-Identifier: Apache-2.0
"""Reading a plant file's `calendar`: every shift gets its end, none may overlap another, crews may work only these."""

from __future__ import annotations

from typing import Final

import msgspec

from isthmus.plant.calendar import DAY, DAY_NAMES, OFF, PLAIN, Calendar, Rotation, Shift, clock
from isthmus.plant.findings import Findings, one_of
from isthmus.plant.grammar import CALENDAR, ROTATION, SHIFT, Entries
from isthmus.plant.nodes import Map, Node, Scalar
from isthmus.plant.reading import below, entries, read

WEEK: Final = 7 * DAY
UNSAID: Final = -1
"""The end of a shift that does not say where it ends."""


def read_calendar(node: Node | None, findings: Findings) -> Calendar:
    """The calendar of a plant file; what is wrong with it is reported and left out."""
    if node is None:
        return PLAIN
    said = read(node, CALENDAR, "calendar", findings)
    takes = CALENDAR.by_name["shifts"].takes
    assert isinstance(takes, Entries)  # by the grammar
    spots: dict[str, Scalar] = {}
    shifts: list[Shift] = []
    for name, spot, value in entries(said.get("shifts"), takes, "calendar.shifts", findings):
        if name == OFF:
            findings.problem(spot, "calendar.shifts.off", "a shift cannot be called 'off'", "a rotation says it so")
            continue
        shift = _shift(name, value, findings)
        if shift is not None:
            spots[name] = spot
            shifts.append(shift)
    whole = _ended(shifts, spots, findings)
    _apart(whole, spots, findings)
    return Calendar(
        week_begins=DAY_NAMES.index(said.get("week_begins", "monday")),
        shifts=tuple(sorted(whole, key=lambda shift: (shift.begins, shift.days))),
        rotation=_rotation(said.get("rotation"), said.get("shifts"), findings),
        no_shifts=tuple(sorted(said.get("no_shifts", ()))),
    )


def _shift(name: str, node: Node, findings: Findings) -> Shift | None:
    said = read(node, SHIFT, f"calendar.shifts.{name}", findings)
    wrong = [key for key in SHIFT.by_name if isinstance(node, Map) and key in node.entries and key not in said]
    if "begins" not in said or wrong:
        return None
    begins = said["begins"]
    ends = begins + ((said["ends"] - begins) % DAY or DAY) if "ends" in said else UNSAID
    days = sorted({day for some in said.get("days", (range(7),)) for day in some})
    return Shift(name, begins, ends, tuple(days))


def _ended(shifts: list[Shift], spots: dict[str, Scalar], findings: Findings) -> list[Shift]:
    """Those that do not say where they end do so where the next begins, when that is the same on all their days."""
    begins = sorted({day * DAY + shift.begins for shift in shifts for day in shift.days})
    done: list[Shift] = []
    for shift in shifts:
        if shift.ends != UNSAID:
            done.append(shift)
            continue
        lengths = {_until_next(day * DAY + shift.begins, begins) for day in shift.days}
        if len(lengths) == 1 and (length := min(lengths)) <= DAY:
            done.append(msgspec.structs.replace(shift, ends=shift.begins + length))
        else:
            what = "where it ends is not the same on all its days" if len(lengths) > 1 else "it would last for days"
            findings.problem(spots[shift.name], f"calendar.shifts.{shift.name}", what, "say so: ends: 22:00")
    return done


def _until_next(minute: int, begins: list[int]) -> int:
    """Minutes from one of the week's beginnings to the next."""
    return min((other - minute) % WEEK or WEEK for other in begins)


def _apart(shifts: list[Shift], spots: dict[str, Scalar], findings: Findings) -> None:
    """Reports shifts that begin before another one ends."""
    spans = sorted(
        ((day * DAY + shift.begins, day * DAY + shift.ends, shift) for shift in shifts for day in shift.days),
        key=lambda span: span[:2],
    )
    following = [*spans[1:], *((begin + WEEK, end, first) for begin, end, first in spans[:1])]
    told: set[tuple[str, str]] = set()
    for (_, end, early), (begin, _, late) in zip(spans, following, strict=True):
        if begin >= end or (early.name, late.name) in told:
            continue
        told.add((early.name, late.name))
        what = f"begins on {DAY_NAMES[begin // DAY % 7]} at {clock(begin)}, before {early.name} ends at {clock(end)}"
        findings.problem(spots[late.name], f"calendar.shifts.{late.name}", what, "a moment belongs to one shift")


def _rotation(node: Map | None, shifts: Map | None, findings: Findings) -> Rotation | None:
    if node is None:
        return None
    path = "calendar.rotation"
    said = read(node, ROTATION, path, findings)
    if "crews" not in said:
        return None
    crews: dict[str, tuple[str, ...]] = said["crews"]
    _known(crews, node, {*(shifts.entries if shifts is not None else ()), OFF}, findings)
    spot = node.key("crews")
    if len({len(works) for works in crews.values()}) > 1:
        lengths = ", ".join(f"{crew} {len(works)}" for crew, works in crews.items())
        findings.problem(spot, below(path, "crews"), f"the crews' cycles differ in length: {lengths}")
        return None
    for place, worked in enumerate(zip(*crews.values(), strict=True), start=1):
        for name in sorted({name for name in worked if name != OFF and worked.count(name) > 1}):
            names = " and ".join(crew for crew, works in crews.items() if works[place - 1] == name)
            findings.problem(spot, below(path, "crews"), f"entry {place}: {names} both work {name}")
    if "begins" not in said:
        return None
    return Rotation(begins=said["begins"], each={"day": 1, "week": 7}[said.get("each", "day")], crews=crews)


def _known(crews: dict[str, tuple[str, ...]], node: Map, shifts: set[str], findings: Findings) -> None:
    """Reports what a crew works that is no shift."""
    found = node.get("crews")
    for crew, works in crews.items():
        spot = found.key(crew) if isinstance(found, Map) else node
        for name in sorted(set(works) - shifts):
            findings.problem(
                spot, f"calendar.rotation.crews.{crew}", f"there is no shift {name!r}", one_of(name, shifts)
            )
