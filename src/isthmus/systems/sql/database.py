# SPDX-License-Identifier: Apache-2.0
"""A connection to a database: made, asked in a thread, given up when it does not answer, its errors in our words."""

from __future__ import annotations

import asyncio
import os
import socket
import sqlite3
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar
from urllib.parse import quote, urlsplit

import psycopg
from psycopg.adapt import Loader
from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from isthmus.core.errors import Disconnected, IsthmusError, Refused
from isthmus.core.threads import as_long_as_wanted
from isthmus.systems.durations import seconds
from isthmus.systems.sql.opening import unopened
from isthmus.systems.sql.spec import Database

T = TypeVar("T")

GRACE: Final = 1.0
"""Seconds beyond its own time-out that the database may take to say so."""
OPENINGS: Final = 4
"""A host may have several addresses, each of which may take `timeout`; and so may what is said after connecting."""
CANCELLED: Final = "57014"
"""The SQLSTATE of a question that took too long."""
NUMBERS: Final = frozenset(("bool", "int2", "int4", "int8", "oid", "float4", "float8", "numeric"))
"""Types of PostgreSQL that become Python's own; all others stay the text that PostgreSQL writes."""


_Identity: TypeAlias = tuple[int, int] | None
"""Device and inode of a file; (0, 0) where the database is none."""


class _Opened(NamedTuple):
    """A connection, and the file that it reads."""

    connection: Connection
    file: _Identity


class Failed(IsthmusError):
    """The database refused one question and goes on with others."""

    def __init__(self, what: str, *, where: str, passing: bool = False, code: str = "", hint: str = "") -> None:
        self.passing, self.code = passing, code
        """The same question may be taken the next time; the SQLSTATE, where there is one."""
        super().__init__(what, where=where, hint=hint)


class _Text(Loader):
    """What PostgreSQL writes; no date, range or document in it can be one that Python has no value for."""

    def load(self, data: Any) -> str:
        return bytes(data).decode("utf-8", "replace")


class Link:
    """An open connection, used in a thread of its own: one that hangs keeps nobody else's waiting."""

    def __init__(self, spec: Database, opened: _Opened, place: str, thread: ThreadPoolExecutor) -> None:
        connection, self._file = opened
        self._spec, self._connection, self._thread = spec, connection, thread
        self._driver: Any = connection.connection.driver_connection
        self.place = place
        """Where it is, for a person; without the user."""
        self._limit = seconds(spec.timeout)

    @property
    def postgres(self) -> bool:
        return not self._spec.file

    async def ask(self, question: Callable[[Connection], T], *, writing: bool = False) -> T:
        """What `question` finds, in one transaction, in a thread; `writing` commits it.

        Raises Disconnected when the database is gone or does not answer in time, Failed when it does not take the
        question, Refused when it never will take us.
        """
        step = asyncio.get_running_loop().run_in_executor(self._thread, self._answer, question, writing)
        try:
            async with asyncio.timeout(self._limit + GRACE):
                return await asyncio.shield(step)
        except TimeoutError:
            await self._hang_up(step)
            raise Disconnected(f"no answer within {self._spec.timeout}", where=self.place) from None
        except asyncio.CancelledError:
            await self._hang_up(step)
            raise

    async def _hang_up(self, step: asyncio.Future[T]) -> None:
        """Ends what a thread waits for; what it says then is of no interest."""
        _cut(self._driver)
        await asyncio.wait((step,), timeout=GRACE)
        if step.done() and not step.cancelled():
            step.exception()

    def _answer(self, question: Callable[[Connection], T], writing: bool) -> T:
        if self._file != _identity(self._spec.file):
            raise Disconnected("the file is gone, or is another one", where=self.place)
        try:
            with self._connection.begin() as transaction:
                self._prepare(writing)
                found = question(self._connection)
                if not writing:
                    transaction.rollback()
                return found
        except (DBAPIError, psycopg.Error, sqlite3.Error) as error:
            raise self._meaning(getattr(error, "orig", None) or error) from error
        except UnicodeError as error:
            raise Failed(f"it holds what is no text: {error}", where=self.place) from error

    def _prepare(self, writing: bool) -> None:
        """What holds for this transaction alone: nothing of it stays in a pooled connection."""
        if self.postgres:
            settings = ["TIME ZONE 'UTC'", "datestyle = 'ISO'", f"statement_timeout = {round(self._limit * 1000)}"]
            if not writing:
                self._connection.exec_driver_sql("SET TRANSACTION READ ONLY")
            self._connection.exec_driver_sql("; ".join(f"SET LOCAL {setting}" for setting in settings))

    def _meaning(self, cause: BaseException) -> IsthmusError:
        """An error of the driver in our words."""
        return self._of_postgres(cause) if self.postgres else self._of_sqlite(cause)

    def _of_postgres(self, cause: BaseException) -> IsthmusError:
        said, code = _first_line(cause), getattr(cause, "sqlstate", None) or ""
        if code == CANCELLED:
            return self._slow()
        if self._driver.closed or code[:2] in ("08", "57"):
            return Disconnected(said or "the connection broke", where=self.place)
        return Failed(said, where=self.place, passing=code[:2] in ("40", "53", "55"), code=code)

    def _of_sqlite(self, cause: BaseException) -> IsthmusError:
        said = _first_line(cause)
        if isinstance(cause, sqlite3.OperationalError):
            if any(word in said for word in ("locked", "busy", "unable to open", "disk I/O", "is full")):
                return Disconnected(said, where=self.place)
            return self._slow() if "interrupted" in said else Failed(said, where=self.place)
        if isinstance(cause, sqlite3.DatabaseError) and ("not a database" in said or "malformed" in said):
            return Refused(said, where=self.place, hint="name a SQLite file that is sound")
        return Failed(said, where=self.place, code="22" if isinstance(cause, sqlite3.IntegrityError) else "")

    def _slow(self) -> Failed:
        hint = "an index on the columns of order and key helps"
        return Failed(f"it takes longer than {self._spec.timeout}", where=self.place, passing=True, hint=hint)


def _first_line(error: BaseException | None) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "")[:300]


def _identity(file: str) -> _Identity:
    """Which file lies at a path; None where there is none, or no path. Blocks."""
    try:
        said = Path(file).stat() if file else None
    except OSError:
        return None
    return (said.st_dev, said.st_ino) if said is not None else (0, 0)


@asynccontextmanager
async def connected(spec: Database, who: str, *, writing: bool = False) -> AsyncIterator[Link]:
    """A connection to the database; `who` is the name that its administrator sees. SQLite is opened read-only unless
    `writing`.

    Raises Disconnected when it cannot be reached, Refused when it will never take us.
    """
    thread = ThreadPoolExecutor(1, thread_name_prefix="sql")
    loop, place = asyncio.get_running_loop(), spec.file or _place(spec.url)
    try:
        opened = await _connection(spec, who, writing)
        try:
            yield Link(spec, opened, place, thread)
        finally:
            with suppress(TimeoutError, DBAPIError, psycopg.Error, sqlite3.Error):
                async with asyncio.timeout(GRACE):
                    await loop.run_in_executor(thread, opened.connection.close)
    finally:
        thread.shutdown(wait=False)


async def _connection(spec: Database, who: str, writing: bool) -> _Opened:
    """A connection; see `connected`. Nothing interrupts libpq while it connects, so nobody waits for it to end."""
    make = _sqlite(spec, writing) if spec.file else _postgres(spec, who, writing)
    opening, place = _Opening(), spec.file or _place(spec.url)
    try:
        async with asyncio.timeout(OPENINGS * max(2.0, seconds(spec.timeout))):
            return await as_long_as_wanted(opening.run, spec, make, place)
    except (TimeoutError, asyncio.CancelledError) as error:
        opening.give_up()
        if isinstance(error, TimeoutError):
            raise Disconnected(f"no answer within {spec.timeout}", where=place) from None
        raise


def _cut(driver: Any) -> None:
    """Ends what a thread waits for at a connection."""
    if isinstance(driver, sqlite3.Connection):
        driver.interrupt()
        return
    with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(driver.fileno())) as line:
        line.shutdown(socket.SHUT_RDWR)


class _Opening:
    """A connection as it is made in a thread, which may be given up meanwhile."""

    def __init__(self) -> None:
        self._made, self._connections, self._unwanted = list[Any](), list[Connection](), False

    def run(self, spec: Database, make: Callable[[], Any], place: str) -> _Opened:
        """Connects. Blocks."""

        def connect() -> Any:
            self._made.append(make())  # before anything is said over it
            return self._made[-1]

        scheme = "sqlite://" if spec.file else "postgresql+psycopg://"
        try:
            connection = create_engine(scheme, creator=connect, poolclass=NullPool).connect()
        except (DBAPIError, psycopg.Error, sqlite3.Error, OSError) as error:
            cause = getattr(error, "orig", None) or error
            raise unopened(_first_line(cause), spec, place, proved=_proved(cause)) from error
        self._connections.append(connection)
        if self._unwanted:
            connection.close()
        return _Opened(connection, _identity(spec.file))

    def give_up(self) -> None:
        """Nobody wants it any more: it is closed, now or when it comes."""
        self._unwanted = True
        for one in self._made:
            _cut(one)
        for connection in self._connections:
            with suppress(DBAPIError, psycopg.Error, sqlite3.Error):
                connection.close()


def _proved(cause: Any) -> bool:
    """Whether a connection that failed had got as far as a password."""
    ended = getattr(cause, "pgconn", None)
    return ended is not None and bool(ended.used_password or ended.needs_password)


def _place(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.netloc}{parts.path}"


def _postgres(spec: Database, who: str, writing: bool) -> Callable[[], Any]:
    """libpq reads the address itself, so that all it can do can be said in it."""
    password = spec.password.get_secret_value() if spec.password is not None else None
    given = {"user": spec.user, "password": password}
    more: dict[str, Any] = {name: value for name, value in given.items() if value is not None}

    def make() -> psycopg.Connection[Any]:
        patience = max(2, round(seconds(spec.timeout)))
        connection = psycopg.connect(
            spec.url,
            connect_timeout=patience,
            application_name=who[:63],
            client_encoding="utf8",
            prepare_threshold=None,  # a pooler may give each transaction another server
            **more,
        )
        if not writing:
            _read_as_text(connection)
        return connection

    return make


def _read_as_text(connection: psycopg.Connection[Any]) -> None:
    """All but numbers and truth values stays as PostgreSQL writes it."""
    connection.adapters.register_loader(0, _Text)  # what no other is registered for
    for info in connection.adapters.types:
        if info.name not in NUMBERS:
            connection.adapters.register_loader(info.oid, _Text)
        if info.array_oid:
            connection.adapters.register_loader(info.array_oid, _Text)


def _sqlite(spec: Database, writing: bool) -> Callable[[], Any]:
    def make() -> sqlite3.Connection:
        mode = "rwc" if writing else "ro"
        connection = sqlite3.connect(
            f"file:{quote(spec.file)}?mode={mode}", uri=True, timeout=seconds(spec.timeout), check_same_thread=False
        )
        connection.text_factory = lambda data: data.decode("utf-8", "replace")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        return connection

    return make
