# SPDX-License-Identifier: Apache-2.0
"""Standardising whole columns gives what the rules say row by row."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.core.quality import Mark
from isthmus.core.samples import Samples, Value, plain
from isthmus.core.tag import DataType, Tag
from isthmus.flow.standardise import AHEAD, standardise, standards
from isthmus.plant.revision import TagSetting
from isthmus.systems.contract import Form, Readings

SEEN = 1_800_000_000_000_000_000


@dataclass(frozen=True)
class Reading:
    form: int
    value: bool | int | float | str | None


def setting(number: int, type_: DataType, **more: object) -> TagSetting:
    tag = Tag(number, f"acme/lyon/tank-{number}/level", "", type_, stepped=False)
    return TagSetting(tag=tag, system="dcs", address=f"ns=1;i={number}", **more)  # type: ignore[arg-type]


def readings(rows: list[tuple[int, Reading]], at: list[int] | None = None, historical: bool = False) -> Readings:
    def number(reading: Reading) -> float:
        numeric = reading.form not in (Form.NONE, Form.TEXT)
        return float(reading.value) if numeric else math.nan  # type: ignore[arg-type]

    def whole(reading: Reading) -> int:
        value = int(reading.value) if reading.form in (Form.SIGNED, Form.UNSIGNED) else 0  # type: ignore[arg-type]
        return value - 2**64 if value >= 2**63 else value

    return Readings(
        index=np.array([index for index, _ in rows], np.uint32),
        at=np.array(at if at is not None else [SEEN] * len(rows), np.int64),
        quality=np.zeros(len(rows), np.uint32),
        form=np.array([reading.form for _, reading in rows], np.uint8),
        value=np.array([number(reading) for _, reading in rows], np.float64),
        integer=np.array([whole(reading) for _, reading in rows], np.int64),
        text=[reading.value if reading.form == Form.TEXT else None for _, reading in rows],  # type: ignore[misc]
        seen=SEEN,
        historical=historical,
    )


def oracle(rule: TagSetting, reading: Reading) -> tuple[Value, bool, bool]:
    """Row by row: (value, wrong type, out of range); of a wrong type the value is its writing."""
    if reading.form == Form.NONE:
        return None, False, False
    type_ = rule.tag.type
    if type_ is DataType.TEXT:
        return written(reading), False, False
    if reading.form == Form.TEXT:
        return written(reading), True, False
    assert not isinstance(reading.value, str) and reading.value is not None
    value: int | float = reading.value
    if (rule.scale, rule.offset) != (1.0, 0.0):
        value = float(value) * rule.scale + rule.offset
    low, high = rule.range or (-math.inf, math.inf)
    if type_ is DataType.FLOAT:
        value = float(value)
        return value, False, value < low or value > high
    if type_ is DataType.BOOLEAN:
        return (bool(value), False, not low <= value <= high) if value in (0, 1) else (written(reading), True, False)
    limits = (0, 2**64) if type_ is DataType.UNSIGNED else (-(2**63), 2**63)
    exact = isinstance(value, int) or (math.isfinite(value) and value == int(value) and abs(value) <= 2**53)
    if not exact or not limits[0] <= value < limits[1]:
        return written(reading), True, False
    value = int(value)
    outside = not low <= float(value) <= high or bool(rule.labels and value not in rule.labels)
    return value, False, outside


def written(reading: Reading) -> str | None:
    if isinstance(reading.value, bool):
        return "true" if reading.value else "false"
    if isinstance(reading.value, float):
        return repr(reading.value)
    return None if reading.value is None else str(reading.value)


def seen_as(samples: Samples, row: int, rule: TagSetting) -> tuple[Value, bool, bool]:
    mark, text = int(samples.mark[row]), samples.text[row] if samples.text is not None else None
    whole = int(samples.integer[row]) if samples.integer is not None else 0
    wrong = bool(mark & Mark.WRONG_TYPE)
    value = text if wrong else plain(rule.tag.type, float(samples.value[row]), whole, text)
    return value, wrong, bool(mark & Mark.OUT_OF_RANGE)


FORMS = st.one_of(
    st.just(Reading(Form.NONE, None)),
    st.booleans().map(lambda value: Reading(Form.BOOLEAN, value)),
    st.integers(-(2**63), 2**63 - 1).map(lambda value: Reading(Form.SIGNED, value)),
    st.integers(0, 2**64 - 1).map(lambda value: Reading(Form.UNSIGNED, value)),
    st.floats(allow_nan=False).map(lambda value: Reading(Form.FLOAT, value)),
    st.sampled_from([0.0, 1.0, -1.0, 2.0**53, 2.0**53 + 2, -0.0]).map(lambda value: Reading(Form.FLOAT, value)),
    st.text(max_size=5).map(lambda value: Reading(Form.TEXT, value)),
)
RULES = [
    setting(1, DataType.FLOAT),
    setting(2, DataType.FLOAT, scale=2.5, offset=-3.0, range=(-10.0, 10.0)),
    setting(3, DataType.BOOLEAN),
    setting(4, DataType.INTEGER, range=(-5.0, 5.0)),
    setting(5, DataType.UNSIGNED),
    setting(6, DataType.ENUMERATION, labels={0: "idle", 1: "running"}),
    setting(7, DataType.TEXT),
    setting(8, DataType.INTEGER, scale=2.0),
]


@given(st.lists(st.tuples(st.integers(0, len(RULES) - 1), FORMS), max_size=20))
def test_columns_agree_with_the_rules_row_by_row(rows: list[tuple[int, Reading]]) -> None:
    (samples,) = standardise(readings(rows), standards(RULES), "dcs")
    for row, (index, reading) in enumerate(rows):
        assert seen_as(samples, row, RULES[index]) == oracle(RULES[index], reading)


@given(st.lists(st.tuples(st.integers(0, 1), st.floats(allow_nan=False)), max_size=20))
def test_the_quick_way_for_floats_agrees_too(rows: list[tuple[int, float]]) -> None:
    given_rows = [(index, Reading(Form.FLOAT, value)) for index, value in rows]
    (samples,) = standardise(readings(given_rows), standards(RULES[:2]), "dcs")
    assert samples.integer is None and samples.text is None
    for row, (index, reading) in enumerate(given_rows):
        assert seen_as(samples, row, RULES[index]) == oracle(RULES[index], reading)


def test_a_time_ahead_of_ours_is_marked_and_an_unknown_one_is_when_we_saw_it() -> None:
    rows = [(0, Reading(Form.FLOAT, 1.0))] * 4
    (samples,) = standardise(readings(rows, at=[0, SEEN + AHEAD, SEEN + AHEAD + 1, SEEN - 1]), standards(RULES), "dcs")
    assert samples.at.tolist() == [SEEN, SEEN + AHEAD, SEEN + AHEAD + 1, SEEN - 1]
    assert samples.mark.tolist() == [0, 0, int(Mark.FUTURE), 0]


def test_what_was_recalled_is_marked_historical() -> None:
    (samples,) = standardise(readings([(0, Reading(Form.FLOAT, 1.0))], historical=True), standards(RULES), "dcs")
    assert samples.mark.tolist() == [int(Mark.HISTORICAL)]


@pytest.mark.parametrize("count", [4096, 4097, 9000])
def test_more_than_4096_tags_are_split_over_lists(count: int) -> None:
    rules = standards([setting(i + 1, DataType.FLOAT) for i in range(count)])
    rows = [(i, Reading(Form.FLOAT, float(i))) for i in range(count - 1, -1, -1)]
    blocks = list(standardise(readings(rows), rules, "dcs"))
    lists = {rule.tags.digest: rule.tags for rule in rules}
    found = [
        (lists[block.tags].tags[i].number, value)
        for block in blocks
        for i, value in zip(block.index.tolist(), block.value.tolist(), strict=True)
    ]
    assert sorted(found) == [(i + 1, float(i)) for i in range(count)]


def test_nothing_gives_an_empty_block_which_is_a_heartbeat() -> None:
    (samples,) = standardise(readings([]), standards(RULES), "dcs")
    assert len(samples) == 0
