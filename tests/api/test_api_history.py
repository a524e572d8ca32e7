# SPDX-License-Identifier: Apache-2.0
"""History over the API says what history says, in every format; SQL and figures too."""

from __future__ import annotations

import csv
import io
import json
import struct
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from prometheus_client.parser import text_string_to_metric_families

from isthmus.core import time
from tests.api.test_api_answers import LEVEL, got, problem
from tests.app.conftest import Plant, wait


def span(api: httpx.Client, served: Plant) -> dict[str, str]:
    """Some seconds with a dozen samples of the level, to which no more come."""

    def times() -> list[int]:
        return [at for path, at, *_ in served.samples() if path == LEVEL]

    wait(lambda: len(times()) > 20, "samples are accepted")
    known = times()
    start, end = (time.to_iso((known[i] + known[i + 1]) // 2) for i in (2, 15))
    later = {"tag": LEVEL, "from": end}
    wait(lambda: got(api, "/api/history/raw", **later)["tags"][0]["samples"], "the API, which reads on its own, has it")
    return {"from": start, "to": end}


def test_raw_samples_are_those_recorded_in_every_format(api: httpx.Client, served: Plant) -> None:
    asked = {"tag": LEVEL, **span(api, served)}
    (tag,) = got(api, "/api/history/raw", **asked)["tags"]
    kept = {(time.to_iso(at), value) for path, at, value, _, _ in served.samples() if path == LEVEL}
    assert len(tag["samples"]) > 10
    assert {(at, value) for at, value, _, _ in tag["samples"]} <= kept
    rows = list(csv.DictReader(io.StringIO(api.get("/api/history/raw", params={**asked, "format": "csv"}).text)))
    assert [float(row["value"]) for row in rows] == [value for _, value, _, _ in tag["samples"]]
    table = pa.ipc.open_stream(api.get("/api/history/raw", params={**asked, "format": "arrow"}).content).read_all()
    assert [time.to_iso(at) for at in table["time"].cast("int64").to_pylist()] == [at for at, *_ in tag["samples"]]
    parquet = api.get("/api/history/raw", params={**asked, "format": "parquet"})
    assert parquet.headers["content-type"] == "application/vnd.apache.parquet"
    assert pq.read_table(io.BytesIO(parquet.content)).drop(["tag"]).equals(table.drop(["tag"]))
    few = got(api, "/api/history/raw", **asked, limit=2)
    assert (few["tags"][0]["samples"], few["left_out"]) == (tag["samples"][-2:], len(rows) - 2)


def test_aggregates_and_values_at_times_agree_with_the_samples(api: httpx.Client, served: Plant) -> None:
    asked = {"tag": LEVEL, **span(api, served)}
    (tag,) = got(api, "/api/history/raw", **asked)["tags"]
    values = [value for _, value, _, _ in tag["samples"]]
    (row,) = got(api, "/api/history/aggregate", aggregate=["Minimum", "Maximum", "Count"], **asked)["rows"]
    assert row["values"] == {"Minimum": min(values), "Maximum": max(values), "Count": len(values)}
    at, value, *_ = tag["samples"][3]
    (there,) = got(api, "/api/history/at", tag=LEVEL, time=at)["rows"]
    assert (there["values"], there["qualities"]) == ({"value": value}, {"value": "Good"})


def test_a_line_has_the_extremes_of_the_samples_and_breaks_nowhere(api: httpx.Client, served: Plant) -> None:
    asked = {"tag": LEVEL, **span(api, served)}
    (tag,) = got(api, "/api/history/raw", **asked)["tags"]
    head, (line,) = lines(api.get("/api/history/lines", params={**asked, "width": 50}).content)
    assert (head["tags"][0]["path"], head["tags"][0]["stepped"]) == (LEVEL, False)
    values = [value for _, value, _, _ in tag["samples"]]
    inside = (line[0] >= head["start"]) & (line[0] < head["end"])
    assert (line[1][inside].min(), line[1][inside].max()) == (min(values), max(values))
    assert (np.diff(line[0]) >= 0).all()
    assert (line[2] == 0).all()


def lines(body: bytes) -> tuple[dict[str, Any], list[tuple[Any, Any, Any]]]:
    """What a browser makes of the binary columns."""
    (length,) = struct.unpack_from("<I", body)
    head, place = json.loads(body[4 : 4 + length]), -(-(4 + length) // 8) * 8
    found = []
    for tag in head["tags"]:
        n, columns = tag["points"], []
        for kind, size in (("<f8", 8), ("<f8", 8), ("<u4", 4)):
            columns.append(np.frombuffer(body, kind, n, place))
            place += -(-n * size // 8) * 8
        found.append((columns[0], columns[1], columns[2]))
    assert place == len(body)
    return head, found


def test_questions_that_make_no_sense_are_explained(api: httpx.Client) -> None:
    assert problem(api, 404, "/api/history/raw", tag="nope")["title"] == "no tag matches 'nope'"
    assert "tag" in problem(api, 400, "/api/history/raw")["title"]
    wrong = problem(api, 400, "/api/history/aggregate", tag=LEVEL, aggregate="Avrage")
    assert "did you mean" in wrong["hint"]
    assert problem(api, 400, "/api/history/lines", tag=LEVEL, width=0)["where"] == "width"
    wrong = problem(api, 400, "/api/history/raw", tag=LEVEL, **{"from": "now", "to": "-1h"})
    assert "ends before it begins" in wrong["title"]


def test_sql_is_answered_and_what_it_may_not_do_is_refused(api: httpx.Client) -> None:
    found = api.post("/api/sql", json={"sql": f"SELECT tag, quality FROM last WHERE tag = '{LEVEL}'"}).json()
    assert (found["columns"], found["rows"], found["more"]) == (["tag", "quality"], [[LEVEL, "Good"]], False)
    moment = "SELECT '2026-11-23 14:00:00.000001234'::TIMESTAMP_NS, '2026-11-23 14:00:00'::TIMESTAMP, NULL::TIMESTAMP_S"
    told = ["2026-11-23T14:00:00.000001234", "2026-11-23T14:00:00", None]
    assert api.post("/api/sql", json={"sql": moment}).json()["rows"] == [told]
    cut = api.post("/api/sql", json={"sql": "SELECT tag FROM tags", "limit": 2}).json()
    assert (len(cut["rows"]), cut["more"]) == (2, True)
    assert api.post("/api/sql", json={"sql": "SELECT [make_timestamp_ns(1)]"}).status_code == 200
    far = "SELECT 'infinity'::TIMESTAMP"
    for bad in ("SELECT * FROM read_csv('/etc/passwd')", "DROP TABLE tags", "SELECT", "COPY tags TO '/tmp/x'", far):
        answer = api.post("/api/sql", json={"sql": bad})
        assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json"), answer.text
        assert "root:" not in answer.text
    assert api.post("/api/sql", json={}).status_code == 400
    assert api.post("/api/sql", content=b"\xff{").status_code == 400


def test_prometheus_can_read_the_figures(api: httpx.Client) -> None:
    answer = api.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }
    assert samples["isthmus_ready",] == 1
    assert samples["isthmus_tags",] == 20
    assert samples["isthmus_samples_accepted_total",] > 60
    assert samples["isthmus_system_connected", "tank-farm"] == 1
    assert samples["isthmus_service_ready", "record"] == 1
