# SPDX-License-Identifier: Apache-2.0
"""What a client sees of the plant: types, assets by path, tags with meaning and value; and what it hears of changes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from tests.opcuaserver.house import (
    AT,
    BATCH,
    COUNT,
    HISTORICAL,
    NAME,
    OPEN,
    PLANT,
    PRESSURE,
    REACTOR,
    SECOND,
    STATE,
    TEMPERATURE,
    House,
    samples,
)
from tests.peers.opcua_client_peer import OpcUaClient

pytestmark = pytest.mark.asyncio(loop_scope="module")

MS = 1_000_000
HOT = f"{REACTOR}/temperature"
STILL = f"{REACTOR}/pressure"
WAITING = 0x8032_0000
OVERFLOW = 0x480


@pytest.fixture(scope="module")
def clock() -> Iterator[int]:
    """Seconds after `AT`, ever later: one server has all these tests."""
    return count(1000, 1000)


async def references(client: OpcUaClient, node: str, **more: Any) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in (await client.do("browse", node=node, **more))["references"]}


async def read(client: OpcUaClient, *nodes: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await client.do("read", nodes=nodes))["values"]
    return found


async def subscribe(client: OpcUaClient, *nodes: str, **more: Any) -> list[dict[str, Any]]:
    """What was revised, after the first values have come."""
    await client.do("heard")
    said = await client.do("subscribe", nodes=nodes, interval=50, **more)
    if more.get("mode", "Reporting") == "Reporting" and said["good"]:
        await client.heard(said["good"])
    revised: list[dict[str, Any]] = said["revised"]
    return revised


async def test_types_declare_what_their_assets_have(client: OpcUaClient) -> None:
    types = await references(client, "i=58")
    assert types["reactor@2"]["class"] == "ObjectType"
    declared = await references(client, "type:reactor@2")
    assert {"temperature", "pressure", "state"} <= set(declared)
    hot = await references(client, "type:reactor@2/temperature")
    assert "Mandatory" in hot and "EURange" in hot and "EngineeringUnits" in hot
    assert "line@1" not in types  # it has no tags of its own


async def test_assets_lie_at_their_paths_and_tags_have_their_meaning(client: OpcUaClient) -> None:
    assert "acme" in await references(client, "i=85")
    reactor = (await references(client, f"{PLANT}/mixing/line-1"))["reactor-1"]
    assert reactor["node"] == f"ns=2;s={REACTOR}" and reactor["type"] == "ns=2;s=type:reactor@2"
    parts = await references(client, REACTOR)
    assert parts["jacket"]["type"] == "ns=2;s=type:heat-jacket@1" and parts["jacket"]["by"] == 47
    assert parts["temperature"]["type"].endswith("i=17570")  # AnalogUnitRangeType
    assert parts["pressure"]["type"].endswith("i=17497")  # AnalogUnitType
    assert parts["state"]["type"].endswith("i=11238")  # MultiStateValueDiscreteType
    unit = (await client.do("attribute", node=f"{HOT}#EngineeringUnits", name="Value"))["value"]
    assert unit["unitId"] == int.from_bytes(b"CEL", "big") and unit["displayName"]["text"] == "°C"
    assert unit["namespaceUri"] == "http://www.opcfoundation.org/UA/units/un/cefact"
    spread = (await client.do("attribute", node=f"{HOT}#EURange", name="Value"))["value"]
    assert (spread["low"], spread["high"]) == (0, 180)
    names = (await client.do("attribute", node=f"{REACTOR}/state#EnumValues", name="Value"))["value"]
    assert [one["displayName"]["text"] for one in names] == ["idle", "heating", "holding"]
    assert (await client.do("attribute", node=HOT, name="Description"))["text"].find("In the middle.") > 0
    assert (await client.do("attribute", node=HOT, name="AccessLevel"))["value"] == 5
    assert (await client.do("attribute", node=HOT, name="Historizing"))["value"] is True
    assert (await client.do("attribute", node=REACTOR, name="Description"))["text"].find("The old one.") > 0


async def test_many_references_come_in_pages(client: OpcUaClient) -> None:
    whole = await client.do("browse", node=REACTOR)
    pages = await client.do("browse", node=REACTOR, most=2)
    assert whole["pages"] == 1 and pages["pages"] == (len(whole["references"]) + 1) // 2
    assert pages["references"] == whole["references"]
    assert (await client.do("browse", node="nobody"))["status"] == 0x8034_0000  # BadNodeIdUnknown


async def test_history_tells_what_it_can(client: OpcUaClient) -> None:
    for folder in ("i=2997", "i=11201"):
        names = set(await references(client, folder))
        assert {"Average", "TimeAverage2", "Interpolative", "WorstQuality2"} <= names and len(names) >= 36
    configuration = (await references(client, HOT))["HA Configuration"]["node"]
    assert "AggregateConfiguration" in await references(client, configuration)
    assert (await client.do("attribute", node=f"{configuration}#Stepped", name="Value"))["value"] is False


async def test_values_come_with_type_quality_and_times(
    opened: House, client: OpcUaClient, clock: Iterator[int]
) -> None:
    at = AT + next(clock) * SECOND + 250 * MS
    await opened.deliver(
        samples(TEMPERATURE, [at], [81.5]),
        samples(PRESSURE, [at], [3.5], quality=0x4090_0000),
        samples(STATE, [at], [7.0], integer=[7]),
        samples(OPEN, [at], [1.0]),
        samples(NAME, [at], text=["Ødegård, 1"]),
        samples(COUNT, [at], [float(2**63)], integer=[-(2**63)]),
        samples(BATCH, [at], [-5.0], integer=[-5]),
    )
    nodes = [HOT, STILL, f"{REACTOR}/state", f"{REACTOR}/state#ValueAsText", f"{REACTOR}/jacket/open"]
    nodes += [f"{PLANT}/mixing/recipe", f"{PLANT}/mixing/line-1/reactor-2/pieces"]
    nodes += [f"{PLANT}/mixing/line-1/reactor-2/batch", "nobody"]
    found = await read(client, *nodes)
    assert [(one["value"], one["type"]) for one in found[:8]] == [
        (81.5, "Double"), (3.5, "Double"), (7, "Int64"), ("holding", "LocalizedText"), (True, "Boolean"),
        ("Ødegård, 1", "String"), (str(2**63), "UInt64"), (-5, "Int64"),
    ]  # fmt: skip
    assert {one["at"] for one in found[:8]} == {at // MS} == {one["server"] for one in found[:8]}
    assert [one["status"] for one in found] == [0, 0x4090_0000, 0, 0, 0, 0, 0, 0, 0x8034_0000]


async def test_a_bad_sample_has_no_value_and_keeps_its_status(
    opened: House, client: OpcUaClient, clock: Iterator[int]
) -> None:
    await opened.tell(TEMPERATURE, 81.5, next(clock), quality=0x808C_0000)
    (found,) = await read(client, HOT)
    assert (found["value"], found["status"]) == (None, 0x808C_0000)


async def test_what_is_older_or_historical_replaces_nothing(
    opened: House, client: OpcUaClient, clock: Iterator[int]
) -> None:
    now = next(clock)
    await opened.tell(TEMPERATURE, 1.0, now)
    await opened.tell(TEMPERATURE, 2.0, now - 5)
    await opened.tell(TEMPERATURE, 3.0, now + 5, mark=HISTORICAL)
    await opened.deliver(samples(TEMPERATURE, [AT + (now - 3) * SECOND], [4.0]), recalled=True)
    assert (await read(client, HOT))[0]["value"] == 1.0
    await opened.deliver(samples(TEMPERATURE, [AT + (now + 3) * SECOND], [5.0]), recalled=True)
    assert (await read(client, HOT))[0]["value"] == 5.0


async def test_nobody_writes(client: OpcUaClient) -> None:
    before = await read(client, HOT)
    assert (await client.do("write", node=HOT, value=3.0))["status"] == 0x803B_0000  # BadNotWritable
    assert (await client.do("write", node="nobody", value=3.0))["status"] == 0x8034_0000
    assert await read(client, HOT) == before


async def test_each_change_is_heard_with_its_time_and_equal_values_are_not(
    opened: House, client: OpcUaClient, clock: Iterator[int]
) -> None:
    begin = next(clock)
    revised = await subscribe(client, HOT, "nobody", f"{REACTOR}/state#ValueAsText", size=100)
    assert [one["status"] for one in revised] == [0, 0x8034_0000, 0]
    assert (revised[0]["size"], revised[0]["sampling"]) == (100, 0)
    values = [1.0, 2.0, 2.0, 3.0, 3.0]
    await opened.deliver(samples(TEMPERATURE, [AT + (begin + i) * SECOND for i in range(5)], values))
    await opened.tell(TEMPERATURE, 3.0, begin + 5, quality=0x4090_0000)
    await opened.deliver(samples(STATE, [AT + begin * SECOND], [1.0], integer=[1]))
    found = await client.heard(5)
    heard = [(one["value"], one["at"] // 1000 - AT // SECOND - begin) for one in found if one["node"] == HOT]
    assert heard == [(1.0, 0), (2.0, 1), (3.0, 3), (3.0, 5)]
    assert found[-2]["status"] == 0x4090_0000 or found[-1]["status"] == 0x4090_0000
    assert "heating" in [one["value"] for one in found]
    await client.do("unsubscribe")


async def test_a_queue_that_overflows_says_so(opened: House, client: OpcUaClient, clock: Iterator[int]) -> None:
    begin = next(clock)
    await subscribe(client, HOT, size=3, name="oldest")
    await subscribe(client, STILL, size=3, oldest=False, name="newest")
    times = [AT + (begin + i) * SECOND for i in range(6)]
    await opened.deliver(
        samples(TEMPERATURE, times, [float(i) for i in range(10, 16)]),
        samples(PRESSURE, times, [float(i) for i in range(10, 16)]),
    )
    found = await client.heard(6)
    assert [(one["value"], one["status"]) for one in found if one["node"] == HOT] == [(13, OVERFLOW), (14, 0), (15, 0)]
    assert [(one["value"], one["status"]) for one in found if one["node"] == STILL] == [
        (10, 0), (11, 0), (15, OVERFLOW),
    ]  # fmt: skip
    for name in ("oldest", "newest"):
        await client.do("unsubscribe", name=name)


async def test_deadbands_are_kept_absolute_and_in_percent_of_the_range(
    opened: House, client: OpcUaClient, clock: Iterator[int]
) -> None:
    begin = next(clock)
    times = [AT + (begin + i) * SECOND for i in range(5)]
    await opened.deliver(samples(TEMPERATURE, times[:1], [0.0]), samples(PRESSURE, times[:1], [0.0]))
    await subscribe(client, STILL, size=100, deadband=1.0, name="absolute")
    await subscribe(client, HOT, size=100, percent=10, name="percent")  # 18 of 180
    values = [0.0, 1.0, 1.5, 2.0, 3.0]
    await opened.deliver(
        samples(PRESSURE, times[1:], values[1:]), samples(TEMPERATURE, times[1:], [18.0 * one for one in values[1:]])
    )
    found = await client.heard(4)
    assert [one["value"] for one in found if one["node"] == STILL] == [1.5, 3.0]
    assert [one["value"] for one in found if one["node"] == HOT] == [27.0, 54.0]
    (refused,) = await subscribe(client, STILL, percent=10, name="absolute")  # it has no range
    assert refused["status"] == 0x808E_0000  # BadDeadbandFilterInvalid
    (refused,) = await subscribe(client, f"{PLANT}/mixing/recipe", deadband=1, name="absolute")
    assert refused["status"] == 0x8045_0000  # BadFilterNotAllowed
    for name in ("absolute", "percent"):
        await client.do("unsubscribe", name=name)


async def test_a_trigger_of_timestamps_tells_of_equal_values_too(
    opened: House, client: OpcUaClient, clock: Iterator[int]
) -> None:
    begin = next(clock)
    await opened.tell(TEMPERATURE, 5.0, begin)
    await subscribe(client, HOT, size=100, trigger="StatusValueTimestamp", name="times")
    await subscribe(client, HOT, size=100, trigger="Status", name="status")
    await opened.deliver(samples(TEMPERATURE, [AT + (begin + i) * SECOND for i in (1, 2)], [5.0, 6.0]))
    await opened.tell(TEMPERATURE, 6.0, begin + 3, quality=0x4090_0000)
    found = await client.heard(4)
    assert sorted(one["at"] // 1000 - AT // SECOND - begin for one in found) == [1, 2, 3, 3]
    for name in ("times", "status"):
        await client.do("unsubscribe", name=name)


async def test_of_each_sampling_interval_one_value_is_heard_and_the_last_one_is_never_lost(
    opened: House, client: OpcUaClient, clock: Iterator[int]
) -> None:
    begin = next(clock)
    (revised,) = await subscribe(client, HOT, size=100, sampling=200)
    assert revised["sampling"] == 200
    times = [AT + begin * SECOND + i * 50 * MS for i in range(10)]
    await opened.deliver(samples(TEMPERATURE, times, [float(i) for i in range(100, 110)]))
    assert [one["value"] for one in await client.heard(4)] == [100, 104, 108, 109]
    await client.do("unsubscribe")


async def test_linked_items_are_heard_when_the_triggering_one_is(
    opened: House, client: OpcUaClient, clock: Iterator[int]
) -> None:
    begin = next(clock)
    await subscribe(client, HOT, size=10, name="all")
    before = await client.do("subscribe", nodes=[STILL], size=10, mode="Sampling", name="all")
    assert before["good"] == 1
    await client.do("heard")
    await opened.deliver(samples(PRESSURE, [AT + begin * SECOND], [1.25]))
    await asyncio.sleep(0.2)  # four intervals in which nothing may be heard
    assert not (await client.do("heard"))["heard"]
    said = await client.do("trigger", **{"from": "all", "to": "all"})
    assert 0 in said["status"]
    await opened.tell(TEMPERATURE, 70.0, begin + 1)
    found = await client.heard(2)
    assert {one["node"] for one in found} == {HOT, STILL} and found[-1]["value"] in (1.25, 70.0)
    await client.do("unsubscribe")


async def test_the_server_s_own_clock_can_be_subscribed_to(client: OpcUaClient) -> None:
    await subscribe(client, "i=2258")  # Server_ServerStatus_CurrentTime
    first, second = (await client.heard(2))[:2]
    assert first["value"] < second["value"]
    await client.do("unsubscribe")
