# SPDX-License-Identifier: Apache-2.0
"""A heat exchanger: what passes from the hot to the cold side, by effectiveness and number of transfer units."""

from __future__ import annotations

import math
from dataclasses import dataclass

from isthmus.app.demo.pieces.limits import not_negative, positive


def effectiveness(units: float, ratio: float) -> float:
    """Of a counter-current exchanger (Incropera, 7th ed., eq. 11.29); `ratio` is Cmin/Cmax, 0 when one side boils."""
    if units <= 0:
        return 0.0
    if ratio > 0.9999:
        return units / (1 + units)
    passed = math.exp(-min(units * (1 - ratio), 700.0))
    share: float = (1 - passed) / (1 - ratio * passed)
    return share


@dataclass(slots=True)
class Exchanger:
    """Two liquids in counter-current; holds no liquid itself, so what one side loses the other gains."""

    area: float
    """m2."""
    clean: float
    """W/(m2 K) at rated flows, no fouling."""
    rated_hot: float
    """kg/s."""
    rated_cold: float
    """kg/s."""
    fouling: float = 0.0
    """m2 K/W (TEMA, section RGP-T-2.4: 0.0002 is usual, 0.001 heavy)."""
    duty: float = 0.0
    """W from hot to cold."""
    hot_out: float = 300.0
    cold_out: float = 300.0
    """K."""

    def __post_init__(self) -> None:
        positive(area=self.area, clean=self.clean, rated_hot=self.rated_hot, rated_cold=self.rated_cold)
        not_negative(fouling=self.fouling)

    def coefficient(self, hot: float, cold: float) -> float:
        """W/(m2 K): each side's film is half the resistance and goes with its flow to the 0.8 (Dittus-Boelter)."""
        if hot <= 0 or cold <= 0:
            return 0.0
        films: float = 0.5 * (self.rated_hot / hot) ** 0.8 + 0.5 * (self.rated_cold / cold) ** 0.8
        return 1.0 / (films / self.clean + self.fouling)

    def exchange(
        self, hot: float, hot_in: float, hot_capacity: float, cold: float, cold_in: float, cold_capacity: float
    ) -> float:
        """W passed with flows in kg/s, inlet temperatures in K and heat capacities in J/(kg K)."""
        least, most = sorted((hot * hot_capacity, cold * cold_capacity))
        self.hot_out, self.cold_out, self.duty = hot_in, cold_in, 0.0
        if least <= 1e-6:
            return 0.0
        units = self.coefficient(hot, cold) * self.area / least
        self.duty = effectiveness(units, least / most) * least * (hot_in - cold_in)
        self.hot_out = hot_in - self.duty / (hot * hot_capacity)
        self.cold_out = cold_in + self.duty / (cold * cold_capacity)
        return self.duty

    def drop(self, flow: float, rated: float) -> float:
        """Pa on one side: 30 kPa at the rated flow when clean; deposits narrow the way."""
        narrowed = 1 + 1500.0 * self.fouling
        return 30e3 * (flow / rated) ** 2 * narrowed
