# SPDX-License-Identifier: Apache-2.0
"""The files of a day while they are written: its samples, their roll-ups, and the last samples of its tags."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import numpy as np
import pyarrow as pa

from isthmus.core.tag import Tag
from isthmus.store.history.act import Act
from isthmus.store.history.carried import last_of
from isthmus.store.history.columns import Columns, join
from isthmus.store.history.form import GROUP, cuts
from isthmus.store.history.kept import BATCH, Kind
from isthmus.store.history.rollup import sheaf
from isthmus.store.history.rollup.roll import roll
from isthmus.store.history.rollup.rows import QUARTER

_LONG: Final = 1_000_000
"""Samples of one tag that are too many to wait for the rest of its day."""


class DayFiles:
    """One day that is written; `add` takes its samples in their order, at most about `room` wait in memory."""

    def __init__(
        self,
        act: Act,
        day: int,
        tags: Mapping[int, Tag],
        form: dict[str, Any] | None = None,
        room: int = BATCH,
        others: Callable[[Kind, int], Iterable[pa.Table]] = lambda kind, day: (),
    ) -> None:
        """`others` are rows of roll-ups that no sample tells of any more."""
        self.day, self._act, self._tags, self._room, self._others = day, act, tags, room, others
        self.samples = act.write(Kind.DAY, form=form)
        self._rollups = [
            act.write(kind, schema=sheaf.SCHEMA, form=sheaf.FORM, group=group) for kind, group in sheaf.GROUPS.items()
        ]
        self._unwritten: list[Columns] = []
        self._unrolled: list[Columns] = []
        self._roll_at = room
        self._last: list[Columns] = []
        self._long: set[int] = set()

    def add(self, part: Columns) -> None:
        self._last.append(last_of(part))
        self._unwritten.append(part)
        if sum(map(len, self._unwritten)) >= self._room:
            self._write(min(self._room, GROUP))
        self._unrolled.append(part)
        if sum(map(len, self._unrolled)) >= self._roll_at:
            self._roll()

    def finish(self) -> None:
        """All samples came; closes the roll-ups. The samples' file is left to the one who knows what goes with it."""
        self._write(1)
        self._roll(all_=True)
        for writer in self._rollups:
            for table in self._others(writer.kind, self.day):
                writer.add(table)
            self._act.close(writer, self.day)

    def last(self) -> Columns:
        """Of every tag its last sample, and its last live one when that is another."""
        return last_of(join(self._last))

    def _write(self, least: int) -> None:
        """Writes row groups, none smaller than `least`; what is left waits."""
        columns = join(self._unwritten)
        whole = _settled(columns)
        upto = whole if whole and least > 1 and len(columns) - whole < 2 * least else len(columns)
        self.samples.add_columns(columns.pick(slice(0, upto)))
        self._unwritten = [columns.pick(slice(upto, None))] if upto < len(columns) else []

    def _roll(self, *, all_: bool = False) -> None:
        """Rolls up the tags of which all samples came; of a tag with very many the quarters of which all came."""
        columns = join(self._unrolled)
        ready = len(columns) if all_ or not len(columns) else int(np.searchsorted(columns.tag, columns.tag[-1]))
        if not ready and len(columns) >= _LONG:
            ready = int(np.searchsorted(columns.time, columns.time[-1] // QUARTER * QUARTER))
            self._long.add(int(columns.tag[-1]))
        tables = roll(columns.pick(slice(0, ready)), self._tags, self._long) if ready else ()
        for writer, table in zip(self._rollups, tables, strict=False):
            if len(table):
                writer.add(table)
        self._unrolled = [columns.pick(slice(ready, None))] if ready < len(columns) else []
        self._roll_at = max(self._room, 2 * (len(columns) - ready))


def _settled(columns: Columns) -> int:
    """How many of these samples are in row groups that stay as they are: the last tag may turn out to be a long one."""
    count = len(columns)
    last = int(np.searchsorted(columns.tag, columns.tag[-1])) if count else 0
    open_ = min(last, count - 1) if count - last < GROUP else count - 1
    return max((place for place in cuts(columns.tag)[:-1] if place <= open_), default=0)
