# SPDX-License-Identifier: Apache-2.0
"""HTTP in and out: polled, pushed to us, and pushed by us, against aiohttp and the json module doing the same."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from bench.figures import Figure, Topic
from bench.http_work import MESSAGES, PATHS, POLLED, PORTION, PORTIONS, ROWS, SECRET, TAGS
from bench.plant import process
from isthmus.systems.http.signing import key_of, signature
from tests.peers.opcua_peer import free_port

SENDERS = 8
_TAKEN = b"HTTP/1.1 202 OK\r\nContent-Length: 0\r\n\r\n"


def measure() -> Topic:
    """CPU per value and rates, three ways."""
    how = (
        f"Polled: {PATHS} paths of {TAGS} values each, with a time and a quality, every 50 ms, until {POLLED:,} values "
        f"were read; the baseline asks as many times, one after the other, with aiohttp and json.loads. Webhook: "
        f"{MESSAGES} signed messages of {ROWS} rows over {SENDERS} connections, each noted on disk and answered; the "
        "baseline is aiohttp's server with HMAC and json.loads. Pushed: "
        f"{PORTIONS} deliveries of {PORTION:,} samples as signed JSON lines; the baseline posts what json.dumps makes "
        "of them with aiohttp, unsigned. The far ends are plain asyncio in another process."
    )
    found = {work: asyncio.run(_done(work)) for work in (
        "poll-ours", "poll-plain", "take-ours", "take-plain", "push-ours", "push-unpacked", "push-plain"
    )}  # fmt: skip
    polled, taken, pushed = found["poll-plain"], found["take-plain"], found["push-plain"]
    return Topic(
        "HTTP in and out",
        how,
        [
            Figure("polled: CPU", found["poll-ours"]["cpu"], "µs/value", "aiohttp and json", polled["cpu"]),
            Figure("polled: values a second and core", 1e6 / found["poll-ours"]["cpu"], "values/s",
                   "aiohttp and json", 1e6 / polled["cpu"]),
            Figure("webhook: CPU", found["take-ours"]["cpu"], "µs/row", "aiohttp and json", taken["cpu"]),
            Figure("webhook: taken", found["take-ours"]["rate"], "rows/s", "aiohttp and json", taken["rate"]),
            Figure("pushed, gzip: CPU", found["push-ours"]["cpu"], "µs/sample", "aiohttp and json", pushed["cpu"]),
            Figure("pushed, gzip", found["push-ours"]["rate"], "samples/s", "aiohttp and json", pushed["rate"]),
            Figure("pushed, not packed: CPU", found["push-unpacked"]["cpu"], "µs/sample", "aiohttp and json",
                   pushed["cpu"]),
            Figure("pushed, not packed", found["push-unpacked"]["rate"], "samples/s", "aiohttp and json",
                   pushed["rate"]),
        ],
    )  # fmt: skip


async def _done(work: str) -> dict[str, float]:
    """What a child says of its work."""
    port = free_port()
    server = (
        None if work.startswith("take") else await asyncio.get_running_loop().create_server(FarEnd, "127.0.0.1", port)
    )
    with process([sys.executable, "-m", "bench.http_work", work, str(port)]) as child:
        assert child.stdout
        while not (await asyncio.to_thread(child.stdout.readline)).startswith("READY"):
            assert child.poll() is None
        if work.startswith("take"):
            await _push(port)
        said: dict[str, float] = json.loads((await asyncio.to_thread(child.stdout.read)).strip().splitlines()[-1])
    if server is not None:
        server.close()
    return said


class FarEnd(asyncio.Protocol):
    """Answers every GET with new values, and every POST with 202 once its body is there."""

    count = 0

    def connection_made(self, transport: Any) -> None:
        self._transport, self._data = transport, b""

    def data_received(self, data: bytes) -> None:
        self._data += data
        while (end := self._data.find(b"\r\n\r\n")) >= 0:
            head = self._data[:end].lower()
            length = int(head.split(b"content-length:")[1].split(b"\r\n")[0]) if b"content-length:" in head else 0
            if len(self._data) < end + 4 + length:
                return
            self._data = self._data[end + 4 + length :]
            self._transport.write(
                self._page() if head.startswith(b"get") else b"HTTP/1.1 202 OK\r\nContent-Length: 0\r\n\r\n"
            )

    def _page(self) -> bytes:
        FarEnd.count += 1
        number = FarEnd.count
        values = ",".join(f'"v{tag}":{number + tag / 8}' for tag in range(TAGS))
        at = f"2026-11-23T06:{number // 60000 % 60:02d}:{number // 1000 % 60:02d}.{number % 1000:03d}Z"
        body = f'{{"at":"{at}","quality":"Good",{values}}}'.encode()
        return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


async def _push(port: int) -> None:
    """Sends the messages over some connections, each after the answer to the one before."""
    import time

    now = str(int(time.time()))
    rest = iter(range(MESSAGES))

    async def send() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in rest:
            writer.write(_message(number, now))
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 202"), head
            await reader.readexactly(int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0]))
        writer.close()

    await asyncio.gather(*(send() for _ in range(SENDERS)))


def _message(number: int, now: str) -> bytes:
    rows = [
        {"tag": f"t{tag}", "value": number + tag / 8, "at": "2026-11-23T06:30:00.250Z", "quality": "Good"}
        for tag in range(ROWS)
    ]
    body = json.dumps(rows).encode()
    said = signature(key_of(SECRET), str(number), now, body)
    return (
        f"POST / HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        f"webhook-id: {number}\r\nwebhook-timestamp: {now}\r\nwebhook-signature: {said}\r\n\r\n"
    ).encode() + body
