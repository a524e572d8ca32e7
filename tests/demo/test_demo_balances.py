# SPDX-License-Identifier: Apache-2.0
"""Mass and energy balances of every piece, and of the whole plant, close within 0.1 % over an hour."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from isthmus.app.demo.chemical.equipment import LIQUID
from isthmus.app.demo.chemical.operation import STEADY
from isthmus.app.demo.chemical.plant import Plant
from isthmus.app.demo.pieces.account import Standing, gap
from isthmus.app.demo.pieces.column import Column, Condenser
from isthmus.app.demo.pieces.exchanger import Exchanger
from isthmus.app.demo.pieces.fluid import WATER, Stream
from isthmus.app.demo.pieces.reactor import Jacket, Kinetics, Reactor
from isthmus.app.demo.pieces.tank import Tank
from isthmus.app.demo.pieces.utilities import AirReceiver, CoolingTower, SteamHeader

CLOSED = 1e-3
HOUR = 3600

Take = Callable[[], Standing]


def _tank() -> tuple[Callable[[float], None], list[Take]]:
    tank = Tank(LIQUID, 10.0, 3.0, mass=5000.0, temperature=300.0, leak=1e-5)
    inflow = [Stream(1.5, 330.0, 0.4), Stream(0.2, 280.0)]
    return (
        lambda dt: tank.step(dt, inflow, 0.9, 285.0),
        [lambda: Standing.of(tank.mass, tank.weight), lambda: Standing.of(tank.energy, tank.heat)],
    )


def _reactor() -> tuple[Callable[[float], None], list[Take]]:
    jacket = Jacket(300.0, 340.0, transfer=8000.0)
    reactor = Reactor(LIQUID, Kinetics(), jacket, 3.6, 2.2, mass=2100.0, temperature=355.0, catalyst=5e-4)
    inflow = [Stream(1.2, 310.0, 0.05, 5e-4)]

    def step(dt: float) -> None:
        duty = jacket.step(dt, reactor.temperature, 0.6, 296.0, 20e3)
        reactor.step(dt, inflow, 1.1, duty, 290.0)

    return step, [
        lambda: Standing.of(reactor.mass, reactor.weight),
        lambda: Standing.of(reactor.energy, reactor.heat),
        lambda: Standing.of(jacket.energy, jacket.heat),
    ]


def _column() -> tuple[Callable[[float], None], list[Take]]:
    column = Column(LIQUID, Condenser(24e3, rated=18.0))
    feed = Stream(1.2, 365.0, 0.72)
    return (
        lambda dt: column.step(dt, feed, 1.25, 0.85, 0.35, 860e3, 9.0, 296.0, 285.0),
        [
            lambda: Standing.of(column.mass, column.weight),
            lambda: Standing.of(column.energy, column.heat),
            lambda: Standing.of(column.product, column.light),
            lambda: Standing.of(column._held(column.temperatures), column.heat),
        ],
    )


def _tower() -> tuple[Callable[[float], None], list[Take]]:
    tower = CoolingTower(held=15e3)
    return (
        lambda dt: tower.step(dt, 12.0, 900e3, 286.0, 284.0),
        [lambda: Standing.of(tower.held, tower.weight), lambda: Standing.of(tower.energy, tower.heat)],
    )


def _steam() -> tuple[Callable[[float], None], list[Take]]:
    header = SteamHeader()
    return lambda dt: header.step(dt, 0.37), [lambda: Standing.of(header.held, header.weight)]


def _air() -> tuple[Callable[[float], None], list[Take]]:
    receiver = AirReceiver()
    return lambda dt: receiver.step(dt, 0.07), [lambda: Standing.of(receiver.held, receiver.weight)]


@pytest.mark.parametrize("dt", [0.5, 10.0])
@pytest.mark.parametrize("piece", [_tank, _reactor, _column, _tower, _steam, _air])
def test_the_balances_of_a_piece_close_over_an_hour(
    piece: Callable[[], tuple[Callable[[float], None], list[Take]]], dt: float
) -> None:
    step, takes = piece()
    before = [take() for take in takes]
    for _ in range(round(HOUR / dt)):
        step(dt)
    for start, take in zip(before, takes, strict=True):
        assert gap(start, take()) < CLOSED


def test_the_heat_of_reaction_is_what_the_conversion_sets_free() -> None:
    """An adiabatic charge warms by exactly the heat of reaction per heat capacity."""
    reactor = Reactor(
        LIQUID, Kinetics(decay=0.0), Jacket(300.0, 340.0, transfer=1.0), 3.6, 2.2, mass=2000.0, temperature=350.0,
        catalyst=5e-4, heat_loss=0.0, agitator=True,
    )  # fmt: skip
    stirred = 0.0
    for _ in range(HOUR):
        reactor.step(1.0, [], 0.0, 0.0, 290.0)
        stirred += reactor.stirred
    released = reactor.mass * reactor.product * 350e3
    assert reactor.product > 0.5
    warmed = reactor.mass * LIQUID.heat_capacity * (reactor.temperature - 350.0)
    assert warmed == pytest.approx(released + stirred, rel=1e-9)


def test_an_exchanger_gives_one_side_what_it_takes_from_the_other() -> None:
    exchanger = Exchanger(6.5, 330.0, rated_hot=0.4, rated_cold=0.8)
    duty = exchanger.exchange(0.35, 380.0, 2000.0, 0.8, 288.0, 4184.0)
    assert 0.35 * 2000.0 * (380.0 - exchanger.hot_out) == pytest.approx(duty)
    assert 0.8 * 4184.0 * (exchanger.cold_out - 288.0) == pytest.approx(duty)
    assert exchanger.hot_out > 288.0
    assert exchanger.cold_out < 380.0


def test_an_exchanger_agrees_with_the_logarithmic_mean() -> None:
    exchanger = Exchanger(10.0, 400.0, rated_hot=1.0, rated_cold=1.5)
    duty = exchanger.exchange(1.0, 370.0, 2000.0, 1.5, 290.0, WATER.heat_capacity)
    ends = np.array([370.0 - exchanger.cold_out, exchanger.hot_out - 290.0])
    mean = (ends[0] - ends[1]) / np.log(ends[0] / ends[1])
    assert duty == pytest.approx(400.0 * 10.0 * mean, rel=1e-6)


@pytest.fixture(scope="module")
def plant() -> Iterator[Plant]:
    yield Plant(seed=5, campaign=STEADY, settle=1.0)


def test_the_balances_of_the_plant_close_over_an_hour(plant: Plant) -> None:
    """Feeds, shipments, steam, stirring, make-up, losses and cooling against what the vessels hold."""
    process = plant.state.process
    process.logistics.berths["T101"].left, process.logistics.berths["T101"].wait = 9e3, 0.0
    process.logistics.berths["T401"].left, process.logistics.berths["T401"].wait = 9e3, 0.0
    weight, heat = Standing.of(process.mass, process.weight), Standing.of(process.energy, process.heat)
    for _ in range(HOUR):
        plant.step(1.0)
    after = Standing.of(process.mass, process.weight), Standing.of(process.energy, process.heat)
    assert after[0].into - weight.into > 8e3
    assert after[0].out - weight.out > 8e3
    assert gap(weight, after[0]) < CLOSED
    assert gap(heat, after[1]) < CLOSED


def test_the_product_made_is_what_the_reactors_converted(plant: Plant) -> None:
    process = plant.state.process

    def product() -> float:
        equipment = process.plant
        vessels: list[Tank | Reactor] = [*equipment.tanks.values(), *equipment.reactors.values()]
        return sum(v.mass * v.product for v in vessels) + equipment.column.product

    before, converted, brought = product(), 0.0, 0.0
    for _ in range(HOUR):
        plant.step(1.0)
        converted += sum(reactor.converted for reactor in process.plant.reactors.values())
        lorries = process.logistics.berths
        brought += lorries["T101"].now * lorries["T101"].product - lorries["T401"].now * 0.98
    assert product() - before == pytest.approx(converted + brought, rel=CLOSED, abs=5.0)
