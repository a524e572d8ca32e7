# SPDX-License-Identifier: Apache-2.0
"""Instruments that look at the plant together: from the truth through their sensors to what stands on the wire."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from isthmus.app.demo.chemical.state import State
from isthmus.app.demo.chemical.tag import Row
from isthmus.app.demo.pieces.sensor import SensorBank
from isthmus.core.tag import DataType

_UNCERTAIN_RANGE: Final = 0x4094_0000
"""UncertainEngineeringUnitsExceeded: the transmitter is at the end of its signal."""
_DIGITS: Final = 9
"""Decimals on the wire: what a change of unit adds beyond them is no measurement."""


class Instruments:
    """Those of `rows` that have a sensor and stand at `positions` among all tags."""

    def __init__(self, rows: Sequence[Row], positions: Sequence[int], seed: int, now: int) -> None:
        taken = [rows[i] for i in positions]
        self.positions = np.array(positions)
        self.bank = SensorBank([row.sensor for row in taken if row.sensor is not None], seed)
        self._reads = [row.read for row in taken if row.read is not None]
        self._factor = np.array([row.from_si.factor for row in taken])
        self._offset = np.array([row.from_si.offset for row in taken])
        self._whole = np.flatnonzero([row.tag.type is not DataType.FLOAT for row in taken])
        self.sampled = np.full(len(taken), now, np.int64)

    def sense(self, dt: float, state: State, now: int) -> None:
        """Looks at the plant after `dt` s; `now` is the plant's clock."""
        self.bank.sense(dt, np.array([read(state) for read in self._reads]))
        self.sampled[self.bank.sampled] = now

    def show(self, value: NDArray[np.float64], quality: NDArray[np.uint32], at: NDArray[np.int64]) -> None:
        """Fills in these instruments' places of the columns of all tags."""
        wire = np.round(self.bank.signals * self._factor + self._offset, _DIGITS)
        wire[self._whole] = np.rint(wire[self._whole])
        value[self.positions] = wire
        quality[self.positions[self.bank.saturated]] = _UNCERTAIN_RANGE
        at[self.positions] = self.sampled

    def shift(self, by: int) -> None:
        """The clock was set by so many ns: what has been sampled keeps its age."""
        self.sampled += by
