# SPDX-License-Identifier: Apache-2.0
"""Sums in another unit: what `Total` says in kW.s as kW.h, an average in Cel as [degF]."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from isthmus.app.summed import Answer, Row, Summed
from isthmus.core import unit as units
from isthmus.core.errors import IsthmusError, Misasked

_DIFFERENCES: Final = ("Delta", "Range", "StandardDeviation", "Consumed")
"""What begins so is a difference of values: 10 K of 10 Cel, not 283.15."""


def converted(found: Summed, unit: str) -> Summed:
    """The same answers in `unit` (UCUM); counts, durations and shares stay what they are.

    Raises Misasked when values do not convert to it.
    """
    return replace(found, rows=[_row(row, found.names, unit) for row in found.rows])


def _row(row: Row, names: tuple[str, ...], unit: str) -> Row:
    try:
        answers = tuple(_answer(name, answer, unit) for name, answer in zip(names, row.answers, strict=True))
    except IsthmusError as error:
        raise Misasked(error.what, where=row.setting.tag.path, hint=error.hint) from error
    return replace(row, answers=answers)


def _answer(name: str, answer: Answer, unit: str) -> Answer:
    if name.startswith(("Duration", "Percent", "Worst", "Count", "NumberOf", "Variance")):
        return answer
    scale, offset = units.conversion(answer.unit, unit)
    if name.startswith(_DIFFERENCES):
        offset = 0.0
    value = answer.value
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = value * scale + offset
    return replace(answer, value=value, unit=unit, sampled=False)
