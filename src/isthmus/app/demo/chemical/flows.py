# SPDX-License-Identifier: Apache-2.0
"""Every flow of one step, found from what the vessels hold and how pumps and valves stand at its start."""

from __future__ import annotations

import math
from dataclasses import dataclass

from isthmus.app.demo.chemical.equipment import LIQUID, Equipment
from isthmus.app.demo.pieces.fluid import ATMOSPHERE, GRAVITY, WATER, steam_latent_heat, steam_temperature
from isthmus.app.demo.pieces.line import driven, room

_RETURN = ATMOSPHERE + 60e3
"""Pa at the end of the cooling-water consumers: the lift to the tower's top and the nozzles."""
_WATER_USERS = ("TV201", "TV211", "PV301", "TV302")


@dataclass(slots=True)
class Flows:
    """kg/s unless said otherwise."""

    fresh: float = 0.0
    catalyst: float = 0.0
    recycle: float = 0.0
    between: float = 0.0
    """R1 to R2."""
    feed: float = 0.0
    """R2 to column."""
    reflux: float = 0.0
    distillate: float = 0.0
    bottoms: float = 0.0
    reboiler: float = 0.0
    jacket_steam: tuple[float, float] = (0.0, 0.0)
    jacket_water: tuple[float, float] = (0.0, 0.0)
    condenser_water: float = 0.0
    cooler_water: float = 0.0
    water: float = 0.0
    """All cooling water."""
    header: float = ATMOSPHERE
    """Pa absolute of the cooling-water header."""

    @property
    def steam(self) -> float:
        return self.reboiler + sum(self.jacket_steam)


def _static(metres: float) -> float:
    return LIQUID.density * GRAVITY * metres


def solve(plant: Equipment) -> Flows:
    """The flows now; nothing in the plant is changed."""
    flows = Flows()
    _liquids(plant, flows)
    _steam(plant, flows)
    _water(plant, flows)
    return flows


def _liquids(plant: Equipment, flows: Flows) -> None:
    tanks, reactors, column = plant.tanks, plant.reactors, plant.column
    first, second = reactors["R1"], reactors["R2"]
    top, density = column.top_pressure, LIQUID.density

    def line(pump: str, valve: str, suction: float, discharge: float, friction: float) -> float:
        return driven(plant.pumps[pump], plant.valves[valve], density, suction, discharge, friction)

    into_first = first.pressure + _static(4.0)
    taken, passed, fed = room(first.level), room(second.level), room(column.sump_level)
    flows.fresh = line("P101", "FV101", tanks["T101"].head, into_first, 25e3) * tanks["T101"].available() * taken
    flows.catalyst = line("P102", "FV102", tanks["T102"].head, into_first, 4e6) * tanks["T102"].available() * taken
    flows.recycle = line("P103", "FV103", tanks["T103"].head, into_first, 60e3) * tanks["T103"].available() * taken
    flows.between = line("P201", "LV201", first.head, second.pressure + _static(4.0), 12e3) * first.available() * passed
    flows.feed = line("P202", "LV211", second.head, top + _static(7.0), 15e3) * second.available() * fed
    drum, sump = top + _static(4.0), top + column.drop + _static(3.5)
    drawn, left = _available(column.drum_level), _available(column.sump_level)
    flows.reflux = line("P301", "FV301", drum, top + _static(13.0), 12e3) * drawn * fed
    flows.distillate = line("P302", "LV301", drum, ATMOSPHERE + _static(10.0), 30e3) * drawn
    flows.bottoms = line("P303", "LV302", sump, ATMOSPHERE + _static(5.0), 80e3) * left


def _available(level: float) -> float:
    """1, falling to 0 over the last tenth: an outlet that draws vapour."""
    return min(max(level / 0.1, 0.0), 1.0)


def _steam(plant: Equipment, flows: Flows) -> None:
    """What the valves pass, in the reboiler no more than it can condense."""
    pressure, valves = plant.steam.pressure, plant.valves
    limit = plant.column.reboil_limit(steam_temperature(pressure)) / steam_latent_heat(pressure)
    flows.reboiler = min(valves["FV304"].steam(pressure), limit)
    flows.jacket_steam = (valves["TV202"].steam(pressure), valves["TV212"].steam(pressure))


def _water(plant: Equipment, flows: Flows) -> None:
    """Parallel users of one header: W = G sqrt(dp) with G the sum of their conductances, on the pump's curve."""
    pump, density = plant.pumps["P411"], WATER.density
    shares = [_conductance(plant.valves[name].resistance(density)) for name in _WATER_USERS]
    total, lift = sum(shares), density * GRAVITY * pump.lift()
    drive = ATMOSPHERE + density * GRAVITY * 2.0 * plant.tower.level + lift - _RETURN
    fall = density * GRAVITY * (pump.curve + pump.suction_loss())
    drop = max(drive / (1 + fall * total**2), 0.0) if pump.speed > 0.05 else 0.0
    root = math.sqrt(drop)
    flows.jacket_water = (shares[0] * root, shares[1] * root)
    flows.condenser_water, flows.cooler_water = shares[2] * root, shares[3] * root
    flows.water, flows.header = total * root, _RETURN + drop


def _conductance(resistance: float) -> float:
    return 0.0 if resistance == math.inf else 1.0 / math.sqrt(resistance)
