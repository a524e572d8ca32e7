# SPDX-License-Identifier: Apache-2.0
"""Tables in memory become history, as an import: what a program uses that has a past of its own to bring."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from itertools import chain
from pathlib import Path

import pyarrow as pa

from isthmus.app.importing.account import Account, identity
from isthmus.app.importing.layout import layout
from isthmus.app.importing.mapping import Names, Rule
from isthmus.app.importing.names import Tags
from isthmus.app.importing.piece import Piece, Reading, Spot
from isthmus.app.importing.tables import ROWS, table_piece
from isthmus.app.importing.take import Progress, Taking, begin, patiently, unsaid
from isthmus.app.importing.times import Clock
from isthmus.app.importing.understand import Sense
from isthmus.app.run.endpoint import revision_of
from isthmus.app.run.place import Place


@dataclass(frozen=True, slots=True)
class _Tables:
    """Tables in memory, long or wide, whose times are UTC where they have no zone."""

    tables: Iterable[pa.Table]
    first: pa.Table

    @property
    def names(self) -> Sequence[str]:
        return tuple(self.first.column_names)

    @property
    def size(self) -> int:
        return 0

    def sense(self, tags: Tags, seen: int) -> Sense:
        reading = Reading(quality_as="opcua")
        return Sense(layout(self.names, reading, Path("tables")), reading, tags, Clock("", zone=UTC), seen)

    def pieces(self, start: Spot) -> Iterator[Piece]:
        done = 0
        for table in self.tables:
            if done + len(table) <= start.offset:
                done += len(table)
                continue
            for batch in table.combine_chunks().to_batches(ROWS):
                part = batch.slice(max(start.offset - done, 0))
                done += len(batch)
                if len(part):
                    yield table_piece(part, done - len(part), 0)


def take_in(
    place: Place,
    tables: Iterable[pa.Table],
    name: str,
    *,
    mapping: Mapping[str, str] | None = None,
    progress: Callable[[Progress], None] = unsaid,
) -> Account:
    """Puts tables into the history of `place`, as an import of this `name`, every sample marked historical.

    Tables are long (columns `tag`: path, whole or within the plant; `time`: UTC; `value`: number, boolean or text;
    `quality`: StatusCode, if there is one) or wide (`time`, and a column for each tag). `mapping` gives the tags of
    other names. An import of this name that was begun and not ended goes on behind the rows it has, so give the same
    tables again; one that ended is returned as it is. Rows that cannot be taken are counted in the account.
    Raises NotFound when no plant was applied there, InUse when another process tends the history for long.
    """
    names = Names(tuple(Rule(one, tag) for one, tag in (mapping or {}).items()))
    tags, rest = Tags(revision_of(place), names), iter(tables)
    first = next(rest, None)
    with patiently(place.history) as manifest:
        account = begin(manifest, identity("tables", name), name)
        if account.ended or first is None:
            return account
        taking = Taking(place, manifest, account, tags, progress)
        return taking.take([(name, _Tables(chain([first], rest), first))])
