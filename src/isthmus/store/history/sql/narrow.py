# SPDX-License-Identifier: Apache-2.0
"""What a question can be about at all, read from DuckDB's own plan of it: from when to when, which tags.

Parquet on the disk needs no such hint, DuckDB skips its row groups by itself. It spares merging what no row of the
answer can depend on. Whatever the plan says in another way than expected narrows nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import duckdb
import numpy as np
from numpy.typing import NDArray

from isthmus.core.time import EARLIEST, LATEST, from_iso
from isthmus.store.history.sql.fresh import Wanted

_COMPARED: Final = r'"?time"?\s*(>=|<=|>|<|=)\s*\'([0-9]{4}-[0-9: .-]+)\'::TIMESTAMP(?:_NS|_S|_MS)?'
_TIMES: Final = re.compile(rf"\(?{_COMPARED}\)?(?: AND \(?{_COMPARED}\)?)*")
_TIME: Final = re.compile(_COMPARED)


def narrowed(database: duckdb.DuckDBPyConnection, sql: str, inner: str) -> Wanted:
    """What the rows of every reading of the history must fulfil; all of it when there is no plan."""
    try:
        found = database.execute(f"EXPLAIN (FORMAT json) {sql}").fetchone()
    except duckdb.Error:  # the question itself will fail, with a message that shows its own text
        return Wanted()
    assert found is not None
    nodes = list(_nodes(json.loads(found[1])))
    reads = [node for node in nodes if node["name"].strip() == "READ_PARQUET"]
    spans = [_span(_filters(node)) for node in reads]
    start, end = min((span[0] for span in spans), default=EARLIEST), max((span[1] for span in spans), default=LATEST)
    return Wanted(start, end, _numbers(database, nodes, inner, len(reads)))


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


def _numbers(
    database: duckdb.DuckDBPyConnection, nodes: list[dict[str, Any]], inner: str, reads: int
) -> NDArray[np.uint32] | None:
    """Numbers of the tags that some reading can be about; None: of all."""
    named = [node for node in nodes if node.get("extra_info", {}).get("Table", "").endswith(f".{inner}.numbers")]
    if len(named) < reads or not reads:
        return None
    found: set[int] = set()
    for node in named:
        filters = [text for text in _filters(node) if not text.startswith("optional")]
        if not filters:
            return None
        where = " AND ".join(f"({text})" for text in filters)
        try:
            rows = database.execute(f"SELECT number FROM {inner}.numbers WHERE {where}").fetchall()
        except duckdb.Error:  # what DuckDB prints need not be SQL
            return None
        found.update(number for (number,) in rows)
    return np.array(sorted(found), np.uint32)
