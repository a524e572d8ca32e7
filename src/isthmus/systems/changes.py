# SPDX-License-Identifier: Apache-2.0
"""Which readings are worth a sample: all of them, unless the plant file asks for changes or gives a deadband."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from isthmus.systems.contract import Address, Readings

_NEVER = np.uint8(255)
"""A form that no reading has: what was never given is a change."""


class Changes:
    """Remembers what was given last of each address."""

    def __init__(self, addresses: Sequence[Address], only_changes: bool) -> None:
        deadband = np.array([address.deadband for address in addresses])
        self._sparing = (deadband > 0) | only_changes
        self._deadband = deadband
        self._any = bool(self._sparing.any())
        self._form = np.full(len(addresses), _NEVER)
        self._quality = np.zeros(len(addresses), np.uint32)
        self._value = np.zeros(len(addresses))
        self._integer = np.zeros(len(addresses), np.int64)
        self._text = np.full(len(addresses), None, object)

    def of(self, readings: Readings) -> Readings:
        """The readings without those that say nothing new."""
        if not self._any or not len(readings):
            return readings
        index = readings.index
        keep = ~self._sparing[index] | self._changed(readings)
        if keep.all():
            self._remember(readings)
            return readings
        rows = np.flatnonzero(keep)
        fewer = replace(
            readings,
            index=index[rows],
            at=readings.at[rows],
            quality=readings.quality[rows],
            form=readings.form[rows],
            value=readings.value[rows],
            integer=None if readings.integer is None else readings.integer[rows],
            text=None if readings.text is None else [readings.text[row] for row in rows.tolist()],
        )
        self._remember(fewer)
        return fewer

    def _changed(self, readings: Readings) -> NDArray[np.bool_]:
        index = readings.index
        before, deadband = self._value[index], self._deadband[index]
        both = np.isnan(before) & np.isnan(readings.value)
        with np.errstate(invalid="ignore", over="ignore"):
            moved = ~both & ~((readings.value == before) | (np.abs(readings.value - before) <= deadband))
        changed: NDArray[np.bool_] = (
            moved | (readings.form != self._form[index]) | (readings.quality != self._quality[index])
        )
        if readings.integer is not None:
            changed |= (readings.integer != self._integer[index]) & (deadband == 0)
        if readings.text is not None:
            changed |= np.array(readings.text, object) != self._text[index]
        return changed

    def _remember(self, readings: Readings) -> None:
        index = readings.index
        self._form[index], self._quality[index], self._value[index] = readings.form, readings.quality, readings.value
        if readings.integer is not None:
            self._integer[index] = readings.integer
        if readings.text is not None:
            self._text[index] = readings.text
