# SPDX-License-Identifier: Apache-2.0
"""Exporting writes what was recorded of some tags into a file, day by day: years of it in bounded memory.

The file gets its name when it is complete. Rows are in order of days, within a day of tags, then of time.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from isthmus.app.cli import sample_output
from isthmus.app.gaps import concerning
from isthmus.app.not_kept import NotKept, not_kept
from isthmus.app.recorded import Recorded, find, named, span, zone
from isthmus.app.run.access import history_of
from isthmus.app.run.endpoint import revision_of
from isthmus.app.run.place import Place
from isthmus.core import time
from isthmus.core.event import Event
from isthmus.core.tag import DataType, Tag
from isthmus.plant.revision import TagSetting
from isthmus.store.history.columns import empty, to_table
from isthmus.store.history.former import joined
from isthmus.store.history.kept import DAY
from isthmus.store.history.read import History

AT_ONCE: Final = 32
"""Tags of which a day is in memory."""

Say = Callable[[str, int, int], None]
"""What is being done, how far, of how many."""


async def export(
    place: Place, patterns: Sequence[str], start: str, end: str, output: Path, form: str, say: Say, *, replaced: bool
) -> tuple[Sequence[Event], Sequence[NotKept]]:
    """Writes the samples to `output` as `csv`, `parquet` or `arrow`; the gaps among them, and what was let go.

    Raises as `recorded` does.
    """
    revision = revision_of(place)
    settings = find(revision, patterns)
    first, last = span(start, end, time.now(), zone(revision))
    async with history_of(place, "history") as history:
        with _writing(output, form) as write:
            days = list(_days(history, first, last))
            for done, (begin, stop) in enumerate(days):
                say("exporting days", done, len(days))
                for some in range(0, len(settings), AT_ONCE):
                    found = list(tables(history, settings[some : some + AT_ONCE], begin, stop, replaced=replaced))
                    write(Recorded(begin, stop, found, ()))
        return concerning(history.gaps(first, last), settings, revision), not_kept(history, settings, first)


def _days(history: History, first: int, last: int) -> Iterator[tuple[int, int]]:
    """The range in parts of a UTC day, as far as anything was recorded in it."""
    parts = [part for part in history.parts if part.rows]
    edges = [(part.first_time, part.last_time) for part in parts]
    if len(history.tail):
        edges.append((int(history.tail.time.min()), int(history.tail.time.max())))
    low = max(first, min((low for low, _ in edges), default=last))
    high = min(last, max((high for _, high in edges), default=first) + 1)
    begin = low
    while begin < high:
        stop = min((begin // DAY + 1) * DAY, high)
        if any(one < stop and other >= begin for one, other in edges):
            yield begin, stop
        begin = stop


def tables(
    history: History, settings: Sequence[TagSetting], start: int, end: int, *, replaced: bool
) -> Iterator[tuple[TagSetting, pa.Table]]:
    """Each tag's samples, in the order of the settings; those without earlier numbers are read at once."""
    alone = [setting.tag.number for setting in settings if not setting.formers]
    columns = history.columns(alone, start, end, replaced=replaced)
    for setting in settings:
        if setting.formers:
            yield setting, joined(history, setting, start, end, replaced=replaced)
            continue
        number = np.uint32(setting.tag.number)
        first, stop = (int(np.searchsorted(columns.tag, number, side)) for side in ("left", "right"))
        yield setting, to_table(columns.pick(slice(first, stop)))


@contextmanager
def _writing(output: Path, form: str) -> Iterator[Callable[[Recorded], None]]:
    """Gives what writes a part; the file has its name when the block ended well, and is gone when it did not."""
    part = output.with_name(f".{output.name}.part")
    try:
        with ExitStack() as held:
            yield _FORMS[form](part, held)
        part.rename(output)
    finally:
        part.unlink(missing_ok=True)


def _parquet(path: Path, held: ExitStack) -> Callable[[Recorded], None]:
    schema = blank().schema
    writer = held.enter_context(pq.ParquetWriter(path, schema, compression="zstd"))

    def write(found: Recorded) -> None:
        table = found.table() if found.tables else blank()
        if len(table):
            writer.write_table(table.cast(schema))

    return write


def _arrow(path: Path, held: ExitStack) -> Callable[[Recorded], None]:
    schema = pa.schema([pa.field(f.name, _undivided(f.type), f.nullable) for f in blank().schema])
    writer = held.enter_context(pa.ipc.new_file(path, schema, options=pa.ipc.IpcWriteOptions(compression="zstd")))

    def write(found: Recorded) -> None:
        table = found.table() if found.tables else blank()
        if len(table):
            writer.write_table(table.cast(schema), max_chunksize=122_880)

    return write


def _undivided(kind: pa.DataType) -> pa.DataType:
    """An Arrow file has one dictionary per column, and every part would bring its own: words are written out."""
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _csv(path: Path, held: ExitStack) -> Callable[[Recorded], None]:
    file = held.enter_context(path.open("x", encoding="utf-8", newline=""))
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(sample_output.COLUMNS)

    def write(found: Recorded) -> None:
        writer.writerows(sample_output.data(row).values() for row in found.rows())

    return write


def blank() -> pa.Table:
    """No rows, in the columns of an export."""
    nobody = TagSetting(tag=Tag(0, "", "", DataType.FLOAT, False), system="", address="")
    return named(nobody, to_table(empty()))


_FORMS: Final[dict[str, Any]] = {"parquet": _parquet, "arrow": _arrow, "csv": _csv}
