# SPDX-License-Identifier: Apache-2.0
"""Clients of the live socket that read all they are sent: `python -m bench.subscribers URL COUNT SECONDS OWN`.

Each asks for all tags; with OWN 1 by a pattern of its own, so that nothing is encoded for two of them. Like a browser
it offers compression. Prints READY when all have their first page, then for each so many seconds' bytes and values.
"""

from __future__ import annotations

import asyncio
import json
import sys
from urllib.parse import urlsplit

from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import Frame
from websockets.uri import parse_uri


class Subscriber:
    """One client."""

    def __init__(self, *patterns: str) -> None:
        self.patterns, self.bytes, self.values, self.pages = patterns, 0, 0, 0
        self.begun = asyncio.Event()

    async def read(self, url: str) -> None:
        where = urlsplit(url)
        reader, writer = await asyncio.open_connection(where.hostname, where.port)
        ours = ClientProtocol(
            parse_uri(f"ws://{where.netloc}/api/live"), extensions=[ClientPerMessageDeflateFactory()], max_size=1 << 24
        )
        ours.send_request(ours.connect())
        while True:
            for piece in ours.data_to_send():
                writer.write(piece)
            received = await reader.read(1 << 16)
            if not received:
                return
            self.bytes += len(received)
            ours.receive_data(received)
            for frame in ours.events_received():
                if isinstance(frame, Frame):
                    self._take(json.loads(bytes(frame.data)))
                else:
                    ours.send_text(json.dumps({"match": self.patterns}).encode())

    def _take(self, page: dict[str, list[object]]) -> None:
        self.pages += 1
        self.values += len(page["values"])
        self.begun.set()


async def main(url: str, count: int, seconds: float, own: bool) -> None:
    clients = [Subscriber("acme", *([f"nobody-{i}"] if own else [])) for i in range(count)]
    reading = [asyncio.create_task(client.read(url)) for client in clients]
    for client in clients:
        await client.begun.wait()
    for client in clients:
        client.bytes = client.values = client.pages = 0
    print("READY", flush=True)
    await asyncio.sleep(seconds)
    told = {name: sum(getattr(client, name) for client in clients) for name in ("bytes", "values", "pages")}
    print(json.dumps(told), flush=True)
    for task in reading:
        task.cancel()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4] == "1"))
