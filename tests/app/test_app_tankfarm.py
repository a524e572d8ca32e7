# SPDX-License-Identifier: Apache-2.0
"""The tank farm obeys physics: what goes in comes out or stays, in cubic metres and in joules."""

from __future__ import annotations

import pytest
from asyncua import Server, ua
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.app.demo.tankfarm.control import LEVEL, TEMPERATURE
from isthmus.app.demo.tankfarm.model import TANKS, TRANSFER, Commands, State, step
from isthmus.app.demo.tankfarm.server import BAD_SENSOR, VARIABLES, Broadcast
from isthmus.app.demo.tankfarm.simulation import Simulation, true_values

HOUR = 3600.0


@pytest.fixture(scope="module")
def hour() -> Simulation:
    simulation = Simulation(seed=7)
    simulation.advance(HOUR)
    return simulation


def balances_close(before: State, after: State) -> None:
    volume = sum(tank.volume for tank in after.tanks) - sum(tank.volume for tank in before.tanks)
    energy = sum(tank.energy for tank in after.tanks) - sum(tank.energy for tank in before.tanks)
    totals = after.totals
    assert volume == pytest.approx(totals.received - totals.loaded, abs=1e-9)
    into = totals.energy_in + totals.heated
    assert energy == pytest.approx(into - totals.energy_out - totals.lost, abs=1e-9 * max(into, 1e6))


def test_mass_and_energy_balances_close_over_an_hour(hour: Simulation) -> None:
    balances_close(State(), hour.state)
    assert hour.state.totals.received > 3
    assert hour.state.totals.loaded > 3
    assert hour.state.totals.heated > 1e8


share, switch = st.floats(0, 1), st.booleans()
commands = st.builds(Commands, inlet=switch, pump=switch, valve=share, heater=share, loading=switch)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(commands, st.integers(1, 300)), max_size=6))
def test_balances_close_whatever_is_commanded(story: list[tuple[Commands, int]]) -> None:
    state = State()
    for command, steps in story:
        for _ in range(steps):
            state = step(state, command, 0.1)
    balances_close(State(), state)


def test_no_tank_runs_over_or_dry_under_control(hour: Simulation) -> None:
    simulation = Simulation(seed=3)
    for _ in range(100):
        simulation.advance(30)
        for tank, content in zip(TANKS, simulation.state.tanks, strict=True):
            assert 0.1 < tank.level(content) < tank.height
    assert hour.control.trucks > 5


def test_controllers_bring_level_and_temperature_to_their_setpoints(hour: Simulation) -> None:
    true = true_values(hour.state)
    assert true["Tank2.Level"] == pytest.approx(LEVEL, abs=0.03)
    assert true["Tank2.Temperature"] == pytest.approx(TEMPERATURE, abs=0.5)


def test_a_pump_delivers_less_against_more_and_nothing_beyond_its_shut_off_head() -> None:
    flows = [TRANSFER.flow(TRANSFER.rated, lift, 1e5) for lift in range(16)]
    assert flows == sorted(flows, reverse=True)
    assert flows[0] > 0.003
    assert flows[15] == 0


def test_the_same_seed_tells_the_same_story() -> None:
    one, other, another = Simulation(seed=5), Simulation(seed=5), Simulation(seed=6)
    for simulation in (one, other, another):
        simulation.advance(120)
    assert one.values() == other.values() != another.values()


def test_how_time_is_cut_does_not_matter() -> None:
    one, other = Simulation(), Simulation()
    one.advance(30)
    for _ in range(60):
        other.advance(0.5)
    assert one.state == other.state


def test_a_loose_contact_is_no_value_and_comes_back() -> None:
    simulation = Simulation()
    simulation.advance(235)
    assert simulation.values()["Tank3.Temperature"] is None
    simulation.advance(10)
    assert simulation.values()["Tank3.Temperature"] is not None


def test_the_server_offers_what_the_simulation_has() -> None:
    assert set(VARIABLES) == set(Simulation().values())
    assert len(VARIABLES) == 20


async def test_the_server_sends_a_loose_contact_as_bad_and_goes_on() -> None:
    simulation, server = Simulation(), Server()
    await server.init()
    nodes = {
        name: await server.nodes.objects.add_variable(ua.NodeId(name, 1), name, ua.Variant(value, VARIABLES[name].type))
        for name, value in simulation.values().items()
    }
    broadcast, sent = Broadcast(nodes), []
    for seconds in (1, 234, 10):
        simulation.advance(seconds)
        await broadcast.send(simulation.values())
        value = await nodes["Tank3.Temperature"].read_data_value(raise_on_bad_status=False)
        sent.append(value.StatusCode.value)
    assert sent == [ua.StatusCodes.Good, BAD_SENSOR, ua.StatusCodes.Good]
