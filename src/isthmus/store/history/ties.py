# SPDX-License-Identifier: Apache-2.0
"""What files bring along besides samples: the state of the log, events, bookmarks. A new file takes it over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from isthmus.core.event import Event
from isthmus.store.history.checked import Opened
from isthmus.store.history.kept import Bookmark, KeptFooter
from isthmus.store.history.manifest import Manifest
from isthmus.store.history.segment import Footer
from isthmus.store.history.state import State


@dataclass(frozen=True, slots=True)
class Ties:
    """What some files bring along together."""

    state: State | None
    events: tuple[Event, ...]
    bookmarks: tuple[Bookmark, ...]

    @classmethod
    def of(cls, manifest: Manifest, files: Sequence[Opened[Footer] | Opened[KeptFooter]]) -> Ties:
        """Without events and bookmarks that the manifest has forgotten meanwhile."""
        footers = [file.footer for file in files]
        states = [footer.state for footer in footers if footer.state is not None]
        events = {event.id: event for footer in footers for event in footer.events}
        known, noted = manifest.known(events), manifest.bookmarks()
        names = {mark.id for footer in footers if isinstance(footer, KeptFooter) for mark in footer.bookmarks}
        return cls(
            state=max(states, key=lambda state: state.ordinal, default=None),
            events=tuple(event for name, event in events.items() if name in known),
            bookmarks=tuple(Bookmark(name, noted[name]) for name in sorted(names) if name in noted),
        )
