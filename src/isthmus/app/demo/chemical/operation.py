# SPDX-License-Identifier: Apache-2.0
"""How the plant is run: grades in campaigns, start-up, grade change, shut-down, trips, and the crews that do it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from isthmus.app.demo.chemical.controls import Controls
from isthmus.app.demo.chemical.equipment import Equipment
from isthmus.app.demo.pieces.controller import Mode
from isthmus.app.demo.pieces.limits import clamp, positive


class Phase(IntEnum):
    """What the plant as a whole is doing."""

    STOPPED = 0
    HEATING = 1
    STARTING = 2
    RUNNING = 3
    GRADE_CHANGE = 4
    STOPPING = 5
    TRIPPED = 6


@dataclass(frozen=True, slots=True)
class Grade:
    """A product with the conditions it is made at."""

    number: int
    name: str
    total: float
    """kg/s into the first reactor, without catalyst."""
    first: float
    second: float
    """K of the reactors."""
    reflux: float
    """kg per kg of column feed."""
    tray: float
    """K of the controlled tray."""
    catalyst: float = 0.010


GRADES: Final[Mapping[str, Grade]] = {
    grade.name: grade
    for grade in (
        Grade(1, "standard", 1.20, 363.15, 365.15, 1.03, 374.65),
        Grade(2, "premium", 1.05, 361.15, 363.15, 1.25, 374.15, 0.0105),
        Grade(3, "economy", 1.28, 365.15, 367.15, 0.90, 375.15, 0.0098),
    )
}


@dataclass(frozen=True, slots=True)
class Stage:
    """Part of a campaign: a grade for so many hours, or a stop when there is no grade."""

    grade: str
    hours: float

    def __post_init__(self) -> None:
        positive(hours=self.hours)
        if self.grade and self.grade not in GRADES:
            raise ValueError(f"there is no grade {self.grade!r}; there are {', '.join(GRADES)}")


CAMPAIGN: Final = (
    Stage("standard", 76), Stage("premium", 44), Stage("standard", 62), Stage("economy", 38), Stage("standard", 50),
    Stage("", 14),
)  # fmt: skip
"""Twelve days, then again from the start."""
STEADY: Final = (Stage("standard", 24e3),)
"""Nothing but the standard grade."""
CREWS: Final = ("Amber", "Birch", "Cedar", "Dogwood")
_FASTEST: Final = {"total": 0.5 / 3600, "first": 25.0 / 3600, "second": 25.0 / 3600, "reflux": 0.4 / 3600,
                   "tray": 3.0 / 3600, "catalyst": 0.004 / 3600}  # fmt: skip
"""How fast the set values move, per s."""
_LINES: Final = {"P101": "FIC101", "P102": "FIC102", "P103": "FIC103", "P201": "LIC201", "P202": "LIC211"}
_COLUMN: Final = {"P302": "LIC301", "P303": "LIC302"}
_FEEDING: Final = frozenset({Phase.STARTING, Phase.RUNNING, Phase.GRADE_CHANGE, Phase.STOPPING})
_HOT, _TRIP = 3.0, 391.15
_COLD: Final = 318.15


@dataclass(slots=True)
class Operation:
    """The operators: they follow the campaign and answer to trips."""

    campaign: Sequence[Stage] = CAMPAIGN
    stage: int = 0
    phase: Phase = Phase.RUNNING
    grade: Grade = GRADES["standard"]
    in_stage: float = 0.0
    """s."""
    in_phase: float = 0.0
    """s."""
    trips: int = 0
    campaigns: int = 1
    values: dict[str, float] = field(default_factory=dict)
    """The set values in force, on their way to the grade's."""

    def __post_init__(self) -> None:
        if not self.campaign:
            raise ValueError("a campaign needs at least one stage")
        first = self.campaign[0]
        self.grade = GRADES.get(first.grade, self.grade)
        self.phase = self.phase if first.grade else Phase.STOPPING
        self.values = self.values or {name: getattr(self.grade, name) for name in _FASTEST}

    def step(self, dt: float, signals: Mapping[str, float], plant: Equipment, controls: Controls) -> None:
        """`dt` s of running the plant."""
        self.in_stage += dt
        self.in_phase += dt
        if self.in_stage >= self.campaign[self.stage].hours * 3600:
            self._next_stage()
        self._watch(signals)
        self._proceed(signals)
        self._ramp(dt)
        self._set(plant, controls)

    def order(self, stage: Stage) -> None:
        """Does this now; the campaign goes on with its next stage afterwards."""
        at = self.stage + 1
        self.campaign = (*self.campaign[:at], stage, *self.campaign[at:])
        self._next_stage()

    def enter(self, phase: Phase) -> None:
        """Begins a phase."""
        self.phase, self.in_phase = phase, 0.0
        self.trips += phase is Phase.TRIPPED
        if phase is Phase.STARTING:
            self.values["total"] = 0.5

    def _next_stage(self) -> None:
        self.stage, self.in_stage = (self.stage + 1) % len(self.campaign), 0.0
        self.campaigns += self.stage == 0
        wanted = self.campaign[self.stage].grade
        if wanted == self.grade.name and self.phase is Phase.RUNNING:
            return
        if wanted:
            self.grade = GRADES[wanted]
            if self.phase is Phase.RUNNING:
                self.enter(Phase.GRADE_CHANGE)
            elif self.phase is Phase.STOPPED:
                self.enter(Phase.HEATING)
        elif self.phase in (Phase.RUNNING, Phase.GRADE_CHANGE, Phase.STARTING):
            self.enter(Phase.STOPPING)

    def _watch(self, signals: Mapping[str, float]) -> None:
        """The trip: a reactor too hot. (Its cause may be a fault in the plant, or of the sensor.)"""
        hot = max(signals["R1.TT201"], signals["R2.TT211"])
        if hot > _TRIP and self.phase is not Phase.TRIPPED:
            self.enter(Phase.TRIPPED)

    def _proceed(self, signals: Mapping[str, float]) -> None:
        wanted, hours = self.campaign[self.stage].grade, self.in_phase / 3600
        first, second = signals["R1.TT201"], signals["R2.TT211"]
        if self.phase is Phase.STOPPING and self.values["total"] <= 0.55:
            self.enter(Phase.STOPPED)
        elif self.phase is Phase.TRIPPED and hours > 1.5 and max(first, second) < _COLD + 15:
            self.enter(Phase.HEATING if wanted else Phase.STOPPED)
        elif self.phase is Phase.HEATING and hours > 1.0 and self._warm(first, second, signals):
            self.enter(Phase.STARTING)
        elif self.phase in (Phase.STARTING, Phase.GRADE_CHANGE) and self._arrived() and hours > 1.0:
            self.enter(Phase.RUNNING)

    def _warm(self, first: float, second: float, signals: Mapping[str, float]) -> bool:
        column = signals["C301.TT309"] > 368.0
        return first > self.values["first"] - _HOT and second > self.values["second"] - _HOT and column

    def _arrived(self) -> bool:
        return all(abs(self.values[name] - self._target(name)) < 1e-9 for name in _FASTEST)

    def _target(self, name: str) -> float:
        if name == "total" and self.phase is Phase.STOPPING:
            return 0.5
        if name in ("first", "second") and self.phase in (Phase.STOPPED, Phase.TRIPPED):
            return _COLD
        return float(getattr(self.grade, name))

    def _ramp(self, dt: float) -> None:
        for name, fastest in _FASTEST.items():
            value, most = self.values[name], fastest * dt * (6 if self.phase is Phase.TRIPPED else 1)
            self.values[name] = clamp(self._target(name), value - most, value + most)

    def _set(self, plant: Equipment, controls: Controls) -> None:
        values, feeding = self.values, self.phase in _FEEDING
        controls.total, controls.reflux, controls.catalyst = values["total"], values["reflux"], values["catalyst"]
        controls.loops["TIC201"].setpoint, controls.loops["TIC211"].setpoint = values["first"], values["second"]
        controls.loops["TIC301"].setpoint = values["tray"]
        controls.total_reflux = not feeding
        _run(plant, controls, _LINES, feeding)
        _run(plant, controls, _COLUMN, feeding)
        self._heat(plant, controls, feeding)

    def _heat(self, plant: Equipment, controls: Controls, feeding: bool) -> None:
        """Steam to the column: by its tray's temperature, at a fixed flow while warming up, none when stopped."""
        warming = self.phase is Phase.HEATING
        plant.pumps["P301"].on = feeding or warming or plant.column.vapour > 0.05
        if feeding:
            controls.loops["FIC304"].automatic(mode=Mode.CASCADE)
        elif warming:
            controls.loops["FIC304"].automatic(0.22)
        else:
            controls.hold("FIC304", 0.0)


def _run(plant: Equipment, controls: Controls, lines: Mapping[str, str], on: bool) -> None:
    """Starts or stops pumps; the loop of a stopped line is shut by hand."""
    for pump, loop in lines.items():
        plant.pumps[pump].on = on
        if on:
            controls.release(loop)
        else:
            controls.hold(loop, 0.0)


def shift(moment: float) -> tuple[int, str]:
    """Number of the shift (1 morning from six, 2 late, 3 night; UTC) and the crew on it, at s since 1970."""
    eights = int((moment - 6 * 3600) // (8 * 3600))
    return eights % 3 + 1, CREWS[(eights // 2 + eights % 3) % len(CREWS)]
