# SPDX-License-Identifier: Apache-2.0
"""A control valve: flow characteristic, actuator that takes its time, and a stem that may stick."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

from isthmus.app.demo.pieces.limits import clamp, fraction, not_negative, positive


@dataclass(slots=True)
class Valve:
    """One valve. Kv is the flow of water in m3/h at 1 bar (IEC 60534-2-1); 0 closed, 1 open."""

    kv: float
    characteristic: Literal["equal", "linear"] = "equal"
    rangeability: float = 40.0
    """Ratio of the largest to the smallest controlled flow of an equal-percentage valve (IEC 60534-2-4)."""
    travel: float = 4.0
    """s, time constant of the actuator."""
    fail_open: bool = False
    command: float = 0.0
    stem: float = 0.0
    """Where it really is."""
    stick: float = 0.0
    """Static friction as a fraction of the travel."""
    air: float = 1.0
    """Share of the air supply that is there; without it the spring takes the valve to its safe end."""
    _wanted: float = 0.0
    _tension: float = 0.0
    _released: float = 0.0

    def __post_init__(self) -> None:
        positive(kv=self.kv, rangeability=self.rangeability - 1, travel=self.travel)
        not_negative(stick=self.stick)
        fraction(command=self.command, stem=self.stem, air=self.air)
        self._wanted = self._released = self.command

    @classmethod
    def sized(cls, flow: float, drop: float, density: float, stem: float = 0.6, **settings: Any) -> Self:
        """A valve that passes `flow` kg/s at a drop of `drop` Pa with the stem at `stem`."""
        positive(flow=flow, drop=drop, density=density, stem=stem)
        valve = cls(kv=1.0, stem=stem, command=stem, **settings)
        return replace(valve, kv=flow * math.sqrt(valve.resistance(density) / drop))

    @classmethod
    def for_steam(cls, flow: float, pressure: float, stem: float = 0.6, **settings: Any) -> Self:
        """A valve that passes `flow` kg/s of steam from `pressure` Pa absolute with the stem at `stem`."""
        positive(flow=flow, pressure=pressure, stem=stem)
        valve = cls(kv=1.0, stem=stem, command=stem, **settings)
        return replace(valve, kv=flow / valve.steam(pressure))

    def step(self, dt: float) -> None:
        """One step of `dt` s towards the command."""
        target = self._freed(clamp(self.command, 0.0, 1.0))
        if self.air < 0.5:
            target = 1.0 if self.fail_open else 0.0
        self.stem += (target - self.stem) * -math.expm1(-dt / self.travel)

    def _freed(self, command: float) -> float:
        """Where the positioner gets the stem to under static and half as much dynamic friction.

        Q. P. He et al., "A curve fitting method for detecting valve stiction", Ind. Eng. Chem. Res. 46 (2007) 4549.
        """
        tension = self._tension + command - self._wanted
        self._wanted = command
        if abs(tension) <= self.stick:
            self._tension = tension
            return self._released
        dynamic = math.copysign(self.stick / 2, tension)
        self._tension, self._released = dynamic, clamp(command - dynamic, 0.0, 1.0)
        return self._released

    def opening(self) -> float:
        """Share of Kv at the present stem position; tight below 1 % of travel."""
        if self.stem <= 0.01:
            return 0.0
        if self.characteristic == "linear":
            return self.stem
        open_by: float = self.rangeability ** (self.stem - 1)
        return open_by * min(1.0, (self.stem - 0.01) / 0.04)

    def resistance(self, density: float) -> float:
        """Pa per (kg/s)2 of liquid of `density` kg/m3; infinite when closed (IEC 60534-2-1, non-choked)."""
        passing = self.opening() * self.kv / 3600.0
        if passing <= 0:
            return math.inf
        return 100.0 / (passing**2 * density)

    def steam(self, pressure: float) -> float:
        """kg/s of saturated steam from `pressure` Pa absolute, choked: 12 kg/h per Kv and bar (Spirax Sarco)."""
        return 12.0 * self.opening() * self.kv * pressure / 1e5 / 3600.0
