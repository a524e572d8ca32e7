# SPDX-License-Identifier: Apache-2.0
"""Node-RED and the ThingsBoard gateway, set up for the same work as ours: 1,000 tags of OPC UA to an MQTT broker.

Both are installed from locked lists into `bench/peers/` when first measured (pip and npm have to be there). They are
told what they need for this work and otherwise left as they come; what would hold them back is turned off: rate limits,
statistics, QoS 1.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

HERE: Final = Path(__file__).parent / "peers"
RED: Final = HERE / "node_modules" / "node-red" / "red.js"
VENV: Final = HERE / ".venv"
NAMESPACE: Final = "ns=1"
"""Index of the source's tags in its server."""


def install() -> None:
    """Installs both where they are not; raises CalledProcessError when that fails."""
    if not RED.exists():
        words = ["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"]
        subprocess.run(words, cwd=HERE, check=True, stdout=sys.stderr)
    if _gateway() is None:
        subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
        words = [str(VENV / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run(
            [*words, "--require-hashes", "-r", str(HERE / "thingsboard.lock")], check=True, stdout=sys.stderr
        )


def _gateway() -> Path | None:
    """Where the ThingsBoard gateway is installed."""
    return next(VENV.glob("lib/python*/site-packages/thingsboard_gateway"), None)


@contextmanager
def node_red(folder: Path, url: str, broker: int, tags: int) -> Iterator[int]:
    """Node-RED with a flow that subscribes all tags and publishes `{v, t}` of each under `red/`; its process."""
    folder.mkdir()
    (folder / "flows.json").write_text(json.dumps(_flow(url, broker, tags)))
    (folder / "settings.js").write_text("module.exports = {uiPort: 0, uiHost: '127.0.0.1', flowFile: 'flows.json'};\n")
    words = ["node", str(RED), "-u", str(folder), "-s", str(folder / "settings.js")]
    with _child(words, folder) as process:
        yield process


def _flow(url: str, broker: int, tags: int) -> list[dict[str, Any]]:
    place = {"z": "flow", "x": 1, "y": 1}
    ask = (
        "msg.topic='multiple'; msg.interval=100; msg.payload=[]; "
        f"for (let i=0; i<{tags}; i++) msg.payload.push({{nodeId:'{NAMESPACE};s=t'+i}}); return msg;"
    )
    tell = (
        "if (!msg.payload || !msg.payload.value) return null; return {topic:'red/'+msg.topic.split('=').pop(), "
        "payload:JSON.stringify({v:msg.payload.value.value, t:+new Date(msg.payload.sourceTimestamp)})};"
    )
    none = {"securitymode": "None", "securitypolicy": "None", "certificate": "n", "localfile": "", "localkeyfile": ""}
    sizes = {
        "useTransport": True, "maxChunkCount": 1000, "maxMessageSize": 2**24, "receiveBufferSize": 65536,
        "sendBufferSize": 65536,
    }  # fmt: skip
    inject = {"repeat": "", "once": True, "onceDelay": "1", "topic": "", "payload": "", "payloadType": "date"}
    return [
        {"id": "flow", "type": "tab", "label": "bench", "disabled": False},
        {"id": "server", "type": "OpcUa-Endpoint", "endpoint": url, "secpol": "None", "secmode": "None", "none": True,
         "login": False, "usercert": False, "usercertificate": "", "userprivatekey": ""},
        {"id": "broker", "type": "mqtt-broker", "name": "", "broker": "127.0.0.1", "port": str(broker),
         "clientid": "node-red", "autoConnect": True, "usetls": False, "protocolVersion": "4", "keepalive": "60",
         "cleansession": True},
        {"id": "start", "type": "inject", "props": [{"p": "payload"}], **inject, **place, "wires": [["ask"]]},
        {"id": "ask", "type": "function", "func": ask, "outputs": 1, **place, "wires": [["read"]]},
        {"id": "read", "type": "OpcUa-Client", "endpoint": "server", "action": "subscribe", "deadbandtype": "a",
         "deadbandvalue": 1, "time": "100", "timeUnit": "ms", **none, **sizes, "setstatusandtime": False,
         "keepsessionalive": True, "name": "", **place, "wires": [["tell"], [], []]},
        {"id": "tell", "type": "function", "func": tell, "outputs": 1, **place, "wires": [["send"]]},
        {"id": "send", "type": "mqtt out", "topic": "", "qos": "0", "retain": "false", "broker": "broker", **place,
         "wires": []},
    ]  # fmt: skip


@contextmanager
def thingsboard(folder: Path, url: str, broker: int, tags: int) -> Iterator[int]:
    """The gateway, subscribed to all tags; its telemetry arrives in batches on `v1/gateway/telemetry`; its process.

    A ThingsBoard server would tell it the limits of its session: here a small client does, and says there are none.
    """
    home = _gateway()
    assert home is not None
    folder.mkdir()
    (folder / "tb_gateway.json").write_text(json.dumps(_settings(home, broker)))
    (folder / "opcua.json").write_text(json.dumps(_connector(url, tags)))
    shutil.copy(home / "config" / "logs.json", folder)
    words = [str(VENV / "bin" / "python"), "-m", "thingsboard_gateway.tb_gateway"]
    with (
        _no_limits(broker),
        _child(words, folder, TB_GW_CONFIG_DIR=f"{folder}/", TB_GW_LOGS_PATH=f"{folder}") as process,
    ):
        yield process


def _settings(home: Path, broker: int) -> dict[str, Any]:
    settings: dict[str, Any] = json.loads((home / "config" / "tb_gateway.json").read_text())
    limits = ("rateLimits", "dpRateLimits", "messagesRateLimits", "deviceMessagesRateLimits", "deviceRateLimits")
    settings["thingsboard"] |= dict.fromkeys((*limits, "deviceDpRateLimits"), "0:0,")
    server = {"host": "127.0.0.1", "port": broker, "remoteConfiguration": False, "qos": 0, "maxPayloadSizeBytes": 65536}
    settings["thingsboard"] |= server
    settings["thingsboard"]["statistics"]["enable"] = False
    settings["storage"]["read_records_count"] = 1000
    settings["connectors"] = [{"type": "opcua", "name": "source", "configuration": "opcua.json"}]
    return settings


def _connector(url: str, tags: int) -> dict[str, Any]:
    series = [
        {"timestampLocation": "sourceTimestamp", "key": f"t{i}", "type": "identifier",
         "value": f"${{{NAMESPACE};s=t{i}}}"}
        for i in range(tags)
    ]  # fmt: skip
    constant = "constant"
    name = {
        "deviceNameExpression": "bench", "deviceNameExpressionSource": constant, "deviceProfileExpression": "default",
        "deviceProfileExpressionSource": constant,
    }  # fmt: skip
    batches = {
        "enableSubscriptions": True, "subCheckPeriodInMillis": 100, "subDataMaxBatchSize": 1000,
        "subDataMinBatchCreationTimeMs": 100, "subscriptionProcessBatchSize": 2000,
    }  # fmt: skip
    times = {
        "timeoutInMillis": 30_000, "scanPeriodInMillis": 3_600_000, "pollPeriodInMillis": 5_000,
        "sessionTimeoutInMillis": 120_000,
    }  # fmt: skip
    said = {"url": url, **times, **batches, "showMap": False, "security": "None", "identity": {"type": "anonymous"}}
    device = {
        "deviceNodeSource": "path", "deviceNodePattern": "Root\\.Objects\\.1:Bench", "deviceInfo": name,
        "attributes": [], "timeseries": series, "rpc_methods": [], "attributes_updates": [],
    }  # fmt: skip
    return {"server": said, "mapping": [device]}


@contextmanager
def _no_limits(broker: int) -> Iterator[None]:
    none = {"messages": "0:0,", "telemetryMessages": "0:0,", "telemetryDataPoints": "0:0,"}
    answer = {"maxPayloadSize": 2**20, "maxInflightMessages": 1000, "rateLimits": none, "gatewayRateLimits": none}
    client = paho.Client(CallbackAPIVersion.VERSION2)

    def asked(client: paho.Client, _: Any, message: paho.MQTTMessage) -> None:
        if "/rpc/request/" in message.topic:
            client.publish(message.topic.replace("request", "response"), json.dumps(answer))

    client.on_message = asked
    client.connect("127.0.0.1", broker)
    client.subscribe("v1/devices/me/rpc/request/+")
    client.loop_start()
    try:
        yield
    finally:
        client.disconnect()
        client.loop_stop()


@contextmanager
def _child(words: list[str], folder: Path, **environment: str) -> Iterator[int]:
    with (folder / "out.log").open("wb") as out:
        child = subprocess.Popen(words, cwd=folder, stdout=out, stderr=out, env={**os.environ, **environment})
    try:
        yield child.pid
    finally:
        child.terminate()
        with suppress(subprocess.TimeoutExpired):
            child.wait(5)
        child.kill()
        child.wait()
