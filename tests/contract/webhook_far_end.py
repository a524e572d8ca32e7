# SPDX-License-Identifier: Apache-2.0
"""The contract suite's far end of the kind `webhook`: a sender of http.client and hmac, which keeps what is not taken.

It comes to us, and we do not go to it: that it is gone, or never has rows of an address, nobody can notice. The tests
in which something has to be missed are left out for it (`calls`).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import queue
import threading
import time as clock
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Self

from isthmus.core import time
from isthmus.core.quality import name as named
from isthmus.core.tag import DataType
from isthmus.systems.contract import Address
from isthmus.systems.registry import kinds
from tests.peers.opcua_peer import free_port

SECRET = b"a secret of the contract suite"
AT_ONCE = 8


class WebhookPeer:
    """Some threads that push; each message until it is taken. A new listener is told what everything is."""

    keeps, timed, tells, calls, pace, again = True, True, False, True, 0.0, ""
    hasty: Mapping[str, Any] = {}
    bad_address = "value[tag=nobody]"
    bad_configs: Sequence[Mapping[str, Any]] = (
        {},
        {"listen": "127.0.0.1:8090"},
        {"listen": "0.0.0.0:8090", "secret": SECRET.decode()},
        {"listen": "127.0.0.1:8090", "secret": "short"},
        {"listen": "127.0.0.1:8090", "secret": SECRET.decode(), "windw": "5m"},
        {"listen": "127.0.0.1:8090", "secret": SECRET.decode(), "rate": 0},
    )
    _names = ("one", "two", "three")

    def __init__(self) -> None:
        self.kind = kinds()["webhook"]
        self._port = free_port()
        self._queue: queue.Queue[tuple[str, bytes] | None] = queue.Queue()
        self._kept: list[tuple[str, bytes]] = []
        self._down, self._over = False, False
        self._waiting = 0
        self._last = dict.fromkeys(self._names, 0.0)
        self._threads = [threading.Thread(target=self._work) for _ in range(AT_ONCE)]
        self._threads.append(threading.Thread(target=self._watch))

    @property
    def config(self) -> dict[str, Any]:
        listen = f"127.0.0.1:{self._port}"
        return {"listen": listen, "secret": SECRET.decode(), "quality": "quality", "patience": "15s"}

    @property
    def addresses(self) -> list[Address]:
        return [Address(f"value[tag={name}]", DataType.FLOAT) for name in self._names]

    async def change(self, position: int, value: float, *, quality: int = 0, at: int | None = None) -> None:
        name = self._names[position]
        self._last[name] = value
        when = time.to_iso(time.now() if at is None else at)
        row = {"tag": name, "value": value, "time": when, "quality": named(quality)}
        self._put((uuid.uuid4().hex, json.dumps(row).encode()))

    def _put(self, message: tuple[str, bytes]) -> None:
        self._waiting += 1
        if self._down:
            self._kept.append(message)
        else:
            self._queue.put(message)

    def _work(self) -> None:
        while (message := self._queue.get()) is not None:
            while not self._over and not self._pushed(*message):
                clock.sleep(0.05)
            self._waiting -= 1

    def _pushed(self, id_: str, body: bytes) -> bool:
        stamp = str(int(clock.time()))
        digest = hmac.new(SECRET, f"{id_}.{stamp}.".encode() + body, hashlib.sha256).digest()
        said = {"webhook-id": id_, "webhook-timestamp": stamp}
        said["webhook-signature"] = f"v1,{base64.b64encode(digest).decode()}"
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=90)
        try:
            connection.request("POST", "/", body, said)
            return connection.getresponse().status == 202
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _watch(self) -> None:
        """Tells each new listener everything: a connection that breaks shows that it was another one."""
        while not self._over:
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
            try:
                connection.connect()
                now = time.to_iso(time.now())
                rows = [{"tag": name, "value": value, "time": now} for name, value in self._last.items()]
                self._pushed(uuid.uuid4().hex, json.dumps(rows).encode())
                assert connection.sock is not None
                connection.sock.settimeout(0.5)
                while not self._over and not self._ended(connection):
                    pass
            except OSError:
                clock.sleep(0.05)
            finally:
                connection.close()

    def _ended(self, connection: http.client.HTTPConnection) -> bool:
        assert connection.sock is not None
        try:
            return connection.sock.recv(1) == b""
        except TimeoutError:
            return False

    async def lose(self) -> None: ...
    async def find(self) -> None: ...

    async def cut(self) -> None:
        self._down = True

    async def mend(self) -> None:
        """What was kept is told in its order: as one list."""
        self._down = False
        kept, self._kept = self._kept, []
        if kept:
            self._waiting -= len(kept) - 1
            self._queue.put((uuid.uuid4().hex, b"[" + b",".join(body for _, body in kept) + b"]"))

    kill, freeze, restart = cut, cut, mend

    async def unacknowledged(self) -> int | None:
        return self._waiting

    async def __aenter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self._over = True
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join(10)
