# SPDX-License-Identifier: Apache-2.0
"""The plant's state and its faults outlive its process; what is no state of it is refused."""

import hashlib
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from isthmus.app.demo.chemical import Fault, FaultKind, Plant, keeping, truth
from isthmus.core import time
from isthmus.core.errors import Damaged


def _plant(**how: float) -> Plant:
    return Plant(seed=3, settle=0.2, **how)  # type: ignore[arg-type]


def test_a_plant_that_was_kept_goes_on_to_the_last_bit(tmp_path: Path) -> None:
    first = _plant()
    first.inject(Fault(FaultKind.FOULING, "E101", 0.5, ramp=300.0))
    first.inject(Fault(FaultKind.DRIFT, "R1.TT201", 0.5, ramp=300.0))
    first.inject(Fault(FaultKind.LEAK, "T401", 1.0, start=first.now + 90 * time.SECOND))
    first.step(30.0)
    keeping.write(first, tmp_path / "state")
    second = Plant(seed=99, settle=0.0)
    assert keeping.read(second, tmp_path / "state")
    for _ in range(120):
        first.step(1.0)
        second.step(1.0)
    one, other = first.values(), second.values()
    assert np.array_equal(one.value, other.value, equal_nan=True)
    assert (one.at == other.at).all()
    assert one.text == other.text
    assert len(first.truth) == 3
    assert (first.truth, first.now, first.born) == (second.truth, second.now, second.born)


def test_a_fault_that_was_kept_can_be_repaired(tmp_path: Path) -> None:
    first = _plant()
    number = first.inject(Fault(FaultKind.COOLING_LOSS, "P411", 1.0))
    first.step(1.0)
    keeping.write(first, tmp_path / "state")
    second = Plant(settle=0.0)
    keeping.read(second, tmp_path / "state")
    second.clear(number)
    assert second.truth[0].ended == second.now
    assert second.state.process.plant.pumps["P411"].demand == 1.0


def test_a_set_clock_is_no_time_for_the_plant() -> None:
    plant = _plant()
    before = plant.values()
    plant.set_clock(plant.now + 86_400 * time.SECOND)
    after = plant.values()
    assert np.array_equal(before.value, after.value, equal_nan=True)
    assert (after.at - before.at == 86_400 * time.SECOND).all()


def test_no_state_and_a_state_of_other_code_are_left_alone(tmp_path: Path) -> None:
    plant = _plant()
    assert not keeping.read(plant, tmp_path / "none")
    keeping.write(plant, tmp_path / "state")
    kept = (tmp_path / "state").read_bytes()
    (tmp_path / "state").write_bytes(bytes(32) + kept[32:])
    assert not keeping.read(plant, tmp_path / "state")


@pytest.mark.parametrize("at", [40, 5_000, -1])
def test_a_flipped_byte_is_noticed(tmp_path: Path, at: int) -> None:
    plant, file = _plant(), tmp_path / "state"
    keeping.write(plant, file)
    content = bytearray(file.read_bytes())
    content[at] ^= 1
    file.write_bytes(content)
    with pytest.raises(Damaged):
        keeping.read(plant, file)


class _Hostile:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch hacked",)


@pytest.mark.parametrize("content", [_Hostile(), {"a": 1}, Fault(FaultKind.LEAK, "T401")])
def test_a_file_that_holds_no_plant_does_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: object
) -> None:
    monkeypatch.chdir(tmp_path)
    plant, file = _plant(), tmp_path / "state"
    keeping.write(plant, file)
    body = pickle.dumps(content)
    file.write_bytes(file.read_bytes()[:32] + hashlib.sha256(body).digest() + body)
    with pytest.raises(Damaged, match="does not hold a plant"):
        keeping.read(plant, file)
    assert not (tmp_path / "hacked").exists()


def test_every_fault_is_written_once_with_its_true_times(tmp_path: Path) -> None:
    plant, path = _plant(), tmp_path / "truth.jsonl"
    book = truth.Book(path, plant.born)
    number = plant.inject(Fault(FaultKind.LEAK, "T401", 0.7, ramp=60.0))
    plant.step(1.0)
    began = plant.now
    for _ in range(3):
        plant.step(1.0)
        book.write(plant.truth, plant.tempo)
    plant.clear(number)
    truth.Book(path, plant.born).write(plant.truth, plant.tempo)
    begin, end = truth.read(path)
    assert (begin.what, begin.at, begin.kind, begin.target) == ("begin", time.to_iso(began), "leak", "T401")
    assert (begin.severity, begin.ramp, begin.fault) == (0.7, 60.0, number)
    assert "level falls" in begin.shows
    assert (end.what, end.at, end.why) == ("end", time.to_iso(plant.now), "")


def test_a_plant_started_afresh_ends_the_faults_of_the_one_before(tmp_path: Path) -> None:
    path, first = tmp_path / "truth.jsonl", _plant()
    first.inject(Fault(FaultKind.LEAK, "T401"))
    first.step(1.0)
    truth.Book(path, first.born).write(first.truth, 1.0)
    second = _plant(start=first.now + time.SECOND)
    for _ in range(2):
        truth.Book(path, second.born).abandon(second.now)
    assert [(line.what, line.why) for line in truth.read(path)] == [
        ("begin", ""), ("end", "the plant was started afresh"),
    ]  # fmt: skip


def test_a_line_that_a_power_failure_cut_harms_no_other(tmp_path: Path) -> None:
    path, plant = tmp_path / "truth.jsonl", _plant()
    path.write_bytes(b'{"what":"begin","at":"20')
    plant.inject(Fault(FaultKind.LEAK, "T401"))
    plant.step(1.0)
    truth.Book(path, plant.born).write(plant.truth, 1.0)
    assert [line.kind for line in truth.read(path)] == ["leak"]
