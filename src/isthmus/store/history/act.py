# SPDX-License-Identifier: Apache-2.0
"""An act is a set of kept files that count together or not at all: written, then committed in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import pyarrow as pa

from isthmus.core.event import Event
from isthmus.store.history.columns import SCHEMA
from isthmus.store.history.folder import Folder, settle
from isthmus.store.history.form import GROUP
from isthmus.store.history.kept import Bookmark, Kept, KeptFooter, Kind
from isthmus.store.history.manifest import Manifest
from isthmus.store.history.state import State
from isthmus.store.history.write import KeptWriter


class Act:
    """An act under way. Used as a context: whatever was not committed is removed at its end."""

    def __init__(
        self, folder: Folder, manifest: Manifest, absorbed: Sequence[str], state: State | None, number: int
    ) -> None:
        self.folder, self._manifest = folder, manifest
        self.absorbed, self._state = list(absorbed), state
        self.number, self._name = number, uuid4().hex
        self._writing: list[KeptWriter] = []
        self.done: list[Kept] = []

    def __enter__(self) -> Act:
        return self

    def __exit__(self, *_: object) -> None:
        for writer in self._writing:
            writer.abandon()
        for kept in self.done:
            self.folder.drop(kept.file)

    def write(
        self, kind: Kind, *, schema: pa.Schema = SCHEMA, form: dict[str, Any] | None = None, group: int = GROUP
    ) -> KeptWriter:
        """A file of the act, to be written and then closed or committed."""
        writer = KeptWriter(self.folder, kind, schema, form, group)
        self._writing.append(writer)
        return writer

    def close(
        self,
        writer: KeptWriter,
        day: int,
        *,
        events: Sequence[Event] = (),
        bookmarks: Sequence[Bookmark] = (),
        last: bool = False,
    ) -> None:
        """Ends a file. The one that is closed last names all the others: with it the act is complete on the disk."""
        footer = KeptFooter(
            kind=writer.kind,
            day=day,
            number=self.number,
            act=self._name,
            others=tuple(kept.file for kept in self.done) if last else None,
            absorbed=tuple(self.absorbed),
            state=self._state if writer.kind.of_samples else None,
            events=tuple(events),
            bookmarks=tuple(bookmarks),
        )
        if last:
            settle(self.folder.kept)
        self.done.append(writer.close(footer))
        self._writing.remove(writer)
        if last:
            settle(self.folder.kept)

    def commit(self) -> None:
        """From now on the act's files count and what they absorbed does not; raises InUse as `Manifest.replace`."""
        self._manifest.replace(self.done, self.absorbed)
        self.done = []
