# SPDX-License-Identifier: Apache-2.0
"""What each view is read from: days as they lie on the disk, and units that are worked out when DuckDB opens them."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from isthmus.core.time import EARLIEST
from isthmus.store.history.columns import SCHEMA, from_table, to_table
from isthmus.store.history.folder import Folder
from isthmus.store.history.kept import DAY, Kind
from isthmus.store.history.rollup.rows import MINUTE, QUARTER
from isthmus.store.history.sql import assets, rolls
from isthmus.store.history.sql.courses import Courses, Numbers
from isthmus.store.history.sql.fresh import Samples, Unit, Wanted, parquet
from isthmus.store.history.sql.given import Given
from isthmus.store.history.sql.narrow import Narrowed
from isthmus.store.history.sql.serving import Checked, Made, Remembered, Serving, Source

WIDTHS: Final = {"rollup_1m": (Kind.MINUTES, MINUTE), "rollup_15m": (Kind.QUARTERS, QUARTER)}
_MANY: Final = 10**9
"""Rows that a view is taken to have until it is known what is wanted of it."""


@dataclass(frozen=True, slots=True)
class Served:
    """Parquet that a view reads."""

    urls: list[str]
    """The first has no rows: DuckDB opens it to learn the columns."""
    rows: int
    """About how many."""


class Sources:
    """Everything of one snapshot that is served."""

    def __init__(self, given: Given, tables: Mapping[str, pa.Table], serving: Serving) -> None:
        self._given, self._tables, self._serving = given, tables, serving
        self._remembered = Remembered()
        self._folder = Folder(Path(given.folder))
        self._numbers = Numbers.of(tables["numbers"])
        self._samples = Samples(self._folder, given.segments, given.kept, from_table(tables["tail"]))
        self._courses = Courses(self._folder, self._samples, given.kept, self._numbers)
        self._views = {view.name: view for view in given.assets}
        counts = [len(view.assets) for view in given.assets]
        self._first = dict(zip(self._views, (np.cumsum(counts) - counts).tolist(), strict=True)) if counts else {}

    @property
    def converts(self) -> bool:
        """Whether values of any number are to be converted."""
        return bool((self._numbers.scale != 1.0).any() or (self._numbers.shift != 0.0).any())

    def assets(self) -> pa.Table:
        """Every asset of the views, by its number."""
        paths = [path for view in self._given.assets for path in view.assets]
        return pa.table({"asset": pa.array(range(len(paths)), pa.uint32()), "path": pa.array(paths, pa.string())})

    def nothing(self, view: str) -> Served:
        """A view without rows, of which DuckDB expects many: it plans as for the whole history."""
        if view == "samples":
            schema = SCHEMA
        elif view in WIDTHS:
            schema = rolls.SCHEMA
        else:
            schema = assets.schema(self._views[view])
        return Served([self._serve(lambda: Made(parquet(schema.empty_table())))], _MANY)

    def served(self, view: str, narrow: Narrowed) -> Served:
        """What a question can be about of a view."""
        found = self.nothing(view)
        wanted = narrow.wanted
        if view == "samples":
            rows = self._of_samples(wanted, found.urls)
        elif view in WIDTHS:
            rows = self._of_rolls(view, wanted, found.urls)
        else:
            rows = self._of_assets(view, narrow, found.urls)
        return Served(found.urls, rows)

    def _of_samples(self, wanted: Wanted, urls: list[str]) -> int:
        numbers = self._numbers.number if wanted.numbers is None else wanted.numbers
        wanted, rows = Wanted(wanted.start, wanted.end, numbers), 0
        for file in self._samples.at_rest(wanted):
            urls.append(self._serve(partial(Checked, file, self._remembered)))
            rows += sum(group.rows for group in file.footer.groups)
        for unit in self._samples.units(wanted):
            self._made(urls, partial(self._merged, unit, wanted))
            rows += sum(piece.rows for piece in unit.pieces)
        return rows

    def _merged(self, unit: Unit, wanted: Wanted) -> pa.Table:
        return to_table(self._samples.columns(unit, wanted))

    def _of_rolls(self, view: str, wanted: Wanted, urls: list[str]) -> int:
        kind, width = WIDTHS[view]
        source = rolls.Rolls(self._folder, self._courses, self._given.kept, self._unseen, kind, width)
        places = self._numbers.place
        if wanted.numbers is not None:
            places = places[np.isin(self._numbers.number, wanted.numbers)]
        start, end = self._span(wanted)
        rows = 0
        for unit in rolls.units(np.unique(places).tolist(), start // width * width, -(-end // width) * width, width):
            self._made(urls, partial(source.table, unit))
            rows += len(unit.places) * (unit.end - unit.start) // width
        return rows

    def _of_assets(self, view: str, narrow: Narrowed, urls: list[str]) -> int:
        source = assets.Assets(self._views[view], self._first[view], self._courses, self._names, self._lost)
        start, end = self._span(narrow.wanted)
        for unit in source.units(narrow.assets, start, end):
            self._made(urls, partial(source.table, unit))
        return len(urls) * rolls.UNIT

    def _span(self, wanted: Wanted) -> tuple[int, int]:
        """The wanted time as far as there can be anything; ns."""
        days = self._samples.days
        if not days:
            return 0, 0
        newest = max((int(times.max()) for times in self._unseen.values() if len(times)), default=EARLIEST)
        last = max((days[-1] + 1) * DAY, newest + 1)
        return max(wanted.start, days[0] * DAY), min(wanted.end, last)

    @cached_property
    def _unseen(self) -> Mapping[int, Any]:
        """When each system ceased to be watched, in order."""
        table = self._tables["unseen"]
        watch, first = table["watch"].to_numpy(), table["first"].to_numpy()
        return {int(one): np.sort(first[watch == one]) for one in np.unique(watch)}

    def _lost(self, place: int) -> Any:
        """(g,) when gaps begin in which samples of a tag may be missing, in order; ns."""
        watch, first, low, high = (self._tables["lost"][name].to_numpy() for name in ("watch", "first", "low", "high"))
        own = self._numbers.of_places([place]).astype(np.int64)
        of_tag = ((own >= low[:, None]) & (own <= high[:, None])).any(axis=1)
        return np.sort(first[(watch == self._numbers.watch[self._numbers.row(place)]) & of_tag])

    @cached_property
    def _names(self) -> list[list[tuple[int, str]]]:
        names: list[list[tuple[int, str]]] = self._tables["tags"]["names"].to_pylist()
        return names

    def _made(self, urls: list[str], make: Callable[[], pa.Table]) -> None:
        """Serves a table as Parquet, made when it is first opened."""
        key = object()
        urls.append(self._serve(lambda: Made(self._remembered.get(key, lambda: parquet(make())))))

    def _serve(self, source: Callable[[], Source]) -> str:
        return self._serving.serve(f"{secrets.token_hex(16)}.parquet", source)
