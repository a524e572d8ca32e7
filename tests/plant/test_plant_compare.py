# SPDX-License-Identifier: Apache-2.0
"""A plan says what an apply would do: no more, no less."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from isthmus.core.errors import IsthmusError
from isthmus.plant.check import Checked, check_plant
from isthmus.plant.compare import Plan, compare
from isthmus.plant.number import NONE_GIVEN, resolve
from isthmus.plant.revision import Revision
from tests.plant.bench_kind import HEAD, KINDS

BASE = """\
types:
  tank:
    tags: {level: {unit: m, range: [0, 5], every: 1s}, temperature: {unit: Cel}}
systems:
  b: {kind: bench, url: here, password: !secret b}
  c: {kind: bench, url: there}
assets:
  a/tank-1: {type: tank, system: b, tags: {level: pin1, temperature: pin2}}
  a/pump: {system: c, tags: {speed: {address: pin3, unit: /min}}}
"""

B_BLINKS = "~ b: is reopened: its 2 tags blink for a moment"
C_BLINKS = "~ c: is reopened: its 1 tag blinks for a moment"

Planned = Callable[..., Plan]


@pytest.fixture
def planned(check: Callable[..., Checked]) -> Planned:
    """The plan from BASE to BASE with pieces replaced."""

    def made(*pieces: tuple[str, str], head: str = HEAD) -> Plan:
        made = resolve(check(BASE), None, NONE_GIVEN, number=1, created=0)
        first = Revision.unpack(made.pack())  # as it comes out of the ledger
        text = BASE
        for old, new in pieces:
            assert old in text
            text = text.replace(old, new)
        numbers = NONE_GIVEN.after(first)
        checked = check(text, head=head)
        second = resolve(checked, first, numbers, number=2, created=1)
        plan = compare(first, second, checked.named)
        assert plan.nothing == (first.digest == second.digest)
        return plan

    return made


def test_the_same_file_is_nothing_to_do(planned: Planned) -> None:
    assert list(planned().lines()) == ["nothing to do: revision 1 says the same"]


def test_comments_order_and_layout_are_nothing_to_do(planned: Planned) -> None:
    pump = "  a/pump: {system: c, tags: {speed: {address: pin3, unit: /min}}}\n"
    assert planned(("types:", "# about tanks\n\ntypes:"), (pump, ""), ("assets:\n", f"assets:\n{pump}")).nothing


@pytest.mark.parametrize(
    ("old", "new", "lines"),
    [
        ("url: there", "url: elsewhere", ["~ c: closes and opens again: url there → elsewhere"]),
        ("!secret b", "!secret b2", ["~ b: closes and opens again: password !secret b → !secret b2"]),
        ("url: there", "url: there, node: edge-1", ["~ c: closes and opens again: node main → edge-1"]),
        ("url: there", "url: there, zone: control, owner: me", ["~ c: zone none → control", "~ c: owner none → me"]),
        ("url: there", "url: there, overflow: wait", [C_BLINKS, "~ c: overflow discard-oldest → wait"]),
        ("pin1,", "pin7,", [B_BLINKS, "~ acme/lyon/a/tank-1/level: address pin1 → pin7"]),
        ("every: 1s", "every: 500ms", [B_BLINKS, "~ acme/lyon/a/tank-1/level: every 1s → 500ms"]),
        ("[0, 5]", "[0, 6]", ["~ acme/lyon/a/tank-1/level: range [0, 5] → [0, 6]"]),
        ("[0, 5]", "[0, 5], normal: [1, 4]", ["~ acme/lyon/a/tank-1/level: normal none → [1, 4]"]),
        ("  tank:\n", "  tank:\n    symbol: vessel\n", ["~ acme/lyon/a/tank-1: symbol none → vessel"]),
        ("  tank:\n", "  tank:\n    picture: {place: {.: [0, 0]}}\n", ["~ picture of tank: is drawn"]),
        ("types:\n", "pictures: {a: {flows: [[tank-1, pump]]}}\ntypes:\n", ["~ picture of acme/lyon/a: is drawn"]),
        ("[0, 5]", "[0, 5], write: {step: 1}", ["~ acme/lyon/a/tank-1/level: write none → {step: 1}"]),
        ("unit: Cel}", "unit: Cel, stepped: true}", ["~ acme/lyon/a/tank-1/temperature: stepped false → true"]),
        ("unit: Cel}", "unit: Cel, description: x}", ["~ acme/lyon/a/tank-1/temperature: description none → x"]),
        ("unit: m,", "unit: cm,", [B_BLINKS,
            "~ acme/lyon/a/tank-1/level: float in m → float in cm: number 4 instead of 1, "
            "joined to 1 (times 100)"]),
        (", unit: /min", "", [C_BLINKS,
            "~ acme/lyon/a/pump/speed: float in /min → float: number 4 instead of 3, joined to 3; "
            "what was recorded in /min is taken as it is"]),
        ("unit: Cel}", "unit: bar}", [B_BLINKS, "~ acme/lyon/a/tank-1/temperature: float in Cel → float in bar: "
            "number 4 instead of 2, not joined to 2: float in Cel does not convert"]),
        ("a/tank-1: {", "a/tank-2: {was: a/tank-1, ", [
            "> acme/lyon/a/tank-2/level: was acme/lyon/a/tank-1/level; keeps its history",
            "> acme/lyon/a/tank-2/temperature: was acme/lyon/a/tank-1/temperature; keeps its history"]),
        ("a/tank-1: {", "b/tank-2: {was: a/tank-1, owner: me, ", [
            "> acme/lyon/b/tank-2/level: was acme/lyon/a/tank-1/level; keeps its history",
            "> acme/lyon/b/tank-2/temperature: was acme/lyon/a/tank-1/temperature; keeps its history",
            "~ acme/lyon/b/tank-2: owner none → me"]),
        ("system: b, tags: {level", "system: b, owner: me, tags: {level", ["~ acme/lyon/a/tank-1: owner none → me"]),
        (", temperature: pin2", "", [
            "~ b: is reopened: its 1 tag blinks for a moment",
            "- acme/lyon/a/tank-1/temperature: stops recording; what is recorded stays, under number 2",
            "! tank.temperature: not read: 1 asset of the type gives no address for it"]),
    ],
)  # fmt: skip
def test_what_changes_is_said_and_nothing_else(planned: Planned, old: str, new: str, lines: list[str]) -> None:
    assert list(planned((old, new)).lines()) == lines


def test_a_unit_said_later_keeps_what_was_recorded(check: Callable[..., Checked]) -> None:
    without = resolve(check(BASE.replace(", unit: /min", "")), None, NONE_GIVEN, number=1, created=0)
    after = resolve(check(BASE), without, NONE_GIVEN.after(without), number=2, created=1)
    assert list(compare(without, after).lines()) == [
        "~ c: is reopened: its 1 tag blinks for a moment",
        "~ acme/lyon/a/pump/speed: float → float in /min: number 4 instead of 3, joined to 3; "
        "what was recorded is taken to be in /min",
    ]


def test_a_new_tag_and_a_new_system(planned: Planned) -> None:
    plan = planned(
        ("systems:", "systems:\n  d: {kind: bench, url: d}"),
        ("a/pump:", "a/new: {system: d, tags: {x: pin9}}\n  a/pump:"),
    )
    assert list(plan.lines()) == [
        "+ d: opens (bench, 1 tag)",
        "+ acme/lyon/a/new/x: number 4, float, from d pin9",
        "~ acme/lyon/a/new: new asset",
    ]
    assert plan.subscriptions() == {"d": 1}


def refused(plan: Plan) -> list[str]:
    """What is said when the plan is refused, a line each, files without their folder."""
    with pytest.raises(IsthmusError) as raised:
        plan.refuse_removal()
    return re.sub(r"  \S*/", "  ", str(raised.value)).splitlines()


def test_a_removal_is_refused_and_says_where_a_rename_belongs(planned: Planned) -> None:
    assert refused(planned(("speed:", "velocity:"))) == [
        "stops recording acme/lyon/a/pump/speed; what is recorded stays; if they were renamed, say what they were "
        "called, and their history goes on:",
        "  plant.yaml:12:30: in `velocity` write `was: speed`",
        "if they are meant to go, apply with --remove",
    ]


def test_a_removal_that_is_no_rename_is_refused_shortly(planned: Planned) -> None:
    assert refused(planned((", temperature: pin2", ""))) == [
        "stops recording acme/lyon/a/tank-1/temperature; what is recorded stays; "
        "if they are meant to go, apply with --remove"
    ]


@pytest.mark.parametrize(
    ("pieces", "says"),
    [
        ([("a/pump:", "b/pump:")], ["12:3: in `b/pump` write `was: a/pump`"]),
        ([("speed: {address: pin3, unit: /min}", "rpm: pin3")], ["12:30: in `rpm` write `{address: ..., was: speed}`"]),
        ([("{level: {u", "{height: {u"), ("level: pin1", "height: pin1")], ["6:12: in `height` write `was: level`"]),
        ([("a/pump:", "b/pump:"), ("speed:", "rpm:")], [
            "12:3: in `b/pump` write `was: a/pump`", "12:30: in `rpm` write `was: speed`"]),
        ([("{level: {", "{other: {unit: m}, level: {"), ("level: pin1", "other: pin1")], [
            "11:44: in `other` write `{address: ..., was: level}`"]),
    ],
)  # fmt: skip
def test_a_rename_is_said_where_the_name_stands(planned: Planned, pieces: list[Any], says: list[str]) -> None:
    assert refused(planned(*pieces))[1:-1] == [f"  plant.yaml:{line}" for line in says]


PARTS = """\
types:
  reactor: {parts: {jacket: {type: mantle}}}
  mantle: {tags: {inlet: {unit: Cel}}}
systems: {b: {kind: bench, url: here}}
assets:
  a/reactor-{10..12}: {type: reactor, system: b, parts: {jacket: {tags: {inlet: "pin{n}"}}}}
"""
ROWS = """\
systems: {b: {kind: bench, url: here}}
assets:
  "a/{tank}-x": {system: b, rows: tanks.csv, tags: {level: "pin{n}"}}
"""


@pytest.mark.parametrize(
    ("text", "old", "new", "says"),
    [
        (PARTS, "jacket: {t", "hull: {t", ["5:21: in `hull` write `was: jacket`"]),
        (PARTS, "a/reactor-{10..12}", "b/{unit:10..12}-r", [
            '9:3: in `b/{unit:10..12}-r` write `was: "a/reactor-{unit}"`']),
        (ROWS, "a/{tank}-x", "b/y-{tank}", ['6:3: in `b/y-{tank}` write `was: "a/{tank}-x"`']),
    ],
)  # fmt: skip
def test_a_rename_of_many_is_said_once(
    check: Callable[..., Checked], text: str, old: str, new: str, says: list[str]
) -> None:
    table = {"tanks.csv": "tank,n\nt1,1\nt2,2\n"}
    first = resolve(check(text, table), None, NONE_GIVEN, number=1, created=0)
    named = {"unit": new} if "unit" in new else {}
    changed = text.replace(old, new).replace("pin{n}", "pin{unit}" if named else "pin{n}")
    checked = check(changed, table)
    second = resolve(checked, first, NONE_GIVEN.after(first), number=2, created=1)
    assert refused(compare(first, second, checked.named))[1:-1] == [f"  plant.yaml:{line}" for line in says]


def test_what_an_asset_does_not_have_is_told_when_that_changes(check: Callable[..., Checked]) -> None:
    without = BASE.replace(", temperature: pin2", "")
    first = resolve(check(without), None, NONE_GIVEN, number=1, created=0)
    note = "! tank.temperature: not read: 1 asset of the type gives no address for it"
    assert note in compare(None, first).lines()
    again = resolve(check(without.replace("pin1", "pin8")), first, NONE_GIVEN.after(first), number=2, created=1)
    assert note not in compare(first, again).lines()
    more = without.replace("  a/pump", "  a/tank-2: {type: tank, system: b, tags: {level: pin9}}\n  a/pump")
    third = resolve(check(more), again, NONE_GIVEN.after(again), number=3, created=2)
    assert "! tank.temperature: not read: 2 assets of the type give no address for it" in compare(again, third).lines()


def test_nothing_removed_is_nothing_refused(planned: Planned) -> None:
    planned(("pin1,", "pin7,")).refuse_removal()


def test_the_head_of_the_file(planned: Planned) -> None:
    assert list(planned(head=HEAD.replace("Paris", "Berlin")).lines()) == ["~ time_zone: Europe/Paris → Europe/Berlin"]


def test_a_long_plan_is_cut_per_kind(tmp_path: Path) -> None:
    def revision(count: int, previous: Any) -> Any:
        (tmp_path / "plant.yaml").write_text(
            f"{HEAD}systems: {{b: {{kind: bench, url: x}}}}\n"
            f'assets: {{"a/{{1..{count}}}": {{system: b, tags: {{v: "pin{{n}}"}}}}}}\n'
        )
        return resolve(check_plant(tmp_path / "plant.yaml", KINDS), previous, NONE_GIVEN, number=1, created=0)

    plan = compare(revision(1, None), revision(100, revision(1, None)))
    assert "  ... and 79 more: new tag" in list(plan.lines())
    assert len(list(plan.lines(0))) == 1 + 2 * 99
