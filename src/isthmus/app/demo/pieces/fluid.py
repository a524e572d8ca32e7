# SPDX-License-Identifier: Apache-2.0
"""What flows: a binary liquid of a reactant and a more volatile product, and plain water, with their heat and vapour.

Enthalpy counts from liquid reactant at 0 degrees Celsius and includes the heat of formation of the product, so the heat
of reaction appears by itself where composition changes and energy is conserved through reactors and columns alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, NamedTuple

from isthmus.app.demo.pieces.limits import finite, positive

ZERO_CELSIUS: Final = 273.15
"""K."""
GRAVITY: Final = 9.80665
"""m/s2."""
GAS_CONSTANT: Final = 8.314462618
"""J/(mol K)."""
ATMOSPHERE: Final = 101_325.0
"""Pa."""


class Stream(NamedTuple):
    """A flow of liquid with what it carries."""

    flow: float
    """kg/s."""
    temperature: float
    """K."""
    product: float = 0.0
    """Mass fraction of product; the rest is reactant. Both have the same molar mass, so it is the mole fraction too."""
    catalyst: float = 0.0
    """Mass fraction of active catalyst, a trace dissolved in the rest."""


@dataclass(frozen=True, slots=True)
class Fluid:
    """Constant properties of a binary liquid; the reactant is the less volatile one.

    Vapour pressure by Antoine's equation log10(p/mmHg) = A - B/(C + t/Celsius) of the product, and a constant relative
    volatility: y = a x / (1 + (a - 1) x) (McCabe, Smith, Harriott, Unit Operations, 7th ed., ch. 21).
    """

    density: float
    """kg/m3."""
    heat_capacity: float
    """J/(kg K)."""
    heat_of_reaction: float = 0.0
    """J per kg of reactant turned into product; negative when heat is set free."""
    latent_heat: float = 400e3
    """J/kg, the same for both."""
    antoine: tuple[float, float, float] = (6.90565, 1211.033, 220.79)
    volatility: float = 2.45

    def __post_init__(self) -> None:
        positive(density=self.density, heat_capacity=self.heat_capacity, latent_heat=self.latent_heat)
        finite(heat_of_reaction=self.heat_of_reaction)
        if self.volatility <= 1:
            raise ValueError(f"volatility must be above 1 (the product is the more volatile), not {self.volatility!r}")

    def enthalpy(self, temperature: float, product: float) -> float:
        """J/kg of liquid."""
        return self.heat_capacity * (temperature - ZERO_CELSIUS) + product * self.heat_of_reaction

    def carried(self, stream: Stream) -> float:
        """W that a stream carries along."""
        return stream.flow * self.enthalpy(stream.temperature, stream.product)

    def temperature(self, energy: float, mass: float, product: float) -> float:
        """K of `mass` kg of liquid that holds `energy` J."""
        return ZERO_CELSIUS + (energy / mass - product * self.heat_of_reaction) / self.heat_capacity

    def vapour(self, product: float) -> float:
        """Mass fraction of product in the vapour over a liquid."""
        return self.volatility * product / (1 + (self.volatility - 1) * product)

    def bubble_point(self, product: float, pressure: float) -> float:
        """K at which a liquid boils at `pressure` Pa."""
        a, b, c = self.antoine
        share = product + (1 - product) / self.volatility
        return b / (a - math.log10(pressure / share / 133.322)) - c + ZERO_CELSIUS

    def vapour_pressure(self, product: float, temperature: float) -> float:
        """Pa over a liquid (Raoult)."""
        a, b, c = self.antoine
        share: float = product + (1 - product) / self.volatility
        pressure: float = 133.322 * 10 ** (a - b / (c + temperature - ZERO_CELSIUS))
        return pressure * share


WATER: Final = Fluid(density=997.0, heat_capacity=4184.0, latent_heat=2257e3, antoine=(8.07131, 1730.63, 233.426))
"""As pure product (product = 1): Antoine constants of water, 1 to 100 degrees Celsius (Dortmund data bank)."""


def steam_temperature(pressure: float) -> float:
    """K of saturated steam at `pressure` Pa absolute (Antoine, 99 to 374 degrees Celsius, Dortmund data bank)."""
    return 1810.94 / (8.14019 - math.log10(pressure / 133.322)) - 244.485 + ZERO_CELSIUS


def steam_latent_heat(pressure: float) -> float:
    """J/kg of condensing steam by Watson's rule from 2257 kJ/kg at 100 Celsius (Perry, 8th ed., 4-28)."""
    reduced = (647.1 - steam_temperature(pressure)) / (647.1 - 373.15)
    latent: float = 2257e3 * reduced**0.38
    return latent
