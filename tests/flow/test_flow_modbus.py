# SPDX-License-Identifier: Apache-2.0
"""The plant file that the documentation shows for Modbus, with a real device in place of the meters, up to history."""

from __future__ import annotations

import struct
from pathlib import Path

from msgspec.structs import replace
from typer.testing import CliRunner

from isthmus.app.cli.commands import app
from isthmus.core.errors import NotFound
from isthmus.core.time import now
from isthmus.plant.check import check_plant
from isthmus.systems.registry import kinds
from tests.conftest import Until
from tests.flow.floor import Floor
from tests.peers.modbus_peer import Server

HEAD = "version: 1\nplant: acme/lyon\ntime_zone: UTC\n"


async def test_the_documented_example_reaches_history_scaled_typed_and_timed(
    floor: Floor, tmp_path: Path, until: Until
) -> None:
    async with Server() as server:
        for unit in range(1, 5):
            await server.set_float(unit, 100, 12.5 * unit)
            await server.set(unit, "holding", 110, struct.unpack(">4H", struct.pack(">Q", 2**63 + unit)))
            await server.set(unit, "input", 7, [(-215) & 0xFFFF])
            await server.set(unit, "coil", 3, [1])
        text = HEAD + kinds()["modbus"].example.replace("10.20.0.31", f"127.0.0.1\n    port: {server.port}")
        (tmp_path / "plant.yaml").write_text(text)
        checked = check_plant(tmp_path / "plant.yaml", kinds())
        assert not checked.warnings
        settings = [replace(s, tag=replace(s.tag, number=1 + i)) for i, s in enumerate(checked.tags)]
        tags = {name: next(s for s in settings if s.tag.path.endswith(f"meter-3/{name}")) for name in NAMES}
        began = now()
        floor.apply(checked.systems, settings)
        async with floor.recording(), floor.collecting():
            await until(lambda: floor.state("meters") == "connected", "connected")

            async def arrived() -> bool:
                return all([await floor.samples(tag.tag.number) for tag in tags.values()])

            await until(arrived, "a sample of each tag")
        values = {name: (await floor.samples(tag.tag.number))[0] for name, tag in tags.items()}
    assert {name: value for name, (_, value, _) in values.items()} == {
        "power": 37.5,
        "energy": float(2**63 + 3),
        "temperature": -21.5,
        "breaker-closed": 1.0,
        "phase-fault": 0.0,
    }
    assert all(began < time < now() and quality == 0 for time, _, quality in values.values())


NAMES = ("power", "energy", "temperature", "breaker-closed", "phase-fault")


def test_what_cannot_be_browsed_is_said_to_be_so() -> None:
    error = CliRunner().invoke(app, ["browse", "10.20.0.31", "--kind", "modbus"]).exception
    assert isinstance(error, NotFound) and "cannot be browsed" in str(error) and "manual" in str(error)
