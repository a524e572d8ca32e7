# SPDX-License-Identifier: Apache-2.0
"""The plant's systems that speak no OPC UA, one by one: gateway, laboratory, quality, treatment, programs of others."""

from __future__ import annotations

import asyncio
import csv
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from isthmus.app.demo.chemical import programs
from isthmus.app.demo.chemical.books import Books
from isthmus.app.demo.chemical.demo import Wishes, chemical
from isthmus.app.demo.chemical.desk import Change
from isthmus.app.demo.chemical.faces import FACES, nodes
from isthmus.app.demo.chemical.field.gateway import Gateway
from isthmus.app.demo.chemical.field.mirror import Mirror
from isthmus.app.demo.chemical.field.results import drop
from isthmus.app.demo.chemical.laboratory import ANALYSIS, Laboratory
from isthmus.app.demo.chemical.plant import Plant
from isthmus.app.demo.chemical.quality import Quality
from isthmus.app.demo.chemical.scan import Watching
from isthmus.app.demo.pieces.treatment import Treatment
from isthmus.app.run.place import Place
from tests.conftest import Until
from tests.peers.opcua_peer import free_port


def mirror_of(system: str, plant: Plant) -> Mirror:
    """What the simulation would have said of a plant."""
    face = FACES[system]
    mirror = Mirror(system, nodes(face, plant.tags), there=True)
    mirror.last = {change.position: change for change in Watching(face.letter).changes(plant.values())}
    return mirror


@pytest.fixture(scope="module")
def lived() -> Plant:
    plant = Plant(seed=3, settle=0.3)
    plant.step(2.0)
    return plant


@asynccontextmanager
async def called(gateway: Gateway, until: Until) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to the gateway."""
    port = free_port()
    serving = asyncio.create_task(gateway.serve(port))
    await until(lambda: programs.listens(port), "it listens")
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()
        serving.cancel()
        await asyncio.wait((serving,))


async def asked(line: tuple[asyncio.StreamReader, asyncio.StreamWriter], unit: int, body: bytes) -> bytes:
    """The answer to a request, from its function on."""
    reader, writer = line
    writer.write(struct.pack(">HHHB", 7, 0, len(body) + 1, unit) + body)
    async with asyncio.timeout(60):
        head = struct.unpack(">HHHB", await reader.readexactly(7))
        assert (head[0], head[1], head[3]) == (7, 0, unit)
        return await reader.readexactly(head[2] - 1)


async def test_the_gateway_answers_for_its_devices_and_refuses_as_the_standard_says(lived: Plant, until: Until) -> None:
    mirror = mirror_of("utilities", lived)
    gateway = Gateway(mirror)
    gateway.show(mirror.last.values())
    shown = {mirror.nodes[change.position].id: float(change.value) for change in mirror.last.values()}
    async with called(gateway, until) as line:
        answer = await asked(line, 1, struct.pack(">BHH", 3, 0, 3))
        pressure, temperature = struct.unpack(">hf", answer[2:])
        assert (answer[:2], pressure) == (b"\x03\x06", shown["1/holding.0:int16"])
        assert temperature == pytest.approx(shown["1/holding.1:float32"])
        loaded = [bool(shown[f"3/discrete.{i}"]) for i in (0, 1)]
        assert (await asked(line, 3, struct.pack(">BHH", 2, 0, 2)))[2:] == bytes((loaded[0] + 2 * loaded[1],))
        assert await asked(line, 9, struct.pack(">BHH", 3, 0, 1)) == b"\x83\x0b"  # no such device behind it
        assert await asked(line, 1, struct.pack(">BHH", 3, 900, 1)) == b"\x83\x02"
        assert await asked(line, 1, struct.pack(">BHH", 3, 0, 126)) == b"\x83\x03"
        assert await asked(line, 1, b"\x03\x00") == b"\x83\x03"
        assert await asked(line, 1, struct.pack(">BHH", 6, 0, 1)) == b"\x86\x01"
        mirror.there = False
        assert await asked(line, 1, struct.pack(">BHH", 3, 0, 1)) == b"\x83\x0b"
        line[1].write(b"GET / HTTP/1.1\r\n\r\n")
        assert await line[0].read() == b""


def test_the_laboratory_drops_each_sample_once(lived: Plant, tmp_path: Path) -> None:
    mirror, folder = mirror_of("laboratory", lived), tmp_path / "laboratory"
    drop(mirror, folder)
    (file,) = folder.iterdir()
    rows = list(csv.DictReader(file.read_text().splitlines()))
    assert len(rows) == 8
    assert {row["sample"] for row in rows} == {file.stem} == {lived.state.laboratory.sample}
    (purity,) = (float(row["result"]) for row in rows if row["analysis"] == "distillate-purity")
    assert purity == pytest.approx(100 * lived.state.laboratory.results["purity"])
    (folder / "done").mkdir()
    file.rename(folder / "done" / file.name)
    drop(mirror, folder)
    assert [path.name for path in folder.iterdir()] == ["done"]
    sample = next(position for position, change in mirror.last.items() if isinstance(change.value, str))
    mirror.last[sample] = Change(sample, "L990101-0000", 0, mirror.last[sample].at)
    drop(mirror, folder)
    assert (folder / "L990101-0000.csv").exists()


def test_quality_releases_a_lot_by_its_own_samples_and_blocks_a_bad_one(lived: Plant) -> None:
    laboratory, books, quality = Laboratory(lived._air), Books(grade="standard"), Quality()

    def sampled(name: str, purity: float) -> tuple[str, str]:
        laboratory.sample, laboratory.taken = name, laboratory.taken + 600.0
        laboratory.results = {"purity": purity, "colour": 12.0}
        quality.step(laboratory, books)
        assert (quality.sample, quality.decided) == (name, laboratory.taken + ANALYSIS)
        return quality.lot, quality.decision

    def next_lot() -> None:
        books.lots.add()
        books.lot.restart()

    assert sampled("L1", 0.98) == ("STA-00001", "on specification")
    next_lot()
    assert sampled("L2", 0.90) == ("STA-00001", "released"), "by L1: L2 was taken of the next lot"
    assert sampled("L3", 0.95) == ("STA-00002", "off specification")
    assert sampled("L4", 0.98) == ("STA-00002", "on specification"), "their mean is what counts"
    assert sampled("L5", 0.90) == ("STA-00002", "off specification")
    next_lot()
    next_lot()
    assert sampled("L6", 0.99) == ("STA-00002", "blocked")
    assert sampled("L7", 0.99) == ("STA-00004", "on specification")


def test_treatment_holds_salts_and_inhibitor_through_a_week_of_evaporation() -> None:
    treatment, water, evaporated = Treatment(), 17e3, 0.45
    lowest = highest = treatment.conductivity
    for _ in range(7 * 24 * 60):
        makeup = evaporated + treatment.drained
        treatment.step(60.0, water, makeup, 297.0)
        lowest, highest = min(lowest, treatment.conductivity), max(highest, treatment.conductivity)
        assert treatment.inhibitor == pytest.approx(20e-6, rel=0.1)
        assert treatment.held > 0
    assert lowest < 0.1765
    assert highest > 0.1835
    assert 0.17 < lowest < highest < 0.19


def test_programs_are_found_on_the_path_and_where_debian_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("sbin/mosquitto", "lib/postgresql/9.6/bin/initdb", "lib/postgresql/15/bin/initdb"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch(0o755)
    monkeypatch.setenv("PATH", f"/nonexistent:{tmp_path / 'bin'}")
    assert programs.found("mosquitto") == tmp_path / "sbin/mosquitto"
    assert programs.found("initdb") == tmp_path / "lib/postgresql/15/bin/initdb"
    assert programs.found("postgres") is None
    monkeypatch.setenv("PATH", "/nonexistent")
    assert programs.found("mosquitto") is None


def test_ports_and_folders_stand_in_the_plant_file_and_stay_from_start_to_start(tmp_path: Path) -> None:
    demo = chemical(Place(tmp_path / "one"), Wishes(), {})
    demo.place.make()
    ports = demo.prepare()
    assert set(ports) == {"dcs", "packages", "gateway", "broker", "opcua", "database"}
    assert len(set(ports.values())) == len(ports)
    assert demo.ports() == demo.prepare() == ports
    text = demo.file.read_text()
    assert f"folder: {tmp_path / 'one' / 'laboratory'}\n" in text
    assert text.count(f"mqtt://127.0.0.1:{ports['broker']}\n") == 3
    assert text.count(f"postgresql://127.0.0.1:{ports['database']}/quality\n") == 2
    moved = demo.place.root.rename(tmp_path / "two words")
    again = chemical(Place(moved), Wishes(), {})
    assert again.prepare() == ports
    assert f"folder: {moved / 'laboratory'}\n" in again.file.read_text()


def test_a_mirror_without_a_simulation_is_not_there(tmp_path: Path) -> None:
    async def followed() -> bool:
        mirror = Mirror("utilities")
        following = asyncio.create_task(mirror.follow(tmp_path))
        assert await mirror.news() == []
        following.cancel()
        await asyncio.wait((following,))
        return mirror.there

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("isthmus.app.demo.chemical.field.mirror.AGAIN", 0.01)
        assert asyncio.run(followed()) is False
