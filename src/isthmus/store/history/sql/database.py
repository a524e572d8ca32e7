# SPDX-License-Identifier: Apache-2.0
"""A database holds the views over one snapshot and answers one question, with every door of DuckDB locked.

The locks: no file system but ours, no extension, no Python object by name, no change of a setting, one thread, bounded
memory, nothing written to disk. `statement.check` and the process around it (its limits, its kernel rules) are locks of
their own: none relies on another.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Final

import duckdb
import pyarrow as pa

from isthmus.core.errors import Damaged, IsthmusError
from isthmus.store.history.sql import views
from isthmus.store.history.sql.given import Given, Limits
from isthmus.store.history.sql.joined import tags_read
from isthmus.store.history.sql.narrow import narrowed
from isthmus.store.history.sql.serving import Serving
from isthmus.store.history.sql.sources import Served, Sources
from isthmus.store.history.sql.statement import check

_BATCH: Final = 2048
_SETTINGS: Final = (
    "SET TimeZone = 'UTC'",
    "SET allow_community_extensions = false",
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET python_enable_replacements = false",
    "SET enable_external_file_cache = false",
    "SET max_temp_directory_size = '0B'",
    "SET temp_directory = ''",
    f"SET allowed_directories = ['{Serving.protocol}://']",
    "SET enable_external_access = false",
    "SET disabled_filesystems = 'LocalFileSystem'",
    "SET lock_configuration = true",
)
_SERVED: Final = ("samples", "rollup_1m", "rollup_15m")
_ADVICE: Final = re.compile(r' Use "SET [^"]*" to [^.]*\.')
"""What DuckDB proposes and nobody can do here."""
_UNTIMELY: Final = re.compile(
    r"Could not convert string '(\d{4}-\d\d-\d\d|\d\d?[./]\d\d?[./]\d{4})[^']*' to INT64"
    r"|values of type TIMESTAMP_NS and type TIMESTAMP WITH TIME ZONE"
)
"""What DuckDB says of a text that is no time to it, and where a time with a zone meets one of ours."""
_TIMELY: Final = "write a time as '2026-11-23 06:30:00' (UTC) or '2026-11-23 07:30:00+01:00', and now as now()"


class Database:
    """One snapshot, ready for one question."""

    def __init__(self, given: Given, tables: Mapping[str, pa.Table], limits: Limits) -> None:
        self._given, self._tables = given, tables
        self.remarks: list[str] = []
        """What the one who asks should know besides the answer."""
        self._inner = f"s{secrets.token_hex(8)}"
        self._serving = Serving()
        self._sources = Sources(given, tables, self._serving)
        self._db = duckdb.connect(config={"threads": 1, "memory_limit": f"{limits.memory}B"})
        self._db.register_filesystem(self._serving)
        self._load()
        for statement in _SETTINGS:
            self._db.execute(statement)

    def _load(self) -> None:
        self._db.execute(f"CREATE SCHEMA {self._inner}")
        tables = {name: self._tables[name] for name in ("tags", "numbers", "latest", "events", "gaps")}
        for name, table in {**tables, "assets": self._sources.assets()}.items():
            self._db.register("given", table)
            self._db.execute(f"CREATE TABLE {self._inner}.{name} AS FROM given")
            self._db.unregister("given")
        for statement in views.macros(self._given.now, self._given.zone):
            self._db.execute(statement)
        for statement in views.made(self._inner, converts=self._sources.converts):
            self._db.execute(statement)
        for name in (*_SERVED, *(view.name for view in self._given.assets)):
            self._show(name, self._sources.nothing(name))

    @property
    def views(self) -> list[views.View]:
        """Those that can be asked."""
        return [*views.VIEWS, *(views.of_assets(view) for view in self._given.assets)]

    def answer(self, sql: str) -> Iterator[pa.RecordBatch]:
        """The rows of a question, batch by batch, the first of them at once (it may be empty).

        Raises Refused, NotFound or IsthmusError that says what is wrong with it, Damaged for a file of the history.
        """
        try:
            checked = check(self._db, sql, [view.name for view in self.views])
            self._remark(checked.tags)
            self._forget_others(tags_read(self._db, checked.statement))
            narrow = narrowed(self._db, sql, self._inner)
            for name in checked.views.intersection((*_SERVED, *(view.name for view in self._given.assets))):
                self._show(name, self._sources.served(name, narrow))
            reader = self._db.execute(sql).to_arrow_reader(_BATCH)
            yield pa.RecordBatch.from_pylist([], schema=reader.schema)
            yield from reader
        except (duckdb.Error, pa.ArrowException, OSError) as error:  # Arrow gives some errors of DuckDB as OSError
            raise self._said(error) from error

    def _forget_others(self, tags: Sequence[str] | None) -> None:
        """From now on there are no numbers but those of these tags, which is all that the question can be about."""
        if tags is not None:
            self._db.execute(
                f"DELETE FROM {self._inner}.numbers WHERE tag NOT IN (SELECT unnest(?::VARCHAR[]))", [tags]
            )

    def _show(self, view: str, served: Served) -> None:
        """Makes the view over what is served of it."""
        for statement in self._statements(view, served):
            self._db.execute(statement)

    def _statements(self, view: str, served: Served) -> Sequence[str]:
        if view == "samples":
            return views.over_samples(self._inner, served.urls, served.rows, converts=self._sources.converts)
        if view in _SERVED:
            return views.over_rolls(self._inner, view, served.urls, served.rows)
        return views.over_assets(self._inner, view, served.urls, served.rows)

    def _remark(self, tags: Collection[str]) -> None:
        """Notes the tags that are not there."""
        known = self._tables["tags"]["tag"].to_pylist()
        for tag in sorted(set(tags).difference(known)):
            near = get_close_matches(tag, known, n=1, cutoff=0.6)
            self.remarks.append(f"no tag {tag!r}" + (f"; did you mean {near[0]!r}?" if near else ""))

    def _said(self, error: Exception) -> IsthmusError:
        failed = self._serving.failed
        if isinstance(failed, IsthmusError):
            return failed
        if failed is not None:
            return Damaged(str(failed), where=str(getattr(failed, "filename", "") or ""))
        what, line, rest = _ADVICE.sub("", str(error)).strip().partition("\n")
        return IsthmusError(f"{what}; {_TIMELY}{line}{rest}" if _UNTIMELY.search(what) else f"{what}{line}{rest}")
