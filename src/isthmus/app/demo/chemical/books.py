# SPDX-License-Identifier: Apache-2.0
"""Production counters: what this shift, this day and this lot made, what it took, and whose shift it is."""

from __future__ import annotations

from dataclasses import dataclass, field

from isthmus.app.demo.chemical.operation import Operation, Phase, shift
from isthmus.app.demo.chemical.process import Process
from isthmus.app.demo.pieces.meter import Counter, Meter

LOT = 24e3
"""kg of product in a lot."""


@dataclass(slots=True)
class Books:
    """Totals since the last change of shift, day and lot; a lot ends with its grade too."""

    shift: Meter = field(default_factory=Meter)
    day: Meter = field(default_factory=Meter)
    lot: Meter = field(default_factory=Meter)
    power: Meter = field(default_factory=Meter)
    """J of electricity of the day."""
    good: Meter = field(default_factory=Meter)
    """kg of product within its grade's purity, of the day."""
    lots: Counter = field(default_factory=Counter)
    running: Meter = field(default_factory=Meter)
    """s of the day in which the plant made product."""
    number: int = 1
    """Of the shift: 1, 2, 3."""
    crew: str = ""
    grade: str = ""
    _today: int = -1

    def step(self, dt: float, process: Process, operation: Operation) -> None:
        """`dt` s."""
        made = process.flows.distillate
        good = made if process.plant.column.liquid[0] > 0.94 else 0.0
        self._turn_over(process.moment, operation)
        for meter, rate in (
            (self.shift, made), (self.day, made), (self.lot, made), (self.good, good),
            (self.power, process.electricity), (self.running, float(operation.phase is Phase.RUNNING)),
        ):  # fmt: skip
            meter.step(dt, rate)

    @property
    def lot_name(self) -> str:
        return f"{self.grade[:3].upper()}-{self.lots.count + 1:05d}"

    def _turn_over(self, moment: float, operation: Operation) -> None:
        number, crew = shift(moment)
        if crew != self.crew or number != self.number:
            self.number, self.crew = number, crew
            self.shift.restart()
        if int(moment // 86_400) != self._today:
            self._today = int(moment // 86_400)
            for meter in (self.day, self.power, self.good, self.running):
                meter.restart()
        if operation.grade.name != self.grade or self.lot.since >= LOT:
            self.lots.add(int(bool(self.grade)))
            self.grade = operation.grade.name
            self.lot.restart()
