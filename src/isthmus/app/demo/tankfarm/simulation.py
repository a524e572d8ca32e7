# SPDX-License-Identifier: Apache-2.0
"""The tank farm in motion: sensors measure the model, controllers decide, the model goes on. Same seed, same story."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Final

from isthmus.app.demo.tankfarm.control import Control, decide
from isthmus.app.demo.tankfarm.model import TANKS, State, step
from isthmus.core.samples import Value

DT: Final = 0.1
"""s, one step of the simulation"""

FAULT_EVERY: Final = 240.0
FAULT_LASTS: Final = 12.0
"""s: the thermometer of tank 3 has a loose contact"""


@dataclass(frozen=True, slots=True)
class Sensor:
    """A transmitter: it lags, has noise, and rounds to its resolution."""

    lag: float
    """s"""
    noise: float
    """Standard deviation, in the unit it measures."""
    resolution: float

    def follow(self, inside: float, true: float, dt: float) -> float:
        """What the sensor's inside is at `dt` seconds later."""
        return inside + (true - inside) * min(1.0, dt / self.lag)

    def show(self, inside: float, random: Random) -> float:
        """What it sends; never less than nothing (transmitters cut off there)."""
        steps = round((inside + random.gauss(0.0, self.noise)) / self.resolution)
        return max(0.0, round(steps * self.resolution, 6))


LEVEL: Final = Sensor(lag=0.5, noise=0.0008, resolution=0.001)
TEMPERATURE: Final = Sensor(lag=6.0, noise=0.03, resolution=0.05)
FLOW: Final = Sensor(lag=0.4, noise=0.03, resolution=0.01)
SPEED: Final = Sensor(lag=0.2, noise=1.5, resolution=1.0)
POSITION: Final = Sensor(lag=0.2, noise=0.05, resolution=0.1)
POWER: Final = Sensor(lag=0.3, noise=0.4, resolution=0.1)

SENSORS: Final = {
    **{f"Tank{n}.Level": LEVEL for n in range(1, 5)},
    **{f"Tank{n}.Temperature": TEMPERATURE for n in range(1, 5)},
    "TransferPump.Speed": SPEED,
    "TransferPump.Flow": FLOW,
    "LevelValve.Position": POSITION,
    "Heater.Power": POWER,
    "Bay1.Flow": FLOW,
}


def true_values(state: State) -> dict[str, float]:
    """What perfect sensors would show: m, Cel, /min, m3/h, %, kW."""
    levels = {f"Tank{n}.Level": TANKS[n - 1].level(state.tanks[n - 1]) for n in range(1, 5)}
    temperatures = {f"Tank{n}.Temperature": state.tanks[n - 1].temperature for n in range(1, 5)}
    return levels | temperatures | {
        "TransferPump.Speed": state.speed,
        "TransferPump.Flow": state.flows.transfer * 3600,
        "LevelValve.Position": state.valve * 100,
        "Heater.Power": state.heater / 1000,
        "Bay1.Flow": state.flows.loading * 3600,
    }  # fmt: skip


@dataclass(slots=True)
class Simulation:
    """The running plant; `advance` it, then read `values`."""

    seed: int = 1
    state: State = field(default_factory=State)
    control: Control = field(default_factory=Control)
    time: float = 0.0
    """s since the start"""
    _inside: dict[str, float] = field(init=False)
    _steps: int = 0
    _random: Random = field(init=False)

    def __post_init__(self) -> None:
        self._random = Random(self.seed)
        self._inside = true_values(self.state)

    def advance(self, seconds: float) -> None:
        """Goes on by so many seconds, in steps of DT."""
        until = round((self.time + seconds) / DT)
        while self._steps < until:
            self.control, commands = decide(self.control, self._inside, DT, self._random)
            self.state = step(self.state, commands, DT)
            true = true_values(self.state)
            self._inside = {name: sensor.follow(self._inside[name], true[name], DT) for name, sensor in SENSORS.items()}
            self._steps += 1
        self.time = self._steps * DT

    @property
    def faulty(self) -> frozenset[str]:
        """Sensors that do not work at the moment."""
        loose = self.time % FAULT_EVERY > FAULT_EVERY - FAULT_LASTS
        return frozenset({"Tank3.Temperature"} if loose else ())

    def values(self) -> dict[str, Value]:
        """What the devices send now; None where a sensor does not work. Levels in mm, tank 4's temperature in °F."""
        shown = {name: sensor.show(self._inside[name], self._random) for name, sensor in SENSORS.items()}
        for n in range(1, 5):
            shown[f"Tank{n}.Level"] = round(shown[f"Tank{n}.Level"] * 1000, 1)
        shown["Tank4.Temperature"] = round(shown["Tank4.Temperature"] * 1.8 + 32, 2)
        return {**shown, **dict.fromkeys(self.faulty), **self._counters()}

    def _counters(self) -> dict[str, Value]:
        bay = self.control.bay
        return {
            "Inlet.Open": self.state.inlet,
            "TransferPump.Running": self.control.pump,
            "TransferPump.Starts": self.control.starts,
            "Heater.Energy": int(self.state.totals.heated / 3600),
            "Heater.Mode": int(self.control.mode),
            "Bay1.Truck": bay.name if bay is not None else "",
            "Bay1.Loaded": int(bay.loaded * 1000) if bay is not None else 0,
        }
