# SPDX-License-Identifier: Apache-2.0
"""The SQL driver: asks one table after the other for new rows, hands them over in pages, notes what the log has."""

from __future__ import annotations

import asyncio
import math
import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from time import monotonic
from typing import Final, TypeVar

from isthmus.core import quality, time
from isthmus.core.errors import Disconnected
from isthmus.core.event import Event, EventKind, Severity
from isthmus.core.tag import DataType
from isthmus.core.threads import to_its_end
from isthmus.systems.bare import bad, no_values
from isthmus.systems.cell import Cell
from isthmus.systems.contract import Address, Found, Readings, Surroundings
from isthmus.systems.durations import seconds
from isthmus.systems.sql import cells
from isthmus.systems.sql.account import Account, Entry
from isthmus.systems.sql.address import parse
from isthmus.systems.sql.browse import found
from isthmus.systems.sql.database import Failed, Link, connected
from isthmus.systems.sql.picking import Page
from isthmus.systems.sql.reading import Reading
from isthmus.systems.sql.spec import SqlSpec
from isthmus.systems.telling import can_be_read, happened, listed, names

T = TypeVar("T")

AHEAD: Final = 8
"""Pages that may be on their way into the log."""
BEAT: Final = 5.0
"""Seconds between two signs of life while nothing comes."""
AGAIN: Final = 30.0
"""Seconds until a table that could not be read is tried again."""
RARELY: Final = 3600.0
"""Seconds between two events about one thing that happens again and again."""


class SqlSource:
    """Reads and browses. Remembers, in the data directory, what the log has of each table."""

    def __init__(self, spec: SqlSpec, surroundings: Surroundings) -> None:
        self._spec, self._system = spec, surroundings.system
        self._account = Account(surroundings.folder / "run" / f"sql-{surroundings.system}.db")

    @asynccontextmanager
    async def open(self, addresses: Sequence[Address]) -> AsyncGenerator[AsyncIterator[Readings]]:
        """Connects; see the contract."""
        async with connected(self._spec, f"isthmus {self._system}") as link:
            taking = Taking(link, self._spec, self._system, self._account, addresses)
            await taking.remember()
            try:
                yield taking
            finally:
                await taking.close()

    async def browse(self, start: str | None = None) -> AsyncIterator[Found]:
        """Its tables and their columns; `start` is the path of one of them, or of a schema."""
        async with connected(self._spec, f"isthmus {self._system}") as link:
            for one in await link.ask(partial(found, spec=self._spec, start=start)):
                yield one


class Taking:
    """The readings of one database, made while they are asked for."""

    def __init__(self, link: Link, spec: SqlSpec, system: str, account: Account, addresses: Sequence[Address]) -> None:
        self._link, self._spec, self._system, self._account = link, spec, system, account
        self._texts = [address.text for address in addresses]
        self._places = [parse(address.text) for address in addresses]
        self._types = [address.type for address in addresses]
        self._tables: list[Reading] = []
        self._waiting = 0
        """Pages that the log does not have yet."""
        self._room = asyncio.Event()
        self._closed = False
        self._said: dict[str, float] = {}
        """What can happen again and again → when it was last told of."""
        self._first = self._unknown()

    async def remember(self) -> None:
        """How far each table was read."""
        wanted: dict[str, dict[int, tuple[Cell, DataType]]] = {name: {} for name in self._spec.tables}
        for position, place in enumerate(self._places):
            if place.table in wanted:
                wanted[place.table][position] = (place.cell, self._types[position])
        for name, of in wanted.items():
            if of or self._spec.tables[name].event is not None:
                reading = Reading.of(self._system, name, self._spec, of, None)
                known = await self._kept(partial(self._account.known, name, reading.meant))
                self._tables.append(Reading.of(self._system, name, self._spec, of, known))

    def _unknown(self) -> Readings | None:
        """Addresses of tables that the plant file does not name."""
        lost = [at for at, place in enumerate(self._places) if place.table not in self._spec.tables]
        if not lost:
            return None
        found = [self._texts[position] for position in lost]
        message = f"{names(found, 3)}: there is no such table under `tables`; there is {', '.join(self._spec.tables)}"
        return bad(dict.fromkeys(lost, quality.BAD_CONFIGURATION), [self._event(Severity.ERROR, message, found)])

    def _event(self, severity: Severity, message: str, addresses: Sequence[str] = ()) -> Event:
        return happened(self._system, EventKind.TAG, severity, message, **listed(addresses))

    def __aiter__(self) -> Taking:
        return self

    async def __anext__(self) -> Readings:
        if self._first is not None:
            first, self._first = self._first, None
            return first
        if self._waiting >= AHEAD and not await self._room_made():
            return no_values()
        await self._keep()
        table = min(self._tables, key=lambda one: one.due, default=None)
        wait = BEAT if table is None else table.due - monotonic()
        if table is None or wait > 0:
            await asyncio.sleep(min(wait, BEAT))
        if table is None or wait > BEAT:
            return no_values()
        return await self._look(table)

    async def _room_made(self) -> bool:
        """Waits for the log to have another page; False when that takes longer than a sign of life may."""
        self._room.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(BEAT):
                await self._room.wait()
            return True
        return False

    async def _look(self, table: Reading) -> Readings:
        """The next page of a table, or why there is none."""
        fresh = not table.described
        try:
            lost: Mapping[int, str] = table.lost
            if fresh or lost:  # a row that is taken without a column is not taken again with it
                lost = await self._link.ask(table.describe)
            met = await self._link.ask(table.ask)
        except Failed as error:
            return self._failed(table, error, fresh)
        page = await asyncio.to_thread(table.page, met)
        table.due = monotonic() + (0.0 if met.full else seconds(self._spec.every))
        self._tell(table, lost, page)
        page.events += self._remarks(table)
        entry = table.window.entry()
        latest = max(page.at, default=time.UNKNOWN)
        page.events += table.lag.page(len(entry.taken), latest, met.full, monotonic())
        if not entry.taken and not entry.forgotten and not page.events:
            return no_values(done=partial(self._noted, table, entry))
        self._waiting += 1
        return page.readings(done=partial(self._accepted, table, entry))

    def _tell(self, table: Reading, lost: Mapping[int, str], page: Page) -> None:
        """Adds to a page what addresses can be read, or cannot, other than before."""
        news = {position: why for position, why in lost.items() if table.lost.get(position) != why}
        back = [self._texts[position] for position in table.lost if position not in lost]
        table.lost = dict(lost)
        for position in news:
            page.add(position, time.UNKNOWN, quality.BAD_NODE_ID_UNKNOWN, *cells.NOTHING)
        for why in dict.fromkeys(news.values()):
            found = [self._texts[position] for position, one in news.items() if one == why]
            page.events.append(self._event(Severity.ERROR, f"{names(found, 3)}: {why}; tried again", found))
        if back:
            page.events.append(can_be_read(self._system, back))

    def _failed(self, table: Reading, error: Failed, fresh: bool) -> Readings:
        """The database did not take a question. It may be that a column is gone: that harms only who reads it."""
        if not fresh and not error.passing:
            table.described = False
            return no_values()
        table.described = table.described and error.passing
        table.due = monotonic() + (seconds(self._spec.every) if error.passing else AGAIN)
        why = f"{error.what}; {error.hint}" if error.hint else error.what
        page = Page(table=table.name)
        if (error.passing or not table.wanted) and self._due_again(f"{table.name}: {why}"):
            found = [self._texts[position] for position in table.wanted]
            page.events.append(self._event(Severity.WARNING, f"table {table.name} cannot be read: {why}", found))
        if not error.passing and table.wanted:
            self._tell(table, dict.fromkeys(table.wanted, why), page)
        return page.readings()

    def _due_again(self, what: str) -> bool:
        """Whether something was not told of lately; it will have been."""
        now = monotonic()
        if now - self._said.get(what, -math.inf) < RARELY:
            return False
        self._said[what] = now
        return True

    def _remarks(self, table: Reading) -> list[Event]:
        """Rows behind the watermark that are more than can be remembered, told now and then."""
        window = table.window
        if not window.cut or not self._due_again(table.name):
            return []
        window.cut = False
        message = (
            f"table {table.name}: within {table.spec.look_back} more rows come than are remembered; one that becomes "
            f"visible behind more than {window.behind:,} others is not taken"
        )
        return [self._event(Severity.WARNING, message)]

    def _accepted(self, table: Reading, entry: Entry) -> None:
        """The log has a page. It has those before it, too: they are told of in their order."""
        self._noted(table, entry)
        self._waiting -= 1
        self._room.set()

    def _noted(self, table: Reading, entry: Entry) -> None:
        if not table.known_as(entry):
            table.entries.append(entry)
        if self._closed:  # what the account does not know is read again, and history keeps that once
            with suppress(OSError, sqlite3.Error):
                self._write(table)

    async def _keep(self) -> None:
        """Writes down what the log has."""
        for table in self._tables:
            if table.entries:
                await self._kept(partial(self._write, table))

    def _write(self, table: Reading) -> None:
        entries = tuple(table.entries)  # more may come meanwhile
        self._account.note(table.name, table.meant, entries)
        table.written(len(entries))

    async def _kept(self, work: Callable[[], T]) -> T:
        """What the account says, in a thread."""
        try:
            return await to_its_end(work)
        except (OSError, sqlite3.Error) as error:
            raise Disconnected(f"its account in run/ cannot be used: {error}", where=self._system) from error

    async def close(self) -> None:
        """Writes down what the log has by now; the rest when it has it."""
        self._closed = True
        with suppress(Disconnected):
            await self._keep()
