# SPDX-License-Identifier: Apache-2.0
"""asyncua's own client with a handler that does nothing but count: the baseline of what receiving costs.

`python -m bench.asyncua_client URL NAMESPACE_URI N SECONDS INTERVAL` prints one JSON object: values received and CPU
seconds spent while it only received.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from typing import Any

from asyncua import Client, ua


class Count:
    values = 0

    def datachange_notification(self, node: Any, value: Any, data: Any) -> None:
        self.values += 1


async def main(url: str, uri: str, count: int, seconds: float, interval: float) -> None:
    logging.basicConfig(level=logging.CRITICAL)
    client = Client(url, timeout=30)
    await client.connect()
    namespace = await client.get_namespace_index(uri)
    handler = Count()
    subscription = await client.create_subscription(interval, handler)
    nodes = [client.get_node(ua.NodeId(f"t{i}", namespace)) for i in range(count)]
    for start in range(0, count, 1000):
        await subscription.subscribe_data_change(nodes[start : start + 1000], queuesize=10, sampling_interval=0)
    await asyncio.sleep(2)
    handler.values, before = 0, time.process_time()
    await asyncio.sleep(seconds)
    print(json.dumps({"values": handler.values, "cpu": time.process_time() - before}), flush=True)
    await client.disconnect()


if __name__ == "__main__":
    url, uri, *rest = sys.argv[1:]
    asyncio.run(main(url, uri, int(rest[0]), float(rest[1]), float(rest[2])))
