# SPDX-License-Identifier: Apache-2.0
"""A conveyor carries pieces from one end to the other, and they queue at the end while nobody takes them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from isthmus.app.demo.pieces.limits import positive


@dataclass(slots=True)
class Conveyor:
    """First in, first out; as many pieces as fit one behind the other."""

    length: float
    """m."""
    speed: float
    """m/s."""
    pitch: float
    """m a piece takes up."""
    running: bool = True
    _places: deque[float] = field(default_factory=deque)
    """m each piece has still to go, the foremost first."""

    def __post_init__(self) -> None:
        positive(length=self.length, speed=self.speed, pitch=self.pitch)
        if self.pitch > self.length:
            raise ValueError(f"pitch must be at most the length, {self.length!r}, not {self.pitch!r}")

    @property
    def capacity(self) -> int:
        """Pieces that fit."""
        return int(self.length / self.pitch + 1e-9)

    @property
    def carried(self) -> int:
        """Pieces on it."""
        return len(self._places)

    @property
    def room(self) -> int:
        """Pieces that can be put on."""
        return self.capacity - self.carried

    @property
    def waiting(self) -> int:
        """Pieces that can be taken off: at the end, or queued up against it."""
        return sum(1 for i, left in enumerate(self._places) if left <= i * self.pitch + 1e-9)

    def step(self, dt: float, put: int, taken: int) -> None:
        """One step of `dt` s in which pieces were put on and taken off; ValueError beyond what is there."""
        if not 0 <= taken <= self.waiting:
            raise ValueError(f"taken must lie from 0 to {self.waiting}, not {taken!r}")
        for _ in range(taken):
            self._places.popleft()
        if not 0 <= put <= self.room:
            raise ValueError(f"put must lie from 0 to {self.room}, not {put!r}")
        travelled = self.speed * dt if self.running else 0.0
        self._places = deque(max(left - travelled, i * self.pitch) for i, left in enumerate(self._places))
        self._places.extend(self.length for _ in range(put))
