# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL servers for tests, on loopback and free ports, stopped by their process ids; and `psql`'s answers.

The programs are Debian's (`apt-get install postgresql`). PostgreSQL refuses to run as root: then it runs as the user
`postgres`, and its folder belongs to that user.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Self

import psutil
import psycopg

from tests.peers.child import freeze
from tests.peers.opcua_peer import free_port

HOMES: Final = Path("/usr/lib/postgresql")
"""Where Debian has the versions."""
WHAT: Final = "PostgreSQL (apt-get install postgresql)"
OWNER: Final = "owner"
"""The user that may do everything."""
PATIENCE: Final = 180.0
"""Seconds it may take to start."""


def programs() -> Path | None:
    """The folder with `initdb` and `postgres` of the newest version; None where there is none that we may run."""
    found = sorted(HOMES.glob("*/bin/initdb"), key=lambda one: float(one.parts[-3]))
    path = shutil.which("initdb")
    folder = found[-1].parent if found else Path(path).parent if path else None
    return folder if folder is not None and (os.geteuid() != 0 or _unprivileged() is not None) else None


def _unprivileged() -> str | None:
    """Whom root runs it as."""
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next((name for name in ("postgres", "nobody") if name in names), None)


class Postgres:
    """One server. `folder` is made when it is started first; above it every user must be able to pass."""

    def __init__(self, folder: Path, password: str, port: int = 0, settings: Mapping[str, str] | None = None) -> None:
        self.folder, self.password, self.port = folder, password, port or free_port()
        self.settings = dict(settings or {})
        self._user = _unprivileged() if os.geteuid() == 0 else None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Of its database `postgres`, without a user."""
        return f"postgresql://127.0.0.1:{self.port}/postgres"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Starts it, made first where the folder is empty; returns when it takes connections. Raises RuntimeError."""
        home = programs()
        if home is None:
            raise RuntimeError(f"not here: {WHAT}")
        if not (self.folder / "data" / "PG_VERSION").exists():
            self._make(home)
        (self.folder / "data" / "postmaster.pid").unlink(missing_ok=True)  # of a server that was killed
        said = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            **self.settings,
        }
        words = [str(home / "postgres"), "-D", str(self.folder / "data")]
        words += [word for name, value in said.items() for word in ("-c", f"{name}={value}")]
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, user=self._user, cwd=self.folder,
                extra_groups=[] if self._user else None,
            )  # fmt: skip
        self._wait()

    def _make(self, home: Path) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        word = self.folder / "password"
        word.write_text(self.password + "\n")
        if self._user:
            for path in (self.folder, word):
                shutil.chown(path, self._user)
        words = [str(home / "initdb"), "-D", str(self.folder / "data"), "-U", OWNER, "-A", "scram-sha-256"]
        words += ["--pwfile", str(word), "-E", "UTF8", "--locale=C", "--no-sync"]
        made = subprocess.run(
            words, capture_output=True, text=True, user=self._user, cwd=self.folder, check=False,
            extra_groups=[] if self._user else None,
        )  # fmt: skip
        word.unlink()
        if made.returncode:
            raise RuntimeError(f"PostgreSQL cannot be set up: {made.stderr.strip()[-300:]}")

    def _wait(self) -> None:
        end = time.monotonic() + PATIENCE
        while not self._takes():
            if self._process is None or self._process.poll() is not None or time.monotonic() > end:
                log = (self.folder / "server.log").read_text(errors="replace")
                raise RuntimeError(f"PostgreSQL does not start: {log.strip()[-300:]}")
            time.sleep(0.05)

    def _takes(self) -> bool:
        """Whether it takes connections: it answers a greeting that wants nothing (an SSLRequest) with one letter."""
        with socket.socket() as one:
            one.settimeout(1)
            try:
                one.connect(("127.0.0.1", self.port))
                one.sendall(b"\0\0\0\x08\x04\xd2\x16\x2f")
                return one.recv(1) in (b"S", b"N") and self._is_up()
            except OSError:
                return False

    def _is_up(self) -> bool:
        """What it writes down of itself once it is ready (the eighth line of its pid file)."""
        try:
            lines = (self.folder / "data" / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) >= 8 and lines[7].strip() == "ready"

    def stop(self) -> None:
        """Hangs up on everybody, and stops."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def kill(self) -> None:
        """Ends it as a crash of the computer would: every process of it at once. Returns when none is left, which
        would keep the memory they share, and with it a new server from starting."""
        if self._process is not None:
            freeze(self.pid)  # it makes no more of them
            others = psutil.Process(self.pid).children(recursive=True)
            for one in others:
                with suppress(psutil.NoSuchProcess):
                    one.kill()
            self._process.kill()
            self._process.wait()
            _gone(others)
            self._process = None

    def freeze(self) -> None:
        """It does nothing any more."""
        first = psutil.Process(self.pid)
        freeze(first.pid)  # it makes no more of them
        for one in first.children(recursive=True):
            with suppress(ProcessLookupError):
                freeze(one.pid)

    def thaw(self) -> None:
        """It goes on."""
        self._signal(signal.SIGCONT)

    def _signal(self, how: signal.Signals) -> None:
        with suppress(psutil.NoSuchProcess):
            first = psutil.Process(self.pid)
            for one in (first, *first.children(recursive=True)):
                with suppress(psutil.NoSuchProcess):
                    one.send_signal(how)


def _gone(processes: Sequence[psutil.Process]) -> None:
    """Returns when all of them have ended, whether or not somebody has asked how."""
    end = time.monotonic() + PATIENCE
    for one in processes:
        with suppress(psutil.NoSuchProcess):
            while one.is_running() and one.status() != psutil.STATUS_ZOMBIE:
                assert time.monotonic() < end, f"{one} does not end"
                time.sleep(0.01)


HERE = programs() is not None
PASSWORD = "owner's word"


@contextmanager
def postgres(**settings: str) -> Iterator[Postgres]:
    """A running server in a folder of its own, which the user that PostgreSQL runs as may pass."""
    folder = Path(tempfile.mkdtemp(prefix="isthmus-postgres-"))
    os.chmod(folder, 0o755)
    try:
        with Postgres(folder / "server", PASSWORD, settings={"fsync": "off", **settings}) as server:
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def done(server: Postgres, *statements: str) -> None:
    """Does these as the owner, each for itself."""
    with psycopg.connect(server.url, user=OWNER, password=PASSWORD, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def certified(server: Postgres, certificate: str | Path, key: str | Path, authority: str | Path | None = None) -> None:
    """Speaks TLS from now on, with these PEM files; again: with others. It asks for a certificate of a client's where
    an `authority` for those is given. A moment passes before it does so."""
    data = server.folder / "data"
    owner = data.stat()
    for name, file in (("server.pem", certificate), ("server.key", key), ("clients.pem", authority)):
        if file is not None:
            (data / name).write_bytes(Path(file).read_bytes())
            (data / name).chmod(0o600)
            os.chown(data / name, owner.st_uid, owner.st_gid)
    said = {"ssl_cert_file": "server.pem", "ssl_key_file": "server.key", "ssl": "on"}
    said |= {"ssl_ca_file": "clients.pem"} if authority is not None else {}
    done(server, *(f"ALTER SYSTEM SET {name} = '{value}'" for name, value in said.items()), "SELECT pg_reload_conf()")


def asked(server: Postgres, question: str) -> list[tuple[Any, ...]]:
    """What the owner is told."""
    with psycopg.connect(server.url, user=OWNER, password=PASSWORD) as connection:
        return connection.execute(question.encode()).fetchall()
