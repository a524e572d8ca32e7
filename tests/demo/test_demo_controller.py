# SPDX-License-Identifier: Apache-2.0
"""Controllers reach their setpoints at any step, do not wind up, do not bump, and refuse senseless settings."""

import math

import pytest

from isthmus.app.demo.pieces.controller import Controller, Mode, Response, Tuning


def _run(controller: Controller, response: Response, seconds: float, dt: float, value: float = 0.0) -> list[float]:
    """The measurement over time, of a process that answers as `response` says, without its delay."""
    seen = []
    for _ in range(round(seconds / dt)):
        output = controller.update(dt, value)
        if response.lag:
            value += (response.gain * output - value) * -math.expm1(-dt / response.lag)
        else:
            value += response.gain * output * dt
        seen.append(value)
    return seen


@pytest.mark.parametrize("dt", [0.2, 1.0, 10.0, 30.0])
@pytest.mark.parametrize(
    "response", [Response(2.0, 5.0, 0.5, 6.0), Response(-0.5, 120.0, 8.0, 40.0), Response(-1.4e-3, 0.0, 5.0, 150.0)]
)
def test_a_loop_settles_on_its_setpoint_at_any_step(response: Response, dt: float) -> None:
    controller = Controller(response, low=-10.0, high=10.0, setpoint=0.6)
    seen = _run(controller, response, 6000.0, dt)
    assert seen[-1] == pytest.approx(0.6, abs=0.01)
    assert max(seen) < 0.6 * 1.5


def test_a_saturated_loop_leaves_its_limit_at_once() -> None:
    response = Response(1.0, 20.0, 1.0, 20.0)
    controller = Controller(response, low=0.0, high=1.0, setpoint=5.0)
    _run(controller, response, 3600.0, 1.0)
    assert controller.output == 1.0
    assert controller.saturated == 1
    controller.setpoint = 0.5
    outputs = [controller.update(1.0, 1.0) for _ in range(10)]
    assert outputs[0] < 1.0
    assert outputs[-1] < 0.6


def test_taking_over_from_manual_does_not_bump() -> None:
    controller = Controller(Tuning(2.0, 50.0), setpoint=0.5)
    controller.manual(0.37)
    assert controller.update(1.0, 0.45) == 0.37
    controller.automatic(0.5)
    assert controller.update(1.0, 0.45) == pytest.approx(0.37, abs=0.01)


def test_another_step_does_not_bump() -> None:
    response = Response(1.0, 100.0, 2.0, 20.0)
    controller = Controller(response, setpoint=0.5)
    _run(controller, response, 100.0, 1.0)
    before, value = controller.output, controller.measured
    tuned = response.tuned(16.0)
    integrated = tuned.gain * 15.0 / tuned.integral * (0.5 - value)
    assert abs(tuned.gain - response.tuned(1.0).gain) > 1
    assert controller.update(15.0, value) == pytest.approx(before + integrated)


def test_a_master_follows_a_slave_that_does_not_listen() -> None:
    master = Controller(Tuning(1.0, 100.0), low=0.0, high=10.0, setpoint=5.0)
    for _ in range(100):
        master.track(3.0)
    assert master.update(1.0, 5.0) == pytest.approx(3.0)


def test_a_measurement_that_is_none_holds_the_output() -> None:
    controller = Controller(Tuning(1.0, 10.0), setpoint=0.5, output=0.4)
    assert controller.update(1.0, math.nan) == 0.4


def test_the_output_moves_no_faster_than_allowed() -> None:
    controller = Controller(Tuning(10.0, 10.0), setpoint=0.0, output=0.0, rate=0.01)
    controller.update(1.0, 0.0)
    controller.setpoint = 1.0
    assert controller.update(1.0, 0.0) == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Response(0.0, 1.0, 1.0, 1.0), "gain must not be 0"),
        (lambda: Response(1.0, -1.0, 1.0, 1.0), "lag must be 0 or more"),
        (lambda: Response(math.nan, 1.0, 1.0, 1.0), "gain must be a finite number"),
        (lambda: Controller(Tuning(1.0, 0.0)), "integral must be above 0"),
        (lambda: Controller(Tuning(1.0, 1.0), low=1.0, high=0.0), "low must be below high"),
        (lambda: Controller(Tuning(1.0, 1.0)).manual(math.inf), "output must be a finite number"),
        (lambda: Controller(Tuning(1.0, 1.0)).automatic(math.nan), "setpoint must be a finite number"),
    ],
)
def test_senseless_settings_are_refused(make: object, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        make()  # type: ignore[operator]  # a lambda of the table


def test_mode_is_said_as_a_number() -> None:
    assert [int(mode) for mode in Mode] == [0, 1, 2]
