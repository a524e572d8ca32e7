# SPDX-License-Identifier: Apache-2.0
"""A database holds the views over one snapshot and answers one question, with every door of DuckDB locked.

The locks: no file system but ours, no extension, no Python object by name, no change of a setting, one thread, bounded
memory, nothing written to disk. `statement.check` and the process around it (its limits, its kernel rules) are locks of
their own: none relies on another.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

import duckdb
import numpy as np
import pyarrow as pa

from isthmus.core.errors import Damaged, IsthmusError
from isthmus.store.history.columns import SCHEMA, from_table, to_table
from isthmus.store.history.folder import Folder
from isthmus.store.history.sql import views
from isthmus.store.history.sql.fresh import Samples, Unit, Wanted, parquet
from isthmus.store.history.sql.given import Given, Limits, Question
from isthmus.store.history.sql.narrow import narrowed
from isthmus.store.history.sql.serving import Checked, Made, Remembered, Serving, Source
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


class Database:
    """One snapshot, ready for one question."""

    def __init__(self, given: Given, tables: Mapping[str, pa.Table], limits: Limits) -> None:
        self._given, self._limits = given, limits
        self._inner = f"s{secrets.token_hex(8)}"
        self._serving, self._remembered = Serving(), Remembered()
        self._numbers = tables["numbers"]
        self._converts = any(self._numbers["scale"].to_numpy() != 1.0) or any(self._numbers["shift"].to_numpy() != 0.0)
        allowed = np.sort(self._numbers["number"].to_numpy()).astype(np.uint32)
        self._samples = Samples(Folder(Path(given.folder)), given.segments, given.kept, from_table(tables["tail"]))
        self._everything = Wanted(numbers=allowed)
        self._db = duckdb.connect(config={"threads": 1, "memory_limit": f"{limits.memory}B"})
        self._db.register_filesystem(self._serving)
        self._load(tables)
        self._lock()

    def _load(self, tables: Mapping[str, pa.Table]) -> None:
        self._db.execute(f"CREATE SCHEMA {self._inner}")
        for name in ("tags", "numbers", "latest", "events", "gaps"):
            self._db.register("given", tables[name])
            self._db.execute(f"CREATE TABLE {self._inner}.{name} AS FROM given")
            self._db.unregister("given")
        for statement in views.macros(self._given.now, self._given.zone):
            self._db.execute(statement)
        self._empty = self._serve(lambda: Made(parquet(SCHEMA.empty_table())))
        for statement in (*self._over_samples([self._empty], 10**9), *views.made(self._inner, converts=self._converts)):
            self._db.execute(statement)

    def _lock(self) -> None:
        for statement in _SETTINGS:
            self._db.execute(statement)

    @property
    def views(self) -> list[views.View]:
        """Those that can be asked."""
        return [*views.VIEWS, *(views.of_assets(view) for view in self._given.assets)]

    def answer(self, sql: str) -> Iterator[pa.RecordBatch]:
        """The rows of a question, batch by batch, the first of them at once (it may be empty).

        Raises Refused, NotFound or IsthmusError that says what is wrong with it, Damaged for a file of the history.
        """
        try:
            check(self._db, sql, [view.name for view in self.views])
            self._prepare(narrowed(self._db, sql, self._inner))
            reader = self._db.execute(sql).to_arrow_reader(_BATCH)
            yield pa.RecordBatch.from_pylist([], schema=reader.schema)
            yield from reader
        except (duckdb.Error, pa.ArrowException) as error:
            raise self._said(error) from error

    def _said(self, error: Exception) -> IsthmusError:
        failed = self._serving.failed
        if isinstance(failed, IsthmusError):
            return failed
        if failed is not None:
            return Damaged(str(failed), where=str(getattr(failed, "filename", "") or ""))
        return IsthmusError(str(error).strip())

    def _prepare(self, wanted: Wanted) -> None:
        """Gives the views the files of what the question can be about."""
        numbers = self._everything.numbers if wanted.numbers is None else wanted.numbers
        wanted = Wanted(wanted.start, wanted.end, numbers)
        urls, rows = [self._empty], 0
        for file in self._samples.at_rest(wanted):
            urls.append(self._serve(lambda file=file: Checked(file, self._remembered)))
            rows += sum(group.rows for group in file.footer.groups)
        for unit in self._samples.units(wanted):
            urls.append(self._serve(lambda unit=unit: self._merged(unit, wanted)))
            rows += sum(piece.rows for piece in unit.pieces)
        for statement in self._over_samples(urls, rows):
            self._db.execute(statement)

    def _over_samples(self, urls: list[str], rows: int) -> tuple[str, ...]:
        return tuple(views.over_samples(self._inner, urls, rows, converts=self._converts))

    def _merged(self, unit: Unit, wanted: Wanted) -> Source:
        def make() -> bytes:
            return parquet(to_table(self._samples.columns(unit, wanted)))

        return Made(self._remembered.get((unit.day, unit.first), make))

    def _serve(self, source: Callable[[], Source]) -> str:
        return self._serving.serve(f"{secrets.token_hex(16)}.parquet", source)


def answer(question: Question, tables: Mapping[str, pa.Table]) -> Iterator[pa.RecordBatch]:
    """The rows of a question; see `Database.answer`."""
    return Database(question.given, tables, question.limits).answer(question.sql)
