# SPDX-License-Identifier: Apache-2.0
"""The weather over the plant: seasons, days, and spells that come and go, the same for the same seed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from isthmus.app.demo.pieces.fluid import ZERO_CELSIUS

_DAY = 86_400.0
_YEAR = 365.2425 * _DAY


@dataclass(slots=True)
class Weather:
    """Temperatures in K; spells are an Ornstein-Uhlenbeck process of 2.2 K over half a day."""

    stream: np.random.Generator
    dry: float = 285.0
    wet: float = 282.0
    _spell: float = 0.0

    def step(self, dt: float, moment: float) -> None:
        """`dt` s up to `moment`, s since 1970-01-01 UTC of the process."""
        kept = math.exp(-dt / 43_200.0)
        self._spell = kept * self._spell + 2.2 * math.sqrt(1 - kept**2) * float(self.stream.standard_normal())
        season = -9.0 * math.cos(2 * math.pi * (moment / _YEAR - 0.05))
        day = -4.0 * math.cos(2 * math.pi * (moment / _DAY - 0.13))
        self.dry = ZERO_CELSIUS + 11.0 + season + day + self._spell
        self.wet = self.dry - max(1.2, 3.0 + 0.45 * day + 0.2 * season)

    @property
    def humidity(self) -> float:
        """Relative, 0 to 1: Magnus' formula with the psychrometer constant (WMO-No. 8, annex 4.B)."""
        dry, wet = self.dry - ZERO_CELSIUS, self.wet - ZERO_CELSIUS
        vapour = _magnus(wet) - 0.000662 * 1013.25 * (dry - wet)
        return min(max(vapour / _magnus(dry), 0.05), 1.0)


def _magnus(celsius: float) -> float:
    """hPa of saturated vapour."""
    return 6.112 * math.exp(17.62 * celsius / (243.12 + celsius))
