# SPDX-License-Identifier: Apache-2.0
"""What stands in the chemical plant, in its sizes, as it is in the middle of a quiet week.

The chemistry is invented but ordinary: a liquid isomerises over a dissolved catalyst (reactant to product, 350 kJ/kg
set free); the vapour pressures are those of toluene and benzene.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from isthmus.app.demo.pieces.column import Column, Condenser
from isthmus.app.demo.pieces.exchanger import Exchanger
from isthmus.app.demo.pieces.fluid import WATER, Fluid
from isthmus.app.demo.pieces.pump import Pump
from isthmus.app.demo.pieces.reactor import Jacket, Kinetics, Reactor
from isthmus.app.demo.pieces.tank import Tank
from isthmus.app.demo.pieces.treatment import Treatment
from isthmus.app.demo.pieces.utilities import AirReceiver, CoolingTower, SteamHeader
from isthmus.app.demo.pieces.valve import Valve

LIQUID: Final = Fluid(density=850.0, heat_capacity=2000.0, heat_of_reaction=-350e3)
"""Reactant and product."""
CATALYST: Final = 0.05
"""Mass fraction of active catalyst in what T102 holds."""


def _tanks() -> dict[str, Tank]:
    return {
        "T101": Tank(LIQUID, volume=120.0, height=9.0, mass=66e3, temperature=288.0, product=0.01, heat_loss=120.0),
        "T102": Tank(LIQUID, 6.0, 2.4, mass=3600.0, temperature=293.0, product=0.0, catalyst=CATALYST),
        "T103": Tank(LIQUID, 15.0, 3.6, mass=6400.0, temperature=308.0, product=0.12, heat_loss=60.0),
        "T401": Tank(LIQUID, 120.0, 9.0, mass=42e3, temperature=306.0, product=0.98, heat_loss=120.0),
    }


def _reactor(temperature: float, jacket: float, product: float) -> Reactor:
    held = 0.7 * 3.6 * LIQUID.density
    return Reactor(
        LIQUID, Kinetics(), Jacket(300.0, jacket, transfer=8000.0), volume=3.6, height=2.2, mass=held,
        temperature=temperature, product=product, catalyst=4.8e-4, pad=1.2e5,
    )  # fmt: skip


def _pumps() -> dict[str, Pump]:
    return {
        "P101": Pump(40.0, best_flow=1.0),
        "P102": Pump(38.0, best_flow=0.02, best_efficiency=0.35),
        "P103": Pump(38.0, best_flow=0.5, best_efficiency=0.5),
        "P201": Pump(26.0, best_flow=1.4),
        "P202": Pump(26.0, best_flow=1.4),
        "P301": Pump(34.0, best_flow=1.6),
        "P302": Pump(36.0, best_flow=1.0),
        "P303": Pump(36.0, best_flow=0.5, best_efficiency=0.5),
        "P411": Pump(38.0, best_flow=26.0, best_efficiency=0.74),
    }


def _valves() -> dict[str, Valve]:
    liquid, water = LIQUID.density, WATER.density
    return {
        "FV101": Valve.sized(0.8, 140e3, liquid),
        "FV102": Valve.sized(0.012, 120e3, liquid),
        "FV103": Valve.sized(0.4, 120e3, liquid),
        "LV201": Valve.sized(1.2, 90e3, liquid),
        "LV211": Valve.sized(1.2, 130e3, liquid),
        "TV201": Valve.sized(0.5, 200e3, water, stem=0.5, fail_open=True),
        "TV202": _closed(Valve.for_steam(0.05, 9e5)),
        "TV211": Valve.sized(0.4, 200e3, water, stem=0.5, fail_open=True),
        "TV212": _closed(Valve.for_steam(0.05, 9e5)),
        "FV301": Valve.sized(1.25, 130e3, liquid),
        "LV301": Valve.sized(0.82, 130e3, liquid),
        "LV302": Valve.sized(0.4, 130e3, liquid),
        "FV304": Valve.for_steam(0.42, 9e5),
        "PV301": Valve.sized(13.0, 180e3, water, fail_open=True),
        "TV302": Valve.sized(1.6, 200e3, water, fail_open=True),
    }


def _closed(valve: Valve) -> Valve:
    return Valve(valve.kv)


@dataclass(slots=True)
class Equipment:
    """All pieces, by the numbers painted on them."""

    tanks: dict[str, Tank] = field(default_factory=_tanks)
    pumps: dict[str, Pump] = field(default_factory=_pumps)
    valves: dict[str, Valve] = field(default_factory=_valves)
    reactors: dict[str, Reactor] = field(
        default_factory=lambda: {"R1": _reactor(363.15, 350.0, 0.45), "R2": _reactor(365.15, 354.0, 0.71)}
    )
    economiser: Exchanger = field(default_factory=lambda: Exchanger(6.5, 330.0, rated_hot=0.4, rated_cold=0.8))
    cooler: Exchanger = field(default_factory=lambda: Exchanger(13.0, 360.0, rated_hot=0.85, rated_cold=2.0))
    column: Column = field(default_factory=lambda: Column(LIQUID, Condenser(24e3, rated=18.0)))
    steam: SteamHeader = field(default_factory=SteamHeader)
    tower: CoolingTower = field(default_factory=CoolingTower)
    treatment: Treatment = field(default_factory=Treatment)
    air: AirReceiver = field(default_factory=AirReceiver)
