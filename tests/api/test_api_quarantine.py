# SPDX-License-Identifier: Apache-2.0
"""What could not be understood is told by the API and by `isthmus quarantine`, with its bytes."""

from __future__ import annotations

import asyncio
import json

import httpx

from isthmus.app.run.place import Place
from isthmus.stream.log import Endpoint, open_log
from tests.app.conftest import Plant, invoke, wait

ODD = b'{"temp": \xff\x07' + b"x" * 100


async def put_aside(plant: Plant) -> None:
    async with open_log(Endpoint.load(Place(plant.data).endpoint("collect"))) as log:
        await log.quarantine("tank-farm", "no JSON", ODD)
        await log.quarantine("other", "a long one", b"y" * 100_000)


def test_the_api_and_the_command_tell_what_could_not_be_understood(api: httpx.Client, served: Plant) -> None:
    asyncio.run(put_aside(served))
    wait(lambda: len(api.get("/api/quarantine").json()) == 2, "both are read")
    (odd,) = api.get("/api/quarantine", params={"system": "tank-farm"}).json()
    assert (odd["system"], odd["reason"], odd["size"]) == ("tank-farm", "no JSON", len(ODD))
    assert bytes.fromhex(odd["bytes"]) == ODD
    assert odd["text"].startswith('{"temp": \\xff\\x07xxx')
    assert odd["text"].endswith("... (111 bytes)")
    assert [one["system"] for one in api.get("/api/quarantine", params={"limit": 1}).json()] == ["other"]
    assert api.get("/api/quarantine", params={"from": "2000-01-01", "to": "2000-01-02"}).json() == []
    assert api.get("/api/quarantine", params={"from": "nonsense"}).status_code == 400
    told = json.loads(invoke("quarantine", "--data", served.data, "--json").stdout)
    assert [(one["system"], one["size"], len(one["bytes"])) for one in told] == [
        ("tank-farm", len(ODD), 2 * len(ODD)),
        ("other", 100_000, 2 * 65_536),
    ]
    table = invoke("quarantine", served.data, "--system", "tank-farm", "--last", "5").stdout
    assert "no JSON" in table
    assert '{"temp": \\xff\\x07xxx' in table
    assert "a long one" not in table
    wrong = invoke("quarantine", "--data", served.data, "--system", "tankfarm")
    assert wrong.returncode == 1
    assert "did you mean 'tank-farm'?" in wrong.stderr


def test_the_metrics_count_what_each_system_sent_that_could_not_be_understood(api: httpx.Client) -> None:
    metrics = api.get("/metrics").text
    assert 'isthmus_system_quarantined_total{system="tank-farm"} 0.0' in metrics
    assert "isthmus_output_lost_messages_total" in metrics
