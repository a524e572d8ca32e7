# SPDX-License-Identifier: Apache-2.0
"""Each fault moves the symptoms an engineer would look for, is written down with its true start, can be repaired."""

from collections.abc import Callable

import numpy as np
import pytest

from isthmus.app.demo.chemical import STEADY, Fault, FaultKind, Phase, Plant
from isthmus.app.demo.pieces.fault import Truth

NS = 1_000_000_000
UP, DOWN, SAME, UNSTEADY = "rises", "falls", "stays", "swings"

SYMPTOMS: list[tuple[Fault, float, dict[str, str]]] = [
    (Fault(FaultKind.FOULING, "E101", 1.0), 2.0,
     {"E101.TT112": DOWN, "E101.TT114": UP, "E101.PDT111": UP, "T101.FT101": SAME, "R1.TT201": SAME,
      "R1.FT202": DOWN}),
    (Fault(FaultKind.FOULING, "E302", 1.0), 1.0, {"E302.FT321": UP, "TV302.ZT": UP, "E302.TT324": DOWN}),
    (Fault(FaultKind.FOULING, "E301", 0.4), 1.0, {"C301.FT305": UP, "C301.TT315": DOWN, "C301.PT301": SAME}),
    (Fault(FaultKind.FOULING, "R1", 0.5), 3.0, {"R1.TT202": DOWN, "R1.FT202": UP, "R1.TT201": SAME}),
    (Fault(FaultKind.BEARING_WEAR, "P101", 0.7), 2.0,
     {"P101.VT101": UP, "P101.TT101": UP, "P101.JT101": UP, "T101.FT101": SAME, "P103.VT103": SAME}),
    (Fault(FaultKind.CAVITATION, "P302", 0.15), 1.0, {"P302.VT302": UP, "P302.PT302": UNSTEADY, "LV301.ZT": UP}),
    (Fault(FaultKind.CAVITATION, "P101", 0.5), 1.0, {"FV101.ZT": UP, "T101.FT101": SAME}),
    (Fault(FaultKind.STICTION, "FV103", 0.8), 1.0, {"T103.FT103": UNSTEADY}),
    (Fault(FaultKind.LEAK, "T103", 1.0), 3.0, {"T103.FT103": DOWN, "T101.FT101": UP}),
    (Fault(FaultKind.LEAK, "air", 1.0), 1.0, {"U400.FT421": UP, "U400.JT422": UNSTEADY}),
    (Fault(FaultKind.COOLING_LOSS, "P411", 0.45), 1.0,
     {"U400.PT411": DOWN, "P411.JT411": DOWN, "P411.PT411": DOWN, "PV301.ZT": UP, "U400.FT411": SAME}),
    (Fault(FaultKind.CATALYST_DECAY, "R1", 0.5), 3.0,
     {"R1.AT201": DOWN, "R1.JY201": DOWN, "LAB.QI201": DOWN, "LAB.QI202": DOWN, "R1.FT202": DOWN, "R1.TT201": SAME}),
    (Fault(FaultKind.DRIFT, "R1.TT201", 0.2), 3.0, {"R1.TT201": SAME, "R1.TT203": DOWN, "R1.AT201": DOWN}),
    (Fault(FaultKind.SCALE_ERROR, "C301.FT301", 0.4), 1.0, {"C301.FT301": SAME, "FV301.ZT": DOWN, "C301.AT301": DOWN}),
    (Fault(FaultKind.SPIKES, "R2.PT211", 1.0), 1.0, {"R2.PT211": UNSTEADY, "R2.TT211": SAME}),
]  # fmt: skip
"""Fault, hours to wait, what happens to which tag."""


def _address(plant: Plant, name: str) -> int:
    """Position of a tag by its name or the end of it."""
    return next(i for i, tag in enumerate(plant.tags) if tag.name == name or tag.name.endswith(f".{name}"))


def _seen(plant: Plant, names: list[str], minutes: int = 30) -> dict[str, np.ndarray]:
    where = [_address(plant, name) for name in names]
    rows = []
    for _ in range(minutes * 6):
        plant.step(10.0)
        rows.append(plant.values().value[where])
    return dict(zip(names, np.array(rows).T, strict=True))


def _moved(tag_span: float, before: np.ndarray, after: np.ndarray) -> str:
    """What an engineer would say of a tag, with half a percent of its span as what counts."""
    if np.diff(after).std() > 2 * np.diff(before).std() + 0.002 * tag_span:
        return UNSTEADY
    change = (after.mean() - before.mean()) / tag_span
    return UP if change > 0.005 else DOWN if change < -0.005 else SAME


@pytest.mark.parametrize(("fault", "hours", "symptoms"), SYMPTOMS, ids=lambda x: getattr(x, "target", ""))
def test_a_fault_moves_the_symptoms_one_would_expect(fault: Fault, hours: float, symptoms: dict[str, str]) -> None:
    plant = Plant(seed=9, campaign=STEADY, settle=8.0, coarse=30.0)
    before = _seen(plant, list(symptoms))
    plant.inject(fault)
    plant.step(hours * 3600)
    after = _seen(plant, list(symptoms))
    said = {}
    for name in symptoms:
        tag = plant.tags[_address(plant, name)]
        assert tag.range is not None
        said[name] = _moved((tag.range[1] - tag.range[0]) / tag.scale, before[name], after[name])
    assert said == symptoms


def test_without_cooling_water_the_reactors_trip_and_recover_when_it_is_back() -> None:
    plant = Plant(seed=9, campaign=STEADY, settle=1.0, coarse=30.0)
    number = plant.inject(Fault(FaultKind.COOLING_LOSS, "P411", 1.0))
    seen = set()
    for _ in range(24):
        plant.step(600)
        seen.add(plant.state.operation.phase)
    assert Phase.TRIPPED in seen
    assert plant.state.operation.trips >= 1
    assert plant.state.process.plant.column.pressure < 1.8e5
    plant.clear(number)
    plant.step(12 * 3600)
    assert plant.state.operation.phase is Phase.RUNNING


def test_a_frozen_sensor_says_the_same_while_the_plant_moves_on() -> None:
    plant = Plant(seed=9, campaign=STEADY, settle=1.0, coarse=30.0)
    number = plant.inject(Fault(FaultKind.FREEZE, "T101.LT101"))
    plant.step(1)
    seen = _seen(plant, ["T101.LT101", "T101.WQ101"], minutes=60)
    assert np.ptp(seen["T101.LT101"]) == 0
    assert np.ptp(seen["T101.WQ101"]) > 1
    plant.clear(number)
    assert np.ptp(_seen(plant, ["T101.LT101"], minutes=10)["T101.LT101"]) > 0


def test_the_truth_has_the_true_start_and_end_on_the_clock() -> None:
    plant = Plant(seed=9, tempo=10.0, settle=0.1)
    start = plant.now
    worn = Fault(FaultKind.BEARING_WEAR, "P101", 0.5, ramp=3600, start=start + 60 * NS)
    drifting = Fault(FaultKind.DRIFT, "R1.TT201", 0.5, until=start + 90 * NS)
    first, second = plant.inject(worn), plant.inject(drifting)
    assert not list(plant.truth)
    plant.step(30)
    assert [truth.number for truth in plant.truth] == [second]
    for _ in range(90):
        plant.step(1)
    by_number = {truth.number: truth for truth in plant.truth}
    assert by_number[first].started == start + 60 * NS
    assert by_number[first].ended is None
    assert by_number[second].ended == start + 90 * NS
    assert plant.state.process.plant.pumps["P101"].wear == pytest.approx(0.5 * 600 / 3600, rel=0.05)
    plant.clear(first)
    assert plant.state.process.plant.pumps["P101"].wear == 0
    assert plant.truth[-1].ended == plant.now


def test_faults_in_the_past_are_back_filled_too() -> None:
    plant = Plant(seed=9, settle=0.1)
    start = plant.now
    plant.inject(Fault(FaultKind.BEARING_WEAR, "P303", 0.8, ramp=3600, start=start + 3600 * NS))
    blocks = list(plant.past(start, start + 4 * 3600 * NS, 60))
    vibration = np.concatenate([block.value[:, _address(plant, "P303.VT303")] for block in blocks])
    assert vibration[200:].mean() > 2 * vibration[:50].mean()
    assert plant.truth[0].started - start == pytest.approx(3600 * NS, abs=15 * NS)


def test_a_fault_that_is_there_already_is_refused_and_stays_as_it_was() -> None:
    plant = Plant(seed=9, settle=0.1)
    plant.inject(Fault(FaultKind.BEARING_WEAR, "P101", 0.5))
    plant.step(1)
    with pytest.raises(ValueError, match="P101 has bearing-wear already"):
        plant.inject(Fault(FaultKind.BEARING_WEAR, "P101", 0.2))
    assert plant.state.process.plant.pumps["P101"].wear == 0.5
    assert isinstance(plant.truth[0], Truth)


def test_clearing_restores_what_every_fault_changed() -> None:
    """Injected, let grow and cleared, every kind leaves the equipment's parameters as they were."""
    plant = Plant(seed=9, settle=0.1)
    equipment = plant.state.process.plant
    parameters: Callable[[], list[float]] = lambda: [  # noqa: E731  (one expression, read twice)
        *(p.wear for p in equipment.pumps.values()), *(p.clogging for p in equipment.pumps.values()),
        *(p.demand for p in equipment.pumps.values()), *(v.stick for v in equipment.valves.values()),
        *(t.leak for t in equipment.tanks.values()), *(r.poison for r in equipment.reactors.values()),
        *(r.jacket.fouling for r in equipment.reactors.values()), equipment.economiser.fouling,
        equipment.cooler.fouling, equipment.column.condenser.fouling, equipment.column.reboiler_fouling,
        equipment.air.leak,
    ]  # fmt: skip
    before = parameters()
    numbers = [plant.inject(fault) for fault, _, _ in SYMPTOMS]
    plant.step(10)
    assert parameters() != before
    for number in numbers:
        plant.clear(number)
    assert parameters() == before
