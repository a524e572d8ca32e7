# SPDX-License-Identifier: Apache-2.0
"""A fault grows in one piece of equipment or one sensor from a true start; the truth about each is written down."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from isthmus.app.demo.pieces.limits import not_negative


class FaultKind(StrEnum):
    """What can go wrong: with equipment (its physics changes) or with a sensor (only what it says changes)."""

    FOULING = "fouling"
    BEARING_WEAR = "bearing-wear"
    CAVITATION = "cavitation"
    STICTION = "stiction"
    LEAK = "leak"
    COOLING_LOSS = "cooling-loss"
    CATALYST_DECAY = "catalyst-decay"
    DRIFT = "drift"
    FREEZE = "freeze"
    SPIKES = "spikes"
    SCALE_ERROR = "scale-error"


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong, where, when, how badly and how fast. Times are ns since 1970-01-01 UTC on the plant's clock."""

    kind: FaultKind
    target: str
    """Equipment such as `P101`, or for sensor faults the name of a tag."""
    severity: float = 0.5
    """Above 0, up to 1: as bad as the plant knows it."""
    ramp: float = 0.0
    """s of the process until the severity is reached; 0: at once."""
    start: int | None = None
    """None: now."""
    until: int | None = None
    """When it ends by itself; None: not before it is cleared."""

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "kind", FaultKind(self.kind))
        except ValueError:
            raise ValueError(f"there is no fault {self.kind!r}; there are {', '.join(FaultKind)}") from None
        not_negative(severity=self.severity, ramp=self.ramp)
        if not 0 < self.severity <= 1:
            raise ValueError(f"severity must lie above 0 and up to 1, not {self.severity!r}")
        if self.start is not None and self.until is not None and self.until <= self.start:
            raise ValueError("until must be later than start")


@dataclass(frozen=True, slots=True)
class Truth:
    """What is known of one fault: `started` is its true start (ns); `ended` is None while it lasts."""

    number: int
    fault: Fault
    started: int
    ended: int | None = None


Effect = Callable[[str, float], None]
"""Makes a fault's level (0 none to 1) felt at its target."""


@dataclass(slots=True)
class Faults:
    """The faults that wait, grow and have been."""

    effects: Mapping[FaultKind, Effect]
    truth: list[Truth] = field(default_factory=list)
    """Every fault whose start has come, in the order of their numbers."""
    _waiting: dict[int, Fault] = field(default_factory=dict)
    _active: dict[int, float] = field(default_factory=dict)
    _count: int = 0

    def inject(self, fault: Fault, now: int) -> int:
        """Takes a fault on and returns its number. Raises ValueError for a target that cannot have it."""
        taken = {(f.kind, f.target) for f in self._waiting.values()} | self._lasting()
        if (fault.kind, fault.target) in taken:
            raise ValueError(f"{fault.target} has {fault.kind} already; clear that first")
        if fault.until is not None and fault.until <= max(now, fault.start or now):
            raise ValueError("until has passed already")
        self.effects[fault.kind](fault.target, 0.0)
        self._count += 1
        self._waiting[self._count] = fault
        return self._count

    def clear(self, number: int, now: int) -> None:
        """Repairs fault `number` at once. Raises ValueError when there is none that waits or lasts."""
        if self._waiting.pop(number, None) is not None:
            return
        if number not in self._active:
            raise ValueError(f"no fault {number} waits or lasts")
        self._end(number, now)

    def step(self, dt: float, now: int) -> None:
        """`dt` s of the process up to `now`: starts what is due, lets grow what lasts, ends what is over."""
        if not self._waiting and not self._active:
            return
        for number, fault in list(self._waiting.items()):
            if fault.start is None or fault.start <= now:
                self._begin(number, fault, now)
        for truth in [t for t in self.truth if t.number in self._active]:
            self._grow(truth, dt, now)

    def remember(self) -> tuple[list[Truth], dict[int, Fault], dict[int, float], int]:
        """What is known, what waits, how old in s of the process each is that lasts, and the last number given."""
        return self.truth, self._waiting, self._active, self._count

    def take_up(self, memory: tuple[list[Truth], dict[int, Fault], dict[int, float], int]) -> None:
        """Goes on from what another remembered; the targets feel it already."""
        self.truth, self._waiting, self._active, self._count = memory

    @property
    def waiting(self) -> Mapping[int, Fault]:
        """Those whose start has not come, by number."""
        return self._waiting

    def _begin(self, number: int, fault: Fault, now: int) -> None:
        del self._waiting[number]
        self._active[number] = 0.0
        self.truth.append(Truth(number, fault, now))

    def _grow(self, truth: Truth, dt: float, now: int) -> None:
        fault = truth.fault
        if fault.until is not None and fault.until <= now:
            self._end(truth.number, now)
            return
        age = self._active[truth.number] = self._active[truth.number] + dt
        self.effects[fault.kind](fault.target, fault.severity * (min(1.0, age / fault.ramp) if fault.ramp else 1.0))

    def _end(self, number: int, now: int) -> None:
        del self._active[number]
        at = next(i for i, truth in enumerate(self.truth) if truth.number == number)
        fault = self.truth[at].fault
        self.effects[fault.kind](fault.target, 0.0)
        self.truth[at] = replace(self.truth[at], ended=now)

    def _lasting(self) -> set[tuple[FaultKind, str]]:
        return {(t.fault.kind, t.fault.target) for t in self.truth if t.number in self._active}
