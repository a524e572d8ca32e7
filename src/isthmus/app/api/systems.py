# SPDX-License-Identifier: Apache-2.0
"""The systems the plant talks to, where its samples go on to, the services that do it, and how they are."""

from __future__ import annotations

import asyncio

import msgspec
from litestar import get

from isthmus.app.api.picture import Picture
from isthmus.app.api.plant import applied
from isthmus.app.api.problem import ASKED_WRONGLY
from isthmus.app.condition import gather
from isthmus.app.run.place import Place


class System(msgspec.Struct, frozen=True):
    """One system."""

    name: str
    kind: str
    zone: str
    owner: str
    node: str
    state: str
    """`connected`, `connecting`, ...; `unknown` where its collector has not said anything yet."""
    problem: str
    """Why it is not connected; empty when it is."""
    again: str | None
    """When a system that refused us is tried again; null where that is soon."""
    tags: int
    bad: int
    """Tags whose last quality is bad."""
    without_value: int
    """Tags that never had a value and are not bad."""
    tags_problem: str
    """What is wrong with single tags, in words; empty where nothing is."""
    samples: int
    """Accepted since the collector started."""
    quarantined: int
    """Things it sent since then that could not be understood; `/api/quarantine` has them."""
    file: str
    line: int
    """Where the plant file says it."""


class Output(msgspec.Struct, frozen=True):
    """One place that samples go on to."""

    name: str
    kind: str
    zone: str
    owner: str
    state: str
    """`connected`, `disconnected`, ...; `unknown` where nothing has been said of it yet."""
    problem: str
    """Why it is not connected; empty when it is."""
    tags: int
    delivered: int
    """Samples that its far end took since it was started."""
    parked: int
    """Samples that its far end refused, and that wait for somebody."""
    behind: int | None
    """Messages of the log that are not delivered; null: not known."""
    lag: float | None
    """Seconds since the log took what was delivered last; 0: nothing waits; null: not known."""
    file: str
    line: int
    """Where the plant file says it."""


class Service(msgspec.Struct, frozen=True):
    """One process of ours."""

    name: str
    state: str
    pid: int | None
    restarts: int
    age: float | None
    """Seconds since it was heard of last; null: never."""


class LogCondition(msgspec.Struct, frozen=True):
    """The log between collectors and readers."""

    state: str
    bytes: int
    limit: int
    fill: float
    """Part of the limit that is used, 0 to 1."""
    unread: int
    """Messages that the recorder has not read."""
    unwritten: int
    """Messages that are not in segments yet."""
    problem: str


class Condition(msgspec.Struct, frozen=True):
    """How the plant is."""

    state: str
    """`ready`, `not connected`, `not ready` or `stopped`."""
    systems: list[System]
    outputs: list[Output]
    services: list[Service]
    log: LogCondition


def condition_of(place: Place, picture: Picture) -> Condition:
    """How the plant is; reads the files in which its services say it."""
    runs, found = applied(picture), gather(place)
    systems = []
    for setting in runs.systems:
        said = found["systems"].get(setting.name, {})
        systems.append(
            System(
                name=setting.name,
                kind=setting.kind,
                zone=setting.zone,
                owner=setting.owner,
                node=setting.node,
                state=said.get("state", "unknown"),
                problem=said.get("problem", ""),
                again=said.get("again"),
                tags=len(runs.of_system(setting.name)),
                bad=said.get("bad", 0),
                without_value=said.get("without_value", 0),
                tags_problem=said.get("tags_problem", ""),
                samples=said.get("samples", 0),
                quarantined=said.get("quarantined", 0),
                file=setting.place.file,
                line=setting.place.line,
            )
        )
    outputs = [
        Output(
            name=setting.name,
            kind=setting.kind,
            zone=setting.zone,
            owner=setting.owner,
            state=said["state"],
            problem=said["problem"],
            tags=said["tags"],
            delivered=said["delivered"],
            parked=said["parked"],
            behind=said["lag_messages"],
            lag=said["lag_seconds"],
            file=setting.place.file,
            line=setting.place.line,
        )
        for setting in runs.outputs
        if (said := found["outputs"].get(setting.name))
    ]
    services = [
        Service(name, one["state"], one["pid"], one["restarts"], one["age"]) for name, one in found["services"].items()
    ]
    log = msgspec.convert({name: found["log"][name] for name in LogCondition.__struct_fields__}, LogCondition)
    return Condition(found["state"], systems, outputs, services, log)


@get("/api/systems", operation_id="systems", summary="How the plant is", responses=ASKED_WRONGLY, tags=["systems"])
async def systems(place: Place, picture: Picture) -> Condition:
    """Systems and outputs in the order of the plant file."""
    return await asyncio.to_thread(condition_of, place, picture)
