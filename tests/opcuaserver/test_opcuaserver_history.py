# SPDX-License-Identifier: Apache-2.0
"""HistoryRead by node-opcua's client answers what `isthmus history` does: raw, processed, at times; page by page."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from isthmus.app.run.place import Place
from isthmus.app.summed import bounded, summed, values_at
from isthmus.core.samples import Value
from isthmus.core.time import MILLISECOND, SECOND, from_iso, to_iso
from isthmus.outputs.contract import Surroundings
from isthmus.outputs.opcua.historian import VALUES
from isthmus.outputs.opcua.past import PAGE
from isthmus.outputs.opcua.server import OpcUaServer
from isthmus.outputs.opcua.spec import OpcUaServerSpec
from isthmus.store.history.aggregates.catalogue import AGGREGATES
from tests.client import lab
from tests.opcuaserver.house import House
from tests.opcuaserver.house import samples as made
from tests.peers.opcua_client_peer import OpcUaClient
from tests.peers.opcua_peer import free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")

MIXING = "acme/lyon/mixing"
TEMPERATURE = f"{MIXING}/reactor-1/temperature"
POWER, STATE, NAME = f"{MIXING}/drive/power", f"{MIXING}/reactor-1/state", f"{MIXING}/drive/operator"
NO_DATA, BOUND_NOT_FOUND = 0x00A5_0000, 0x80D7_0000
HOUR = 3600 * SECOND
MONDAY = from_iso("2026-11-16T00:00:00Z")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def archive(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """A server over two weeks of history."""
    data = tmp_path_factory.mktemp("archive") / "data"
    revision = lab.make(data)
    tags = {one.tag.number: one for one in revision.tags}
    (data / "outputs" / "ua").mkdir(parents=True)
    port = free_port()
    spec = OpcUaServerSpec.model_validate({"listen": f"127.0.0.1:{port}", "security": ["None"], "anonymous": True})
    server = OpcUaServer(spec, Surroundings("ua", revision, tags, data, data / "outputs" / "ua"))
    async with server.open() as sink:
        yield House(f"opc.tcp://127.0.0.1:{port}/", sink, data, server)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def reader(archive: House, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[OpcUaClient]:
    async with OpcUaClient(tmp_path_factory.mktemp("reader"), archive.url, "urn:isthmus:acme/lyon") as client:
        yield client


def ms(ns: int) -> int:
    return ns // MILLISECOND


async def history(reader: OpcUaClient, *nodes: str, kind: str = "raw", **details: Any) -> list[dict[str, Any]]:
    points = details.pop("points", None)
    said = await reader.do("history", nodes=nodes, details={"kind": kind, **details}, points=points)
    results: list[dict[str, Any]] = said["results"]
    return results


async def pages(reader: OpcUaClient, node: str, **details: Any) -> tuple[list[dict[str, Any]], int]:
    """All values of a node, and in how many answers they came."""
    (one,) = await history(reader, node, **details)
    values, count = list(one["values"]), 1
    while one["point"]:
        (one,) = await history(reader, node, points=[one["point"]], **details)
        values += one["values"]
        count += 1
    return values, count


def alike(found: Any, wanted: Value) -> bool:
    if isinstance(wanted, int) and abs(wanted) > 2**53:
        return str(found) == str(wanted) or float(found) == float(wanted)
    if isinstance(wanted, float):
        return found is not None and abs(float(found) - wanted) <= 1e-9 * max(1.0, abs(wanted))
    return bool(found == wanted)


@pytest.mark.parametrize("path", [TEMPERATURE, POWER, STATE, NAME, f"{MIXING}/drive/serial", f"{MIXING}/drive/on"])
@pytest.mark.parametrize("backward", [False, True])
async def test_raw_values_with_their_bounds_are_those_of_our_history(
    archive: House, reader: OpcUaClient, path: str, backward: bool
) -> None:
    start, end = from_iso("2026-11-20T02:30:30Z"), from_iso("2026-11-20T04:30:00Z")
    recorded = await bounded(Place(archive.data), [path], to_iso(start), to_iso(end))
    wanted = [(ms(row.time), None if row.quality >= 1 << 31 else row.value, row.quality) for row in recorded.rows()]
    ends = (end, start) if backward else (start, end)
    (found,) = await history(reader, path, start=ms(ends[0]), end=ms(ends[1]), bounds=True)
    got = [(one["at"], one["value"], one["status"]) for one in found["values"]]
    got = got[::-1] if backward else got
    assert [(at, status) for at, _, status in got] == [(at, status) for at, _, status in wanted]
    assert all(alike(value, meant) for (_, value, _), (_, meant, _) in zip(got, wanted, strict=True)), (got, wanted)


async def test_long_ranges_come_in_pages_without_a_hole_or_a_double(reader: OpcUaClient) -> None:
    start, end = lab.START, lab.END
    values, count = await pages(reader, TEMPERATURE, start=ms(start), end=ms(end))
    assert [one["at"] for one in values] == list(range(ms(start), ms(end), 60_000)) and count == 20_160 // PAGE + 1
    values, count = await pages(reader, TEMPERATURE, start=ms(start + HOUR), end=ms(start), most=7, bounds=True)
    assert [one["at"] for one in values] == list(range(ms(start + HOUR), ms(start) - 1, -60_000)) and count == 9


async def test_with_one_end_and_a_number_the_nearest_values_come(reader: OpcUaClient) -> None:
    (after,) = await history(reader, TEMPERATURE, start=ms(MONDAY) - 30_000, most=3)
    assert [one["at"] - ms(MONDAY) for one in after["values"]] == [0, 60_000, 120_000] and after["point"] is None
    (before,) = await history(reader, TEMPERATURE, end=ms(MONDAY) + 30_000, most=2)
    assert [one["at"] - ms(MONDAY) for one in before["values"]] == [0, -60_000]


async def test_where_there_is_nothing_it_says_so(reader: OpcUaClient) -> None:
    early = ms(lab.START) - 1000
    (found,) = await history(reader, TEMPERATURE, start=early - 1000, end=early)
    assert (found["status"], found["values"]) == (NO_DATA, [])
    (found,) = await history(reader, TEMPERATURE, start=early - 1000, end=early, bounds=True)
    assert [(one["status"], one["at"]) for one in found["values"]] == [
        (BOUND_NOT_FOUND, early - 1000),
        (0, ms(lab.START)),
    ]
    nobody, folder = await history(reader, "nobody", MIXING, start=early, end=early + 1000)
    assert (nobody["status"], folder["status"]) == (0x8034_0000, 0x8034_0000)


NUMERIC = [name for name, one in AGGREGATES.items() if one.numeric]


@pytest.mark.parametrize("path", [TEMPERATURE, POWER, f"{MIXING}/drive/starts"])
async def test_every_aggregate_is_that_of_our_history(archive: House, reader: OpcUaClient, path: str) -> None:
    start, end = from_iso("2026-11-20T02:30:00Z"), from_iso("2026-11-20T06:45:00Z")
    rows = (await summed(Place(archive.data), [path], to_iso(start), to_iso(end), list(AGGREGATES), "1h")).rows
    for place, name in enumerate(AGGREGATES):
        (found,) = await history(
            reader, path, kind="processed", start=ms(start), end=ms(end), every=3_600_000, aggregate=name
        )
        wanted = [row.answers[place] for row in rows]
        got = found["values"]
        assert [(one["at"], one["status"]) for one in got] == [(ms(one.time), one.quality) for one in wanted], name
        assert all(alike(a["value"], b.value) for a, b in zip(got, wanted, strict=True)), (name, got, wanted)


async def test_aggregates_run_backward_come_in_pages_and_are_refused_where_they_mean_nothing(
    archive: House, reader: OpcUaClient
) -> None:
    (found,) = await history(
        reader, POWER, kind="processed", start=ms(MONDAY + 3 * HOUR), end=ms(MONDAY), every=3_600_000, aggregate="End"
    )
    assert len(found["values"]) == 3 and found["values"][0]["at"] > found["values"][-1]["at"]
    days = {"start": ms(lab.START), "end": ms(lab.END), "every": 60_000, "kind": "processed", "aggregate": "Average"}
    values, count = await pages(reader, TEMPERATURE, **days)
    assert len(values) == 20_160 and count == 3 and len({one["at"] for one in values}) == 20_160
    (text,) = await history(reader, NAME, kind="processed", start=1, end=2, every=0, aggregate="Average")
    assert text["status"] == 0x80D5_0000  # BadAggregateNotSupported


async def test_values_at_times_are_those_of_our_history(archive: House, reader: OpcUaClient) -> None:
    times = [MONDAY + 90 * SECOND, MONDAY, MONDAY + 5 * HOUR + 30 * SECOND, lab.START - HOUR]
    rows = (await values_at(Place(archive.data), [TEMPERATURE], [to_iso(at) for at in times])).rows
    (found,) = await history(reader, TEMPERATURE, kind="at", times=[ms(at) for at in times])
    wanted = [(ms(row.answers[0].time), row.answers[0].quality) for row in rows]
    assert [(one["at"], one["status"]) for one in found["values"]] == wanted
    assert all(alike(one["value"], row.answers[0].value) for one, row in zip(found["values"], rows, strict=True))


async def test_an_absurd_question_is_answered_in_bounded_pages(archive: House, reader: OpcUaClient) -> None:
    paths = [one.tag.path for one in archive.server._house.tags.values()] * 20
    ten_years: dict[str, Any] = {
        "start": ms(from_iso("2017-01-01T00:00:00Z")),
        "end": ms(from_iso("2027-01-01T00:00:00Z")),
    }
    found = await history(reader, *paths, **ten_years)
    assert len(found) == len(paths) and sum(len(one["values"]) for one in found) <= VALUES
    assert all(one["point"] for one in found[:1])
    again = await history(reader, *paths, points=[one["point"] for one in found], **ten_years)
    first, second = found[0]["values"], again[0]["values"]
    assert second[0]["at"] == first[-1]["at"] + 60_000
    released = await reader.do(
        "history", nodes=[paths[0]], details={"kind": "raw", **ten_years}, points=[again[0]["point"]], release=True
    )
    assert released["results"][0]["status"] == 0
    (gone,) = await history(reader, paths[0], points=[again[0]["point"]], **ten_years)
    assert gone["status"] == 0x804A_0000  # BadContinuationPointInvalid


async def test_what_was_just_delivered_is_in_the_history_already(archive: House, reader: OpcUaClient) -> None:
    number = next(n for n, one in archive.server._house.tags.items() if one.tag.path == TEMPERATURE)
    at = from_iso("2026-11-23T06:00:00Z")
    await archive.deliver(made(number, [at, at + SECOND], [61.0, 62.0]), made(number, [at], [61.0]))
    (found,) = await history(reader, TEMPERATURE, start=ms(at), end=ms(at + HOUR))
    assert [(one["at"] - ms(at), one["value"]) for one in found["values"]] == [(0, 61), (1000, 62)]
