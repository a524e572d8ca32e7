# SPDX-License-Identifier: Apache-2.0
"""Rows that many pieces of equipment have alike: those of a pump, a control loop, a valve, a tank."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from isthmus.app.demo.chemical.controls import LOOPS
from isthmus.app.demo.chemical.state import State
from isthmus.app.demo.chemical.tag import Place, Read, Row
from isthmus.app.demo.pieces.fluid import ATMOSPHERE, GRAVITY, Fluid
from isthmus.app.demo.pieces.pump import Pump
from isthmus.app.demo.pieces.tank import Tank
from isthmus.core.tag import DataType

MODES = {0: "manual", 1: "automatic", 2: "cascade"}


def pump_rows(place: Place, suction: Callable[[State], float], fluid: Fluid, most: float) -> Iterator[Row]:
    """Eight tags of the pump of this place; `suction` in Pa absolute, `most` kW of power."""
    number, american = place.unit.removeprefix("P"), place.server == "B"

    def pump(state: State) -> Pump:
        return state.process.plant.pumps[place.unit]

    def discharge(state: State) -> float:
        machine = pump(state)
        return suction(state) + machine.head(machine.flow) * fluid.density * GRAVITY - ATMOSPHERE

    pressure: tuple[str, tuple[float, float], float] = ("[psi]", (0, 90), 0.1) if american else ("bar", (0, 6), 1.0)
    shaking: tuple[str, tuple[float, float], float] = (
        ("[in_i]/s", (0, 1), 0.001) if american else ("mm/s", (0, 25), 1.0)
    )
    warmth: tuple[str, tuple[float, float], float] = ("[degF]", (30, 300), 1.0) if american else ("Cel", (0, 150), 1.0)
    yield place.told(f"XS{number}", "running", DataType.BOOLEAN, "", None, "motor runs", lambda s: float(pump(s).on))
    yield place.measured(
        f"ST{number}", "speed", "power", "%", (0, 110), "share of rated speed", lambda s: pump(s).speed
    )
    yield place.measured(
        f"IT{number}", "current", "power", "A", (0, most * 2.2), "per phase", lambda s: pump(s).current
    )
    yield place.measured(f"JT{number}", "power", "power", "kW", (0, most), "from the mains", lambda s: pump(s).power)
    yield place.measured(f"PT{number}", "discharge-pressure", "pressure", pressure[0], pressure[1],
                         "gauge, after the pump", discharge, pressure[2])  # fmt: skip
    yield place.measured(f"VT{number}", "vibration", "vibration", shaking[0], shaking[1],
                         "RMS velocity at the drive-end bearing", lambda s: pump(s).vibration, shaking[2])  # fmt: skip
    yield place.measured(f"TT{number}", "bearing-temperature", "temperature", warmth[0], warmth[1],
                         "drive-end bearing", lambda s: pump(s).bearing, warmth[2])  # fmt: skip
    yield place.told(f"KQ{number}", "hours-run", DataType.FLOAT, "h", (0, 1e6), "since it was built",
                     lambda s: pump(s).seconds_run)  # fmt: skip


def loop_rows(place: Place, loop: str, what: str, unit: str, span: tuple[float, float]) -> Iterator[Row]:
    """Setpoint, output and mode of a loop; an output in percent, or in the unit of the setpoint it gives."""

    def setpoint(state: State) -> float:
        return state.controls.loops[loop].setpoint

    yield place.told(f"{loop}.SP", f"{what}-setpoint", DataType.FLOAT, unit, span, f"setpoint of {loop}", setpoint)
    if LOOPS[loop].high == 1.0:
        yield place.told(f"{loop}.OP", f"{what}-output", DataType.FLOAT, "%", (0, 100), f"output of {loop}",
                         lambda s: s.controls.loops[loop].output)  # fmt: skip
    yield place.told(f"{loop}.MODE", f"{what}-mode", DataType.ENUMERATION, "", None, f"mode of {loop}",
                     lambda s: float(s.controls.loops[loop].mode), MODES)  # fmt: skip


def valve_row(place: Place, valve: str, what: str) -> Row:
    """Where the stem of a valve really is."""
    return place.measured(f"{valve}.ZT", f"{what}-position", "position", "%", (0, 100), f"stem position of {valve}",
                          lambda s: s.process.plant.valves[valve].stem)  # fmt: skip


def tank_rows(place: Place, number: str, most: float, loading: Read | None = None) -> Iterator[Row]:
    """Level, temperature, contents, limit switches of a tank of at most `most` t, and the flow of lorries if any."""

    def tank(state: State) -> Tank:
        return state.process.plant.tanks[place.unit]

    yield place.measured(f"LT{number}", "level", "level", "%", (0, 100), "level", lambda s: tank(s).level)
    yield place.measured(f"TT{number}", "temperature", "slow", "Cel", (-20, 80), "of the contents",
                         lambda s: tank(s).temperature)  # fmt: skip
    yield place.measured(f"WQ{number}", "contents", "slow", "t", (0, most), "mass in the tank",
                         lambda s: tank(s).mass)  # fmt: skip
    yield place.told(f"LSH{number}", "high-level", DataType.BOOLEAN, "", None, "above 92 %",
                     lambda s: float(tank(s).level > 0.92))  # fmt: skip
    yield place.told(f"LSL{number}", "low-level", DataType.BOOLEAN, "", None, "below 8 %",
                     lambda s: float(tank(s).level < 0.08))  # fmt: skip
    if loading:
        yield place.measured(
            f"FT{number}B", "loading-flow", "flow", "kg/h", (0, 60e3), "between lorry and tank", loading
        )
