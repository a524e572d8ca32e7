# SPDX-License-Identifier: Apache-2.0
"""The physics of the tank farm: four tanks in a row, with a mass balance and an energy balance that close.

    supply -> tank 1 -> pump and level valve -> tank 2 (heated) -> gravity -> tank 3 (cools) -> weir -> tank 4 -> trucks

The liquid is water of constant density and heat capacity; tanks are ideally mixed. What is balanced are volume (m³) and
energy (J, zero at 0 °C), integrated with Euler steps: what leaves one tank arrives in the next to the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import sqrt
from typing import Final

DENSITY: Final = 998.0
"""kg/m³"""
HEAT: Final = 4182.0
"""J/(kg K)"""
PER_DEGREE: Final = DENSITY * HEAT
"""J/(m³ K)"""
AMBIENT: Final = 18.0
"""Cel"""
SUPPLY: Final = 14.0
"""Cel"""


@dataclass(frozen=True, slots=True)
class Tank:
    """An upright tank."""

    area: float
    """m²"""
    height: float
    """m"""
    loss: float
    """W/K to the surroundings"""

    def level(self, content: Content) -> float:
        """m"""
        return content.volume / self.area


@dataclass(frozen=True, slots=True)
class Content:
    """What is in a tank."""

    volume: float
    """m³"""
    energy: float
    """J, zero at 0 °C"""

    @property
    def temperature(self) -> float:
        """Cel"""
        return self.energy / (self.volume * PER_DEGREE) if self.volume > 1e-9 else AMBIENT

    def add(self, volume: float, temperature: float) -> Content:
        """With this much more (or less) at this temperature."""
        return Content(self.volume + volume, self.energy + volume * temperature * PER_DEGREE)

    def heat(self, energy: float) -> Content:
        return replace(self, energy=self.energy + energy)


@dataclass(frozen=True, slots=True)
class Pump:
    """A centrifugal pump: head = shut_off * n² - curve * flow², where n is its speed by the rated one."""

    shut_off: float
    """m, at no flow and rated speed"""
    curve: float
    """m/(m³/s)²"""
    rated: float
    """/min"""
    run_up: float
    """s, time constant of its speed"""

    def flow(self, speed: float, lift: float, resistance: float) -> float:
        """m³/s against a lift (m) and a resistance (m/(m³/s)²): where pump curve and pipe curve meet."""
        head = self.shut_off * (speed / self.rated) ** 2 - lift
        return sqrt(head / (self.curve + resistance)) if head > 0 else 0.0


TANKS: Final = (
    Tank(1.2, 3.0, 8.0),
    Tank(0.9, 3.0, 25.0),
    Tank(0.9, 3.0, 900.0),
    Tank(1.4, 3.0, 20.0),
)
TRANSFER: Final = Pump(shut_off=14.0, curve=4.0e5, rated=2900.0, run_up=1.2)
LOADING: Final = Pump(shut_off=10.0, curve=1.0e5, rated=1450.0, run_up=0.8)
INLET: Final = 0.0042
"""m³/s through the open inlet valve"""
LIFT: Final = 3.0
"""m from the bottom of tank 1 to that of tank 2, which stands on a frame"""
GRAVITY: Final = 0.00135
"""m³/s per root of a metre between tanks 2 and 3"""
WEIR: Final = 1.6
"""m, the crest in tank 3"""
WEIR_WIDTH: Final = 0.06
"""m³/s per m^1.5 over the crest (Francis: flow grows with head to the power of 1.5)"""
VALVE_OPEN: Final = 1.2e5
"""m/(m³/s)² of the level valve when fully open; it grows with the inverse square of the position"""
VALVE_SPEED: Final = 0.08
"""of its stroke per second"""
HEATER: Final = 520e3
"""W"""
HEATER_LAG: Final = 4.0
"""s"""
SHAFT: Final = 0.25
"""Truck pipe's lift, m"""
TRUCK_PIPE: Final = 1.5e5
"""m/(m³/s)²"""


@dataclass(frozen=True, slots=True)
class Commands:
    """What the controllers want."""

    inlet: bool = False
    pump: bool = False
    valve: float = 0.0
    """0 to 1"""
    heater: float = 0.0
    """0 to 1"""
    loading: bool = False


@dataclass(frozen=True, slots=True)
class Flows:
    """m³/s"""

    supply: float = 0.0
    transfer: float = 0.0
    gravity: float = 0.0
    weir: float = 0.0
    loading: float = 0.0


@dataclass(frozen=True, slots=True)
class Totals:
    """What crossed the fence since the start: m³ and J."""

    received: float = 0.0
    loaded: float = 0.0
    energy_in: float = 0.0
    """With what was received."""
    energy_out: float = 0.0
    """With what was loaded."""
    heated: float = 0.0
    lost: float = 0.0
    """To the surroundings."""


def full(tank: Tank, level: float, temperature: float) -> Content:
    """A tank filled to a level (m)."""
    return Content(0.0, 0.0).add(tank.area * level, temperature)


@dataclass(frozen=True, slots=True)
class State:
    """The plant at one moment."""

    tanks: tuple[Content, Content, Content, Content] = (
        full(TANKS[0], 2.1, 15.0),
        full(TANKS[1], 1.4, 46.0),
        full(TANKS[2], 1.62, 41.0),
        full(TANKS[3], 1.3, 38.0),
    )
    speed: float = 0.0
    """Of the transfer pump, /min."""
    loading_speed: float = 0.0
    valve: float = 0.3
    """Position of the level valve, 0 to 1."""
    heater: float = 0.0
    """W"""
    inlet: bool = False
    flows: Flows = field(default_factory=Flows)
    totals: Totals = field(default_factory=Totals)


def step(state: State, commands: Commands, dt: float) -> State:
    """The plant `dt` seconds later."""
    moved = _actuate(state, commands, dt)
    flows = _flows(moved)
    return _balance(replace(moved, flows=flows), dt)


def _actuate(state: State, commands: Commands, dt: float) -> State:
    """Pumps run up, the valve travels, the heater follows: nothing jumps."""
    travel = max(-VALVE_SPEED * dt, min(VALVE_SPEED * dt, commands.valve - state.valve))
    return replace(
        state,
        inlet=commands.inlet,
        speed=_lag(state.speed, TRANSFER.rated * commands.pump, TRANSFER.run_up, dt),
        loading_speed=_lag(state.loading_speed, LOADING.rated * commands.loading, LOADING.run_up, dt),
        valve=max(0.0, min(1.0, state.valve + travel)),
        heater=_lag(state.heater, HEATER * commands.heater, HEATER_LAG, dt),
    )


def _lag(now: float, target: float, constant: float, dt: float) -> float:
    """First order: the share of the way that is left falls by dt / constant."""
    return now + (target - now) * min(1.0, dt / constant)


def _flows(state: State) -> Flows:
    first, second, third, fourth = (tank.level(content) for tank, content in zip(TANKS, state.tanks, strict=True))
    resistance = VALVE_OPEN / max(state.valve, 0.02) ** 2
    fall = LIFT + second - third
    return Flows(
        supply=INLET if state.inlet else 0.0,
        transfer=TRANSFER.flow(state.speed, LIFT + second - first, resistance) if first > 0.01 else 0.0,
        gravity=GRAVITY * sqrt(fall) if second > 0.01 and fall > 0 else 0.0,
        weir=WEIR_WIDTH * max(0.0, third - WEIR) ** 1.5,
        loading=LOADING.flow(state.loading_speed, SHAFT - fourth, TRUCK_PIPE) * (state.loading_speed > 10)
        if fourth > 0.01
        else 0.0,
    )


def _balance(state: State, dt: float) -> State:
    """Moves volume and energy along the row, and accounts for what crosses the fence."""
    flows, totals = state.flows, state.totals
    into = (flows.supply, flows.transfer, flows.gravity, flows.weir)
    out = (flows.transfer, flows.gravity, flows.weir, flows.loading)
    temperatures = (SUPPLY, *(content.temperature for content in state.tanks))
    losses = [
        tank.loss * (content.temperature - AMBIENT) * dt for tank, content in zip(TANKS, state.tanks, strict=True)
    ]
    heat = (0.0, state.heater * dt, 0.0, 0.0)
    after = [
        content.add(into[i] * dt, temperatures[i]).add(-out[i] * dt, temperatures[i + 1]).heat(heat[i] - losses[i])
        for i, content in enumerate(state.tanks)
    ]
    totals = Totals(
        received=totals.received + flows.supply * dt,
        loaded=totals.loaded + flows.loading * dt,
        energy_in=totals.energy_in + flows.supply * dt * SUPPLY * PER_DEGREE,
        energy_out=totals.energy_out + flows.loading * dt * temperatures[4] * PER_DEGREE,
        heated=totals.heated + heat[1],
        lost=totals.lost + sum(losses),
    )
    return replace(state, tanks=(after[0], after[1], after[2], after[3]), totals=totals)
