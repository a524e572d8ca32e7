# SPDX-License-Identifier: Apache-2.0
"""Machines, conveyors, pumps, valves and columns do what their data sheets and textbooks say."""

import numpy as np
import pytest

from isthmus.app.demo.chemical.equipment import LIQUID
from isthmus.app.demo.pieces.column import Column, Condenser
from isthmus.app.demo.pieces.conveyor import Conveyor
from isthmus.app.demo.pieces.fluid import Stream
from isthmus.app.demo.pieces.machine import Machine, Status
from isthmus.app.demo.pieces.meter import Counter, Meter
from isthmus.app.demo.pieces.pump import Pump
from isthmus.app.demo.pieces.valve import Valve


def _machine(**settings: float) -> Machine:
    return Machine(np.random.default_rng(1), cycle=4.0, **settings)  # type: ignore[arg-type]  # floats of the table


def test_a_line_of_two_machines_loses_no_piece() -> None:
    first, second = _machine(reject=0.0), _machine(reject=0.05)
    belt = Conveyor(10.0, 0.5, 0.5)
    taken_first = given_second = taken_second = given_first = 0
    for _ in range(40_000):
        taken, given = first.step(1.0, 1000, belt.room)
        before = belt.waiting
        took, gave = second.step(1.0, before, 1000)
        belt.step(1.0, given, took)
        taken_first, given_first = taken_first + taken, given_first + given
        taken_second, given_second = taken_second + took, given_second + gave
        assert 0 <= belt.carried <= belt.capacity
    assert taken_first == given_first + first.inside
    assert given_first == taken_second + belt.carried
    assert taken_second == given_second + second.rejected.count + second.inside
    assert given_second > 5000


def test_a_machine_keeps_its_cycle_rejects_and_breakdowns() -> None:
    machine = _machine(reject=0.1, between_failures=2000.0, repair=100.0)
    for _ in range(100_000):
        machine.step(1.0, 5, 5)
    running, total = machine.seconds[Status.EXECUTE], sum(machine.seconds.values())
    made = machine.made.count + machine.rejected.count
    assert total == pytest.approx(100_000)
    assert made == pytest.approx(running / 4.0, rel=0.02)
    assert machine.rejected.count == pytest.approx(0.1 * made, rel=0.1)
    assert machine.failures == pytest.approx(running / 2000.0, rel=0.35)
    assert machine.seconds[Status.ABORTED] == pytest.approx(machine.failures * 100.0, rel=0.4)


def test_a_worn_machine_is_slower_and_fails_more_often() -> None:
    new, worn = _machine(), _machine(wear=1.0)
    for machine in (new, worn):
        for _ in range(50_000):
            machine.step(1.0, 5, 5)
    assert worn.made.count < 0.75 * new.made.count
    assert worn.failures > 2 * new.failures


def test_a_machine_waits_for_pieces_and_for_people() -> None:
    machine, seen = _machine(), []
    for ordered, waiting in ((True, 0), (False, 5), (True, 5)):
        machine.ordered = ordered
        machine.step(1.0, waiting, 5)
        seen.append(machine.status)
    assert seen == [Status.SUSPENDED, Status.STOPPED, Status.EXECUTE]


def test_a_conveyor_delivers_after_its_travel_and_queues_at_its_end() -> None:
    belt = Conveyor(10.0, 1.0, 2.0)
    belt.step(1.0, 1, 0)
    for _ in range(9):
        belt.step(1.0, 0, 0)
    assert belt.waiting == 0
    belt.step(1.0, 1, 0)
    assert belt.waiting == 1
    for _ in range(20):
        belt.step(1.0, min(belt.room, 1), 0)
    assert belt.room == 0
    assert belt.waiting == belt.capacity == 5
    belt.step(1.0, 0, 3)
    assert belt.carried == 2


def test_a_meter_and_a_counter_roll_over() -> None:
    meter, counter = Meter(resolution=10.0, rollover=1000.0), Counter(digits=3)
    meter.step(1.0, 1234.0)
    meter.step(1.0, -50.0)
    counter.add(1005)
    assert (meter.total, meter.register, counter.register) == (1234.0, 230.0, 5)
    meter.restart()
    meter.step(2.0, 3.0)
    assert meter.since == 6.0


def test_a_pump_follows_its_curve_and_the_affinity_laws() -> None:
    pump = Pump(40.0, best_flow=1.0)
    full = pump.head(0.8)
    pump.speed = 0.5
    assert pump.head(0.4) == pytest.approx(full / 4)
    pump.speed = 1.0
    assert pump.efficiency(1.0) > pump.efficiency(0.6)
    assert pump.efficiency(1.0) > pump.efficiency(1.4)
    for _ in range(300):
        pump.step(1.0, 1.0, 1.0, 290.0)
    assert pump.cavitation > 0.5
    assert pump.head(0.8) < 0.8 * full


def test_a_column_boils_where_its_contents_do_and_parts_them_as_its_trays_should() -> None:
    """At total reflux the ends are as far apart as Fenske says for the trays and the reboiler (1932)."""
    column = Column(LIQUID, Condenser(24e3, rated=18.0), liquid=[0.5] * 14)
    for _ in range(6 * 3600 // 5):
        column.step(5.0, Stream(0.0, 360.0), column.vapour, 0.0, 0.0, 800e3, 9.0, 296.0, 290.0)
    for temperature, x in ((column.temperatures[0], column.liquid[0]), (column.temperatures[1], column.liquid[1])):
        assert temperature == pytest.approx(LIQUID.bubble_point(x, column.pressure), abs=0.01)
    top, bottom = column.liquid[0], column.liquid[-1]
    stages = np.log(top / (1 - top) * (1 - bottom) / bottom) / np.log(LIQUID.volatility)
    assert stages == pytest.approx(column.trays + 1, abs=0.05)


def test_a_sticking_valve_moves_in_jumps() -> None:
    smooth, sticky = Valve(10.0, stem=0.5, command=0.5), Valve(10.0, stem=0.5, command=0.5, stick=0.05)
    moves: dict[bool, int] = {True: 0, False: 0}
    for i in range(200):
        for valve in (smooth, sticky):
            before = valve.stem
            valve.command = 0.5 + i * 0.001
            valve.step(1000.0)
            moves[valve is sticky] += abs(valve.stem - before) > 1e-9
    assert moves[False] > 190
    assert moves[True] < 10


def test_a_valve_without_air_goes_to_its_safe_end() -> None:
    for fail_open in (True, False):
        valve = Valve(10.0, command=0.5, stem=0.5, fail_open=fail_open, air=0.1)
        valve.step(1000.0)
        assert valve.stem == pytest.approx(float(fail_open))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: _machine(reject=2.0), "reject must lie from 0 to 1"),
        (lambda: Machine(np.random.default_rng(1), cycle=0.0), "cycle must be above 0"),
        (lambda: Conveyor(1.0, 1.0, 2.0), "pitch must be at most the length"),
        (lambda: Conveyor(5.0, 1.0, 1.0).step(1.0, 0, 1), "taken must lie from 0 to 0"),
        (lambda: Conveyor(5.0, 1.0, 1.0).step(1.0, 6, 0), "put must lie from 0 to 5"),
        (lambda: Pump(0.0, best_flow=1.0), "shutoff_head must be above 0"),
        (lambda: Pump(10.0, best_flow=1.0, best_efficiency=1.5), "best_efficiency must lie from 0 to 1"),
        (lambda: Valve(-1.0), "kv must be above 0"),
        (lambda: Valve(1.0, command=2.0), "command must lie from 0 to 1"),
        (lambda: Meter(resolution=0.0), "resolution must be above 0"),
        (lambda: Counter(digits=0), "digits must be 1 or more"),
        (lambda: Counter().add(-1), "pieces must be 0 or more"),
    ],
)
def test_senseless_parts_are_refused(make: object, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        make()  # type: ignore[operator]  # a lambda of the table
