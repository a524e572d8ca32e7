# SPDX-License-Identifier: Apache-2.0
"""Meters add up a rate over time; counters count pieces and events; both roll over as real ones do."""

from __future__ import annotations

from dataclasses import dataclass

from isthmus.app.demo.pieces.limits import finite, not_negative, positive


@dataclass(slots=True)
class Meter:
    """A totaliser: kg from kg/s, J from W. The register shows whole steps of `resolution` and rolls over."""

    resolution: float = 1.0
    rollover: float = 1e12
    """The register starts from 0 again here."""
    total: float = 0.0
    """Exact, never rolls over."""
    rate: float = 0.0
    _mark: float = 0.0

    def __post_init__(self) -> None:
        positive(resolution=self.resolution, rollover=self.rollover)
        finite(total=self.total)

    def step(self, dt: float, rate: float) -> None:
        """`dt` s at `rate`; what flows backwards is not counted."""
        self.rate = rate
        self.total += dt * max(rate, 0.0)

    @property
    def register(self) -> float:
        return (self.total // self.resolution) * self.resolution % self.rollover

    @property
    def since(self) -> float:
        """What came since `restart`: of this shift, of this day."""
        return self.total - self._mark

    def restart(self) -> None:
        self._mark = self.total


@dataclass(slots=True)
class Counter:
    """Counts whole things; rolls over after `digits` decimal digits."""

    digits: int = 8
    count: int = 0

    def __post_init__(self) -> None:
        if self.digits < 1:
            raise ValueError(f"digits must be 1 or more, not {self.digits!r}")
        not_negative(count=self.count)

    def add(self, pieces: int = 1) -> None:
        if pieces < 0:
            raise ValueError(f"pieces must be 0 or more, not {pieces!r}")
        self.count += pieces

    @property
    def register(self) -> int:
        return int(self.count % 10**self.digits)
