# SPDX-License-Identifier: Apache-2.0
"""Connecting opens the ledger's database with its tables as they are today: SQLite by default, PostgreSQL by URL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.exc import SQLAlchemyError

from isthmus.core.errors import Damaged, IsthmusError
from isthmus.store.ledger.tables import HEAD

PATIENCE = 30
"""Seconds to wait for another writer."""


def connect(database: Path | str) -> Engine:
    """The database at a path (SQLite) or URL; its tables are brought up to date."""
    if isinstance(database, Path):
        engine = create_engine(f"sqlite:///{database}", connect_args={"timeout": PATIENCE})
        event.listen(engine, "connect", _on_connect)
        event.listen(engine, "begin", _on_begin)
    else:
        engine = create_engine(database)
    try:
        with explained(database), engine.connect() as connection:
            if _version(connection) != HEAD:
                connection.rollback()
                _migrate(engine)
    except BaseException:
        engine.dispose()
        raise
    return engine


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One transaction that holds the only pen from its first statement on."""
    with engine.execution_options(writes=True).begin() as connection:
        yield connection


@contextmanager
def explained(database: Path | str) -> Iterator[None]:
    """What a database says goes wrong, in words for people."""
    try:
        yield
    except SQLAlchemyError as error:
        where = str(database) if isinstance(database, Path) else "ledger"
        words = str(getattr(error, "orig", None) or error).split("\n")[0]
        if "not a database" in words or "malformed" in words:
            hint = "move it away: it is made again from the files in revisions/"
            raise Damaged(f"the ledger is damaged: {words}", where=where, hint=hint) from error
        raise IsthmusError(f"the ledger cannot be used: {words}", where=where, hint=_advice(words)) from error


def _advice(words: str) -> str:
    if "locked" in words:
        return f"another program has been writing to it for {PATIENCE} s; try again"
    if "full" in words:
        return "make room on the disk"
    if "readonly" in words or "unable to open" in words:
        return "is the folder there, and may you write to it?"
    return ""


def _on_connect(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # transactions begin where SQLAlchemy begins them, see _on_begin
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}").close()


def _on_begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    version = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if version is None else str(version)


def _migrate(engine: Engine) -> None:
    from alembic import command  # a fifth of a second: only a ledger that is out of date pays for it
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", "isthmus.store.ledger:migrations")
    known = {step.revision for step in ScriptDirectory.from_config(config).walk_revisions()}
    with writing(engine) as connection:
        version = _version(connection)
        if version is not None and version not in known:
            raise IsthmusError(
                f"the ledger was written by a newer Isthmus (its version is {version}, this one knows {HEAD})",
                hint="use that one, or restore a backup from before",
            )
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
