# SPDX-License-Identifier: Apache-2.0
"""The ledger of a data directory: its revisions, which one runs, and every tag number that was ever given."""

from __future__ import annotations

import zlib
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import msgspec
from sqlalchemy import Connection, Engine, bindparam, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from isthmus.core.errors import Damaged, IsthmusError, NotFound
from isthmus.core.tag import DataType
from isthmus.plant.number import Given, Numbers
from isthmus.plant.revision import Revision
from isthmus.store.ledger.connect import connect, explained, writing
from isthmus.store.ledger.files import Pointer, RevisionFiles
from isthmus.store.ledger.tables import APPLIED, REVISIONS, TAG_NUMBERS

DATABASE: Final = "ledger.db"
FOLDER: Final = "revisions"


class Line(msgspec.Struct, frozen=True):
    """One revision in a list of them."""

    number: int
    digest: str
    created: int
    """ns since 1970-01-01 UTC."""
    author: str
    comment: str
    applied: int | None
    """When it was last put to work, ns since 1970-01-01 UTC; None: never."""


class Ledger:
    """An open ledger; every call is one transaction."""

    def __init__(self, engine: Engine, database: Path | str, files: RevisionFiles) -> None:
        self._engine, self._database, self._files = engine, database, files

    @classmethod
    def open(cls, data: Path, url: str | None = None, *, create: bool = False) -> Self:
        """The ledger of a data directory, in its `ledger.db` unless a database URL is given.

        A ledger that was lost is made again from the files in `revisions/`. Raises NotFound when there is no plant
        in `data` yet and `create` is not said.
        """
        files = RevisionFiles(data / FOLDER)
        database = url if url is not None else data / DATABASE
        if isinstance(database, Path) and not create and not database.exists() and not files.numbers():
            raise NotFound(
                f"there is no plant in {data}", hint="isthmus apply PLANT puts one there, --data names another place"
            )
        if create:
            _make_folder(data)
        ledger = cls(connect(database), database, files)
        try:
            ledger._reconcile()
        except BaseException:
            ledger.close()
            raise
        return ledger

    def close(self) -> None:
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def current_number(self) -> int | None:
        """The number of the revision that runs; None before the first apply."""
        with explained(self._database), self._engine.connect() as connection:
            return _current(connection)

    def current(self) -> Revision | None:
        """The revision that runs; None before the first apply."""
        number = self.current_number()
        return self.revision(number) if number is not None else None

    def revision(self, number: int) -> Revision:
        """One revision; raises NotFound when it does not exist."""
        with explained(self._database), self._engine.connect() as connection:
            return _kept(connection, number)[0]

    def revisions(self) -> list[Line]:
        """Every revision, the newest first."""
        applied = (
            select(APPLIED.c.revision, func.max(APPLIED.c.applied).label("at")).group_by(APPLIED.c.revision).subquery()
        )
        columns = (*(column for column in REVISIONS.c if column.name != "content"), applied.c.at)
        query = select(*columns).join(applied, REVISIONS.c.number == applied.c.revision, isouter=True)
        with explained(self._database), self._engine.connect() as connection:
            return [Line(*row) for row in connection.execute(query.order_by(REVISIONS.c.number.desc()))]

    def numbers(self) -> Numbers:
        """Every tag number ever given."""
        with explained(self._database), self._engine.connect() as connection:
            return _numbers(connection)

    def next_number(self) -> int:
        """The number the next revision will have."""
        with explained(self._database), self._engine.connect() as connection:
            return _last(connection) + 1

    def apply(self, revision: Revision, *, base: int | None) -> None:
        """Keeps a new revision, its tag numbers and its file, and makes it the one that runs.

        `base` is the revision its plan was made against: raises IsthmusError, and changes nothing, when another one
        runs by now. On the disk when this returns; `revisions/current` says so last.
        """
        written: Path | None = None
        try:
            with explained(self._database), writing(self._engine) as connection:
                _expect(connection, revision, base)
                packed = revision.pack()
                _keep(connection, revision, packed)
                _mark_applied(connection, revision, revision.created)
                written = self._files.write(revision, packed)
        except BaseException as error:
            if written is not None:
                written.unlink(missing_ok=True)
            if isinstance(error.__cause__, IntegrityError):
                raise _overtaken(None) from error
            raise
        self._files.point(Pointer(revision.number, revision.digest))

    def _reconcile(self) -> None:
        """Makes ledger, files and pointer agree: after a crash between two of them, or the loss of one."""
        with explained(self._database), self._engine.connect() as connection:
            if self._agrees(connection):
                return
        with explained(self._database), writing(self._engine) as connection:
            known = set(connection.execute(select(REVISIONS.c.number)).scalars())
            self._adopt(connection, known)
            on_disk = self._files.numbers()
            for number in sorted(known - on_disk.keys()):
                self._files.write(*_kept(connection, number))
            self._point(connection)

    def _agrees(self, connection: Connection) -> bool:
        known = set(connection.execute(select(REVISIONS.c.number)).scalars())
        pointed = self._files.pointed()
        return known == self._files.numbers().keys() and (pointed.number if pointed else None) == _current(connection)

    def _adopt(self, connection: Connection, known: set[int]) -> None:
        """Takes over revisions that only the files know: all of them when the ledger was lost."""
        lost = not known
        revisions = [
            self._files.read(path) for number, path in sorted(self._files.numbers().items()) if number not in known
        ]
        for revision in revisions:
            _keep(connection, revision, revision.pack())
        pointed = self._files.pointed()
        if not lost or not revisions:
            return
        runs = pointed.number if pointed is not None else revisions[-1].number
        for revision in revisions:
            if revision.number <= runs:
                _mark_applied(connection, revision, revision.created)

    def _point(self, connection: Connection) -> None:
        number = _current(connection)
        if number is None:
            return
        digest = connection.execute(select(REVISIONS.c.digest).where(REVISIONS.c.number == number)).scalar_one()
        self._files.point(Pointer(number, digest))


def _make_folder(data: Path) -> None:
    try:
        data.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise IsthmusError(f"{data} cannot be made: {error.strerror}", hint="--data names another place") from error


def _current(connection: Connection) -> int | None:
    last = select(APPLIED.c.revision).order_by(APPLIED.c.step.desc()).limit(1)
    return connection.execute(last).scalar()


def _last(connection: Connection) -> int:
    return connection.execute(select(func.max(REVISIONS.c.number))).scalar() or 0


def _expect(connection: Connection, revision: Revision, base: int | None) -> None:
    runs = _current(connection)
    if runs != base or revision.number != _last(connection) + 1:
        raise _overtaken(runs)


def _overtaken(runs: int | None) -> IsthmusError:
    now = f"revision {runs} was applied" if runs is not None else "another revision was applied"
    return IsthmusError(f"{now} meanwhile", hint="nothing was changed; look at the plan again and apply again")


def _keep(connection: Connection, revision: Revision, packed: bytes) -> None:
    """The revision and its tag numbers."""
    connection.execute(
        insert(REVISIONS),
        {
            "number": revision.number,
            "digest": revision.digest,
            "created": revision.created,
            "author": revision.author,
            "comment": revision.comment,
            "content": zlib.compress(packed, 6),
        },
    )
    _keep_numbers(connection, revision)


def _keep_numbers(connection: Connection, revision: Revision) -> None:
    """New numbers are added, what moved or went is noted. One that meant something else before is refused."""
    before = _numbers(connection)
    after = before.after(revision)
    new: list[dict[str, Any]] = []
    changed: list[dict[str, Any]] = []
    for number, one in after.given.items():
        old = before.given.get(number)
        if old is None:
            new.append({**msgspec.structs.asdict(one), "type": str(one.type), "revision": revision.number})
        elif (old.unit, old.type) != (one.unit, one.type):
            raise IsthmusError(
                f"number {number} is {old.path!r} ({old.type} in {old.unit!r}) and cannot become {one.path!r}",
                hint="a number is never given twice: was the ledger restored from an older copy?",
            )
        elif old != one:
            changed.append({"which": number, "to": one.path, "at": one.gone})
    if new:
        connection.execute(insert(TAG_NUMBERS), new)
    if changed:
        table = TAG_NUMBERS.c
        change = update(TAG_NUMBERS).values(path=bindparam("to"), gone=bindparam("at"))
        connection.execute(change.where(table.number == bindparam("which")), changed)


def _numbers(connection: Connection) -> Numbers:
    table = TAG_NUMBERS.c
    rows = connection.execute(select(table.number, table.path, table.unit, table.type, table.tag, table.gone))
    given = (Given(number, path, unit, DataType(type_), tag, gone) for number, path, unit, type_, tag, gone in rows)
    return Numbers({one.number: one for one in given})


def _mark_applied(connection: Connection, revision: Revision, at: int) -> None:
    step = (connection.execute(select(func.max(APPLIED.c.step))).scalar() or 0) + 1
    connection.execute(
        insert(APPLIED), {"step": step, "revision": revision.number, "applied": at, "author": revision.author}
    )


def _kept(connection: Connection, number: int) -> tuple[Revision, bytes]:
    """A revision of the ledger, and its bytes."""
    content = connection.execute(select(REVISIONS.c.content).where(REVISIONS.c.number == number)).scalar()
    if content is None:
        last = _last(connection)
        hint = f"there are 1 to {last}" if last else "nothing is applied yet"
        raise NotFound(f"there is no revision {number}", hint=hint)
    try:
        packed = zlib.decompress(content)
        return Revision.unpack(packed), packed
    except (zlib.error, msgspec.MsgspecError) as error:
        hint = "move ledger.db away: it is made again from the files in revisions/"
        raise Damaged(f"revision {number} in the ledger is damaged: {error}", hint=hint) from error
