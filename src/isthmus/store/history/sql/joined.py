# SPDX-License-Identifier: Apache-2.0
"""Which tags a question reads that names them through the view `tags`, by a join or by `tag IN (SELECT ...)`.

DuckDB would filter the samples only after it has named them. So where a question reads the history once, and in one of
these plain forms, what it says of `tags` is asked first. Any other form leaves all tags: nothing is wrong, only slower.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

import duckdb

from isthmus.store.history.sql.views import VIEWS

Node = dict[str, Any]

NAMED: Final = ("samples", "rollup_1m", "rollup_15m")
_COLUMNS: Final = {view.name: {name for name, _, _ in view.columns} for view in VIEWS}
_CHANGING: Final = ("random", "uuid", "gen_random_uuid", "uuidv4", "uuidv7", "setseed")
"""Functions that give something else each time."""


def tags_read(database: duckdb.DuckDBPyConnection, statement: Node) -> list[str] | None:
    """The only tags that rows of the answer can depend on; None: nobody knows."""
    nodes = list(_within(statement))
    tables = [node for node in nodes if node.get("type") == "BASE_TABLE"]
    names = [_name(table) for table in tables]
    read = [name for name in names if name in NAMED]
    if len(read) != 1 or set(names) - {*NAMED, "tags"} or any(_entries(node) for node in nodes):
        return None
    for node in nodes:
        if node.get("type") == "SELECT_NODE":
            found = _of_select(database, node)
            if found is not None:
                return found
    return None


def _entries(node: Node) -> Sequence[Any]:
    entries: Sequence[Any] = (node.get("cte_map") or {}).get("map") or ()
    return entries


def _within(tree: Any) -> Iterator[Node]:
    left = [tree]
    while left:
        one = left.pop()
        if isinstance(one, dict):
            yield one
            left.extend(one.values())
        elif isinstance(one, list):
            left.extend(one)


def _name(table: Node) -> str:
    return str(table.get("table_name", "")).lower()


def _called(table: Node) -> str:
    return (str(table.get("alias") or "") or _name(table)).lower()


def _of_select(database: duckdb.DuckDBPyConnection, node: Node) -> list[str] | None:
    source = node.get("from_table") or {}
    conditions = list(_conditions(node.get("where_clause")))
    if source.get("type") == "BASE_TABLE" and _name(source) in NAMED:
        return _of_subquery(database, conditions, _called(source))
    sides = [source.get("left") or {}, source.get("right") or {}]
    plain = source.get("type") == "JOIN" and source.get("join_type") == "INNER"
    if not plain or any(side.get("type") != "BASE_TABLE" for side in sides):
        return None
    tags = [side for side in sides if _name(side) == "tags"]
    if len(tags) != 1:
        return None
    return _of_join(database, source, tags[0], next(side for side in sides if side is not tags[0]), conditions)


def _conditions(tree: Node | None) -> Iterator[Node]:
    """What holds at once."""
    left = [tree] if tree else []
    while left:
        one = left.pop()
        if one.get("type") == "CONJUNCTION_AND":
            left.extend(one.get("children") or ())
        else:
            yield one


def _column(node: Node | None) -> tuple[str, ...]:
    """`t.asset` → (t, asset)."""
    return tuple(str(name).lower() for name in (node or {}).get("column_names") or ())


def _of_subquery(database: duckdb.DuckDBPyConnection, conditions: Sequence[Node], called: str) -> list[str] | None:
    for one in conditions:
        among = one.get("type") == "SUBQUERY" and one.get("subquery_type") == "ANY"
        if (
            among
            and one.get("comparison_type") == "COMPARE_EQUAL"
            and _column(one.get("child"))
            in (
                ("tag",),
                (called, "tag"),
            )
        ):
            return _asked(database, (one.get("subquery") or {}).get("node"))
    return None


def _of_join(
    database: duckdb.DuckDBPyConnection, source: Node, tags: Node, other: Node, conditions: Sequence[Node]
) -> list[str] | None:
    own, its = _called(tags), _called(other)
    both = [*conditions, *_conditions(source.get("condition"))]
    using = [str(name).lower() for name in source.get("using_columns") or ()]
    equal = ({(own, "tag"), (its, "tag")},)
    linked = "tag" in using or any(
        one.get("type") == "COMPARE_EQUAL" and {_column(one.get("left")), _column(one.get("right"))} in equal
        for one in both
    )
    known = [one for one in both if _is_about(one, own, _name(other))]
    if not linked or not known:
        return None
    template = _parsed(database, "SELECT tag FROM tags WHERE a AND b")
    if template is None:
        return None
    asked = copy.deepcopy(template)
    asked["from_table"] = {**asked["from_table"], "alias": own}
    asked["where_clause"] = {**asked["where_clause"], "children": [*known, *known]}
    return _asked(database, asked)


def _is_about(condition: Node, own: str, other: str) -> bool:
    """Whether a condition speaks of the tags alone, and always says the same."""
    nodes = list(_within(condition))
    columns = [_column(node) for node in nodes if node.get("type") == "COLUMN_REF"]
    if any(node.get("class") in ("SUBQUERY", "WINDOW", "LAMBDA", "PARAMETER") for node in nodes):
        return False
    if any(str(node.get("function_name", "")).lower() in _CHANGING for node in nodes):
        return False
    alone = _COLUMNS["tags"] - _COLUMNS[other]
    return bool(columns) and all(
        (len(column) == 2 and column[0] == own) or (len(column) == 1 and column[0] in alone) for column in columns
    )


def _parsed(database: duckdb.DuckDBPyConnection, sql: str) -> Node | None:
    found = database.execute("SELECT json_serialize_sql(?::VARCHAR)", [sql]).fetchone()
    parsed: Any = json.loads(found[0]) if found is not None else {"error": True}
    node: Node | None = None if parsed["error"] else parsed["statements"][0]["node"]
    return node


def _asked(database: duckdb.DuckDBPyConnection, node: Node | None) -> list[str] | None:
    """The tags that a question about `tags` alone gives; None when it cannot be asked alone."""
    if node is None or any(_name(one) != "tags" for one in _within(node) if one.get("type") == "BASE_TABLE"):
        return None
    whole = json.dumps({"error": False, "statements": [{"node": node, "named_param_map": []}]})
    try:
        text = database.execute("SELECT json_deserialize_sql(?::JSON)", [whole]).fetchone()
        rows = database.execute(text[0]).fetchall() if text is not None else None
    except duckdb.Error:
        return None
    return None if rows is None else [str(row[0]) for row in rows if row[0] is not None]
