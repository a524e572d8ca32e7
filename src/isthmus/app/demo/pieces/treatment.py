# SPDX-License-Identifier: Apache-2.0
"""Water treatment of a cooling tower: blow-down takes salts away that evaporation leaves, a pump doses inhibitor."""

from __future__ import annotations

from dataclasses import dataclass
from math import log10
from typing import Final

from isthmus.app.demo.pieces.fluid import ZERO_CELSIUS
from isthmus.app.demo.pieces.limits import clamp, positive

_STRENGTH: Final = 0.10
"""Mass fraction of inhibitor in what the tank holds."""
_FULL: Final = 60.0
"""kg in the tank when it is full; somebody fills it when an eighth is left."""


@dataclass(slots=True)
class Treatment:
    """Conductivity and inhibitor of a mixed basin. The salts' conductivity is that at 25 degrees Celsius."""

    town: float = 0.045
    """S/m of the town water."""
    wanted: float = 0.18
    """S/m that blow-down holds, within `_BAND`."""
    dose: float = 20e-6
    """Mass fraction of inhibitor that dosing holds."""
    valve: float = 0.6
    """kg/s of blow-down while its valve is open."""
    conductivity: float = 0.178
    inhibitor: float = 20e-6
    held: float = 41.0
    """kg in the tank of inhibitor."""
    open: bool = False
    """The blow-down valve."""
    drained: float = 0.0
    """kg/s of blow-down."""
    dosed: float = 0.0
    """kg/s from the tank."""

    def __post_init__(self) -> None:
        positive(town=self.town, wanted=self.wanted, dose=self.dose, valve=self.valve, held=self.held)

    @property
    def level(self) -> float:
        return self.held / _FULL

    @property
    def acidity(self) -> float:
        """pH: town water at 7.6, the more alkaline the more concentrated."""
        return 7.6 + 1.4 * log10(max(self.conductivity / self.town, 0.1))

    def step(self, dt: float, water: float, makeup: float, temperature: float) -> float:
        """One step of `dt` s over a basin of `water` kg at `temperature` K; kg/s of blow-down to take from it."""
        if abs(self.conductivity - self.wanted) > _BAND:
            self.open = self.conductivity > self.wanted
        self.drained = self.valve if self.open else 0.0
        wanted = self.drained * self.dose + (self.dose - self.inhibitor) * water / _SETTLING
        self.dosed = clamp(wanted / _STRENGTH, 0.0, _STROKE) if self.held > 0.1 else 0.0
        decay = _DECAY * 2 ** ((temperature - ZERO_CELSIUS - 25.0) / 10.0)
        self.conductivity += dt * (makeup * self.town - self.drained * self.conductivity) / water
        self.inhibitor += dt * (
            (self.dosed * _STRENGTH - self.drained * self.inhibitor) / water - decay * self.inhibitor
        )
        self.inhibitor = max(self.inhibitor, 0.0)
        self.held -= dt * self.dosed
        if self.held < _FULL / 8:
            self.held = _FULL
        return self.drained


_BAND: Final = 0.004
"""S/m to both sides of what is wanted."""
_SETTLING: Final = 3600.0
"""s in which dosing makes up for what is missing."""
_STROKE: Final = 1.2e-4
"""kg/s of the dosing pump at full stroke."""
_DECAY: Final = 3e-6
"""1/s in which inhibitor is used up at 25 degrees Celsius; twice that with every 10 K."""
