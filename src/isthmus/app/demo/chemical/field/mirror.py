# SPDX-License-Identifier: Apache-2.0
"""What the simulation last said of one system, and what of it is news; it also tells when the simulation is away."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from pathlib import Path

from isthmus.app.demo.chemical.desk import Change, Opening
from isthmus.app.demo.chemical.faces import Node
from isthmus.app.demo.chemical.following import AGAIN, follow
from isthmus.core.errors import IsthmusError


@dataclass(slots=True)
class Mirror:
    """One system's values."""

    system: str
    nodes: Sequence[Node] = ()
    last: dict[int, Change] = field(default_factory=dict)
    """Position in `nodes` → what it is now."""
    there: bool = False
    """The simulation answers."""
    told: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once the simulation has said what all is."""
    _news: dict[int, Change] = field(default_factory=dict)
    _something: asyncio.Event = field(default_factory=asyncio.Event)

    async def follow(self, folder: Path) -> None:
        """Keeps it up to date, until cancelled."""
        while True:
            with suppress(IsthmusError):
                async with aclosing(follow(folder, self.system)) as said:
                    async for one in said:
                        if isinstance(one, Opening):
                            self.nodes, self.there = one.nodes, True
                            continue
                        self._take(one.changes)
            self.there = False
            self._something.set()
            await asyncio.sleep(AGAIN)

    async def news(self) -> list[Change]:
        """What changed since this was asked last, as soon as something has; nothing when the simulation went away."""
        await self._something.wait()
        self._something.clear()
        found, self._news = list(self._news.values()), {}
        return found

    def _take(self, changes: Sequence[Change]) -> None:
        for change in changes:
            self.last[change.position] = self._news[change.position] = change
        self.told.set()
        self._something.set()
