# SPDX-License-Identifier: Apache-2.0
"""A PostgreSQL server for each file of tests, a SQLite file for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import needed
from tests.database.tables import Database, File, Server, emptied
from tests.peers.postgres import HERE, WHAT, Postgres, postgres


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    needed(HERE, WHAT)
    with postgres() as started:
        yield started


@pytest.fixture
def plant_server(server: Postgres) -> Iterator[Server]:
    with emptied(server) as database:
        yield database


@pytest.fixture(params=["postgres", "sqlite"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    if request.param == "sqlite":
        return File(tmp_path)
    found: Database = request.getfixturevalue("plant_server")
    return found
