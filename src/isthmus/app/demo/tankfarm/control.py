# SPDX-License-Identifier: Apache-2.0
"""What the tank farm's controllers decide from what their sensors measure: levels, temperature, pumps, trucks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from random import Random
from typing import Final

from isthmus.app.demo.tankfarm.model import Commands

LEVEL: Final = 1.5
"""m, wanted in tank 2"""
TEMPERATURE: Final = 55.0
"""Cel, wanted in tank 2"""


class Mode(IntEnum):
    """What the heater does."""

    OFF = 0
    HEATING = 1
    HOLDING = 2
    FULL_POWER = 3


@dataclass(frozen=True, slots=True)
class Loop:
    """A proportional-integral controller with an output from 0 to 1; its integral stops at the limits."""

    gain: float
    """Output per unit of error."""
    reset: float
    """s"""

    def act(self, integral: float, error: float, dt: float) -> tuple[float, float]:
        """(output, new integral)"""
        integral = max(0.0, min(1.0, integral + self.gain * error * dt / self.reset))
        return max(0.0, min(1.0, self.gain * error + integral)), integral


LEVEL_LOOP: Final = Loop(gain=1.1, reset=60.0)
TEMPERATURE_LOOP: Final = Loop(gain=0.09, reset=90.0)


@dataclass(frozen=True, slots=True)
class Truck:
    """A truck at the loading bay, or on its way to it."""

    name: str
    arrives_in: float
    """s"""
    wants: float
    """m³"""
    loaded: float = 0.0


@dataclass(frozen=True, slots=True)
class Control:
    """What the controllers remember."""

    inlet: bool = False
    pump: bool = False
    starts: int = 0
    level_integral: float = 0.35
    heat_integral: float = 0.5
    truck: Truck | None = None
    trucks: int = 0
    mode: Mode = Mode.OFF

    @property
    def bay(self) -> Truck | None:
        """The truck that stands at the bay."""
        return self.truck if self.truck is not None and self.truck.arrives_in <= 0 else None


def decide(control: Control, measured: Mapping[str, float], dt: float, random: Random) -> tuple[Control, Commands]:
    """What is remembered from now on, and what the plant is told to do."""
    first, second = measured["Tank1.Level"], measured["Tank2.Level"]
    valve, level_integral = LEVEL_LOOP.act(control.level_integral, LEVEL - second, dt)
    error = TEMPERATURE - measured["Tank2.Temperature"]
    heater, heat_integral = TEMPERATURE_LOOP.act(control.heat_integral, error, dt)
    heater = heater if second > 0.4 else 0.0
    pump = _latch(control.pump, start=first > 0.8, end=first < 0.35)
    control = replace(
        control,
        inlet=_latch(control.inlet, start=first < 1.1, end=first > 2.5),
        pump=pump,
        starts=control.starts + (pump and not control.pump),
        level_integral=level_integral,
        heat_integral=heat_integral,
        mode=_mode(heater, error),
    )
    control = _call_trucks(control, measured, dt, random)
    commands = Commands(inlet=control.inlet, pump=pump, valve=valve, heater=heater, loading=control.bay is not None)
    return control, commands


def _latch(now: bool, *, start: bool, end: bool) -> bool:
    return start or (now and not end)


def _mode(heater: float, error: float) -> Mode:
    if heater <= 0.0:
        return Mode.OFF
    if heater >= 1.0:
        return Mode.FULL_POWER
    return Mode.HOLDING if abs(error) < 1.5 else Mode.HEATING


def _call_trucks(control: Control, measured: Mapping[str, float], dt: float, random: Random) -> Control:
    """Calls a truck when tank 4 fills; it comes, is loaded and leaves."""
    truck = control.truck
    if truck is None:
        if measured["Tank4.Level"] < 1.4:
            return control
        number = control.trucks + 1
        name = f"LYO-{4100 + 37 * number % 900}-{random.choice('ABCDEFGH')}"
        called = Truck(name, random.uniform(5, 25), random.choice((0.4, 0.5, 0.6)))
        return replace(control, truck=called, trucks=number)
    if truck.arrives_in > 0:
        return replace(control, truck=replace(truck, arrives_in=truck.arrives_in - dt))
    loaded = truck.loaded + measured["Bay1.Flow"] / 3600 * dt
    done = loaded >= truck.wants or measured["Tank4.Level"] < 0.3
    return replace(control, truck=None if done else replace(truck, loaded=loaded))
