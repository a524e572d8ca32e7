# SPDX-License-Identifier: Apache-2.0
"""A tank is an upright cylinder of well-mixed liquid that loses heat to its surroundings and may leak."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from isthmus.app.demo.pieces.account import Account
from isthmus.app.demo.pieces.fluid import ATMOSPHERE, GRAVITY, Fluid, Stream
from isthmus.app.demo.pieces.limits import clamp, fraction, not_negative, positive


@dataclass(slots=True)
class Tank:
    """Mass, energy and composition of one well-mixed liquid (perfect mixing: Stephanopoulos, 1984, ch. 4)."""

    fluid: Fluid
    volume: float
    """m3."""
    height: float
    """m."""
    mass: float
    """kg."""
    temperature: float
    """K."""
    product: float = 0.0
    catalyst: float = 0.0
    heat_loss: float = 20.0
    """W/K to the surroundings; below a tenth of the level in proportion to it."""
    leak: float = 0.0
    """m2 of hole at the bottom."""
    lost: float = 0.0
    """kg/s through the hole or over the rim now."""
    dissipated: float = 0.0
    """W to the surroundings now, with what is lost."""
    weight: Account = field(default_factory=Account)
    heat: Account = field(default_factory=Account)

    def __post_init__(self) -> None:
        positive(volume=self.volume, height=self.height, mass=self.mass, temperature=self.temperature)
        not_negative(heat_loss=self.heat_loss, leak=self.leak)
        fraction(product=self.product, catalyst=self.catalyst)

    @property
    def level(self) -> float:
        """0 empty, 1 full; above 1 it runs over."""
        return self.mass / (self.fluid.density * self.volume)

    @property
    def energy(self) -> float:
        """J held."""
        return self.mass * self.fluid.enthalpy(self.temperature, self.product)

    @property
    def head(self) -> float:
        """Pa absolute at the bottom outlet, with the atmosphere above."""
        return ATMOSPHERE + self.fluid.density * GRAVITY * self.height * self.level

    def outlet(self, flow: float) -> Stream:
        """The contents, leaving at `flow` kg/s."""
        return Stream(flow, self.temperature, self.product, self.catalyst)

    def available(self) -> float:
        """1, falling to 0 over the last 2 % of level: the outlet draws air."""
        return clamp(self.level / 0.02, 0.0, 1.0)

    def step(self, dt: float, inflows: Sequence[Stream], outflow: float, surroundings: float) -> None:
        """One step of `dt` s; the outflow (kg/s), the leak and the overflow leave with the contents as they are."""
        self.lost = self._leaking() + max(0.0, self.level - 1) * self.fluid.density * self.volume / max(dt, 1.0)
        gone = outflow + self.lost
        coming, carried, product, catalyst = mixed(self.fluid, inflows)
        specific = self.fluid.enthalpy(self.temperature, self.product)
        wetted = min(10.0 * self.level, 1.0)
        self.dissipated = wetted * self.heat_loss * (self.temperature - surroundings) + self.lost * specific
        leaving = outflow * specific + self.dissipated
        energy = self.energy + dt * (carried - leaving)
        self.weight.book(dt * coming, dt * gone)
        self.heat.book(dt * carried, dt * leaving)
        mass = max(self.mass + dt * (coming - gone), 1e-6)
        self.product = clamp((self.mass * self.product + dt * (product - gone * self.product)) / mass, 0.0, 1.0)
        self.catalyst = max((self.mass * self.catalyst + dt * (catalyst - gone * self.catalyst)) / mass, 0.0)
        self.mass = mass
        self.temperature = self.fluid.temperature(energy, mass, self.product)

    def _leaking(self) -> float:
        """kg/s by Torricelli's law with a discharge coefficient of 0.61 (Crane TP-410)."""
        if not self.leak:
            return 0.0
        speed = math.sqrt(2 * GRAVITY * self.height * max(self.level, 0.0))
        return 0.61 * self.leak * self.fluid.density * speed * self.available()


def mixed(fluid: Fluid, streams: Sequence[Stream]) -> tuple[float, float, float, float]:
    """Of several streams together: kg/s, W, kg/s of product, kg/s of catalyst."""
    flow = carried = product = catalyst = 0.0
    for stream in streams:
        flow += stream.flow
        carried += fluid.carried(stream)
        product += stream.flow * stream.product
        catalyst += stream.flow * stream.catalyst
    return flow, carried, product, catalyst
