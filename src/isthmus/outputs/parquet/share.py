# SPDX-License-Identifier: Apache-2.0
"""The share: samples are staged as they come and put into a file of their hour once it is over."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Final

import numpy as np
from pydantic import Field

from isthmus.core import time
from isthmus.core.errors import Disconnected
from isthmus.core.threads import to_its_end
from isthmus.outputs.contract import Delivery, Refusal, Surroundings
from isthmus.outputs.parquet.hour import table_of, without, write
from isthmus.outputs.parquet.listing import Files
from isthmus.outputs.parquet.stage import HOUR, Names, Stage
from isthmus.store.history.columns import Columns, ordered
from isthmus.systems.contract import Spec
from isthmus.systems.durations import Duration, between
from isthmus.systems.places import WholePath

MOST: Final = 1_000_000
MOST_BYTES: Final = 256 << 20
"""Samples that are staged, and bytes of them; when there are more they go into files, whatever hour it is."""
RARELY: Final = 60 * time.SECOND
"""Between two looks for files that need not be kept any more."""


class ParquetSpec(Spec):
    """A folder of Parquet files with names and units, one or more for each hour, for programs outside."""

    folder: WholePath = Field(description="The folder of the share, with its whole path; it is made.")
    settle: Annotated[Duration, between("0s", "1d")] = Field(
        "5m",
        description="How long after the end of an hour its file is written, and how long late samples wait for others "
        "that go into the same file.",
    )
    keep: Annotated[Duration, between("1d", "36500d")] | None = Field(
        None, description="How long files are kept; without it for ever. Older samples are not written either."
    )


class Share:
    """One share."""

    def __init__(self, spec: ParquetSpec, surroundings: Surroundings) -> None:
        self._spec, self._house = spec, surroundings

    @asynccontextmanager
    async def open(self) -> AsyncIterator[_Sink]:
        """Makes sure that the share is there, and reads what is staged."""
        yield await to_its_end(self._opened)

    def _opened(self) -> _Sink:
        house, begun = self._house, self._house.folder / "share"
        keep = _oldest(self._spec, time.now())
        files = Files.open(
            Path(self._spec.folder),
            house.revision.plant,
            house.output,
            new=not _is(begun, self._spec.folder),
            keep=keep,
        )
        begun.write_text(self._spec.folder)
        names = {number: (one.tag.path, one.tag.unit) for number, one in house.tags.items()}
        return _Sink(self._spec, names, files, Stage(house.folder / "stage"))


def _is(begun: Path, folder: str) -> bool:
    """Whether the share was begun in this folder before."""
    return begun.exists() and begun.read_text() == folder


def _oldest(spec: ParquetSpec, now: int) -> int:
    """The time (ns) before which nothing is kept."""
    return now - time.duration(spec.keep) if spec.keep is not None else time.EARLIEST


class _Sink:
    """An open share."""

    def __init__(self, spec: ParquetSpec, names: Names, files: Files, stage: Stage) -> None:
        self._spec, self._names, self._files, self._stage = spec, names, files, stage
        self._settle = time.duration(spec.settle)
        self._looked = 0

    async def write(self, delivery: Delivery) -> Sequence[Refusal]:
        await to_its_end(self._take, delivery.columns)
        return ()

    def _take(self, columns: Columns) -> None:
        """Writes what is due first: while the share cannot be written nothing more is taken."""
        now = time.now()
        self._files.check()
        try:
            if due := self._due(now, len(columns)):
                self._write(due, now)
            if now - self._looked > RARELY:
                self._looked = now
                self._files.forget(_oldest(self._spec, now))
        except OSError as error:
            raise Disconnected(f"cannot be written: {error.strerror or error}", where=self._spec.folder) from error
        if len(columns):
            self._stage.add(columns, self._names, now)

    def _due(self, now: int, more: int) -> list[int]:
        """Hours that are over since a while, and whose first staged sample is; all where there is no more room."""
        since = self._stage.since
        if self._stage.rows + more > MOST or self._stage.bytes > MOST_BYTES:
            return list(since)
        late = now - self._settle
        return [hour for hour, staged in since.items() if (hour + 1) * HOUR <= late and staged <= late]

    def _write(self, hours: Sequence[int], now: int) -> None:
        oldest, written = _oldest(self._spec, now), 0
        for hour in sorted(hours):
            if (hour + 1) * HOUR > oldest:
                written += self._write_hour(hour)
        if written:
            self._files.save()
        self._stage.drop(hours)

    def _write_hour(self, hour: int) -> bool:
        """Whether there was anything in it that no file had."""
        columns = _by_name(ordered(self._stage.of(hour)), self._stage.names)
        around = self._files.around(hour, int(columns.time.min()), int(columns.time.max()))
        table = without(table_of(columns, self._stage.names), around)
        if len(table):
            self._files.add(write(self._files.folder, hour, table))
        return bool(len(table))


def _by_name(columns: Columns, names: Names) -> Columns:
    """Ordered samples, tags in the order of their paths: who looks for one finds it in few row groups."""
    numbers, places = np.unique(columns.tag, return_inverse=True)
    rank = np.argsort(np.argsort([names[number][0] for number in numbers.tolist()]))
    return columns.pick(np.argsort(rank[places], kind="stable"))
