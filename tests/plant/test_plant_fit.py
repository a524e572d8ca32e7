# SPDX-License-Identifier: Apache-2.0
"""An address that its system, as the plant file sets it up, can never have is found before anything is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from isthmus.core.errors import PlantFileError
from isthmus.plant.check import check_plant
from isthmus.systems.registry import kinds

HEAD = "version: 1\nplant: acme/lyon\ntime_zone: Europe/Paris\n"
SQL = "kind: sql, url: 'sqlite:////mes.db', tables: {results: {table: r, key: id}, lots: {table: l, key: id}}"


def wrong(folder: Path, system: str, *addresses: str, more: str = "") -> list[str]:
    """What is wrong with a plant file of one system and tags at these addresses, without the folder."""
    tags = "\n".join(f"    t{number}: {address}" for number, address in enumerate(addresses))
    (folder / "plant.yaml").write_text(
        f"{HEAD}systems:\n  s: {{{system}}}\nassets:\n  a:\n   system: s\n   tags:\n{tags}\n{more}"
    )
    try:
        check_plant(folder, kinds())
    except PlantFileError as error:
        return [str(problem).replace(f"{folder}/", "") for problem in error.problems]
    return []


@pytest.mark.parametrize(
    ("system", "address", "said"),
    [
        (SQL, '"result.value[test=pH]"', "'result.value[test=pH]': there is no table 'result' under tables; "
         "did you mean 'results'?"),
        (SQL, "weather.wind", "'weather.wind': there is no table 'weather' under tables; there is results, lots"),
        ("kind: modbus, host: h, first: 1", "holding.0:int16", "'holding.0:int16' lies before the system's first: 1; "
         "numbers count from there"),
        ("kind: modbus, host: h, first: 1", "2/coil.0", "'2/coil.0' lies before the system's first: 1; numbers count "
         "from there"),
        ("kind: modbus, host: h", "holding.65536", "'holding.65536:uint16' ends behind the last address, 65535"),
        ("kind: s7, host: h, message: 240", "{address: 'db1.0:string254', type: text}", "'db1.0:string254' is longer "
         "than what one message holds (222 bytes of 240); give the system a longer message, or read fewer than its "
         "256 bytes"),
    ],
)  # fmt: skip
def test_an_address_that_the_system_cannot_have_is_named_with_its_line(
    system: str, address: str, said: str, tmp_path: Path
) -> None:
    (problem,) = wrong(tmp_path, system, address)
    line, column = problem.split(":")[1:3]
    assert problem == f"plant.yaml:{line}:{column}: assets.a.tags.t0: {said}"
    assert (tmp_path / "plant.yaml").read_text().splitlines()[int(line) - 1].startswith(f"    t0: {address}")


@pytest.mark.parametrize(
    ("system", "address"),
    [
        (SQL, '"results.value[test=pH]"'),
        (SQL, "lots.lot"),
        ("kind: modbus, host: h", "holding.0:int16"),
        ("kind: modbus, host: h", "holding.65534:int32"),
        ("kind: modbus, host: h, first: 1", "holding.65536"),
        ("kind: s7, host: h", "{address: 'db1.0:string254', type: text}"),
        ("kind: s7, host: h, message: 240", "{address: 'db1.0:string200', type: text}"),
    ],
)
def test_one_that_it_can_have_is_taken(system: str, address: str, tmp_path: Path) -> None:
    assert wrong(tmp_path, system, address) == []


def test_where_the_system_itself_is_wrong_only_that_is_said(tmp_path: Path) -> None:
    (problem,) = wrong(tmp_path, SQL.replace("key: id}}", "kee: id}}"), "nowhere.x")
    assert "did you mean 'key'?" in problem and "nowhere" not in problem
