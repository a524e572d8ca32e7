# SPDX-License-Identifier: Apache-2.0
"""Numbers that came in single precision are shown without the digits that nobody measured."""

from __future__ import annotations

import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.core.single import decimals, shortened, shortest


def test_a_single_precision_number_is_shown_as_it_was_meant() -> None:
    assert repr(shortest(float(np.float32(12.3)))) == "12.3"
    assert repr(shortest(float(np.float32(1e-7)))) == "1e-07"
    assert repr(shortest(float(np.float32(2023.4)) * 0.001, 0.001)) == "2.0234"
    assert repr(shortest(float(np.float32(68.9)) * (5 / 9) - 160 / 9, 5 / 9, -160 / 9)) == "20.5"


@given(st.floats(width=32, allow_nan=False))
def test_what_is_shown_is_the_same_number_in_single_precision(value: float) -> None:
    shown = shortest(value)
    assert np.float32(shown) == np.float32(value)
    assert len(Decimal(repr(shown)).normalize().as_tuple().digits) <= 9


@given(st.floats() | st.floats(-1e30, 1e30), st.floats(0.001, 1000), st.floats(-1000, 1000))
def test_a_double_stays_exactly_what_it_is(value: float, scale: float, offset: float) -> None:
    shown = shortest(value, scale, offset)
    if math.isfinite(value):
        assert shown == value or math.isclose(shown, value, rel_tol=1e-5, abs_tol=1e-5 * (abs(offset) + 1))
        with np.errstate(over="ignore", under="ignore"):
            single = float(np.float32((value - offset) / scale))
        if single * scale + offset != value:
            assert shown == float(f"{value:.15g}") or shown == value
    else:
        assert repr(shown) == repr(value)


@given(st.decimals(-(10**6), 10**6, places=3), st.sampled_from([0.1, 1 / 3, 0.001, 6.894757293168361, 5 / 9, 1000.0]))
def test_a_decimal_of_a_file_has_no_digits_that_its_scale_added(value: Decimal, scale: float) -> None:
    shown = shortest(float(value) * scale, scale)
    assert len(Decimal(repr(shown)).normalize().as_tuple().digits) <= 15
    assert math.isclose(shown, float(value) * scale, rel_tol=1e-14)


def test_digits_that_a_double_really_has_stay() -> None:
    assert repr(shortest(68.9 * 0.1, 0.1)) == "6.89"
    assert repr(shortest(47.550000000000004)) == "47.550000000000004"
    chance = np.random.default_rng(1)
    values = chance.uniform(1.0, 100.0, 10_000)
    assert np.count_nonzero(shortened(values, 0.3, 7.0) != values) < 30


@pytest.mark.parametrize("value", [0.1, 1 / 3, 12.3, 1e300, 5e-324])
def test_a_number_of_double_precision_keeps_all_its_digits(value: float) -> None:
    assert shortest(value) == value


def test_columns_of_any_length_are_taken() -> None:
    assert shortened(np.zeros(0)).tolist() == []
    assert shortened(np.array([float(np.float32(0.1)), 0.1, np.inf])).tolist() == [0.1, 0.1, np.inf]


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=5), st.integers(0, 9))
def test_the_shortest_decimals_are_those_that_numpy_writes_one_by_one(numbers: list[float], places: int) -> None:
    bits = np.array(numbers, np.float32).view(np.uint32)
    near = (bits[:, None] + np.arange(9, dtype=np.uint32)).ravel().view(np.float32)
    near = near[np.isfinite(near)]
    rounded = np.round(np.clip(near, -1e9, 1e9).astype(np.float64), places).astype(np.float32)
    ends = np.concatenate([10.0 ** np.arange(-30, 30), 2.0 ** np.arange(-60, 60), [0.0, -0.0]]).astype(np.float32)
    device = np.concatenate([near, rounded, ends, -ends])
    assert list(map(repr, decimals(device).tolist())) == list(map(repr, device.astype(str).astype(float).tolist()))
