# SPDX-License-Identifier: Apache-2.0
"""A centrifugal pump: curve and affinity laws, efficiency, cavitation, and bearings that wear, get hot and shake.

Affinity laws, efficiency and NPSH: Karassik, Pump Handbook, 4th ed., ch. 2. Vibration is the RMS velocity of
ISO 10816-7: below 3 mm/s as new, above 7 mm/s damage threatens.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from isthmus.app.demo.pieces.fluid import GRAVITY
from isthmus.app.demo.pieces.limits import clamp, fraction, not_negative, positive


@dataclass(slots=True)
class Pump:
    """One pump; flows in kg/s, heads in m of the pumped liquid, speed as a fraction of the rated one."""

    shutoff_head: float
    """m at no flow."""
    best_flow: float
    """kg/s at the best efficiency, where the head has fallen by a fifth."""
    best_efficiency: float = 0.62
    npsh_base: float = 0.8
    """m needed at no flow; as much again at the best flow."""
    motor_efficiency: float = 0.9
    voltage: float = 400.0
    """V, three-phase."""
    on: bool = True
    demand: float = 1.0
    """Speed asked of the drive."""
    wear: float = 0.0
    """0 new, 1 about to seize."""
    clogging: float = 0.0
    """0 clean, 1 strainer before the pump so clogged that it takes 25 m of head at the best flow."""
    speed: float = 1.0
    flow: float = 0.0
    cavitation: float = 0.0
    """0 none, 1 fully developed."""
    power: float = 0.0
    """W taken from the mains."""
    vibration: float = 1.1e-3
    """m/s RMS."""
    bearing: float = 308.0
    """K."""
    seconds_run: float = 0.0
    starts: int = 0
    _turning: bool = True

    def __post_init__(self) -> None:
        positive(shutoff_head=self.shutoff_head, best_flow=self.best_flow, npsh_base=self.npsh_base)
        positive(best_efficiency=self.best_efficiency, motor_efficiency=self.motor_efficiency, voltage=self.voltage)
        fraction(best_efficiency=self.best_efficiency, wear=self.wear, clogging=self.clogging)
        not_negative(demand=self.demand, speed=self.speed, flow=self.flow)

    @property
    def curve(self) -> float:
        """m lost per (kg/s)2."""
        return 0.2 * self.shutoff_head / self.best_flow**2

    def lift(self) -> float:
        """m at no flow at the present speed, less what cavitation and wear take away."""
        return self.shutoff_head * self.speed**2 * (1 - 0.6 * self.cavitation) * (1 - 0.06 * self.wear)

    def suction_loss(self) -> float:
        """m lost per (kg/s)2 in the strainer before the pump."""
        return 25.0 * self.clogging / self.best_flow**2

    def head(self, flow: float) -> float:
        """m at `flow` and the present speed."""
        return max(self.lift() - self.curve * flow**2, 0.0)

    def step(self, dt: float, flow: float, npsh: float, surroundings: float) -> None:
        """One step of `dt` s with `flow` kg/s and `npsh` m of head above vapour pressure before the strainer."""
        turning = self.on and self.demand > 0
        self.starts += turning and not self._turning
        self._turning = turning
        self.seconds_run += dt if turning else 0.0
        self.speed += ((self.demand if self.on else 0.0) - self.speed) * -math.expm1(-dt / 3.0)
        self.flow = flow
        self._cavitate(dt, npsh)
        self._work(flow)
        self._shake(dt, surroundings)

    def efficiency(self, flow: float) -> float:
        """Parabola through the best point, moved along with the speed; never below 5 %."""
        relative = flow / max(self.best_flow * self.speed, 1e-9)
        return max(self.best_efficiency * (1 - (relative - 1) ** 2) * (1 - 0.08 * self.wear), 0.05)

    @property
    def current(self) -> float:
        """A per phase at a power factor of 0.85."""
        return self.power / (math.sqrt(3) * self.voltage * 0.85)

    def margin(self, npsh: float) -> float:
        """m by which the available NPSH exceeds what the pump needs."""
        needed = self.npsh_base * (1 + (self.flow / self.best_flow) ** 2)
        return npsh - self.suction_loss() * self.flow**2 - needed

    def _cavitate(self, dt: float, npsh: float) -> None:
        developed = clamp((0.6 - self.margin(npsh)) / 1.2, 0.0, 1.0) if self.speed > 0.1 else 0.0
        self.cavitation += (developed - self.cavitation) * -math.expm1(-dt / 20.0)

    def _work(self, flow: float) -> None:
        idle = 0.12 * GRAVITY * self.best_flow * self.shutoff_head * self.speed**3
        hydraulic = GRAVITY * flow * self.head(flow) / self.efficiency(flow)
        self.power = (idle + hydraulic + 400.0 * self.wear * self.speed) / self.motor_efficiency

    def _shake(self, dt: float, surroundings: float) -> None:
        off_best = (self.flow / max(self.best_flow * self.speed, 1e-9) - 1) ** 2 if self.speed > 0.1 else 0.0
        rms = self.speed**2 * (
            1.0e-3 + 0.6e-3 * min(off_best, 1.0) + 7.5e-3 * self.wear**1.3 + 6.0e-3 * self.cavitation
        )
        self.vibration += (rms - self.vibration) * -math.expm1(-dt / 5.0)
        friction = 180.0 * self.speed * (1 + 4.0 * self.wear + 0.5 * self.cavitation)
        target = surroundings + friction / 11.0
        self.bearing += (target - self.bearing) * -math.expm1(-dt / 900.0)
