# SPDX-License-Identifier: Apache-2.0
"""What each kind of fault does to which equipment of the plant, at its worst and in proportion below."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from isthmus.app.demo.chemical.equipment import Equipment
from isthmus.app.demo.pieces.exchanger import Exchanger
from isthmus.app.demo.pieces.fault import Effect, FaultKind
from isthmus.app.demo.pieces.reactor import Jacket
from isthmus.app.demo.pieces.sensor import SensorBank


def effects(plant: Equipment, banks: Sequence[SensorBank]) -> Mapping[FaultKind, Effect]:
    """Kind → what makes its level (0 to 1) felt; each refuses a target that cannot have it with ValueError."""
    surfaces = _surfaces(plant)

    def foul(target: str, level: float) -> None:
        _among(target, surfaces, FaultKind.FOULING)
        surfaces[target](level)

    def wear(target: str, level: float) -> None:
        _among(target, plant.pumps, FaultKind.BEARING_WEAR)
        plant.pumps[target].wear = level

    def clog(target: str, level: float) -> None:
        _among(target, plant.pumps, FaultKind.CAVITATION)
        plant.pumps[target].clogging = level

    def stick(target: str, level: float) -> None:
        _among(target, plant.valves, FaultKind.STICTION)
        plant.valves[target].stick = 0.12 * level

    def leak(target: str, level: float) -> None:
        if target == "air":
            plant.air.leak = 0.09 * level
            return
        _among(target, {**plant.tanks, "air": None}, FaultKind.LEAK)
        plant.tanks[target].leak = 2e-4 * level

    def warm(target: str, level: float) -> None:
        _among(target, {"P411": 1}, FaultKind.COOLING_LOSS)
        plant.pumps["P411"].demand = 1 - 0.9 * level

    def poison(target: str, level: float) -> None:
        _among(target, plant.reactors, FaultKind.CATALYST_DECAY)
        plant.reactors[target].poison = 1.5e-3 * level

    return {
        FaultKind.FOULING: foul,
        FaultKind.BEARING_WEAR: wear,
        FaultKind.CAVITATION: clog,
        FaultKind.STICTION: stick,
        FaultKind.LEAK: leak,
        FaultKind.COOLING_LOSS: warm,
        FaultKind.CATALYST_DECAY: poison,
        **_of_sensors(banks),
    }


def _surfaces(plant: Equipment) -> Mapping[str, Callable[[float], None]]:
    """What transfers heat: E101 economiser, E301 condenser, E302 product cooler, E303 reboiler, the jackets."""
    column = plant.column

    def exchanger(piece: Exchanger) -> Callable[[float], None]:
        return lambda level: setattr(piece, "fouling", 0.008 * level)

    def jacket(piece: Jacket) -> Callable[[float], None]:
        return lambda level: setattr(piece, "fouling", 0.002 * level)

    return {
        "E101": exchanger(plant.economiser),
        "E301": lambda level: setattr(column.condenser, "fouling", 6e-5 * level),
        "E302": exchanger(plant.cooler),
        "E303": lambda level: setattr(column, "reboiler_fouling", 8e-5 * level),
        "R1": jacket(plant.reactors["R1"].jacket),
        "R2": jacket(plant.reactors["R2"].jacket),
    }


def _of_sensors(banks: Sequence[SensorBank]) -> Mapping[FaultKind, Effect]:
    """Only what has a transmitter can have these; drift is a share of its span."""

    def spoil(act: Callable[[SensorBank, str, float], None]) -> Effect:
        return lambda target, level: act(_bank(banks, target), target, level)

    return {
        FaultKind.DRIFT: spoil(lambda bank, target, level: bank.drift(target, 0.2 * level)),
        FaultKind.FREEZE: spoil(lambda bank, target, level: bank.freeze(target, level > 0)),
        FaultKind.SPIKES: spoil(lambda bank, target, level: bank.spike(target, 0.05 * level)),
        FaultKind.SCALE_ERROR: spoil(lambda bank, target, level: bank.scale(target, 1 + 0.25 * level)),
    }


def _bank(banks: Sequence[SensorBank], target: str) -> SensorBank:
    """The one with this sensor."""
    for bank in banks:
        if target in bank.names:
            if not math.isfinite(bank.sensors[bank.names[target]].high):
                raise ValueError(f"{target!r} has no sensor that could fail: it is calculated or set")
            return bank
    raise ValueError(f"there is no sensor {target!r}")


def _among(target: str, known: Mapping[str, object], kind: FaultKind) -> None:
    if target not in known:
        raise ValueError(f"{target!r} cannot have {kind}; {', '.join(sorted(known))} can")
