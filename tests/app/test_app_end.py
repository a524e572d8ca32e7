# SPDX-License-Identifier: Apache-2.0
"""A plant ends when it is told to, though everything that it talks to is frozen, and says what it waits for."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.app.conftest import Plant, ends, wait
from tests.conftest import needed
from tests.peers.mosquitto import HERE, WHAT, Mosquitto

PLANT = """\
version: 1
plant: acme/lyon
time_zone: Europe/Paris
systems:
  opc: {{kind: opcua, url: "opc.tcp://{place}", timeout: 5m}}
  broker: {{kind: mqtt, url: "mqtt://{place}", patience: 5m}}
  web: {{kind: http, url: "http://{place}", timeout: 5m}}
  lab:
    kind: sql
    url: postgresql://{place}/lab?sslmode=disable
    user: me
    timeout: 5m
    tables:
      results: {{table: results, time: at, order: id}}
types:
  tank:
    tags:
      level: {{unit: m}}
assets:
  hall/tank-1: {{type: tank, system: opc, tags: {{level: "nsu=urn:acme;s=Level"}}}}
  hall/tank-2: {{type: tank, system: broker, tags: {{level: "tank/level"}}}}
  hall/tank-3: {{type: tank, system: web, tags: {{level: "/now#/level"}}}}
  hall/tank-4: {{type: tank, system: lab, tags: {{level: "results.level"}}}}
outputs:
  namespace: {{kind: mqtt, url: "mqtt://{place}", patience: 5m}}
  tables: {{kind: sql, url: "postgresql://{place}/lab?sslmode=disable", user: me, timeout: 5m}}
"""
"""Each would wait for its far end longer than the test waits for the plant."""


def test_a_plant_whose_far_ends_are_frozen_ends_in_good_order(demo: Plant, tmp_path: Path) -> None:
    needed(HERE, WHAT)
    with Mosquitto(tmp_path / "silent") as silent:
        silent.freeze()
        file = tmp_path / "plant.yaml"
        file.write_text(PLANT.format(place=f"127.0.0.1:{silent.port}"))
        demo.words = ["run", str(file), "--log-format", "text"]
        demo.start()
        wait(lambda: "Ctrl-C stops" in demo.output, f"it runs: {demo.output}")
        wait(lambda: "deliver" in demo.status()["services"], "its outputs too")
        wait(lambda: demo.status()["services"]["deliver"]["state"] == "ready", "its outputs too")
        assert demo.end(signal.SIGINT) == 0, demo.output
        demo.gone()
    assert "stopping (waits for collect, deliver, serve); Ctrl-C again ends everything at once" in demo.output
    assert "killed" not in demo.output
    told = ends(demo)
    assert {one for what, one in told[:3] if what == "told to end"} == {"collect", "deliver", "serve"}  # side by side
    assert told.index(("told to end", "record")) > max(told.index(("ended", one)) for one in ("collect", "deliver"))
    assert told[-1] == ("ended", "record")
