# SPDX-License-Identifier: Apache-2.0
"""Which SQL may run: one question (SELECT) over the views, with functions that only calculate.

DuckDB's own parser says what a statement is made of (`json_serialize_sql` knows nothing but SELECT); every table and
every function that makes rows has to be one of those allowed here. So no setting, file, extension or catalogue is
reached even where DuckDB's locks would let it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final

from isthmus.core.errors import IsthmusError, NotFound, Refused

if TYPE_CHECKING:
    import duckdb

LONGEST: Final = 100_000
"""Characters of a statement."""
DEEPEST: Final = 500
"""Brackets within brackets; DuckDB's parser runs out of stack far beyond."""

MAKES_ROWS: Final = frozenset({"range", "generate_series", "unnest", "json_each", "json_tree"})
"""Functions that may stand where a table does."""
FORBIDDEN: Final = frozenset(
    {
        "current_setting",
        "getenv",
        "getvariable",
        "json_deserialize_sql",
        "json_execute_serialized_sql",
        "json_serialize_plan",
        "json_serialize_sql",
        "nextval",
        "currval",
        "pg_get_viewdef",
        "pg_sleep",
        "sleep_ms",
        "write_log",
    }
)
"""Functions that do more than calculate."""
_SHOWN: Final = ("DESCRIBE", "SUMMARY")


@dataclass(frozen=True, slots=True)
class Checked:
    """What a question is about."""

    views: frozenset[str]
    """Those it reads."""
    tags: frozenset[str]
    """Paths it compares `tag` with."""
    statement: dict[str, Any]
    """What DuckDB's parser makes of it."""


def check(database: duckdb.DuckDBPyConnection, sql: str, views: Collection[str]) -> Checked:
    """What the question is about.

    Raises Refused for what may not run, NotFound for a table that is none of `views`, IsthmusError for bad SQL.
    """
    measure(sql)
    found = database.execute("SELECT json_serialize_sql(?::VARCHAR)", [sql]).fetchone()
    assert found is not None
    parsed = json.loads(found[0])
    if parsed["error"]:
        raise _wrong(sql, parsed)
    if len(parsed["statements"]) != 1:
        raise Refused(f"{len(parsed['statements'])} statements", hint="ask one question at a time")
    nodes = list(_nodes(parsed["statements"][0]))
    own = {entry["key"].lower() for node in nodes for entry in (node.get("cte_map") or {}).get("map", ())}
    known = {*views, *own}
    for node in nodes:
        _check_node(sql, node, known)
    used = {str(node["table_name"]).lower() for node in nodes if node.get("type") == "BASE_TABLE"}
    return Checked(
        frozenset(used & set(views)),
        frozenset(path for node in nodes for path in _compared(node)),
        parsed["statements"][0],
    )


def _compared(node: dict[str, Any]) -> Iterator[str]:
    """Texts that `tag` is compared with."""
    if node.get("type") == "COMPARE_EQUAL":
        sides = [node.get("left") or {}, node.get("right") or {}]
    elif node.get("type") == "COMPARE_IN":
        sides = list(node.get("children") or ())
    else:
        return
    if any((side.get("column_names") or [""])[-1].lower() == "tag" for side in sides):
        for side in sides:
            value = (side.get("value") or {}) if side.get("class") == "CONSTANT" else {}
            if isinstance(value.get("value"), str):
                yield value["value"]


def measure(sql: str) -> None:
    """Raises Refused for a text that no question has: too long, too deep, no characters."""
    if not sql.strip():
        raise IsthmusError("there is no question", hint="isthmus sql lists the views, with examples")
    if len(sql) > LONGEST:
        raise Refused(f"a statement of {len(sql):,} characters", hint=f"at most {LONGEST:,}")
    if not sql.isprintable() and any("\ud800" <= letter <= "\udfff" or letter == "\0" for letter in sql):
        raise Refused("the question is no text")
    depth = deepest = 0
    for letter in sql:
        depth += (letter in "([{") - (letter in ")]}")
        deepest = max(deepest, depth)
    if deepest > DEEPEST:
        raise Refused(f"{deepest:,} brackets within brackets", hint=f"at most {DEEPEST}")


def _wrong(sql: str, parsed: dict[str, Any]) -> IsthmusError:
    if parsed.get("error_type") == "not implemented":
        return Refused("only a question can be asked: SELECT, FROM, WITH, VALUES, DESCRIBE or SUMMARIZE")
    message = str(parsed.get("error_message", "is no SQL"))
    place = parsed.get("position")
    return IsthmusError(message if place is None else f"{message}\n\n{pointed(sql, int(place))}")


def pointed(sql: str, place: int) -> str:
    """The line of a statement with a caret below a place in it, as DuckDB shows it. `place` counts bytes."""
    before = sql.encode()[:place].decode(errors="ignore")
    begin = before.rfind("\n") + 1
    line = sql[begin:].partition("\n")[0]
    head = f"LINE {before.count(chr(10)) + 1}: "
    first = max(0, len(before) - begin - 60)
    shown = ("..." if first else "") + line[first : first + 100]
    return f"{head}{shown}\n{' ' * (len(head) + len(before) - begin - first + (3 if first else 0))}^"


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Everything a statement is made of."""
    left = [tree]
    while left:
        one = left.pop()
        if isinstance(one, dict):
            yield one
            left.extend(one.values())
        elif isinstance(one, list):
            left.extend(one)


def _check_node(sql: str, node: dict[str, Any], known: set[str]) -> None:
    kind, place = node.get("type"), _place(node)
    if kind == "BASE_TABLE":
        _check_table(sql, node, place, known)
    elif kind == "TABLE_FUNCTION":
        name = node.get("function", {}).get("function_name", "")
        if name.lower() not in MAKES_ROWS:
            raise Refused(f"{name}() is not there in a question\n\n{pointed(sql, place)}")
    elif kind == "SHOW_REF" and node.get("show_type") not in _SHOWN:
        raise Refused("is not there in a question", where="SHOW", hint="isthmus sql lists the views")
    elif node.get("class") == "FUNCTION" and str(node.get("function_name", "")).lower() in FORBIDDEN:
        raise Refused(f"{node['function_name']}() is not there in a question\n\n{pointed(sql, place)}")


def _place(node: dict[str, Any]) -> int:
    """Where in the statement it stands; DuckDB says 2**64 - 1 where it does not know."""
    place = int(node.get("query_location") or 0)
    return place if place < LONGEST * 4 else 0


def _check_table(sql: str, node: dict[str, Any], place: int, known: set[str]) -> None:
    name, schema, catalogue = (str(node.get(key, "")) for key in ("table_name", "schema_name", "catalog_name"))
    if name.lower() in known and schema.lower() in ("", "main") and catalogue == "":
        return
    said = ".".join(part for part in (catalogue, schema, name) if part)
    near = get_close_matches(name.lower(), known, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(sorted(known))}"
    raise NotFound(f"there is no view {said!r}; {hint}\n\n{pointed(sql, place)}")
