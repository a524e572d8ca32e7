# SPDX-License-Identifier: Apache-2.0
"""The control loops: what each measures, what it moves, and how they hang together in cascades and ratios."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from isthmus.app.demo.chemical.equipment import LIQUID, Equipment
from isthmus.app.demo.pieces.controller import Controller, Mode, Response
from isthmus.app.demo.pieces.limits import clamp


@dataclass(frozen=True, slots=True)
class Loop:
    """What a loop is made of, before it runs."""

    measures: str
    """Name of the tag whose signal it reads, SI."""
    response: Response
    setpoint: float
    output: float
    valve: str = ""
    """Valve its output moves; empty for masters, split ranges and drives."""
    low: float = 0.0
    high: float = 1.0


def _flow(gain: float) -> Response:
    """A flow answers its valve within seconds; the gain is kg/s from closed to open around the usual opening."""
    return Response(gain, lag=5.0, delay=0.5, closed=6.0)


def _level(flow_gain: float, volume: float, closed: float) -> Response:
    """A level falls when its outlet opens."""
    return Response(-flow_gain / (LIQUID.density * volume), lag=0.0, delay=5.0, closed=closed)


_JACKET: Final = Response(79.0, lag=124.0, delay=8.0, closed=45.0)
_VESSEL: Final = Response(2.0, lag=2200.0, delay=60.0, closed=400.0)

LOOPS: Final[Mapping[str, Loop]] = {
    "FIC101": Loop("T101.FT101", _flow(1.9), 0.8, 0.6, "FV101"),
    "FIC102": Loop("T102.FT102", _flow(0.03), 0.012, 0.6, "FV102"),
    "FIC103": Loop("T103.FT103", _flow(0.95), 0.4, 0.6, "FV103"),
    "LIC103": Loop("T103.LT103", Response(-7.8e-5, 0.0, 60.0, 2400.0), 0.5, 0.4, high=0.75, low=0.05),
    "LIC201": Loop("R1.LT201", _level(3.2, 3.6, 150.0), 0.70, 0.6, "LV201"),
    "TIC201": Loop("R1.TT201", _VESSEL, 363.15, 350.0, low=293.0, high=398.0),
    "TIC202": Loop("R1.TT202", _JACKET, 350.0, 0.25),
    "LIC211": Loop("R2.LT211", _level(3.2, 3.6, 300.0), 0.70, 0.6, "LV211"),
    "TIC211": Loop("R2.TT211", _VESSEL, 365.15, 354.0, low=293.0, high=398.0),
    "TIC212": Loop("R2.TT212", _JACKET, 354.0, 0.25),
    "FIC301": Loop("C301.FT301", _flow(3.0), 1.25, 0.6, "FV301"),
    "LIC301": Loop("C301.LT301", _level(2.0, 2.2, 240.0), 0.5, 0.6, "LV301"),
    "LIC302": Loop("C301.LT302", _level(1.0, 3.0, 300.0), 0.5, 0.6, "LV302"),
    "TIC301": Loop("C301.TT309", Response(350.0, 900.0, 60.0, 400.0), 376.15, 0.40, low=0.0, high=0.62),
    "FIC304": Loop("C301.FT304", _flow(1.5), 0.4, 0.6, "FV304"),
    "PIC301": Loop("C301.PT301", Response(-500.0, 0.0, 8.0, 60.0), 1.15e5, 0.6, "PV301"),
    "TIC302": Loop("E302.TT322", Response(-25.0, 12.0, 4.0, 25.0), 306.15, 0.6, "TV302"),
    "PIC401": Loop("U400.PT401", Response(2000.0, 0.0, 45.0, 100.0), 9.0e5, 0.4),
    "TIC411": Loop("U400.TT411", Response(-10.0, 900.0, 30.0, 300.0), 296.15, 0.5),
}
"""SI: kg/s, K, Pa, fractions of level and travel. Setpoints and outputs are those of a quiet day."""

_CASCADES: Final = (("TIC201", "TIC202"), ("TIC211", "TIC212"), ("TIC301", "FIC304"), ("LIC103", "FIC103"))
_SPLIT: Final = (("TIC202", "TV201", "TV202"), ("TIC212", "TV211", "TV212"))


def _built() -> dict[str, Controller]:
    return {
        name: Controller(loop.response, loop.low, loop.high, loop.setpoint, loop.output) for name, loop in LOOPS.items()
    }


@dataclass(slots=True)
class Controls:
    """All loops with what the operation asks of them."""

    loops: dict[str, Controller] = field(default_factory=_built)
    total: float = 1.2
    """kg/s of fresh reactant and recycle together."""
    catalyst: float = 0.010
    """kg of catalyst solution per kg of that."""
    reflux: float = 1.03
    """kg per kg of column feed."""
    total_reflux: bool = False
    """The column runs on itself: what condenses goes back, steered by the drum's level."""
    _feed: float = 1.2

    def __post_init__(self) -> None:
        for _, slave in _CASCADES:
            self.loops[slave].mode = Mode.CASCADE

    def step(self, dt: float, signals: Mapping[str, float], plant: Equipment) -> None:
        """Masters, ratios, slaves, then valves and drives; `signals` are what the sensors say, SI."""
        self._cascade(dt, signals)
        self._ratio(dt, signals)
        for name, loop in LOOPS.items():
            if name not in _MASTERS:
                self.loops[name].update(dt, signals[loop.measures])
        self._move(plant)

    def _cascade(self, dt: float, signals: Mapping[str, float]) -> None:
        for master, slave in _CASCADES:
            upper, lower = self.loops[master], self.loops[slave]
            if lower.mode is not Mode.CASCADE:
                upper.track(lower.setpoint)
                continue
            lower.setpoint = upper.update(dt, signals[LOOPS[master].measures])
        relief = clamp((1.42e5 - signals["C301.PT301"]) / 0.12e5, 0.0, 1.0)
        if relief < 1:  # constraint control: a column that cannot condense is not heated
            self.loops["FIC304"].setpoint *= relief

    def _ratio(self, dt: float, signals: Mapping[str, float]) -> None:
        loops = self.loops
        recycle = loops["FIC103"]
        recycle.setpoint = min(recycle.setpoint, 0.6 * self.total)
        loops["FIC101"].setpoint = max(self.total - signals["T103.FT103"], 0.0)
        loops["FIC102"].setpoint = self.catalyst * self.total
        self._feed += (signals["C301.FT300"] - self._feed) * -math.expm1(-dt / 120.0)
        wanted = self.reflux * self._feed
        if self.total_reflux:
            wanted = 0.6 + 3.0 * (signals["C301.LT301"] - 0.45)
        elif signals["C301.LT301"] < 0.25:  # a drum running dry gives no more than what comes
            wanted *= clamp(signals["C301.LT301"] / 0.25, 0.0, 1.0)
        loops["FIC301"].setpoint = clamp(wanted, 0.0, 2.4)

    def _move(self, plant: Equipment) -> None:
        for name, loop in LOOPS.items():
            if loop.valve:
                plant.valves[loop.valve].command = self.loops[name].output
        for name, cold, hot in _SPLIT:
            asked = self.loops[name].output
            plant.valves[cold].command = clamp(1 - 2 * asked, 0.0, 1.0)
            plant.valves[hot].command = clamp(2 * asked - 1, 0.0, 1.0)
        plant.steam.command = self.loops["PIC401"].output
        plant.tower.fan = self.loops["TIC411"].output

    def hold(self, name: str, output: float) -> None:
        """Puts a loop into manual."""
        if self.loops[name].mode is not Mode.MANUAL or self.loops[name].output != output:
            self.loops[name].manual(output)

    def release(self, *names: str) -> None:
        """Puts loops back to automatic or cascade."""
        slaves = {slave for _, slave in _CASCADES}
        for name in names:
            if self.loops[name].mode is Mode.MANUAL:
                self.loops[name].automatic(mode=Mode.CASCADE if name in slaves else Mode.AUTOMATIC)


_MASTERS: Final = frozenset(master for master, _ in _CASCADES)
