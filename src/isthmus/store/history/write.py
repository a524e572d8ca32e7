# SPDX-License-Identifier: Apache-2.0
"""How kept files are written: row group by row group into a temporary file, safe on the disk before they are named."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final
from uuid import uuid4

import msgspec
import pyarrow as pa

from isthmus.store.history.checked import CheckedWriter
from isthmus.store.history.columns import SCHEMA, Columns, empty, from_table, join, to_table
from isthmus.store.history.folder import SPARE, TEMPORARY, Folder, settle, write_through
from isthmus.store.history.form import GROUP, cuts, fitted, sample
from isthmus.store.history.kept import Kept, KeptFooter, Kind, name

SYNC: Final = 16 << 20
"""Bytes after which what is written is sent to the disk, so that a large file never holds up a recorder's flush."""

_QUICK: Final = {"compression": "lz4", "compression_level": None}
"""Runs are read soon and once: a third less time to write them, half to read them, for a fifth more bytes."""


class KeptWriter:
    """A kept file that is being written; `close` gives it its name, `abandon` leaves nothing of it."""

    def __init__(
        self,
        folder: Folder,
        kind: Kind,
        schema: pa.Schema = SCHEMA,
        form: dict[str, Any] | None = None,
        group: int = GROUP,
    ) -> None:
        """Without a `form` the first samples that are added decide about it."""
        self._folder = folder
        self._path = folder.kept / f"{kind}-{uuid4().hex}{TEMPORARY}"
        self._file = self._path.open("wb", buffering=0)
        self._to = _Steady(self._file.fileno())
        self._schema, self._form = schema, form
        self._begun: CheckedWriter | None = None
        self.kind, self.group = kind, group
        self.rows = 0

    def _writer(self, some: Columns) -> CheckedWriter:
        """What writes; `some` are the first samples, where it is samples that are written."""
        if self._begun is None:
            form = self._form or fitted(sample(some))
            self._begun = CheckedWriter(self._to, self._schema, form | (_QUICK if self.kind is Kind.RUN else {}))
        return self._begun

    def add(self, table: pa.Table) -> None:
        """Rows that follow those before, as row groups."""
        writer = self._writer(empty() if self._form or self._begun else from_table(table))
        for first in range(0, len(table), self.group):
            writer.add(table.slice(first, self.group))
        self.rows += len(table)

    def add_columns(self, columns: Columns) -> None:
        """Samples that follow those before, as row groups."""
        writer = self._writer(columns)
        for first, last in pairwise(cuts(columns.tag, self.group)):
            writer.add(to_table(columns.pick(slice(first, last))))
        self.rows += len(columns)

    def close(self, footer: KeptFooter) -> Kept:
        """The file under its name and safe on the disk; only its name waits for `settle(folder.kept)`."""
        writer = self._writer(empty())
        footer = msgspec.structs.replace(footer, groups=tuple(writer.groups))
        size, checksum, end = writer.close(footer)
        os.fsync(self._file.fileno())
        self._file.close()
        file = name(footer.kind, footer.day, footer.number, checksum)
        if footer.kind.of_samples:
            write_through(self._folder.kept / (file + SPARE), end)
        self._path.rename(self._folder.kept / file)
        return Kept.of(file, size, footer)

    def abandon(self) -> None:
        """Gives up and removes what was written."""
        self._to.off = True
        if self._begun is not None:
            self._begun.abandon()
        self._leave()

    def _leave(self) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)


class _Steady:
    """Writes all of every piece, and has the disk take what has gathered."""

    def __init__(self, file: int) -> None:
        self._file, self._waiting = file, 0
        self.off = False

    def write(self, data: bytes) -> None:
        left = memoryview(data)
        while left and not self.off:
            left = left[os.write(self._file, left) :]
        self._waiting += len(data)
        if self._waiting >= SYNC and not self.off:
            os.fdatasync(self._file)
            self._waiting = 0


def write_samples(folder: Folder, columns: Columns, footer: KeptFooter) -> Kept:
    """A run or a day of these ordered samples, safe on the disk with its name."""
    writer = KeptWriter(folder, footer.kind)
    try:
        writer.add_columns(columns)
        kept = writer.close(footer)
    except BaseException:
        writer.abandon()
        raise
    settle(folder.kept)
    return kept


def write_rest(folder: Folder, footer: KeptFooter, intact: Sequence[Columns]) -> Kept:
    """What is left of a damaged run or day, as another one in its place."""
    return write_samples(folder, join(intact), msgspec.structs.replace(footer, groups=(), act=uuid4().hex, others=()))
