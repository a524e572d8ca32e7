# SPDX-License-Identifier: Apache-2.0
"""The ledger's tables come to be by migrations: from nothing and from every former version."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text

from isthmus.core.errors import IsthmusError
from isthmus.store.ledger import Ledger
from isthmus.store.ledger.connect import connect
from isthmus.store.ledger.tables import HEAD, metadata
from tests.ledger.content import apply


def config() -> Config:
    made = Config()
    made.set_main_option("script_location", "isthmus.store.ledger:migrations")
    return made


VERSIONS = [step.revision for step in ScriptDirectory.from_config(config()).walk_revisions()]


def test_the_newest_migration_is_the_one_the_tables_name() -> None:
    assert ScriptDirectory.from_config(config()).get_current_head() == HEAD


def test_the_migrations_lead_to_the_tables(tmp_path: Path) -> None:
    engine = connect(tmp_path / "ledger.db")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_ledger_of_every_former_version_opens(tmp_path: Path, version: str) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'ledger.db'}")
    with engine.begin() as connection:
        made = config()
        made.attributes["connection"] = connection
        command.upgrade(made, version)
    engine.dispose()
    with Ledger.open(tmp_path) as ledger:
        apply(ledger, ["a"])
        assert ledger.current_number() == 1


def test_a_ledger_of_a_newer_isthmus_is_left_alone(tmp_path: Path) -> None:
    with Ledger.open(tmp_path, create=True) as ledger:
        apply(ledger, ["a"])
    engine = create_engine(f"sqlite:///{tmp_path / 'ledger.db'}")
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(IsthmusError, match="written by a newer Isthmus"):
        Ledger.open(tmp_path)
