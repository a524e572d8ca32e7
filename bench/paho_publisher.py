# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.paho_publisher PORT COUNT`: json.dumps and paho-mqtt's publish; prints CPU and rate."""

from __future__ import annotations

import json
import sys
import time

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion


def main(port: int, count: int) -> None:
    """Publishes and waits until all is acknowledged, in paho's own window of 20: with a wider one it is slower."""
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    client.connect("127.0.0.1", port)
    client.loop_start()
    while not client.is_connected():
        time.sleep(0.01)
    cpu, began = time.process_time(), time.monotonic()
    info = None
    for number in range(count):
        message = {"value": float(number), "at": "2027-01-15T08:00:00.009Z", "quality": "Good", "unit": "m"}
        topic = f"uns/acme/lyon/hall/tank-{number % 5}/level"
        info = client.publish(topic, json.dumps(message, separators=(",", ":")), 1, True)
    assert info is not None
    info.wait_for_publish(100)
    print(json.dumps({"cpu": (time.process_time() - cpu) / count * 1e6, "rate": count / (time.monotonic() - began)}))
    client.disconnect()
    client.loop_stop()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
