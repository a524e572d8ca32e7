# SPDX-License-Identifier: Apache-2.0
"""A distillation column for two components: equilibrium trays, total condenser with drum, reboiler with sump.

Constant molal overflow and constant tray holdup (Luyben, Process Modeling, Simulation and Control, 2nd ed., ch. 5);
trays implicit in time, so long steps stay stable. Liquid and vapour follow the heat: what the condenser takes away
condenses; heat put in beyond that raises the boiling point of the whole contents, and with it the pressure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from isthmus.app.demo.pieces.account import Account
from isthmus.app.demo.pieces.exchanger import effectiveness
from isthmus.app.demo.pieces.fluid import ATMOSPHERE, WATER, ZERO_CELSIUS, Fluid, Stream
from isthmus.app.demo.pieces.limits import clamp, not_negative, positive
from isthmus.app.demo.pieces.line import room


@dataclass(slots=True)
class Condenser:
    """Where vapour condenses at its boiling point against cooling water."""

    transfer: float
    """W/K, clean, at the rated flow."""
    rated: float
    """kg/s of water."""
    fouling: float = 0.0
    """K/W added to the resistance."""
    duty: float = 0.0
    """W."""
    water_out: float = 300.0
    """K."""

    def __post_init__(self) -> None:
        positive(transfer=self.transfer, rated=self.rated)
        not_negative(fouling=self.fouling)

    def condense(self, boiling: float, water: float, water_in: float, share: float = 1.0) -> float:
        """W taken from vapour at `boiling` K by `water` kg/s entering at `water_in` K.

        share: of the surface that is not flooded by condensate.
        """
        self.duty, self.water_out = 0.0, water_in
        if water <= 1e-6 or boiling <= water_in or share <= 0:
            return 0.0
        films = (0.5 + 0.5 * (self.rated / water) ** 0.8) / (share * self.transfer) + self.fouling
        carried = water * WATER.heat_capacity
        self.duty = effectiveness(1.0 / (films * carried), 0.0) * carried * (boiling - water_in)
        self.water_out = water_in + self.duty / carried
        return self.duty


@dataclass(slots=True)
class Column:
    """Trays are counted from the top; `liquid` holds the product fractions of drum, trays, sump in that order."""

    fluid: Fluid
    condenser: Condenser
    trays: int = 12
    feed_tray: int = 6
    holdup: float = 45.0
    """kg on each tray."""
    drum_volume: float = 2.2
    sump_volume: float = 3.0
    """m3."""
    reboiler_transfer: float = 28e3
    """W/K."""
    reboiler_fouling: float = 0.0
    """K/W added to the reboiler's resistance."""
    drum: float = 900.0
    sump: float = 1250.0
    """kg."""
    pressure: float = 1.15e5
    """Pa of the vapour at the top."""
    liquid: list[float] = field(default_factory=list)
    reboil: float = 0.0
    """W from steam."""
    vapour: float = 0.0
    """kg/s."""
    heat_loss: float = 150.0
    """W/K to the surroundings."""
    dissipated: float = 0.0
    """W to the surroundings now."""
    energy: float = 0.0
    """J held."""
    temperatures: list[float] = field(default_factory=list)
    """K of drum, trays, sump."""
    weight: Account = field(default_factory=Account)
    heat: Account = field(default_factory=Account)
    light: Account = field(default_factory=Account)
    """kg of product."""

    def __post_init__(self) -> None:
        positive(holdup=self.holdup, drum_volume=self.drum_volume, sump_volume=self.sump_volume, drum=self.drum)
        positive(sump=self.sump, pressure=self.pressure, reboiler_transfer=self.reboiler_transfer)
        not_negative(reboiler_fouling=self.reboiler_fouling, heat_loss=self.heat_loss)
        if not 1 <= self.feed_tray <= self.trays:
            raise ValueError(f"feed_tray must lie from 1 to {self.trays}, not {self.feed_tray!r}")
        steps = self.trays + 1
        self.liquid = self.liquid or [0.98 - 0.85 * i / steps for i in range(steps + 1)]
        if len(self.liquid) != steps + 1:
            raise ValueError(f"liquid must have {steps + 1} fractions, not {len(self.liquid)}")
        self.temperatures = self._boiling(self.pressure)
        self.energy = self._held(self.temperatures)

    def masses(self) -> list[float]:
        """kg in drum, trays, sump."""
        return [self.drum, *([self.holdup] * self.trays), self.sump]

    @property
    def mass(self) -> float:
        return self.drum + self.sump + self.holdup * self.trays

    @property
    def product(self) -> float:
        """kg of product held."""
        return sum(m * x for m, x in zip(self.masses(), self.liquid, strict=True))

    @property
    def drum_level(self) -> float:
        return self.drum / (self.fluid.density * self.drum_volume)

    @property
    def sump_level(self) -> float:
        return self.sump / (self.fluid.density * self.sump_volume)

    @property
    def top_pressure(self) -> float:
        """Pa absolute: a vacuum breaker lets nitrogen in where vapour alone would be below the atmosphere."""
        return max(self.pressure, ATMOSPHERE + 1000.0)

    @property
    def drop(self) -> float:
        """Pa over the trays: half of it liquid on the trays, half the vapour's, which goes with its square."""
        return self.trays * (260.0 + 75.0 * self.vapour**2) if self.vapour > 0.02 else 0.0

    def distillate(self, flow: float) -> Stream:
        return Stream(flow, self.temperatures[0], self.liquid[0])

    def bottoms(self, flow: float) -> Stream:
        return Stream(flow, self.temperatures[-1], self.liquid[-1])

    def reboil_limit(self, steam: float) -> float:
        """W the reboiler can pass from steam condensing at `steam` K."""
        return max(steam - self.temperatures[-1], 0.0) / (1.0 / self.reboiler_transfer + self.reboiler_fouling)

    def step(self, dt: float, feed: Stream, reflux: float, distillate: float, bottoms: float, heat: float,
             water: float, water_in: float, surroundings: float) -> None:  # fmt: skip
        """One step of `dt` s; flows in kg/s, `heat` in W to the reboiler, cooling water in kg/s and K."""
        boiling = self.temperatures[1]
        self.reboil = heat
        cooled = self.condenser.condense(boiling, water, water_in, share=room(self.drum_level))
        self.dissipated = self.heat_loss * (0.5 * (boiling + self.temperatures[-1]) - surroundings)
        self.vapour = min(cooled / self.fluid.latent_heat, self._boilable(dt, reflux + feed.flow - bottoms))
        self._book(dt, feed, distillate, bottoms, cooled + self.dissipated)
        self._separate(dt, feed, reflux, distillate, bottoms)
        self._settle()

    def _boilable(self, dt: float, coming: float) -> float:
        """kg/s that leave the sump its last 3 %, below the reboiler's tubes; `coming` is the net liquid to it."""
        least = 0.03 * self.fluid.density * self.sump_volume
        return max((self.sump - least) / dt + coming, 0.0)

    def _boiled(self, dt: float) -> float:
        """Product in the vapour from the sump: equilibrium, within nine tenths of what a long step finds there."""
        x, share = self.liquid[-1], 0.9 * self.sump / max(self.vapour * dt, 1e-9)
        return clamp(self.fluid.vapour(x), 1 - share * (1 - x), share * x)

    def _book(self, dt: float, feed: Stream, distillate: float, bottoms: float, removed: float) -> None:
        out, low = self.distillate(distillate), self.bottoms(bottoms)
        carried, leaving = self.fluid.carried(feed), self.fluid.carried(out) + self.fluid.carried(low)
        self.energy += dt * (carried + self.reboil - leaving - removed)
        self.heat.book(dt * (carried + self.reboil), dt * (leaving + removed))
        self.weight.book(dt * feed.flow, dt * (distillate + bottoms))
        self.light.book(dt * feed.flow * feed.product, dt * (distillate * out.product + bottoms * low.product))

    def _separate(self, dt: float, feed: Stream, reflux: float, distillate: float, bottoms: float) -> None:
        """Composition of drum, trays and sump after the step; drum and sump leave as they were at its start."""
        v, old = self.vapour, self.liquid
        top, bottom = old[0], old[-1]
        boiled = self._boiled(dt)
        trays = self._trays(dt, feed, reflux, boiled)
        stripped = reflux + feed.flow
        drum, sump = self.drum + dt * (v - reflux - distillate), self.sump + dt * (stripped - v - bottoms)
        overhead = self._linear(old[1], trays[0])
        drum_x = (self.drum * top + dt * (v * overhead - (reflux + distillate) * top)) / drum
        sump_x = (self.sump * bottom + dt * (stripped * trays[-1] - v * boiled - bottoms * bottom)) / sump
        self.drum, self.sump = drum, sump
        self.liquid = [drum_x, *trays, sump_x]

    def _linear(self, x: float, new: float) -> float:
        """The vapour over a tray at composition `new`, linear around `x`: what the implicit step used."""
        a = self.fluid.volatility
        below = 1 + (a - 1) * x
        return a * x / below + a / below**2 * (new - x)

    def _trays(self, dt: float, feed: Stream, reflux: float, boiled: float) -> list[float]:
        """The trays' compositions by one implicit step: M x' = L (x_above - x) + V (y_below - y), eliminated.

        With the vapour linear around the present x, y = c + m x, this is a tridiagonal system (Thomas algorithm).
        """
        old, a, v = self.liquid, self.fluid.volatility, self.vapour * dt
        share: list[float] = []
        known: list[float] = []
        slopes, offsets = [], []
        for x in old[1:-1]:
            below = 1 + (a - 1) * x
            slope = a / below**2
            slopes.append(slope)
            offsets.append(a * x / below - slope * x)
        above, liquid, count = 0.0, reflux * dt, self.trays
        fed = feed.flow * dt
        for i in range(count):
            right = self.holdup * old[i + 1] - v * offsets[i]
            outflow = liquid + (fed if i + 1 >= self.feed_tray else 0.0)
            inflow = liquid + (fed if i + 1 > self.feed_tray else 0.0)
            right += inflow * old[0] if i == 0 else 0.0
            right += fed * feed.product if i + 1 == self.feed_tray else 0.0
            right += v * (boiled if i == count - 1 else offsets[i + 1])
            middle = self.holdup + outflow + v * slopes[i]
            if i:
                middle -= inflow * share[-1]
                right += inflow * above
            above = right / middle
            share.append(v * slopes[i + 1] / middle if i < count - 1 else 0.0)
            known.append(above)
        for i in range(count - 2, -1, -1):
            known[i] += share[i] * known[i + 1]
        return known

    def _boiling(self, pressure: float) -> list[float]:
        """K at which each holdup boils; pressure rises downwards by the trays' drop (`Fluid.bubble_point`)."""
        rise = self.drop / self.trays / pressure
        a, b, c = self.fluid.antoine
        rest = 1 / self.fluid.volatility
        start, shift, log10 = a - math.log10(pressure / 133.322), ZERO_CELSIUS - c, math.log10
        return [
            b / (start + log10((x + (1 - x) * rest) / (1 + rise * (i - 1 if i else 0)))) + shift
            for i, x in enumerate(self.liquid)
        ]

    def _held(self, temperatures: list[float]) -> float:
        """J in the liquid at these temperatures."""
        capacity, heat = self.fluid.heat_capacity, self.fluid.heat_of_reaction
        held = 0.0
        for m, t, x in zip(self.masses(), temperatures, self.liquid, strict=True):
            held += m * (capacity * (t - ZERO_CELSIUS) + x * heat)
        return held

    def _settle(self) -> None:
        """Finds the pressure at which the contents, boiling, hold the energy they have (Newton in the logarithm)."""
        _, b, c = self.fluid.antoine
        for _ in range(6):
            self.temperatures = self._boiling(self.pressure)
            missing = self.energy - self._held(self.temperatures)
            if abs(missing) < 0.5 * self.mass:
                return
            mean = self.temperatures[len(self.temperatures) // 2] - ZERO_CELSIUS
            slope = self.mass * self.fluid.heat_capacity * (c + mean) ** 2 * math.log10(math.e) / b
            self.pressure *= math.exp(clamp(missing / slope, -0.3, 0.3))
