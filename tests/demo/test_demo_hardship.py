# SPDX-License-Identifier: Apache-2.0
"""Whatever goes wrong together, the plant goes on living: finite values, nothing negative, balances that close."""

import random

import numpy as np
import pytest

from isthmus.app.demo.chemical import Fault, FaultKind, Plant
from isthmus.app.demo.chemical.controls import LOOPS
from isthmus.app.demo.pieces.account import Standing, gap

CLOSED = 1e-3


def _wrongs(plant: Plant, luck: random.Random) -> list[Fault]:
    """Up to eight faults at most places that can have them, often at their worst."""
    equipment = plant.state.process.plant
    targets = {
        FaultKind.FOULING: ["E101", "E301", "E302", "E303", "R1", "R2"],
        FaultKind.BEARING_WEAR: list(equipment.pumps),
        FaultKind.CAVITATION: list(equipment.pumps),
        FaultKind.STICTION: list(equipment.valves),
        FaultKind.LEAK: [*equipment.tanks, "air"],
        FaultKind.COOLING_LOSS: ["P411"],
        FaultKind.CATALYST_DECAY: list(equipment.reactors),
    }
    measured = sorted({loop.measures for loop in LOOPS.values()})
    chosen = {}
    for _ in range(luck.randint(1, 8)):
        kind = luck.choice(list(FaultKind))
        target = luck.choice(targets.get(kind, measured))
        severity = luck.choice([1.0, luck.uniform(0.05, 1.0)])
        chosen[kind, target] = Fault(kind, target, severity, ramp=luck.choice([0.0, 3600.0, 36_000.0]))
    return list(chosen.values())


def _survive(seed: int, hours: int) -> None:
    luck = random.Random(seed)
    plant = Plant(seed=seed, settle=0.5, coarse=luck.choice([15.0, 30.0]), tempo=luck.choice([1.0, 600.0]))
    process = plant.state.process
    for fault in _wrongs(plant, luck):
        plant.inject(fault)
    texts = list(plant.values().text)
    for _ in range(hours):
        weight, heat = Standing.of(process.mass, process.weight), Standing.of(process.energy, process.heat)
        plant.step(3600 / plant.tempo)
        assert np.isfinite(np.delete(plant.values().value, texts)).all()
        assert gap(heat, Standing.of(process.energy, process.heat)) < CLOSED
        after = Standing.of(process.mass, process.weight)
        assert abs(after.held - weight.held - (after.into - weight.into) + (after.out - weight.out)) < 1.0
    for tank in process.plant.tanks.values():
        assert tank.mass > 0
        assert 200 < tank.temperature < 450
    column = process.plant.column
    assert column.drum > 0
    assert column.sump > 0
    vessels = (*(r.level for r in process.plant.reactors.values()), column.drum_level, column.sump_level)
    assert max(vessels) < 1.05
    assert all(0 <= x <= 1 for x in column.liquid)


@pytest.mark.parametrize("seed", range(6))
def test_the_plant_survives_any_faults_together(seed: int) -> None:
    _survive(seed, hours=16)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100, 300))
def test_the_plant_survives_two_hundred_bad_days(seed: int) -> None:
    _survive(seed, hours=48)
