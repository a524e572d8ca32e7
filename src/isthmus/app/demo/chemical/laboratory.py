# SPDX-License-Identifier: Apache-2.0
"""The laboratory: a sample every ten minutes, analysed in four, with the errors of a good analyst."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import numpy as np

from isthmus.app.demo.chemical.equipment import LIQUID
from isthmus.app.demo.chemical.process import Process
from isthmus.app.demo.pieces.limits import clamp

EVERY: Final = 600.0
"""s between samples."""
ANALYSIS: Final = 240.0
"""s from the sample to its result."""


def _colour(process: Process) -> float:
    """APHA; a hot sump colours the product a little."""
    return 8.0 + 0.6 * max(process.plant.column.temperatures[-1] - 380.0, 0.0)


def _density(process: Process) -> float:
    """kg/m3 of the product at 20 degrees Celsius: the lighter component weighs a little more."""
    return LIQUID.density + 12.0 * (process.plant.column.liquid[0] - 0.5)


ANALYSES: Final[Mapping[str, tuple[Callable[[Process], float], float, int]]] = {
    "R1": (lambda p: p.plant.reactors["R1"].product, 0.002, 5),
    "R2": (lambda p: p.plant.reactors["R2"].product, 0.002, 5),
    "purity": (lambda p: p.plant.column.liquid[0], 0.0004, 5),
    "bottoms": (lambda p: p.plant.column.liquid[-1], 0.001, 5),
    "tank": (lambda p: p.plant.tanks["T401"].product, 0.0004, 5),
    "catalyst": (lambda p: p.plant.reactors["R1"].catalyst, 6e-6, 7),
    "colour": (_colour, 0.7, 1),
    "density": (_density, 0.12, 2),
}
"""Name → truth, standard deviation of the analysis, decimals that are reported."""


@dataclass(slots=True)
class Laboratory:
    """What has been sampled and what has been reported."""

    stream: np.random.Generator
    results: dict[str, float] = field(default_factory=dict)
    """The latest reported values."""
    sample: str = ""
    """Name of the sample they are of."""
    taken: float = 0.0
    """When it was taken, s since 1970-01-01 UTC of the process."""
    count: int = 0
    _pending: dict[str, float] = field(default_factory=dict)
    _drawn: float = 0.0

    def step(self, process: Process) -> None:
        """Takes and reports what is due."""
        if not self.results:
            self._take(process)
            self._report()
        if process.moment // EVERY > self._drawn // EVERY:
            self._take(process)
        if self._pending and process.moment >= self._drawn + ANALYSIS:
            self._report()

    def shift(self, seconds: float) -> None:
        """The process' calendar was set by so much: samples keep their age."""
        self.taken += seconds
        self._drawn += seconds

    def _take(self, process: Process) -> None:
        self._drawn = process.moment
        errors = self.stream.standard_normal(len(ANALYSES))
        for (name, (truth, deviation, digits)), error in zip(ANALYSES.items(), errors, strict=True):
            value = truth(process) + deviation * float(error)
            self._pending[name] = round(value if name in ("colour", "density") else clamp(value, 0.0, 1.0), digits)

    def _report(self) -> None:
        self.results, self._pending = self._pending, {}
        self.taken = self._drawn
        self.count += 1
        self.sample = f"L{datetime.fromtimestamp(self.taken, UTC):%y%m%d-%H%M}"
