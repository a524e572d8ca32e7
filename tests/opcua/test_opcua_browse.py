# SPDX-License-Identifier: Apache-2.0
"""`isthmus browse` against real servers: what it prints stands in a plant file that checks."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from isthmus.app.cli.found import plant_file, segment, without_unit
from isthmus.core.errors import NotFound
from isthmus.core.tag import DataType
from isthmus.plant.check import check_plant
from isthmus.systems.contract import Found, Surroundings
from isthmus.systems.opcua import units
from isthmus.systems.registry import kinds
from tests.peers.opcua_peer import Server

HEAD = "version: 1\nplant: acme/lyon\ntime_zone: Europe/Paris\n"
NODES: list[dict[str, Any]] = [
    {"name": "a"},
    {"name": "temperature", "unit": "degree_celsius", "range": [0, 180], "description": "of the jacket"},
    {"name": "running", "type": "Boolean", "value": True},
    {"name": 'odd; name=[1] {x} # "quoted" é', "type": "Int32"},
    {"name": "in/out"},
    {"name": "list", "type": "Int32", "value": [1, 2]},
    {"name": "big", "type": "UInt64", "value": "1"},
    {"name": "label", "type": "LocalizedText", "value": "x"},
    {"name": "anything", "type": "Any"},
    {"name": "started", "type": "DateTime", "value": "2026-11-23T00:00:00Z"},
]


async def found_at(server: Server, folder: Path, start: str | None = None) -> list[Found]:
    kind = kinds()["opcua"]
    driver: Any = kind.connect(
        kind.spec.model_validate({"url": server.url, "patience": "30s"}), Surroundings("x", folder)
    )
    return [one async for one in driver.browse(start)]


async def isthmus(*arguments: str, cwd: Path) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "from isthmus.app.cli import main; main()", *arguments,
        cwd=cwd, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(240):
        out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def test_what_browse_prints_can_be_pasted_into_a_plant_file(tmp_path: Path) -> None:
    async with Server(tmp_path, nodes=NODES) as server:
        code, out, err = await isthmus("browse", server.url, cwd=tmp_path)
        assert code == 0, err
        assert "# 1 variable left out: not a single value: " in out and "list\n" in out
        assert "in-out:" in out
        assert re.search(r"^# 5 numbers have no unit because the server tells none: where `# unit\?`", out, re.M)
        assert len(re.findall(r"  # unit\?$", out, re.M)) == 5
        assert ", type: text}  # a DateTime, read as text in ISO 8601\n" in out
        assert not (tmp_path / "data").exists()
        plant = tmp_path / "plant.yaml"
        plant.write_text(HEAD + out)
        checked = check_plant(plant, kinds())
        _, listed, _ = await isthmus("browse", server.url, "--json", cwd=tmp_path)
        found = await found_at(server, tmp_path)
        below = await found_at(server, tmp_path, server.address("temperature"))
        with pytest.raises(NotFound):
            await found_at(server, tmp_path, server.address("nobody"))
    by_name = {one.name: one for one in found}
    assert by_name["temperature"].unit == "Cel" and by_name["temperature"].range == (0, 180)
    assert by_name["temperature"].description == "of the jacket"
    assert [by_name[n["name"]].type for n in NODES] == [
        DataType.FLOAT, DataType.FLOAT, DataType.BOOLEAN, DataType.INTEGER, DataType.FLOAT, None,
        DataType.UNSIGNED, DataType.TEXT, DataType.FLOAT, DataType.TEXT,
    ]  # fmt: skip
    assert below[0].address == server.address("temperature")
    assert {one["address"] for one in json.loads(listed)} == {one.address for one in found}
    assert not checked.warnings
    assert 'odd; name=[1] {x} # \\"quoted\\" é' in out


def test_a_number_without_a_unit_says_where_it_belongs() -> None:
    found = [thing("a/one"), thing("a/two", unit="bar"), thing("a/on", type=DataType.BOOLEAN)]
    text = plant_file(found, "s", {"kind": "opcua"})
    assert [line.partition("}")[2] for line in text.splitlines() if "address" in line] == ["  # unit?", "", ""]
    assert without_unit(found).startswith("# 1 number has no unit because the server tells none: ")
    assert without_unit(found[1:]) == ""


async def test_it_browses_an_asyncua_server_too(tmp_path: Path) -> None:
    nodes = [{"name": "one"}, {"name": "two", "type": "Int64"}]
    async with Server(tmp_path, "asyncua", nodes=nodes) as server:
        found = await found_at(server, tmp_path)
        standard = await found_at(server, tmp_path, "i=2253")
    assert {one.name: one.type for one in found} == {"Plant": None, "one": DataType.FLOAT, "two": DataType.INTEGER}
    assert len(standard) > 100  # loops in the standard's own address space are walked once


async def test_a_server_that_is_not_there_is_an_error_in_words(tmp_path: Path) -> None:
    code, out, err = await isthmus("browse", "opc.tcp://127.0.0.1:1", cwd=tmp_path)
    assert code == 1 and not out and "Traceback" not in err
    assert err == "isthmus: opc.tcp://127.0.0.1:1: nothing listens there (connection refused)\n"
    code, _, err = await isthmus("browse", "http://127.0.0.1", cwd=tmp_path)
    assert code == 1 and "opc.tcp://host:4840; of another kind? say which: --kind http" in err
    assert "Traceback" not in err


def thing(path: str, **more: Any) -> Found:
    name = path.rpartition("/")[2]
    return Found(**{"address": f"nsu=urn:x;s={path}", "name": name, "path": path, "type": DataType.FLOAT, **more})


def test_things_that_are_alike_become_a_type(tmp_path: Path) -> None:
    found = [thing(f"Line/Reactor {n}/{tag}", unit=unit) for n in (1, 2) for tag, unit in (("T", "Cel"), ("P", "bar"))]
    text = plant_file(found, "dcs", {"kind": "opcua", "url": "opc.tcp://h:4840"})
    (tmp_path / "plant.yaml").write_text(HEAD + text)
    checked = check_plant(tmp_path / "plant.yaml", kinds())
    assert "  reactor:\n    tags:\n      T: {unit: Cel}\n      P: {unit: bar}\n" in text
    assert "# unit?" not in text
    assert "  Line/Reactor-1:\n    type: reactor\n" in text
    assert not checked.warnings


def test_names_that_clash_and_variables_below_variables_still_check(tmp_path: Path) -> None:
    found = [thing("a/b"), thing("a/b/c"), thing("a/x y"), thing("a/x?y"), thing("alone"), thing("deep/" * 80 + "x")]
    (tmp_path / "plant.yaml").write_text(HEAD + plant_file(found, "s", {"kind": "opcua", "url": "opc.tcp://h:4840"}))
    check_plant(tmp_path / "plant.yaml", kinds())


def test_names_become_parts_of_a_path() -> None:
    assert [segment(n) for n in ("Tank 1 [m³]", "é", "..", "ok_1")] == ["Tank-1-m", "unnamed", "unnamed", "ok_1"]


def test_units_of_servers_are_ucum_units() -> None:
    assert units.of(4408652, "°C") == "Cel" and units.of(4342098, "") == "bar" and units.of(20563, "") == "[psi]"
    assert units.of(-1, "°C") == "Cel" and units.of(-1, "rpm") == "/min" and units.of(-1, "bananas") == ""
    for number, code in units.UCUM.items():
        assert units.of(number, "") == code


def test_the_kinds_example_is_a_piece_of_plant_file(tmp_path: Path) -> None:
    (tmp_path / "plant.yaml").write_text(HEAD + kinds()["opcua"].example)
    assert not check_plant(tmp_path / "plant.yaml", kinds()).warnings
