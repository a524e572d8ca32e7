# SPDX-License-Identifier: Apache-2.0
"""Quality's table in the plant's database: a row for each decision, of a lot being made or of one that is over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

import psycopg

from isthmus.app.demo.chemical.field.mirror import Mirror

AGAIN: Final = 1.0
"""s before the database is tried again."""
PATIENCE: Final = 5
"""s that it may take."""

CREATE: Final = """
CREATE TABLE IF NOT EXISTS releases (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  decided timestamptz NOT NULL,
  lot text NOT NULL,
  decision text NOT NULL,
  sample text NOT NULL UNIQUE,
  purity double precision NOT NULL,
  colour double precision NOT NULL,
  mass double precision NOT NULL
)
"""
_ADD: Final = """
INSERT INTO releases (decided, lot, decision, sample, purity, colour, mass)
VALUES (%(decided)s, %(lot)s, %(decision)s, %(sample)s, %(purity)s, %(colour)s, %(mass)s)
ON CONFLICT (sample) DO NOTHING
"""


async def enter(mirror: Mirror, where: Callable[[], str]) -> None:
    """Enters every decision, as soon as the database takes it; `where` says how it is reached. Until cancelled."""
    while True:
        await mirror.news()
        while row := decision(mirror):
            try:
                await asyncio.to_thread(_add, where(), row)
            except (psycopg.Error, OSError):
                await asyncio.sleep(AGAIN)
            else:
                break


def decision(mirror: Mirror) -> dict[str, Any]:
    """The latest one as a row; empty when none is known."""
    said = {mirror.nodes[position].id.partition(".")[2]: one for position, one in mirror.last.items()}
    row: dict[str, Any] = {column: one.value for column, one in said.items()}
    return row | {"decided": datetime.fromtimestamp(said["sample"].at / 1e6, UTC)} if row.get("sample") else {}


def _add(where: str, row: dict[str, Any]) -> None:
    with psycopg.connect(where, connect_timeout=PATIENCE) as connection:
        with suppress(psycopg.errors.UniqueViolation, psycopg.errors.DuplicateTable):
            connection.execute(CREATE)
        connection.execute(_ADD, row)
