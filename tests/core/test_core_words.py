# SPDX-License-Identifier: Apache-2.0
"""Paths, qualities, units, tag lists and samples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.core import path, quality, unit
from isthmus.core.errors import IsthmusError
from isthmus.core.samples import Samples, plain
from isthmus.core.tag import LONGEST_LIST, DataType, Tag, TagList


@pytest.mark.parametrize("good", ["a", "acme/lyon", "acme/lyon/mixing/line-1/reactor-1", "A_b-c.d/1"])
def test_paths_are_segments_of_plain_characters(good: str) -> None:
    assert path.check(good) == good


@pytest.mark.parametrize(
    "bad", ["", "/", "a//b", "a/", "/a", "a b", "ä", ".", "a/..", "-a", "a." + "b" * 64, "a/#", "+"]
)
def test_other_paths_are_refused_and_the_segment_is_named(bad: str) -> None:
    with pytest.raises(IsthmusError, match="cannot be part of a path"):
        path.check(bad)


def test_a_very_long_path_is_refused() -> None:
    with pytest.raises(IsthmusError, match="characters"):
        path.check("/".join(["abcdefghi"] * 50))


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ("reactor-1", True),
        ("reactor", False),
        ("reactor*", True),
        ("*TEMP*", True),
        ("acme/lyon/mixing", True),
        ("acme/*/mixing", True),
        ("acme/mixing", False),
        ("acme/**/temperature", True),
        ("**", True),
        ("line-1/reactor-1/temperature", True),
        ("line-1/temperature", False),
        ("reactor-?", True),
        ("[", False),
        (".*", False),
    ],
)
def test_patterns_match_whole_segments(pattern: str, matches: bool) -> None:
    assert bool(path.matcher(pattern)("acme/lyon/mixing/line-1/reactor-1/temperature")) is matches


def test_quality_is_judged_by_its_severity_bits() -> None:
    codes = np.array([0, 0x0000_0480, 0x4094_0000, 0x8005_0000, 0xC000_0000], np.uint32)
    assert quality.is_good(codes).tolist() == [True, True, False, False, False]
    assert quality.is_bad(codes).tolist() == [False, False, False, True, True]
    assert quality.overflowed(codes).tolist() == [False, True, False, False, False]
    assert [quality.severity(int(code)) for code in codes] == ["good", "good", "uncertain", "bad", "bad"]
    assert quality.name(0x8034_0000) == "BadNodeIdUnknown"
    assert quality.name(0x8034_0480) == "BadNodeIdUnknown"
    assert quality.name(0x8FFF_0000) == "Bad(0x8FFF0000)"


@pytest.mark.parametrize(
    ("value", "source", "target", "expected"),
    [
        (14.5037738, "[psi]", "bar", 1.0),
        (212.0, "[degF]", "Cel", 100.0),
        (0.0, "Cel", "K", 273.15),
        (1.0, "kW.h", "MJ", 3.6),
        (60.0, "L/min", "m3/h", 3.6),
        (50.0, "%", "1", 0.5),
        (5.0, "{piece}", "{piece}", 5.0),
    ],
)
def test_units_convert_by_scale_and_offset(value: float, source: str, target: str, expected: float) -> None:
    scale, offset = unit.conversion(source, target)
    assert value * scale + offset == pytest.approx(expected, rel=1e-6)


def test_conversions_of_temperatures_keep_their_last_digit() -> None:
    assert unit.conversion("[degF]", "Cel") == (5 / 9, -160 / 9)
    assert unit.conversion("Cel", "[degF]") == (1.8, 32.0)
    assert unit.conversion("K", "Cel") == (1.0, -273.15)


@pytest.mark.parametrize(("code", "hint"), [("psi", "[psi]"), ("°C", "Cel"), ("rpm", "/min"), ("quux", "UCUM")])
def test_what_is_no_unit_is_refused_with_the_right_code(code: str, hint: str) -> None:
    with pytest.raises(IsthmusError) as caught:
        unit.check(code)
    assert hint in str(caught.value)


@pytest.mark.parametrize(
    ("source", "target"), [("bar", "Cel"), ("{piece}", "kg"), ("", "m"), ("dB[W]", "W"), ("W", "dB[W]")]
)
def test_units_of_different_kinds_do_not_convert(source: str, target: str) -> None:
    with pytest.raises(IsthmusError, match="does not convert"):
        unit.conversion(source, target)


@given(st.text(max_size=12))
def test_no_text_breaks_the_unit_parser(code: str) -> None:
    try:
        unit.check(code)
    except IsthmusError as error:
        assert "is not a unit" in str(error)


def test_every_habit_hints_at_a_real_unit() -> None:
    for code in unit.HABITS.values():
        unit.check(code)


def test_a_tag_list_is_known_by_its_digest() -> None:
    tags = TagList((Tag(1, "a/b", "Cel", DataType.FLOAT, False), Tag(2, "a/c", "", DataType.TEXT, True)))
    assert TagList.unpack(tags.packed) == tags
    assert TagList.unpack(tags.packed).digest == tags.digest
    assert TagList(tags.tags[:1]).digest != tags.digest


def test_a_tag_list_has_at_most_4096_tags() -> None:
    with pytest.raises(ValueError, match="at most"):
        TagList((Tag(1, "a/b", "", DataType.FLOAT, False),) * (LONGEST_LIST + 1))


def test_samples_of_unequal_columns_are_refused() -> None:
    with pytest.raises(ValueError, match="differ in length"):
        Samples("s", 1, 1, "", np.zeros(2, np.uint32), np.zeros(1, np.int64), *[np.zeros(2, np.uint32)] * 4)  # type: ignore[arg-type]


def test_one_value_as_python_has_it() -> None:
    assert plain(DataType.UNSIGNED, 1.8e19, -1, None) == 2**64 - 1
    assert plain(DataType.INTEGER, -1.0, -1, None) == -1
    assert plain(DataType.INTEGER, float("nan"), 0, None) is None
    assert plain(DataType.BOOLEAN, 1.0, 0, None) is True
    assert plain(DataType.TEXT, float("nan"), 0, "run") == "run"
