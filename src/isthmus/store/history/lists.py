# SPDX-License-Identifier: Apache-2.0
"""Tag lists come from the log once and stay in the history folder, so that its numbers have names without the log."""

from __future__ import annotations

import msgspec

from isthmus.core.errors import Damaged, NotFound
from isthmus.core.tag import Tag, TagList
from isthmus.store.history.folder import Folder, keep
from isthmus.store.history.memory import Numbers
from isthmus.stream.log import Log


class Lists:
    """Tag lists by digest."""

    def __init__(self, folder: Folder, log: Log | None, *, keeping: bool = False) -> None:
        self._folder, self._log, self._keeping = folder, log, keeping
        self._known: dict[str, Numbers] = {}

    async def numbers(self, digest: str) -> Numbers:
        """The columns of one list; raises NotFound when nobody has it, Damaged when it is none."""
        if digest not in self._known:
            tags = self._kept(digest) or await self._fetched(digest)
            if any(not 0 <= tag.number < 2**32 for tag in tags.tags):
                raise Damaged(f"tag list {digest} has numbers that no tag can have")
            self._known[digest] = Numbers.of(tags)
        return self._known[digest]

    def _kept(self, digest: str) -> TagList | None:
        path = self._folder.lists / digest
        try:
            tags = TagList.unpack(path.read_bytes())
        except FileNotFoundError:
            return None
        except (msgspec.DecodeError, ValueError):
            tags = None
        if tags is None or tags.digest != digest:
            if self._keeping:
                self._folder.set_aside(path)
            return None
        return tags

    async def _fetched(self, digest: str) -> TagList:
        if self._log is None:
            raise NotFound(f"tag list {digest} is not in the history folder", where=str(self._folder.lists))
        tags = await self._log.tag_list(digest)
        if self._keeping:
            keep(self._folder.lists / digest, tags.packed)
        return tags


def known_tags(folder: Folder) -> dict[int, Tag]:
    """Every tag that was ever recorded, by number, as its newest list has it; unreadable lists are passed over."""
    found: dict[int, Tag] = {}
    for path in sorted(folder.lists.glob("?" * 32), key=lambda path: path.stat().st_mtime_ns):
        try:
            tags = TagList.unpack(path.read_bytes())
        except (msgspec.DecodeError, ValueError):
            continue
        found.update((tag.number, tag) for tag in tags.tags)
    return found
