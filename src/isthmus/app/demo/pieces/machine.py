# SPDX-License-Identifier: Apache-2.0
"""A machine that makes pieces one after another: cycle time, waiting, breakdowns, stops by people, rejects.

States are those of ISA-TR88.00.02 (PackML) that a simple machine knows; the counts are those ISO 22400-2 wants for the
overall equipment effectiveness: produced, good, and the times in each state.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from isthmus.app.demo.pieces.limits import fraction, not_negative, positive
from isthmus.app.demo.pieces.meter import Counter


class Status(IntEnum):
    """PackML's numbers (ISA-TR88.00.02, table 1)."""

    STOPPED = 2
    IDLE = 4
    SUSPENDED = 5
    """Waiting for what comes before it or goes after it."""
    EXECUTE = 6
    ABORTED = 9
    """Broken down: repaired after a while."""


@dataclass(slots=True)
class Machine:
    """One machine; all randomness comes from `stream`."""

    stream: np.random.Generator
    cycle: float
    """s for one piece."""
    scatter: float = 0.03
    """Standard deviation of the cycle as a share of it."""
    reject: float = 0.01
    """Share of bad pieces."""
    between_failures: float = 14_400.0
    """s of running, mean (exponential)."""
    repair: float = 300.0
    """s, mean (exponential)."""
    wear: float = 0.0
    """0 new to 1: cycles take up to half as long again, rejects and failures come up to five times as often."""
    ordered: bool = True
    """People want it to run."""
    status: Status = Status.IDLE
    made: Counter = field(default_factory=Counter)
    rejected: Counter = field(default_factory=Counter)
    failures: int = 0
    seconds: dict[Status, float] = field(default_factory=lambda: dict.fromkeys(Status, 0.0))
    _left: float = -1.0
    """s of the present cycle; below 0: none begun."""
    _repairing: float = 0.0
    _lasting: float = 0.0
    """s of running until it fails."""

    def __post_init__(self) -> None:
        positive(cycle=self.cycle, between_failures=self.between_failures, repair=self.repair)
        not_negative(scatter=self.scatter)
        fraction(reject=self.reject, wear=self.wear)
        self._lasting = self._drawn(self.between_failures)

    def step(self, dt: float, waiting: int, room: int) -> tuple[int, int]:
        """One step of `dt` s; returns pieces taken in and good pieces put out, at most `waiting` and `room`."""
        self.status = self._standing(dt)
        taken = given = 0
        left = dt
        while self.status in (Status.EXECUTE, Status.SUSPENDED) and left > 0:
            if self._left < 0:
                if taken >= waiting or given >= room:
                    self.status = Status.SUSPENDED
                    break
                taken, self._left = taken + 1, self._length()
            self.status = Status.EXECUTE
            worked = min(left, self._left, self._lasting)
            left, self._left, self._lasting = left - worked, self._left - worked, self._lasting - worked
            self.seconds[Status.EXECUTE] += worked
            if self._lasting <= 0:
                self._fail()
            elif self._left <= 0:
                given += self._finish()
        self.seconds[self.status] += left
        return taken, given

    @property
    def inside(self) -> int:
        """Pieces being worked on."""
        return int(self._left >= 0)

    def _standing(self, dt: float) -> Status:
        if self._repairing > 0:
            self._repairing -= dt
            return Status.ABORTED
        if not self.ordered:
            return Status.STOPPED
        return Status.EXECUTE

    def _finish(self) -> int:
        self._left = -1.0
        bad = self.stream.random() < min(self.reject * (1 + 4 * self.wear), 1.0)
        (self.rejected if bad else self.made).add()
        return int(not bad)

    def _fail(self) -> None:
        self.failures += 1
        self.status = Status.ABORTED
        self._repairing = float(self.stream.exponential(self.repair))
        self._lasting = self._drawn(self.between_failures)

    def _drawn(self, mean: float) -> float:
        return float(self.stream.exponential(mean)) / (1 + 4 * self.wear)

    def _length(self) -> float:
        usual = self.cycle * (1 + 0.5 * self.wear)
        return max(usual * (1 + self.scatter * float(self.stream.standard_normal())), 0.2 * usual)
