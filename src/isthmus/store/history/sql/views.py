# SPDX-License-Identifier: Apache-2.0
"""Which views a question in SQL can use: their columns, what these mean, and how DuckDB makes them.

Times are naive UTC in nanoseconds. What the history has, by number and in its own form, lies in a schema with a name
that nobody knows, and is reached through these views only.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from isthmus.core.quality import NAMES, Mark
from isthmus.store.history.sql.given import AssetView


@dataclass(frozen=True, slots=True)
class View:
    """One view as people see it."""

    name: str
    about: str
    columns: tuple[tuple[str, str, str], ...]
    """(name, type, meaning)"""


_TAG: Final = ("tag", "VARCHAR", "path")
_TIME: Final = ("time", "TIMESTAMP_NS", "the device's time, UTC")
_VALUES: Final = (
    ("seen", "TIMESTAMP_NS", "when we received it"),
    ("value", "DOUBLE", "the number; NULL where there is none"),
    ("integer", "HUGEINT", "the exact number of a tag of whole numbers"),
    ("text", "VARCHAR", "the text, or the name of an enumeration's value"),
    ("quality", "VARCHAR", "OPC UA name of the quality: `Good`, `BadNoData`"),
    ("code", "UINTEGER", "the quality's StatusCode"),
    ("mark", "VARCHAR", "our remarks: `out of range, historical`; empty for none"),
)
_ROLLED: Final = (
    _TAG,
    ("time", "TIMESTAMP_NS", "when the interval begins, UTC"),
    ("count", "UINTEGER", "samples in it"),
    ("good", "UINTEGER", "Good ones among them"),
    ("average", "DOUBLE", "time-weighted, over the good time"),
    ("integral", "DOUBLE", "value times seconds, over the good time"),
    ("good_time", "DOUBLE", "seconds for which a Good value is known"),
    ("min", "DOUBLE", "least Good sample in it"),
    ("max", "DOUBLE", "greatest Good sample in it"),
    ("first", "DOUBLE", "first Good sample in it"),
    ("last", "DOUBLE", "last Good sample in it"),
)

VIEWS: Final = (
    View("samples", "every sample, without those that a correction replaced", (_TAG, _TIME, *_VALUES)),
    View("last", "the latest live sample of each tag", (_TAG, _TIME, *_VALUES)),
    View(
        "tags",
        "the tags of the plant",
        (
            _TAG,
            ("number", "UINTEGER", "its number for ever"),
            ("unit", "VARCHAR", "UCUM code"),
            ("type", "VARCHAR", "boolean, integer, unsigned, float, text, enumeration"),
            ("stepped", "BOOLEAN", "it holds its value until the next sample"),
            ("system", "VARCHAR", "where it comes from"),
            ("low", "DOUBLE", "least value of its range"),
            ("high", "DOUBLE", "greatest value of its range"),
            ("asset", "VARCHAR", "path of the equipment it belongs to"),
            ("name", "VARCHAR", "what that calls it"),
            ("asset_type", "VARCHAR", "the type of that equipment"),
            ("description", "VARCHAR", ""),
            ("names", "MAP(BIGINT, VARCHAR)", "names of an enumeration's values"),
        ),
    ),
    View(
        "events",
        "what happened",
        (
            ("time", "TIMESTAMP_NS", "UTC"),
            ("kind", "VARCHAR", "gap, connection, tag, quarantine, log, service, revision"),
            ("severity", "VARCHAR", "information, warning, error"),
            ("source", "VARCHAR", "to what"),
            ("message", "VARCHAR", "one sentence"),
            ("details", "JSON", ""),
            ("id", "VARCHAR", ""),
        ),
    ),
    View(
        "gaps",
        "where samples may be missing",
        (
            ("source", "VARCHAR", "of which system, or `log`"),
            ("first", "TIMESTAMP_NS", "from when; NULL: not known"),
            ("last", "TIMESTAMP_NS", "until when"),
            ("count", "BIGINT", "samples; NULL: not known"),
            ("message", "VARCHAR", "why"),
            ("time", "TIMESTAMP_NS", "when it was noticed"),
        ),
    ),
    View("rollup_1m", "each minute of each tag", _ROLLED),
    View("rollup_15m", "each 15 minutes of each tag", _ROLLED),
)
"""Those every plant has; each asset type has one more."""

NAMES_OF_VIEWS: Final = tuple(view.name for view in VIEWS)

_ASSET_TYPES: Final = {
    "float": "DOUBLE",
    "integer": "BIGINT",
    "unsigned": "UBIGINT",
    "boolean": "BOOLEAN",
    "text": "VARCHAR",
    "enumeration": "VARCHAR",
}


_WORDS: Final = """
    all analyse analyze and anti any array as asc asof asymmetric at authorization binary both by case cast
    check collate collation column columns concurrently constraint create cross default deferrable desc describe
    distinct do else end except false fetch for foreign freeze from full generated glob group having ilike in
    initially inner intersect into is isnull join lambda lateral leading left like limit map natural not notnull
    null offset on only or order outer overlaps pivot pivot_longer pivot_wider placing positional primary
    qualify references returning right select semi show similar some struct summarize symmetric table
    tablesample then to trailing true try_cast union unique unpack unpivot using variadic verbose when where
    window with
"""
RESERVED: Final = frozenset(_WORDS.split())
"""Words that DuckDB does not take as the name of a view or a column without quotes."""


def of_assets(view: AssetView) -> View:
    """The view of an asset type as people see it."""
    columns = [(column.name, _ASSET_TYPES[column.type], "") for column in view.columns]
    about = (
        "a row for each time at which a tag of the equipment has a sample, or is not observed any more, with what each "
        "tag was then"
    )
    return View(view.name, about, (("asset", "VARCHAR", "path"), _TIME, *columns))


def quoted(name: str) -> str:
    """A name as SQL takes it, whatever is in it."""
    return name if re.fullmatch(r"[a-z_][a-z0-9_]*", name) else '"' + name.replace('"', '""') + '"'


def text(value: str) -> str:
    """A text as SQL takes it."""
    return "'" + value.replace("'", "''") + "'"


def macros(now: int, zone: str) -> Sequence[str]:
    """What SQL calls `now()`, the plant's own clock, and the name of a quality."""
    return (
        f"CREATE MACRO now() AS make_timestamp_ns({now})",
        f"CREATE MACRO plant_time(t) AS timezone({text(zone)}, timezone('UTC', t::TIMESTAMP))",
        f"CREATE MACRO quality_name(code) AS {_quality()}",
    )


def _quality() -> str:
    cases = " ".join(f"WHEN {code} THEN {text(name)}" for code, name in NAMES.items())
    severity = "CASE code >> 30 WHEN 0 THEN 'Good' WHEN 1 THEN 'Uncertain' ELSE 'Bad' END"
    return f"CASE code & 4294901760 {cases} ELSE {severity} || printf('(0x%08X)', code) END"


def _mark() -> str:
    names = ((int(bit), (bit.name or "").lower().replace("_", " ")) for bit in Mark if bit)
    cases = ", ".join(f"CASE WHEN r.mark & {bit} <> 0 THEN {text(name)} END" for bit, name in names)
    return f"CASE WHEN r.mark = 0 THEN '' ELSE concat_ws(', ', {cases}) END"


def samples(inner: str, source: str, *, converts: bool) -> str:
    """Samples with names, of the raw ones in `source`; `converts`: some numbers are of an earlier unit."""
    value = "r.value * n.scale + n.shift" if converts else "r.value"
    return f"""SELECT n.tag, r.time, r.seen,
  CASE WHEN isnan(r.value) THEN NULL ELSE {value} END AS value,
  CASE WHEN NOT n.same THEN NULL WHEN n.wide AND r.integer < 0 THEN r.integer + 18446744073709551616::HUGEINT
    ELSE r.integer::HUGEINT END AS integer,
  coalesce(r.text, n.names[r.integer]) AS text,
  quality_name(r.quality) AS quality, r.quality AS code, {_mark()} AS mark
FROM {inner}.{source} r JOIN {inner}.numbers n USING (number)"""


def made(inner: str, *, converts: bool) -> Sequence[str]:
    """The statements that make the views over the tables that were given."""
    return (
        f"CREATE VIEW tags AS SELECT * FROM {inner}.tags",
        f"CREATE VIEW last AS {samples(inner, 'latest', converts=converts)} "
        "QUALIFY row_number() OVER (PARTITION BY n.tag ORDER BY r.time DESC) = 1",
        f"CREATE VIEW events AS SELECT * REPLACE (details::JSON AS details) FROM {inner}.events",
        f"CREATE VIEW gaps AS SELECT * FROM {inner}.gaps",
    )


def reading(urls: Sequence[str], rows: int) -> str:
    """A table function over Parquet that is served; the optimizer is told how many rows to expect."""
    return f"read_parquet([{', '.join(map(text, urls))}], explicit_cardinality := {max(rows, 1)})"


def over_samples(inner: str, urls: Sequence[str], rows: int, *, converts: bool) -> Sequence[str]:
    """The statements that make `samples` over these files."""
    return (
        f"CREATE OR REPLACE VIEW {inner}.raw AS SELECT tag AS number, * EXCLUDE (tag) FROM {reading(urls, rows)}",
        f"CREATE OR REPLACE VIEW samples AS {samples(inner, 'raw', converts=converts)}",
    )


def over_rolls(inner: str, view: str, urls: Sequence[str], rows: int) -> Sequence[str]:
    """The statements that make the view of a roll-up over these files."""
    return (
        f"CREATE OR REPLACE VIEW {view} AS SELECT n.tag, r.* EXCLUDE (number) "
        f"FROM {reading(urls, rows)} r JOIN {inner}.numbers n USING (number)",
    )


def over_assets(inner: str, view: str, urls: Sequence[str], rows: int) -> Sequence[str]:
    """The statements that make the view of an asset type over these files."""
    return (
        f"CREATE OR REPLACE VIEW {quoted(view)} AS SELECT a.path AS asset, r.* EXCLUDE (asset) "
        f"FROM {reading(urls, rows)} r JOIN {inner}.assets a ON r.asset = a.asset",
    )
