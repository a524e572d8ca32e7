# SPDX-License-Identifier: Apache-2.0
"""Steam, cooling water, compressed air: what a plant draws on, each with its own store, machine and limits."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from isthmus.app.demo.pieces.account import Account
from isthmus.app.demo.pieces.fluid import ATMOSPHERE, WATER, ZERO_CELSIUS, steam_latent_heat
from isthmus.app.demo.pieces.limits import clamp, fraction, positive


@dataclass(slots=True)
class SteamHeader:
    """A gas-fired boiler whose drum stores steam by flashing; condensate returns saturated."""

    capacity: float = 5.5e-4
    """kg of steam per Pa (a steam accumulator's capacity)."""
    rating: float = 1.1
    """kg/s at full fire."""
    efficiency: float = 0.91
    heating_value: float = 47.2e6
    """J/kg of natural gas, lower."""
    pressure: float = 9.0e5
    """Pa absolute."""
    fire: float = 0.35
    """0 to 1, follows the command within a minute."""
    command: float = 0.35
    made: float = 0.0
    """kg/s."""
    drawn: float = 0.0
    """kg/s."""
    fuel: float = 0.0
    """kg/s."""
    weight: Account = field(default_factory=Account)

    def __post_init__(self) -> None:
        positive(capacity=self.capacity, rating=self.rating, efficiency=self.efficiency, pressure=self.pressure)
        positive(heating_value=self.heating_value)
        fraction(fire=self.fire, command=self.command)

    @property
    def held(self) -> float:
        """kg of steam stored above none at all."""
        return self.capacity * self.pressure

    def step(self, dt: float, drawn: float) -> None:
        """One step of `dt` s with `drawn` kg/s of steam; the safety valve holds the pressure below 12 bar absolute."""
        self.fire += (clamp(self.command, 0.0, 1.0) - self.fire) * -math.expm1(-dt / 45.0)
        blowing = max(0.0, self.pressure - 12e5) * self.capacity / max(dt, 5.0)
        self.made, self.drawn = self.rating * self.fire, drawn
        self.pressure += dt * (self.made - drawn - blowing) / self.capacity
        self.weight.book(dt * self.made, dt * (drawn + blowing))
        if self.pressure < 1.05e5:  # a cold header holds air: its steam account starts anew from there
            self.weight.book((1.05e5 - self.pressure) * self.capacity, 0.0)
            self.pressure = 1.05e5
        self.fuel = self.made * steam_latent_heat(self.pressure) / (self.efficiency * self.heating_value)


@dataclass(slots=True)
class CoolingTower:
    """A basin of water that the plant warms and an induced-draught tower cools towards the wet-bulb temperature."""

    mass: float = 18e3
    """kg in the basin when full."""
    temperature: float = 297.0
    """K of the basin."""
    rated: float = 40.0
    """kg/s of water."""
    effectiveness: float = 0.72
    """Share of the way to the wet-bulb temperature at rated flow and full fan (Cooling Technology Institute, range over
    range plus approach)."""
    fan: float = 0.5
    held: float = 17e3
    """kg."""
    rejected: float = 0.0
    """W to the air."""
    returned: float = 300.0
    """K of the water coming back."""
    makeup: float = 0.0
    evaporated: float = 0.0
    """kg/s."""
    fan_power: float = 0.0
    """W."""
    carried: float = 0.0
    """W that blow-down takes along."""
    weight: Account = field(default_factory=Account)
    heat: Account = field(default_factory=Account)

    def __post_init__(self) -> None:
        positive(mass=self.mass, temperature=self.temperature, rated=self.rated, held=self.held)
        fraction(fan=self.fan, effectiveness=self.effectiveness)

    @property
    def level(self) -> float:
        return self.held / self.mass

    @property
    def energy(self) -> float:
        return self.held * WATER.enthalpy(self.temperature, 0.0)

    def step(self, dt: float, flow: float, warmed: float, wet_bulb: float, town: float, drained: float = 0.0) -> None:
        """One step of `dt` s: `flow` kg/s went out at the basin's temperature and returns with `warmed` W more.

        Make-up from the town main at `town` K replaces what evaporates and what is `drained`, kg/s, by a float valve.
        """
        self.returned = self.temperature + (warmed / (flow * WATER.heat_capacity) if flow > 1e-3 else 0.0)
        loading = (self.rated / max(flow, 2.0)) ** 0.4
        share = self.effectiveness * clamp((0.12 + 0.88 * self.fan) ** 0.6 * loading, 0.0, 1.2)
        self.rejected = share * flow * WATER.heat_capacity * max(self.returned - wet_bulb, 0.0)
        self.evaporated = 0.85 * self.rejected / WATER.latent_heat
        self.makeup = clamp((0.95 - self.level) * 20.0, 0.0, 1.5)
        self.fan_power = 22e3 * self.fan**3
        self.carried = drained * WATER.enthalpy(self.temperature, 0.0)
        self._book(dt, warmed + self.makeup * WATER.enthalpy(town, 0.0), drained)

    def _book(self, dt: float, received: float, drained: float) -> None:
        """Evaporated water takes its sensible heat along within what is rejected."""
        lost, left = self.rejected + self.carried, self.evaporated + drained
        energy = self.energy + dt * (received - lost)
        self.heat.book(dt * received, dt * lost)
        self.weight.book(dt * self.makeup, dt * left)
        self.held = max(self.held + dt * (self.makeup - left), 1.0)
        self.temperature = ZERO_CELSIUS + energy / (self.held * WATER.heat_capacity)


@dataclass(slots=True)
class AirReceiver:
    """Two screw compressors, load and unload, lead and lag, on one vessel (ideal gas at 300 K)."""

    volume: float = 5.0
    """m3."""
    delivery: float = 0.085
    """kg/s of one compressor when loaded."""
    pressure: float = 8.0e5
    """Pa absolute."""
    leak: float = 0.0
    """kg/s at 8 bar through holes."""
    loaded: list[bool] = field(default_factory=lambda: [True, False])
    running: list[bool] = field(default_factory=lambda: [True, True])
    seconds_run: list[float] = field(default_factory=lambda: [0.0, 0.0])
    drawn: float = 0.0
    """kg/s."""
    power: list[float] = field(default_factory=lambda: [0.0, 0.0])
    """W."""
    weight: Account = field(default_factory=Account)

    def __post_init__(self) -> None:
        positive(volume=self.volume, delivery=self.delivery, pressure=self.pressure)

    @property
    def held(self) -> float:
        """kg."""
        return self.pressure * self.volume / (287.05 * 300.0)

    def step(self, dt: float, demand: float) -> None:
        """One step of `dt` s with `demand` kg/s by the plant, less where the pressure has fallen."""
        self.drawn = (demand + self.leak * self.pressure / 8e5) * clamp((self.pressure - ATMOSPHERE) / 4e5, 0.0, 1.0)
        for i, (low, high) in enumerate(((7.4e5, 8.3e5), (7.0e5, 8.0e5))):
            wanted = self.pressure < low or (self.loaded[i] and self.pressure < high)
            self.loaded[i] = wanted and self.running[i]
            self.power[i] = (31e3 if self.loaded[i] else 9e3) if self.running[i] else 0.0
            self.seconds_run[i] += dt if self.running[i] else 0.0
        made = self.delivery * sum(self.loaded)
        self.weight.book(dt * made, dt * self.drawn)
        self.pressure += dt * (made - self.drawn) * 287.05 * 300.0 / self.volume
