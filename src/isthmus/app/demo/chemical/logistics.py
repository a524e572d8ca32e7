# SPDX-License-Identifier: Apache-2.0
"""Lorries bring reactant and catalyst and fetch product, between six and ten, when the levels call for them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from isthmus.app.demo.chemical.equipment import CATALYST
from isthmus.app.demo.pieces.fluid import Stream
from isthmus.app.demo.pieces.meter import Counter
from isthmus.app.demo.pieces.tank import Tank


@dataclass(slots=True)
class Berth:
    """One loading or unloading place at a tank."""

    tank: str
    loads: bool
    """Takes from the tank; otherwise it fills it."""
    threshold: float
    """Level at which a lorry is called."""
    load: float
    """kg on one lorry."""
    pace: float
    """kg/s."""
    catalyst: float = 0.0
    wait: float = -1.0
    """s until the called lorry is ready; below 0: none is called."""
    left: float = 0.0
    """kg still to be pumped."""
    product: float = 0.01
    now: float = 0.0
    """kg/s in the latest step."""
    lorries: Counter = field(default_factory=Counter)

    def flow(self, dt: float) -> float:
        """kg/s in this step."""
        return min(self.pace, self.left / dt) if self.wait <= 0 and self.left > 0 else 0.0

    def step(self, dt: float, level: float, hour: float, stream: np.random.Generator) -> None:
        """After a step: counts down, calls, says goodbye."""
        self.now = self.flow(dt)
        if self.left > 0:
            self.left = max(self.left - self.now * dt, 0.0) if self.wait <= 0 else self.left
            self.wait = max(self.wait - dt, 0.0)
            if self.left < 1e-6:
                self.left, self.wait = 0.0, -1.0
                self.lorries.add()
        elif self._calls(level) and 6 <= hour < 22:
            self.wait = float(stream.uniform(600, 3000))
            self.left = self.load * float(stream.uniform(0.97, 1.02))
            self.product = float(stream.uniform(0.006, 0.014)) if not self.catalyst else 0.0

    def _calls(self, level: float) -> bool:
        return level > self.threshold if self.loads else level < self.threshold


@dataclass(slots=True)
class Logistics:
    """The three berths."""

    stream: np.random.Generator
    berths: dict[str, Berth] = field(
        default_factory=lambda: {
            "T101": Berth("T101", False, 0.62, 24e3, 12.0),
            "T102": Berth("T102", False, 0.30, 3000.0, 3.0, catalyst=CATALYST),
            "T401": Berth("T401", True, 0.40, 24e3, 12.0),
        }
    )

    def incoming(self, tank: str, dt: float, ambient: float) -> Stream:
        """What a lorry pumps into `tank` in this step."""
        berth = self.berths[tank]
        return Stream(berth.flow(dt), ambient + 4.0, berth.product, berth.catalyst)

    def outgoing(self, dt: float) -> float:
        """kg/s of product onto a lorry in this step."""
        return self.berths["T401"].flow(dt)

    def step(self, dt: float, tanks: dict[str, Tank], hour: float) -> None:
        for berth in self.berths.values():
            berth.step(dt, tanks[berth.tank].level, hour, self.stream)
