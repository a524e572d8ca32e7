# SPDX-License-Identifier: Apache-2.0
"""A mosquitto broker of the test's own, on loopback and a free port, and its command-line clients as the other side."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from shutil import which
from typing import Self

from tests.peers.child import freeze
from tests.peers.opcua_peer import free_port

PROGRAM = which("mosquitto") or ("/usr/sbin/mosquitto" if Path("/usr/sbin/mosquitto").exists() else None)
HERE = PROGRAM is not None and which("mosquitto_sub") is not None and which("mosquitto_pub") is not None
WHAT = "mosquitto and its clients (apt-get install mosquitto mosquitto-clients)"
LAST = "$last"
"""A topic that no wildcard stands for."""


class Mosquitto:
    """One broker; it may be killed, frozen and started again on its port."""

    def __init__(self, folder: Path, *settings: str, port: int = 0) -> None:
        self.folder, self.port = folder, port or free_port()
        folder.mkdir(parents=True, exist_ok=True)
        lines = [f"listener {self.port} 127.0.0.1", "max_queued_messages 0", *settings]
        if not any(line.startswith(("allow_anonymous", "password_file")) for line in settings):
            lines.append("allow_anonymous true")
        if os.geteuid() == 0:
            lines.append("user root")  # else it becomes another user, who may not read the test's files
        (folder / "mosquitto.conf").write_text("\n".join(lines) + "\n")
        self._process: subprocess.Popen[bytes] | None = None
        self._clients: list[subprocess.Popen[bytes]] = []

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        for process in (*self._clients, *([self._process] if self._process else [])):
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)
                process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def start(self) -> None:
        """Starts it and waits until it takes a message."""
        assert PROGRAM is not None
        with (self.folder / "mosquitto.log").open("ab") as log:
            self._process = subprocess.Popen([PROGRAM, "-c", self.folder / "mosquitto.conf"], stdout=log, stderr=log)
        end = time.monotonic() + 90
        while not _listens(self.port):
            assert self._process.poll() is None, (self.folder / "mosquitto.log").read_text()
            assert time.monotonic() < end
            time.sleep(0.02)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def freeze(self) -> None:
        freeze(self.pid)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def reload(self) -> None:
        """It has read its files again before it answers anybody from now on."""
        assert self._process is not None
        log, said = self.folder / "mosquitto.log", b"Reloading config"
        before, end = log.read_bytes().count(said), time.monotonic() + 90
        self._process.send_signal(signal.SIGHUP)
        while log.read_bytes().count(said) == before:
            assert time.monotonic() < end, "mosquitto does not read its files again"
            time.sleep(0.01)

    def publish(self, topic: str, payload: str | bytes, *more: str) -> None:
        """One message by `mosquitto_pub`, at QoS 1."""
        text = payload if isinstance(payload, bytes) else payload.encode()
        said = ["-s"] if text else ["-n"]
        words = ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(self.port), "-q", "1", "-t", topic, *said, *more]
        subprocess.run(words, input=text, check=True, timeout=90, capture_output=True)

    def retained(self, filter_: str, *more: str) -> dict[str, str]:
        """Topic → payload of what is retained now: all that comes before a topic that is asked for after it."""
        self.publish(LAST, "here", "-r", *more)
        words = ["mosquitto_sub", "-h", "127.0.0.1", "-p", str(self.port), "-t", filter_, "-t", LAST, "-W", "90"]
        with subprocess.Popen([*words, "-F", "%t\t%p", *more], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            found = dict(line.rstrip("\n").split("\t", 1) for line in iter(process.stdout.readline, f"{LAST}\there\n"))
            process.kill()
        return found

    def listen(self, filter_: str, into: Path) -> Listener:
        """A `mosquitto_sub` that writes down everything, and comes back by itself when the broker does."""
        words = ["mosquitto_sub", "-h", "127.0.0.1", "-p", str(self.port), "-q", "0", "-t", filter_, "-t", "canary"]
        with into.open("ab") as out:
            process = subprocess.Popen([*words, "-F", "%t\t%p"], stdout=out, stderr=subprocess.DEVNULL)
        self._clients.append(process)
        listener = Listener(self, into)
        listener.wait()
        return listener


class Listener:
    """What a `mosquitto_sub` has heard."""

    def __init__(self, broker: Mosquitto, into: Path) -> None:
        self._broker, self._into, self._canaries = broker, into, 0
        self._read = 0
        self._lines: list[tuple[str, str]] = []

    def lines(self) -> Sequence[tuple[str, str]]:
        """(topic, payload) of every complete line but canaries; only what is new is read."""
        with self._into.open("rb") as file:
            file.seek(self._read)
            new = file.read()
        new = new[: new.rfind(b"\n") + 1]
        self._read += len(new)
        pairs = (line.split("\t", 1) for line in new.decode().splitlines())
        self._lines += [(topic, payload) for topic, payload in pairs if topic != "canary"]
        return self._lines

    def wait(self) -> None:
        """Until it hears: what is published from now on it does not miss."""
        self._canaries += 1
        end = time.monotonic() + 90
        while f"canary\t{self._canaries}\n".encode() not in self._into.read_bytes():
            assert time.monotonic() < end, "mosquitto_sub does not listen"
            with suppress(subprocess.CalledProcessError):
                self._broker.publish("canary", str(self._canaries))
            time.sleep(0.1)


def _listens(port: int) -> bool:
    import socket

    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0
