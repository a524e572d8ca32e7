# SPDX-License-Identifier: Apache-2.0
"""The plant's database: a PostgreSQL on a port of the loopback, of a user without rights, that ends with us.

`python -m isthmus.app.demo.chemical.database --port N --folder DIR ...`, started by `isthmus demo chemical`.
It refuses to run as root, and root's folders are closed to whom it runs as instead: it is given its folder opened.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import shutil
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg
import psycopg.conninfo
import psycopg.sql

from isthmus.app.demo.chemical import programs
from isthmus.app.run import lifeline
from isthmus.app.run.service import Diary

NAME: Final = "database"
PROGRAMS: Final = ("postgres", "initdb")
USER: Final = "plant"
DATABASE: Final = "quality"
SECRET: Final = "quality"  # the name of one
"""The name of the password's file in `secrets/`, which the plant file has."""
PATIENCE: Final = 5
"""s that a connection may take."""
_SETTINGS: Final = (
    "listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=30", "shared_buffers=16MB",
    "password_encryption=scram-sha-256",
)  # fmt: skip


def conninfo(secret: Path, port: int, database: str = DATABASE) -> str:
    """How it is reached, for libpq. Raises OSError when there is no password yet."""
    password = secret.read_text(encoding="utf-8").strip()
    return psycopg.conninfo.make_conninfo(
        host="127.0.0.1", port=port, user=USER, password=password, dbname=database, connect_timeout=PATIENCE
    )


def set_password(secret: Path) -> None:
    """Makes a password unless there is one."""
    if secret.exists():
        return
    secret.parent.mkdir(mode=0o700, exist_ok=True)
    with os.fdopen(os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(secrets.token_urlsafe(18) + "\n")


@dataclass(frozen=True, slots=True)
class Cluster:
    """The database's folder, and whom it belongs to."""

    folder: Path
    """Of the plant's simulation."""
    secret: Path
    user: programs.User

    @property
    def path(self) -> Path:
        """Of this version: another one cannot read it."""
        return self.folder / f"postgresql-{self.program('postgres').parent.parent.name}"

    def program(self, name: str) -> Path:
        path = programs.found(name)
        if path is None:
            sys.exit(f"isthmus: {name} is gone")
        return path.resolve()

    async def make(self) -> None:
        """Makes it unless it is there; one that was not finished is begun anew."""
        if self.path.exists():
            return
        new = self.path.with_name(f"{self.path.name}.new")
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        if self.user.id:
            os.chown(new, self.user.id, self.user.group)
        with _opened(new) as descriptor, self._password() as password:
            command: list[str | Path] = [self.program("initdb"), "-D", _name(descriptor), "-U", USER]
            command += ["--auth=scram-sha-256", f"--pwfile={_name(password)}", "--no-locale", "--no-sync", "-E", "UTF8"]
            made = await self.start(command, "initdb.log", signal.SIGKILL, (descriptor, password))
            if await made.wait():
                sys.exit(f"isthmus: no database could be made: see {self.folder / 'initdb.log'}")
        new.rename(self.path)

    async def start(
        self, command: Sequence[str | Path], log: str, end: signal.Signals, open_: Sequence[int]
    ) -> asyncio.subprocess.Process:
        return await programs.start(command, self.folder / log, user=self.user, end=end, open_=open_)

    @contextmanager
    def _password(self) -> Iterator[int]:
        """A file in memory that its user may read."""
        descriptor = os.memfd_create("password")
        try:
            os.write(descriptor, self.secret.read_bytes())
            if self.user.id:
                os.fchown(descriptor, self.user.id, self.user.group)
            yield descriptor
        finally:
            os.close(descriptor)


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _name(descriptor: int) -> str:
    """A file that is open already, by a name that leads to it past the folders it lies in (proc(5))."""
    return f"/proc/self/fd/{descriptor}"


async def run(arguments: Any) -> int:
    """Until SIGTERM; the exit code."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cluster = Cluster(arguments.folder.resolve(), arguments.secret, programs.unprivileged("postgres"))
    await cluster.make()
    settings = [word for setting in (*_SETTINGS, f"cluster_name={cluster.folder}") for word in ("-c", setting)]
    with _opened(cluster.path) as descriptor:
        command: list[str | Path] = [cluster.program("postgres"), "-D", _name(descriptor)]
        command += ["-p", str(arguments.port), *settings]
        process = await cluster.start(command, "postgresql.log", signal.SIGINT, (descriptor,))

    async def answers() -> bool:
        return await asyncio.to_thread(_prepared, arguments.secret, arguments.port)

    return await programs.keep(process, Diary(arguments.status, NAME, stop), answers, signal.SIGINT)


def _prepared(secret: Path, port: int) -> bool:
    """Whether it answers; then it has the database."""
    try:
        with psycopg.connect(conninfo(secret, port, "postgres"), autocommit=True) as connection:
            connection.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(DATABASE)))
    except psycopg.errors.DuplicateDatabase:
        return True
    except (psycopg.Error, OSError):
        return False
    return True


def main() -> None:
    parser = argparse.ArgumentParser(
        description="The database of the chemical plant, started by `isthmus demo chemical`."
    )
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--status", type=Path, required=True)
    parser.add_argument("--secret", type=Path, required=True, help="the file with its password")
    parser.add_argument(lifeline.PARENT, type=int, required=True)
    arguments = parser.parse_args()
    lifeline.end_with(arguments.parent)
    sys.exit(asyncio.run(run(arguments)))


if __name__ == "__main__":
    main()
