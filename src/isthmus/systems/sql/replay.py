# SPDX-License-Identifier: Apache-2.0
"""Rows of a test are read like rows of a table: which of them are new is not asked, what they say is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from zoneinfo import ZoneInfo

from pydantic import Field

from isthmus.core.errors import IsthmusError
from isthmus.core.tag import DataType
from isthmus.systems.cell import Cell
from isthmus.systems.contract import Address, Readings, Spec
from isthmus.systems.sql.address import parse
from isthmus.systems.sql.picking import Page, Picker
from isthmus.systems.sql.question import needed
from isthmus.systems.sql.spec import SqlSpec
from isthmus.systems.sql.window import Window


class Given(Spec):
    """Rows of a table, as a test writes them."""

    table: str = Field(description="The table, as it is called under `tables`.")
    rows: list[dict[str, bool | int | float | str | None]] = Field(
        description="Its rows: column and what stands in it, times as the database writes them. The others are NULL."
    )


def begin(spec: SqlSpec, system: str, addresses: Sequence[Address]) -> Callable[[Given], Readings]:
    """Reads rows of a test, those of one call as a page."""
    wanted: dict[str, dict[int, tuple[Cell, DataType]]] = {name: {} for name in spec.tables}
    for position, address in enumerate(addresses):
        place = parse(address.text)
        wanted.setdefault(place.table, {})[position] = (place.cell, address.type)

    def read(given: Given) -> Readings:
        if given.table not in spec.tables:
            hint = f"there is {', '.join(spec.tables)}"
            raise IsthmusError(f"there is no table {given.table!r} under `tables`", where=system, hint=hint)
        return _page(spec, system, given, wanted[given.table]).readings()

    return read


def _page(spec: SqlSpec, system: str, given: Given, wanted: Mapping[int, tuple[Cell, DataType]]) -> Page:
    table = spec.tables[given.table]
    columns = dict.fromkeys([*needed(table), *(name for cell, _ in wanted.values() for name in cell.columns)])
    picker, page = Picker(system, given.table, table, wanted, ZoneInfo(spec.time_zone)), Page(table=given.table)
    window = Window(0)
    for number, row in enumerate(given.rows):
        identity = window.take((number,), (), 0, late=False, waits=False)
        assert identity is not None  # every number is another one
        picker.take(identity, {**columns, **row}, page)
    return page
