# SPDX-License-Identifier: Apache-2.0
"""What the API answers, to good questions and to bad ones, and whom it refuses."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from tests.app.conftest import Plant, wait

LEVEL = "acme/lyon/storage/tank-1/level"


def got(api: httpx.Client, path: str, /, **parameters: Any) -> Any:
    answer = api.get(path, params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


def problem(api: httpx.Client, status: int, path: str, /, **parameters: Any) -> dict[str, Any]:
    answer = api.get(path, params=parameters)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    found: dict[str, Any] = answer.json()
    assert found["status"] == status
    return found


def test_the_plant_its_assets_and_its_tags_are_those_of_the_plant_file(api: httpx.Client, served: Plant) -> None:
    plant = got(api, "/api/plant")
    assert (plant["plant"], plant["tags"], plant["systems"]) == ("acme/lyon", 20, 1)
    assert plant["assets"] == len(got(api, "/api/assets"))
    tags = {tag["path"]: tag for tag in got(api, "/api/tags")}
    assert len(tags) == 20
    line = (served.data / "plant.yaml").read_text().splitlines()[tags[LEVEL]["line"] - 1]
    assert "tank-" in line
    assert got(api, "/api/tag", path="tank-1/level") == tags[LEVEL]
    assert [tag["path"] for tag in got(api, "/api/tags", match="tank-?/level")] == sorted(
        p for p in tags if p.endswith("/level")
    )
    assert [tag["path"] for tag in got(api, "/api/tags", limit=3, offset=2)] == sorted(tags)[2:5]
    assert got(api, "/api/asset", path="acme/lyon/storage/tank-1")["type"] == "tank@1"
    (newest, *_) = got(api, "/api/revisions")
    assert got(api, f"/api/revisions/{newest['number']}")["files"]["plant.yaml"].startswith("#")


def test_last_values_are_those_that_history_has(api: httpx.Client, served: Plant) -> None:
    (last,) = got(api, "/api/last", match=LEVEL)
    assert (last["quality"], last["unit"], last["stale"], last["marks"]) == ("Good", "m", False, "")
    seen = (LEVEL, last["value"])
    wait(lambda: seen in [(path, value) for path, _, value, _, _ in served.samples()], "the recorder has it, too")


def test_systems_events_and_health_say_how_the_plant_is(api: httpx.Client) -> None:
    found: dict[str, Any] = {}

    def sound() -> bool:  # now and then the thermometer of tank 3 has a loose contact, for twelve seconds
        found.update(got(api, "/api/systems"))
        return not found["systems"][0]["bad"]

    wait(sound, "no tag is bad")
    assert [(system["name"], system["state"], system["tags"]) for system in found["systems"]] == [
        ("tank-farm", "connected", 20)
    ]
    assert [(system["again"], system["bad"]) for system in found["systems"]] == [(None, 0)]
    assert not found["systems"][0]["without_value"] or "no value yet" in found["systems"][0]["tags_problem"]
    assert found["outputs"] == []
    assert {service["name"] for service in found["services"]} == {"simulation", "record", "collect", "serve"}
    assert found["log"]["state"] == "ready"
    assert "the plant is started" in [event["message"] for event in got(api, "/api/events")]
    assert {event["kind"] for event in got(api, "/api/events", kind="connection")} == {"connection"}
    assert got(api, "/api/gaps", **{"from": "-1m"}) == []
    health = {"state": "ready", "not_connected": [], "bad": 0}
    wait(lambda: got(api, "/api/health") == health, f"all is well: {got(api, '/api/health')}")


def test_what_is_not_there_or_makes_no_sense_is_explained(api: httpx.Client) -> None:
    assert "did you mean" in problem(api, 404, "/api/tag", path="tank-1/levl")["hint"]
    assert problem(api, 404, "/api/asset", path="nowhere")["title"] == "no asset has the path 'nowhere'"
    assert problem(api, 404, "/api/revisions/4711")["status"] == 404
    assert "openapi.json" in problem(api, 404, "/api/nothing")["hint"]
    assert problem(api, 400, "/api/tags", limit=0)["where"] == "limit"
    assert problem(api, 400, "/api/events", kind="miracle")["where"] == "kind"
    assert "nonsense" in problem(api, 400, "/api/events", **{"from": "nonsense"})["title"]
    assert "ends before it begins" in problem(api, 400, "/api/events", **{"from": "now", "to": "-1h"})["title"]
    assert api.post("/api/plant").status_code == 405


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "plant.example"},
        {"Host": "127.0.0.1.plant.example"},
        {"Host": ""},
        {"Host": "user@127.0.0.1"},
        {"Host": "127.0.0.1:port"},
        {"Origin": "http://plant.example"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "null"},
    ],
    ids=str,
)
def test_a_request_from_elsewhere_is_refused(api: httpx.Client, headers: dict[str, str]) -> None:
    for path in ("/api/plant", "/api/nothing", "/api/schema/openapi.json"):
        answer = api.get(path, headers=headers)
        assert answer.status_code in (400, 403), answer.text
        assert "acme" not in answer.text


def test_a_socket_from_elsewhere_is_refused(api: httpx.Client) -> None:
    url = f"ws{str(api.base_url).removeprefix('http')}/api/live"
    with (
        pytest.raises(InvalidStatus, match="403"),
        connect(url, origin=Origin("http://plant.example"), open_timeout=90),
    ):
        pass
    with connect(url, origin=Origin(f"http://{api.base_url.netloc.decode()}"), open_timeout=90):
        pass
