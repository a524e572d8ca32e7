# SPDX-License-Identifier: Apache-2.0
"""Which readings are samples where only changes are: also of the largest floats, of what is none, of large integers."""

from __future__ import annotations

import math

import pytest

from isthmus.core.tag import DataType
from isthmus.systems.changes import Changes
from isthmus.systems.contract import Address, Form
from isthmus.systems.payload import Reading, columns


@pytest.mark.parametrize("deadband", [0.0, 1.0])
def test_the_largest_floats_infinities_and_nan_are_changes_once(deadband: float) -> None:
    changes = Changes([Address("a", DataType.FLOAT, deadband=deadband)], True)
    values = [1.7e308, -1.7e308, math.inf, math.inf, -math.inf, math.nan, math.nan, 1.7e308]
    given = [len(changes.of(columns([Reading(0, 0, 0, Form.FLOAT, value, 0, None)], 1))) for value in values]
    assert given == [1, 1, 1, 0, 1, 1, 0, 1]


def test_integers_that_floats_do_not_tell_apart_are_changes() -> None:
    changes = Changes([Address("a", DataType.INTEGER)], True)
    values = [2**53, 2**53 + 1, 2**53 + 1, 2**63 - 1]
    given = [len(changes.of(columns([Reading(0, 0, 0, Form.SIGNED, float(one), one, None)], 1))) for one in values]
    assert given == [1, 1, 0, 1]
