# SPDX-License-Identifier: Apache-2.0
"""What a question can be about at all, read from DuckDB's own plan of it: from when to when, which tags.

Parquet on the disk needs no such hint, DuckDB skips its row groups by itself. It spares merging what no row of the
answer can depend on. Whatever the plan says in another way than expected narrows nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import duckdb
import numpy as np
from numpy.typing import NDArray

from isthmus.core.time import EARLIEST, LATEST, from_iso
from isthmus.store.history.sql.fresh import Wanted

_COMPARED: Final = r'"?time"?\s*(>=|<=|>|<|=)\s*\'([0-9]{4}-[0-9: .-]+)\'::TIMESTAMP(?:_NS|_S|_MS)?'
_TIMES: Final = re.compile(rf"\(?{_COMPARED}\)?(?: AND \(?{_COMPARED}\)?)*")
_TIME: Final = re.compile(_COMPARED)


@dataclass(frozen=True, slots=True)
class Narrowed:
    """What a question can be about."""

    wanted: Wanted
    assets: NDArray[np.uint32] | None
    """Rows of the table of assets, in order; None: all."""


def narrowed(database: duckdb.DuckDBPyConnection, sql: str, inner: str) -> Narrowed:
    """What the rows of every reading of the history must fulfil; all of it when there is no plan."""
    try:
        found = database.execute(f"EXPLAIN (FORMAT json) {sql}").fetchone()
    except duckdb.Error:  # the question itself will fail, with a message that shows its own text
        return Narrowed(Wanted(), None)
    assert found is not None
    nodes = list(_nodes(json.loads(found[1])))
    reads = [node for node in nodes if node["name"].strip() == "READ_PARQUET"]
    spans = [_span(_filters(node)) for node in reads]
    start, end = min((span[0] for span in spans), default=EARLIEST), max((span[1] for span in spans), default=LATEST)
    numbers = [
        keys if keys is not None else _kept(database, ["true"], f"{inner}.numbers", "number")
        for keys in _named(database, nodes, f"{inner}.numbers", "number")
    ]
    assets = _named(database, nodes, f"{inner}.assets", "asset")
    if len(numbers) + len(assets) < len(reads):
        return Narrowed(Wanted(start, end), None)
    return Narrowed(Wanted(start, end, _all(numbers)), _all(assets))


def _nodes(plan: Any) -> Iterator[dict[str, Any]]:
    left = list(plan)
    while left:
        node = left.pop()
        yield node
        left.extend(node.get("children", ()))


def _filters(node: dict[str, Any]) -> list[str]:
    said = node.get("extra_info", {}).get("Filters", [])
    return [said] if isinstance(said, str) else list(said)


def _span(filters: list[str]) -> tuple[int, int]:
    """From when (included) to when (not included); several filters hold at once."""
    start, end = EARLIEST, LATEST
    for text in filters:
        if _TIMES.fullmatch(text):
            for sign, said in _TIME.findall(text):
                time = from_iso(said.strip())
                if sign in (">", ">=", "="):
                    start = max(start, time)
                if sign in ("<", "<=", "="):
                    end = min(end, time + 1)
    return start, end


def _named(
    database: duckdb.DuckDBPyConnection, nodes: list[dict[str, Any]], table: str, key: str
) -> list[NDArray[np.uint32] | None]:
    """Of each reading of a small table: the keys that its filters leave, in order; None: all, or nobody knows."""
    return [
        _kept(database, [text for text in _filters(node) if not text.startswith("optional")], table, key)
        for node in nodes
        if node.get("extra_info", {}).get("Table", "").endswith(f".{table}")
    ]


def _kept(database: duckdb.DuckDBPyConnection, filters: list[str], table: str, key: str) -> NDArray[np.uint32] | None:
    where = " AND ".join(f"({text})" for text in filters)
    try:
        rows = database.execute(f"SELECT {key} FROM {table} WHERE {where}").fetchall() if filters else None
    except duckdb.Error:  # what DuckDB prints need not be SQL
        return None
    return None if rows is None else np.unique(np.array([n for (n,) in rows], np.uint32))


def _all(found: list[NDArray[np.uint32] | None]) -> NDArray[np.uint32] | None:
    """What any of them leaves."""
    known = [keys for keys in found if keys is not None]
    return np.unique(np.concatenate(known)) if known and len(known) == len(found) else None
