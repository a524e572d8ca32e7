# SPDX-License-Identifier: Apache-2.0
"""A continuous stirred-tank reactor with a jacket: reactant becomes product by first-order kinetics and sets heat free.

Balances: Fogler, Elements of Chemical Reaction Engineering, 4th ed., ch. 8 and 9 (jacketed CSTR).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from isthmus.app.demo.pieces.account import Account
from isthmus.app.demo.pieces.fluid import ATMOSPHERE, GAS_CONSTANT, GRAVITY, WATER, Fluid, Stream
from isthmus.app.demo.pieces.limits import clamp, fraction, not_negative, positive
from isthmus.app.demo.pieces.tank import mixed


@dataclass(frozen=True, slots=True)
class Kinetics:
    """k = k_ref exp(-E/R (1/T - 1/T_ref)) c/c_ref (Arrhenius); the catalyst dies by first order too."""

    rate: float = 5.1e-4
    """1/s at the reference temperature and catalyst."""
    reference: float = 363.15
    """K."""
    activation: float = 70e3
    """J/mol."""
    catalyst: float = 5e-4
    """Mass fraction the rate is given for."""
    decay: float = 2e-5
    """1/s of active catalyst."""

    def __post_init__(self) -> None:
        positive(rate=self.rate, reference=self.reference, activation=self.activation, catalyst=self.catalyst)
        not_negative(decay=self.decay)

    def at(self, temperature: float, catalyst: float) -> float:
        """1/s."""
        warmer = math.exp(-self.activation / GAS_CONSTANT * (1 / temperature - 1 / self.reference))
        return self.rate * warmer * catalyst / self.catalyst


@dataclass(slots=True)
class Jacket:
    """Well-mixed water around a vessel, cooled by a flow through it, heated by condensing steam."""

    mass: float
    """kg."""
    temperature: float
    """K."""
    transfer: float
    """W/K to the vessel, clean."""
    area: float = 16.0
    """m2."""
    fouling: float = 0.0
    """m2 K/W."""
    duty: float = 0.0
    """W from the vessel."""
    heat: Account = field(default_factory=Account)

    def __post_init__(self) -> None:
        positive(mass=self.mass, temperature=self.temperature, transfer=self.transfer, area=self.area)
        not_negative(fouling=self.fouling)

    @property
    def energy(self) -> float:
        return self.mass * WATER.enthalpy(self.temperature, 0.0)

    def conductance(self) -> float:
        """W/K with fouling."""
        return 1.0 / (1.0 / self.transfer + self.fouling / self.area)

    def step(self, dt: float, vessel: float, coolant: float, coolant_in: float, steam: float) -> float:
        """One step of `dt` s, implicit in its own temperature; returns W taken from the vessel at `vessel` K.

        coolant: kg/s of water entering at `coolant_in` K (as much leaves at the jacket's temperature); steam: W.
        """
        ua, carried, held = self.conductance(), coolant * WATER.heat_capacity, self.mass * WATER.heat_capacity
        pull = ua * vessel + carried * coolant_in + steam
        self.temperature = (held * self.temperature + dt * pull) / (held + dt * (ua + carried))
        self.duty = ua * (vessel - self.temperature)
        incoming = coolant * WATER.enthalpy(coolant_in, 0.0) + steam + self.duty
        self.heat.book(dt * incoming, dt * coolant * WATER.enthalpy(self.temperature, 0.0))
        return self.duty


@dataclass(slots=True)
class Reactor:
    """One stirred, jacketed vessel under a pad of nitrogen."""

    fluid: Fluid
    kinetics: Kinetics
    jacket: Jacket
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
    pad: float = 2.0e5
    """Pa of nitrogen."""
    poison: float = 0.0
    """1/s of catalyst decay that should not be."""
    heat_loss: float = 30.0
    """W/K to the surroundings."""
    agitator: bool = True
    dissipated: float = 0.0
    """W to the surroundings now."""
    converted: float = 0.0
    """kg/s of reactant turned into product."""
    agitator_power: float = 0.0
    """W at the motor; all but its losses ends up as heat in the vessel."""
    weight: Account = field(default_factory=Account)
    heat: Account = field(default_factory=Account)

    def __post_init__(self) -> None:
        positive(volume=self.volume, height=self.height, mass=self.mass, temperature=self.temperature, pad=self.pad)
        not_negative(poison=self.poison, heat_loss=self.heat_loss)
        fraction(product=self.product, catalyst=self.catalyst)

    @property
    def level(self) -> float:
        return self.mass / (self.fluid.density * self.volume)

    @property
    def energy(self) -> float:
        return self.mass * self.fluid.enthalpy(self.temperature, self.product)

    @property
    def pressure(self) -> float:
        """Pa absolute: the nitrogen pad, squeezed by level, and the vapour over the liquid."""
        vapour = self.fluid.vapour_pressure(self.product, self.temperature)
        squeezed: float = self.pad * (0.45 / clamp(1.05 - self.level, 0.1, 1.0)) ** 0.25
        return squeezed + vapour

    @property
    def head(self) -> float:
        """Pa absolute at the bottom outlet."""
        return self.pressure + self.fluid.density * GRAVITY * self.height * self.level

    @property
    def released(self) -> float:
        """W set free by the reaction."""
        return -self.converted * self.fluid.heat_of_reaction

    @property
    def stirred(self) -> float:
        """W of stirring that end up in the vessel."""
        return 0.85 * self.agitator_power

    def available(self) -> float:
        """1, falling to 0 over the last 5 % of level."""
        return clamp(self.level / 0.05, 0.0, 1.0)

    def outlet(self, flow: float) -> Stream:
        return Stream(flow, self.temperature, self.product, self.catalyst)

    def step(self, dt: float, inflows: Sequence[Stream], outflow: float, cooling: float, surroundings: float) -> None:
        """One step of `dt` s; `cooling` W go to the jacket."""
        coming, carried, product, catalyst = mixed(self.fluid, inflows)
        reacted = self._reacted(dt)
        self.agitator_power = 2200.0 * clamp(self.level / 0.6, 0.3, 1.2) if self.agitator else 0.0
        self.dissipated = min(10.0 * self.level, 1.0) * self.heat_loss * (self.temperature - surroundings)
        stirred, lost = self.stirred, cooling + self.dissipated
        leaving = outflow * self.fluid.enthalpy(self.temperature, self.product)
        energy = self.energy + dt * (carried + stirred - leaving - lost)
        self.weight.book(dt * coming, dt * outflow)
        self.heat.book(dt * (carried + stirred), dt * (leaving + lost))
        mass = max(self.mass + dt * (coming - outflow), 1e-6)
        contents = self.mass * self.product + reacted + dt * (product - outflow * self.product)
        self.catalyst = self._living(dt, catalyst, outflow) / mass
        self.product = clamp(contents / mass, 0.0, 1.0)
        self.mass = mass
        self.temperature = self.fluid.temperature(energy, mass, self.product)

    def _reacted(self, dt: float) -> float:
        """kg in this step; exact for a first-order reaction at constant temperature, never more than there is."""
        k = self.kinetics.at(self.temperature, self.catalyst) * (1.0 if self.agitator else 0.4)
        reacted = self.mass * (1 - self.product) * -math.expm1(-k * dt)
        self.converted = reacted / dt if dt > 0 else 0.0
        return reacted

    def _living(self, dt: float, coming: float, outflow: float) -> float:
        """kg of active catalyst after the step, implicit in its decay."""
        before = self.mass * self.catalyst + dt * (coming - outflow * self.catalyst)
        return max(before, 0.0) / (1 + dt * (self.kinetics.decay + self.poison))


def gauge(pressure: float) -> float:
    """Pa above the atmosphere."""
    return pressure - ATMOSPHERE
