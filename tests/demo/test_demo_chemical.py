# SPDX-License-Identifier: Apache-2.0
"""The chemical plant as its servers will use it: tags, steps, tempo, determinism, the past, no drifting away."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from isthmus.app.demo.chemical import STEADY, Fault, FaultKind, Phase, Plant, Stage
from isthmus.app.demo.chemical.tag import UNITS
from isthmus.core.tag import DataType
from isthmus.core.unit import check as check_unit
from isthmus.core.unit import conversion

NS = 1_000_000_000


@pytest.fixture(scope="module")
def plant() -> Plant:
    return Plant(seed=2, campaign=STEADY, settle=1.0)


def test_there_are_at_least_250_tags_on_two_servers_that_differ_in_habits_and_some_elsewhere(plant: Plant) -> None:
    servers = Counter(tag.server for tag in plant.tags)
    assert min(servers["A"], servers["B"]) > 90
    assert servers["A"] + servers["B"] > 250
    assert servers["utilities"] > 30
    assert len(servers) == 7
    units = {server: {tag.unit for tag in plant.tags if tag.server == server} for server in servers}
    assert {"Cel", "bar", "kg/h"} <= units["A"]
    assert {"[degF]", "[psi]", "[lb_av]/h"} <= units["B"]
    assert not {"[degF]", "[psi]"} & units["A"]
    scaled = [tag for tag in plant.tags if tag.scale != 1]
    assert len(scaled) > 20
    assert all(tag.server in ("B", "utilities") and tag.type is DataType.INTEGER for tag in scaled)
    assert all(tag.address.startswith("Plant/") for tag in plant.tags if tag.server == "B")
    assert set(DataType) == {tag.type for tag in plant.tags}


def test_names_addresses_and_properties_are_unique(plant: Plant) -> None:
    for key in ("name", lambda tag: (tag.server, tag.address), lambda tag: (tag.asset, tag.property)):
        keys = [getattr(tag, key) if isinstance(key, str) else key(tag) for tag in plant.tags]
        assert len(set(keys)) == len(keys)


def test_every_tag_is_described_and_has_a_valid_unit_and_range(plant: Plant) -> None:
    for tag in plant.tags:
        assert tag.description
        assert tag.range is None or tag.range[0] < tag.range[1]
        assert (tag.type is DataType.ENUMERATION) == bool(tag.labels)
        check_unit(tag.unit)


@pytest.mark.parametrize(
    ("unit", "si"),
    [("Cel", "K"), ("[degF]", "K"), ("bar", "Pa"), ("kPa", "Pa"), ("[psi]", "Pa"), ("kg/h", "kg/s"), ("t", "kg"),
     ("[lb_av]/h", "kg/s"), ("[lb_av]", "kg"), ("kW", "W"), ("[Btu_IT]/h", "W"), ("kW.h", "J"), ("mm/s", "m/s"),
     ("[in_i]/s", "m/s"), ("h", "s"), ("%", "1")],
)  # fmt: skip
def test_units_are_converted_as_the_unit_library_does(unit: str, si: str) -> None:
    assert UNITS[unit] == pytest.approx(conversion(si, unit))


def test_values_come_in_tag_order_within_their_ranges(plant: Plant) -> None:
    plant.step(1.0)
    now = plant.values()
    assert len(now.value) == len(now.quality) == len(now.at) == len(plant.tags)
    for i, tag in enumerate(plant.tags):
        if tag.type is DataType.TEXT:
            assert np.isnan(now.value[i])
            assert now.text[i]
            continue
        if tag.type is not DataType.FLOAT:
            assert now.value[i] == round(now.value[i])
        if tag.range:
            assert tag.range[0] <= now.value[i] * tag.scale <= tag.range[1], tag.name
    assert (now.quality == 0).all()


def test_the_same_seed_and_steps_give_the_same_values() -> None:
    one, two, other = (Plant(seed=seed, settle=0.2) for seed in (4, 4, 5))
    for living in (one, two, other):
        for dt in (1.0, 1.0, 60.0, 0.5):
            living.step(dt)
    assert np.array_equal(one.values().value, two.values().value, equal_nan=True)
    assert one.values().text == two.values().text
    assert not np.array_equal(one.values().value, other.values().value, equal_nan=True)


def test_the_tempo_quickens_the_process_and_never_the_clock() -> None:
    slow, quick = Plant(seed=4, settle=0.2), Plant(seed=4, tempo=60.0, settle=0.2)
    start = slow.now, slow.state.process.moment
    for living in (slow, quick):
        for _ in range(10):
            living.step(1.0)
        assert living.now - start[0] == 10 * NS
        assert (living.values().at <= living.now).all()
    assert slow.state.process.moment - start[1] == pytest.approx(10)
    assert quick.state.process.moment - start[1] == pytest.approx(600)


def test_the_past_fills_equal_columns_and_the_clock_goes_on_from_its_end() -> None:
    plant = Plant(seed=4, settle=0.2)
    start = plant.now - 6 * 3600 * NS
    blocks = list(plant.past(start, start + 6 * 3600 * NS, 30))
    clock = np.concatenate([block.clock for block in blocks])
    value = np.concatenate([block.value for block in blocks])
    at = np.concatenate([block.at for block in blocks])
    assert value.shape == at.shape == (720, len(plant.tags))
    assert (np.diff(clock) == 30 * NS).all()
    assert (np.diff(at, axis=0) >= 0).all()
    assert (at <= clock[:, None]).all()
    assert plant.now == clock[-1]
    for i, texts in blocks[0].text.items():
        assert len(texts) == len(blocks[0].clock)
        assert plant.tags[i].type is DataType.TEXT
    plant.step(1.0)
    jump = np.abs(plant.values().value - value[-1])
    name = {tag.name: i for i, tag in enumerate(plant.tags)}
    assert jump[name["R1.TT201"]] < 1
    assert plant.now == clock[-1] + NS


def test_the_laboratory_reports_every_ten_minutes_with_the_time_of_the_sample() -> None:
    plant = Plant(seed=4, settle=0.2)
    blocks = list(plant.past(plant.now, plant.now + 5 * 3600 * NS, 60))
    i = next(i for i, tag in enumerate(plant.tags) if tag.name == "LAB.QI301")
    at = np.unique(np.concatenate([block.at[:, i] for block in blocks]))
    assert len(at) in (30, 31)
    assert np.abs(np.diff(at)[1:] - 600 * NS).max() <= 60 * NS
    sample = next(j for j in blocks[0].text if plant.tags[j].name == "LAB.QN1")
    names = {name for block in blocks for name in block.text[sample]}
    assert len(names) == len(at)


def _spread(plant: Plant, days: int, step: float, coarse: list[str]) -> dict[str, np.ndarray]:
    """Daily means of some tags."""
    name = {tag.name: i for i, tag in enumerate(plant.tags)}
    rows = [b.value[:, [name[n] for n in coarse]] for b in plant.past(plant.now, plant.now + days * 86_400 * NS, step)]
    daily = np.concatenate(rows).reshape(days, -1, len(coarse)).mean(axis=1)
    return dict(zip(coarse, daily.T, strict=True))


@pytest.mark.parametrize("days", [8, pytest.param(60, marks=pytest.mark.soak)])
def test_a_steady_plant_is_still_steady_after_weeks(days: int) -> None:
    plant = Plant(seed=6, campaign=STEADY, coarse=30.0)
    watched = ["R1.TT201", "R1.LT201", "R2.TT211", "R2.LT211", "T103.LT103", "C301.LT301", "C301.LT302", "C301.PT301",
               "C301.AT301", "U400.PT401", "P101.VT101", "E302.TT322", "R1.AT201"]  # fmt: skip
    daily = _spread(plant, days, 300.0, watched)
    for name, means in daily.items():
        tag = next(tag for tag in plant.tags if tag.name == name)
        assert tag.range is not None
        span = (tag.range[1] - tag.range[0]) / tag.scale
        assert np.ptp(means[1:]) < 0.02 * span, (name, means)
    assert plant.state.operation.phase is Phase.RUNNING
    assert plant.state.operation.trips == 0
    assert not plant.truth
    for tank in plant.state.process.plant.tanks.values():
        assert 0.1 < tank.level < 0.95


def test_a_campaign_changes_grades_stops_and_starts_again() -> None:
    campaign = (Stage("standard", 3), Stage("premium", 5), Stage("", 8), Stage("standard", 30))
    plant = Plant(seed=6, campaign=campaign, settle=1.0, coarse=30.0)
    phases, purity = [plant.state.operation.phase], {}
    for _ in range(28 * 4):
        plant.step(900.0)
        phases.append(plant.state.operation.phase)
        purity[plant.state.operation.grade.name, phases[-1]] = plant.state.process.plant.column.liquid[0]
        if phases[-1] is Phase.STOPPED:
            assert plant.state.process.flows.feed == 0
    order = [phases[0], *(after for before, after in pairwise(phases) if before is not after)]
    assert order == [Phase.RUNNING, Phase.GRADE_CHANGE, Phase.RUNNING, Phase.STOPPING, Phase.STOPPED, Phase.HEATING,
                     Phase.STARTING, Phase.RUNNING]  # fmt: skip
    assert purity["premium", Phase.RUNNING] > purity["standard", Phase.RUNNING] + 0.004
    assert plant.state.operation.trips == 0


def test_a_plant_that_stands_still_starts_up_when_its_campaign_says_so() -> None:
    plant = Plant(seed=6, campaign=(Stage("", 5), Stage("premium", 50)), coarse=30.0)
    phases = [plant.state.operation.phase]
    name = {tag.name: i for i, tag in enumerate(plant.tags)}
    now = plant.values().value
    assert now[name["C301.FT302"]] == now[name["T101.FT101"]] == now[name["P101.XS101"]] == 0
    plant.step(16 * 3600)
    phases.append(plant.state.operation.phase)
    assert phases == [Phase.STOPPED, Phase.RUNNING]
    assert plant.values().value[name["C301.AT301"]] > 98


def test_an_order_comes_before_the_campaign_which_then_goes_on() -> None:
    plant = Plant(seed=6, campaign=(Stage("standard", 100), Stage("economy", 50)), settle=1.0, coarse=30.0)
    plant.order(Stage("premium", 6))
    plant.step(5 * 3600)
    assert plant.state.operation.grade.name == "premium"
    assert plant.state.operation.phase is Phase.RUNNING
    plant.step(5 * 3600)
    assert plant.state.operation.grade.name == "economy"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"tempo": 0.0}, "tempo must be above 0"),
        ({"tempo": float("nan")}, "tempo must be a finite number"),
        ({"tempo": 1e9}, "tempo must be at most 3600"),
        ({"coarse": 100.0}, "coarse must be at most 30"),
        ({"seed": -1}, "seed must be 0 or more"),
        ({"settle": -1.0}, "settle must be 0 or more"),
        ({"campaign": ()}, "at least one stage"),
    ],
)
def test_a_senseless_plant_is_refused(arguments: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Plant(**arguments)  # type: ignore[arg-type]  # senseless on purpose


def test_senseless_wishes_are_refused(plant: Plant) -> None:
    for dt in (0.0, -1.0, float("inf")):
        with pytest.raises(ValueError, match="dt must be"):
            plant.step(dt)
    with pytest.raises(ValueError, match="dt must be at most"):
        plant.step(1e12)
    with pytest.raises(ValueError, match="end after its start"):
        next(plant.past(plant.now, plant.now, 60))
    with pytest.raises(ValueError, match="no grade 'gold'"):
        Stage("gold", 1)
    with pytest.raises(ValueError, match="hours must be above 0"):
        Stage("standard", 0)
    for kind, target, says in (
        (FaultKind.FOULING, "P101", "'P101' cannot have fouling"),
        (FaultKind.BEARING_WEAR, "P999", "'P999' cannot have bearing-wear"),
        (FaultKind.DRIFT, "R1.TT999", "no sensor 'R1.TT999'"),
        (FaultKind.DRIFT, "T101.FIC101.SP", "has no sensor that could fail"),
    ):
        with pytest.raises(ValueError, match=says):
            plant.inject(Fault(kind, target))
    for arguments, says in (
        ({"severity": 0.0}, "severity must lie"),
        ({"severity": 2.0}, "severity must lie"),
        ({"ramp": -1.0}, "ramp must be 0 or more"),
        ({"start": 5, "until": 5}, "until must be later"),
    ):
        with pytest.raises(ValueError, match=says):
            Fault(FaultKind.LEAK, "T101", **arguments)
    with pytest.raises(ValueError, match="there is no fault 'rust'"):
        Fault("rust", "T101")  # type: ignore[arg-type]  # senseless on purpose
    with pytest.raises(ValueError, match="no fault 99"):
        plant.clear(99)
