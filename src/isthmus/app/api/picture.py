# SPDX-License-Identifier: Apache-2.0
"""The living picture of the plant that all answers share: last values, and what changed since any earlier turn.

Twice a second the picture turns a page. A client that asks what changed since the page it saw last gets every tag that
is new since, each once, however many pages it missed: a slow one skips, and misses nothing. What two clients may both
be told is encoded once.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from contextlib import aclosing
from dataclasses import dataclass
from math import isfinite
from secrets import token_hex
from time import monotonic_ns
from typing import Final, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from isthmus.app.api.tag_figures import Chosen
from isthmus.app.run.place import Place
from isthmus.app.watching import News, Watch
from isthmus.core import time
from isthmus.core.path import matcher
from isthmus.core.samples import Value, plain
from isthmus.core.tag import DataType
from isthmus.operations.live import Live
from isthmus.plant.revision import Revision

PAGE: Final = 0.5
"""Seconds between two pages."""

LONGEST_EXACT: Final = 2**53
"""Integers of this size and more are told as text: a browser's numbers are not exact there."""

_CACHED: Final = 64
"""Encodings of the newest page that are kept: one per subscription and page last seen."""

_KNOWN: Final = 256
"""Subscriptions that are kept for the next one who asks for the same."""

Shown: TypeAlias = float | str | bool | None
"""A value as JSON says it: to it whole numbers are numbers."""

STALE: Final = 1 << 8
"""Flag beside the bits of `core.quality.Mark`: the source has not been heard of for a while."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """Tags that a client wants to see, and how to read their values."""

    patterns: tuple[str, ...]
    revision: int
    numbers: NDArray[np.intp]
    """(n,) ordered tag numbers."""
    types: dict[int, DataType]

    @classmethod
    def of(cls, revision: Revision, patterns: tuple[str, ...]) -> Subscription:
        """The tags whose paths match one of the patterns; without any pattern all tags."""
        tests = [matcher(pattern) for pattern in patterns]
        wanted = [s.tag for s in revision.tags if not tests or any(test(s.tag.path) for test in tests)]
        numbers = np.array([tag.number for tag in wanted], np.intp)
        return cls(patterns, revision.number, numbers, {tag.number: tag.type for tag in wanted})


class Page(msgspec.Struct, frozen=True, omit_defaults=True):
    """What changed, as a client gets it."""

    page: int
    """Number of this page; say it as `since` when you come back."""
    life: str
    """The server's life, in which pages are numbered; say it too: after a restart it is another one."""
    at: int
    """When it was turned, ms since 1970-01-01 UTC."""
    revision: int
    """The applied revision; when it is new, ask for the tags again."""
    values: list[tuple[int, Shown, float, int, int]]
    """Tag number, value (null: none), its time in ms, StatusCode, flags (bits of the marks; 256: stale)."""
    away: bool = False
    """The log does not answer at the moment: what is shown ages."""


class Picture:
    """The last value of every tag and when it changed last, in pages."""

    def __init__(self, place: Place) -> None:
        self.watch = Watch(place, lambda _path: True)
        self.page = 0
        self.life = token_hex(8)
        """Pages are numbered anew in each life of the server."""
        self.turned_at = time.now()
        self.away = False
        self.chosen: Chosen | None = None
        """Tags that Prometheus is shown, as it asked last."""
        self._changed: NDArray[np.int64] = np.zeros(0, np.int64)
        """On which page each tag number changed last; 0: never."""
        self._fresh: list[NDArray[np.intp]] = []
        """Numbers that changed since the page was turned."""
        self._turned = asyncio.Event()
        self._encoded: OrderedDict[tuple[tuple[str, ...], int], bytes] = OrderedDict()
        self._subscriptions: OrderedDict[tuple[str, ...], Subscription] = OrderedDict()
        self._told: tuple[int, bool] = (0, False)

    @property
    def live(self) -> Live:
        return self.watch.live

    async def follow(self, begun: asyncio.Event) -> None:
        """Follows the log until cancelled; sets `begun` when the last values are known."""
        async with aclosing(self.watch.follow()) as news:
            async for item in news:
                self._take(item)
                if not begun.is_set():
                    self._fresh.append(np.flatnonzero(self.live.time != time.EARLIEST))
                    self._turn()
                    begun.set()

    def _take(self, news: News) -> None:
        self._fresh += news.changed
        self.away = news.away

    async def turn_pages(self) -> None:
        """Turns a page twice a second, until cancelled."""
        while True:
            await asyncio.sleep(PAGE)
            for turn in self.watch.turns():
                tags = [s.tag.number for s in self.watch.settings if s.system == turn.system]
                self._fresh.append(np.array(tags, np.intp))
            self._turn()

    def _turn(self) -> None:
        """Turns the page, unless there is nothing new to tell."""
        told = (self.watch.revision, self.away)
        if not self._fresh and told == self._told:
            return
        self.page, self.turned_at, self._told = self.page + 1, time.now(), told
        missing = len(self.live.time) - len(self._changed)
        if missing > 0:
            self._changed = np.concatenate([self._changed, np.zeros(missing, np.int64)])
        for numbers in self._fresh:
            self._changed[numbers[numbers < len(self._changed)]] = self.page
        self._fresh = []
        self._encoded.clear()
        self._turned.set()
        self._turned = asyncio.Event()

    def subscription(self, revision: Revision, patterns: tuple[str, ...]) -> Subscription:
        """The subscription of these patterns, shared by all who ask for the same."""
        key = tuple(sorted(set(patterns)))
        found = self._subscriptions.get(key)
        if found is None or found.revision != revision.number:
            found = self._subscriptions[key] = Subscription.of(revision, key)
            while len(self._subscriptions) > _KNOWN:
                self._subscriptions.popitem(last=False)
        return found

    async def after(self, page: int) -> None:
        """Waits for a page newer than `page`."""
        while self.page <= page:
            await self._turned.wait()

    def encoded(self, wanted: Subscription, since: int) -> bytes:
        """What changed for a subscription since a page, as JSON of `Page`; 0: everything known."""
        key = (wanted.patterns, since)
        found = self._encoded.get(key)
        if found is None:
            found = self._encoded[key] = msgspec.json.encode(self._page(wanted, since))
            if len(self._encoded) > _CACHED:
                self._encoded.popitem(last=False)
        return found

    def _page(self, wanted: Subscription, since: int) -> Page:
        known = wanted.numbers[wanted.numbers < len(self._changed)]
        return Page(
            page=self.page,
            life=self.life,
            at=self.turned_at // time.MILLISECOND,
            revision=self.watch.revision,
            away=self.away,
            values=self._values(known[self._changed[known] > since], wanted.types),
        )

    def _values(
        self, numbers: NDArray[np.intp], types: dict[int, DataType]
    ) -> list[tuple[int, Shown, float, int, int]]:
        live = self.live
        flags = live.mark[numbers].astype(np.int64) | np.where(live.stale(monotonic_ns())[numbers], STALE, 0)
        columns = (
            numbers,
            live.value[numbers],
            live.integer[numbers],
            live.text[numbers],
            live.time[numbers] / time.MILLISECOND,
            live.quality[numbers],
            flags,
        )
        return [
            (number, shown(_value(types[number], value, integer, text)), at, quality, flag)
            for number, value, integer, text, at, quality, flag in zip(*(c.tolist() for c in columns), strict=True)
        ]


def shown(value: Value) -> Shown:
    """A value as JSON can say it and a browser can read it exactly."""
    if isinstance(value, float):
        return value if isfinite(value) else "Infinity" if value > 0 else "-Infinity" if value < 0 else None
    return str(value) if isinstance(value, int) and abs(value) >= LONGEST_EXACT else value


def _value(type_: DataType, value: float, integer: int, text: str | None) -> Value:
    """A value as Python has it; text also where a tag of another type was sent one."""
    found = plain(type_, value, integer, text)
    return found if found is not None else text
