# SPDX-License-Identifier: Apache-2.0
"""Sensors add the lag, noise, resolution, sampling and faults they are said to, each from streams of its own."""

import numpy as np
import pytest

from isthmus.app.demo.pieces.sensor import ABOVE, Sensor, SensorBank

TRUTH = 40.0


def _said(bank: SensorBank, steps: int, truth: float = TRUTH, dt: float = 1.0) -> np.ndarray:
    columns = []
    for _ in range(steps):
        bank.sense(dt, np.full(len(bank.sensors), truth))
        columns.append(bank.signals.copy())
    return np.array(columns)


def test_noise_has_the_mean_and_the_deviation_it_should() -> None:
    said = _said(SensorBank([Sensor("a", 0, 100, noise=0.5)], seed=1), 20_000)[:, 0]
    assert said.mean() == pytest.approx(TRUTH, abs=0.02)
    assert said.std() == pytest.approx(0.5, rel=0.03)
    assert abs(np.corrcoef(said[:-1], said[1:])[0, 1]) < 0.03


def test_two_sensors_do_not_say_the_same_noise() -> None:
    said = _said(SensorBank([Sensor("a", 0, 100, noise=0.5), Sensor("b", 0, 100, noise=0.5)], seed=1), 5000)
    assert abs(np.corrcoef(said[:, 0], said[:, 1])[0, 1]) < 0.05


def test_another_sensor_does_not_change_what_one_says() -> None:
    one, other = Sensor("a", 0, 100, noise=0.5), Sensor("b", 0, 100, noise=2.0)
    alone, together = SensorBank([one], seed=3), SensorBank([other, one], seed=3)
    for bank in (alone, together):
        bank.spike("a", 0.05)
    together.spike("b", 0.3)
    assert np.array_equal(_said(alone, 1000)[:, 0], _said(together, 1000)[:, 1])


def test_the_lag_is_of_first_order_whatever_the_step() -> None:
    for dt in (0.5, 2.0):
        bank = SensorBank([Sensor("a", lag=10.0)], seed=1)
        bank.sense(dt, np.array([0.0]))
        said = _said(bank, round(10 / dt), truth=1.0, dt=dt)
        assert said[-1, 0] == pytest.approx(1 - np.exp(-1), rel=1e-6)


def test_signals_are_multiples_of_the_resolution() -> None:
    said = _said(SensorBank([Sensor("a", 0, 100, noise=0.5, resolution=0.25)], seed=1), 500)
    assert np.array_equal(said, np.rint(said / 0.25) * 0.25)


def test_a_sampled_sensor_holds_its_signal_between_samples() -> None:
    bank = SensorBank([Sensor("a", 0, 100, noise=1.0, period=5.0)], seed=1)
    taken = []
    for _ in range(50):
        bank.sense(1.0, np.array([TRUTH]))
        taken.append(bool(bank.sampled[0]))
    assert sum(taken) == 10


def test_a_signal_ends_where_the_transmitter_does() -> None:
    bank = SensorBank([Sensor("a", 0, 100)], seed=1)
    assert _said(bank, 1, truth=500.0)[0, 0] == 100 * (1 + ABOVE)
    assert bank.saturated[0]
    assert _said(bank, 1)[0, 0] == TRUTH
    assert not bank.saturated[0]


def test_each_fault_of_a_sensor_does_what_its_name_says() -> None:
    bank = SensorBank([Sensor("a", 0, 100, noise=0.1)], seed=1)
    bank.drift("a", 0.1)
    assert _said(bank, 500).mean() == pytest.approx(TRUTH + 10, abs=0.05)
    bank.drift("a", 0)
    bank.scale("a", 1.2)
    assert _said(bank, 500).mean() == pytest.approx(TRUTH * 1.2, abs=0.05)
    bank.scale("a", 1)
    bank.freeze("a", True)
    assert np.ptp(_said(bank, 50, truth=60.0)) == 0
    bank.freeze("a", False)
    bank.spike("a", 0.1)
    spikes = np.abs(_said(bank, 5000) - TRUTH) > 5
    assert 0.06 < spikes.mean() < 0.14
    bank.spike("a", 0)
    assert np.abs(_said(bank, 500) - TRUTH).max() < 1


def test_senseless_sensors_are_refused() -> None:
    with pytest.raises(ValueError, match="noise must be 0 or more"):
        Sensor("a", noise=-1)
    with pytest.raises(ValueError, match="low must be below high"):
        Sensor("a", 10, 0)
    with pytest.raises(ValueError, match="same name"):
        SensorBank([Sensor("a"), Sensor("a")], seed=1)
    with pytest.raises(ValueError, match="no sensor 'x'"):
        SensorBank([Sensor("a")], seed=1).drift("x", 0.1)
