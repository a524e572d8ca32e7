# SPDX-License-Identifier: Apache-2.0
"""Systems and outputs that would get in each other's way are warned of when the plant file is checked."""

from __future__ import annotations

from pathlib import Path

from isthmus.outputs.registry import output_kinds
from isthmus.plant.check import check_plant
from isthmus.systems.registry import kinds

HEAD = "version: 1\nplant: acme/lyon\ntime_zone: UTC\nassets: {}\n"


def warnings(folder: Path, text: str) -> list[str]:
    (folder / "plant.yaml").write_text(HEAD + text, encoding="utf-8")
    checked = check_plant(folder / "plant.yaml", kinds(), outputs=output_kinds())
    return [str(one).removeprefix(f"{folder}/") for one in checked.warnings]


def test_two_systems_on_one_modbus_device_are_warned_of(tmp_path: Path) -> None:
    text = """systems:
  a: {kind: modbus, host: 10.0.0.1}
  b: {kind: modbus, host: 10.0.0.1, port: 503}
  c: {kind: modbus, host: 10.0.0.1, port: 502, unit: 2}
"""
    (one,) = warnings(tmp_path, text)
    assert one.startswith(
        "plant.yaml:8:3: warning: systems.c: is the Modbus device at 10.0.0.1:502, and so is system 'a'; each opens"
    )


def test_one_client_identifier_on_one_broker_is_warned_of_whoever_has_it(tmp_path: Path) -> None:
    text = """systems:
  a: {kind: mqtt, url: "mqtt://broker", client: mine}
  b: {kind: mqtt, url: "mqtt://broker"}
  c: {kind: mqtt, url: "mqtt://other", client: mine}
outputs:
  a: {kind: mqtt, url: ["mqtt://spare", "mqtt://broker:1883"], client: mine}
  d: {kind: mqtt, url: "mqtt://broker"}
"""
    (one,) = warnings(tmp_path, text)
    assert one.startswith("plant.yaml:10:3: warning: outputs.a: is the client 'mine' of the broker broker, and so is")
    assert "system 'a'" in one


def test_one_computer_written_in_two_ways_is_one(tmp_path: Path) -> None:
    text = """systems:
  a: {kind: modbus, host: localhost, port: 1502}
  b: {kind: modbus, host: 127.0.0.1, port: 1502}
  c: {kind: modbus, host: 127.0.0.2, port: 1502}
  d: {kind: modbus, host: PLC-1.acme.example}
  e: {kind: modbus, host: plc-1.acme.example.}
  f: {kind: mqtt, url: "mqtt://[::1]", client: mine}
  g: {kind: mqtt, url: "mqtt://localhost:1884", client: mine}
  h: {kind: webhook, listen: "127.0.0.1:8090", secret: !secret h}
  i: {kind: webhook, listen: "localhost:8090", secret: !secret i}
"""
    found = [
        (one.split(":")[4].strip(), one.partition(" so is ")[2].partition(";")[0]) for one in warnings(tmp_path, text)
    ]
    pairs = {"b": "a", "e": "d", "g": "f", "i": "h"}
    assert found == [(f"systems.{second}", f"system {first!r}") for second, first in pairs.items()]


def test_five_hundred_meters_are_four_lines(tmp_path: Path) -> None:
    text = """systems:
  meter-{1..500}: {kind: modbus, host: "10.20.{n}.31"}
"""
    found = check_plant_of(
        tmp_path, text + "assets:\n  energy/meter-{1..500}: {system: 'meter-{n}', tags: {p: coil.1}}\n"
    )
    assert found == 500


def check_plant_of(folder: Path, text: str) -> int:
    (folder / "plant.yaml").write_text(HEAD.replace("assets: {}\n", "") + text, encoding="utf-8")
    checked = check_plant(folder / "plant.yaml", kinds(), outputs=output_kinds())
    assert {tag.system for tag in checked.tags} == {system.name for system in checked.systems}
    return len(checked.systems)
