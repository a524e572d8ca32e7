# SPDX-License-Identifier: Apache-2.0
"""A plant whose OPC UA server runs in the test's process, without a log: deliveries are handed to its sink."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.core.quality import Mark
from isthmus.core.tag import DataType, Tag
from isthmus.outputs.contract import Delivery, Sink, Surroundings
from isthmus.outputs.opcua.server import OpcUaServer
from isthmus.outputs.opcua.spec import OpcUaServerSpec
from isthmus.plant.revision import AssetSetting, Revision, TagSetting
from isthmus.store.history.columns import Columns, empty
from tests.peers.opcua_peer import free_port

PLANT = "acme/lyon"
URI = f"urn:isthmus:{PLANT}"
AT = 1_800_000_000_000_000_000
SECOND = 1_000_000_000
REACTOR = f"{PLANT}/mixing/line-1/reactor-1"
TEMPERATURE, PRESSURE, STATE, OPEN, NAME, COUNT, BATCH = range(1, 8)


def setting(number: int, path: str, type_: DataType, unit: str = "", **more: Any) -> TagSetting:
    stepped = type_ in (DataType.BOOLEAN, DataType.ENUMERATION, DataType.TEXT)
    return TagSetting(tag=Tag(number, path, unit, type_, stepped), system="dcs", address=f"a{number}", **more)


TAGS = (
    setting(
        TEMPERATURE, f"{REACTOR}/temperature", DataType.FLOAT, "Cel", range=(0.0, 180.0), description="In the middle."
    ),
    setting(PRESSURE, f"{REACTOR}/pressure", DataType.FLOAT, "bar"),
    setting(STATE, f"{REACTOR}/state", DataType.ENUMERATION, labels={0: "idle", 1: "heating", 7: "holding"}),
    setting(OPEN, f"{REACTOR}/jacket/open", DataType.BOOLEAN),
    setting(NAME, f"{PLANT}/mixing/recipe", DataType.TEXT),
    setting(COUNT, f"{PLANT}/mixing/line-1/reactor-2/pieces", DataType.UNSIGNED, "{piece}", range=(0.0, 1e6)),
    setting(BATCH, f"{PLANT}/mixing/line-1/reactor-2/batch", DataType.INTEGER),
)
ASSETS = (
    AssetSetting(path=f"{PLANT}/mixing/line-1", type="line@1"),
    AssetSetting(path=REACTOR, type="reactor@2", description="The old one."),
    AssetSetting(path=f"{REACTOR}/jacket", type="heat-jacket@1"),
    AssetSetting(path=f"{PLANT}/mixing/line-1/reactor-2", type="filler@1"),
)


def revision(tags: Sequence[TagSetting] = TAGS, assets: Sequence[AssetSetting] = ASSETS) -> Revision:
    return Revision(
        number=1, created=0, author="test", comment="", plant=PLANT, time_zone="UTC", systems=(),
        assets=tuple(assets), tags=tuple(tags),
    )  # fmt: skip


def samples(
    tag: int | Sequence[int], at: Sequence[int], value: Sequence[float] = (), *, text: Sequence[str] = (),
    integer: Sequence[int] | None = None, quality: int | Sequence[int] = 0, mark: int = 0,
) -> Columns:  # fmt: skip
    """Samples of a tag, `seen` when they happened."""
    n = len(at)
    words = tuple(dict.fromkeys(text))
    return replace(
        empty(n),
        words=words,
        tag=np.broadcast_to(np.asarray(tag, np.uint32), n).copy(),
        time=np.array(at, np.int64),
        seen=np.array(at, np.int64),
        value=np.array(value, np.float64) if len(value) else np.full(n, np.nan if text else 0.0),
        integer=np.array(integer if integer is not None else np.zeros(n), np.int64),
        whole=np.full(n, integer is not None),
        text=np.array([words.index(word) + 1 for word in text] if text else np.zeros(n), np.int32),
        quality=np.broadcast_to(np.asarray(quality, np.uint32), n).copy(),
        mark=np.full(n, mark, np.uint8),
    )


@dataclass
class House:
    """An open server."""

    url: str
    sink: Sink
    data: Path
    server: OpcUaServer

    async def deliver(self, *columns: Columns, recalled: bool = False) -> None:
        for some in columns:
            assert not await self.sink.write(Delivery(some, recalled))

    async def tell(self, tag: int, value: float, second: float = 0.0, **more: Any) -> None:
        """One sample so many seconds after `AT`."""
        await self.deliver(samples(tag, [AT + round(second * SECOND)], [value], **more))


def surroundings(data: Path, tags: Sequence[TagSetting], made: Revision, last: Columns | None = None) -> Surroundings:
    (data / "outputs" / "ua").mkdir(parents=True, exist_ok=True)
    by_number: Mapping[int, TagSetting] = {one.tag.number: one for one in tags}

    async def known() -> Columns:
        return last if last is not None else empty()

    return Surroundings("ua", made, by_number, data, data / "outputs" / "ua", known)


@asynccontextmanager
async def house(
    data: Path, *, tags: Sequence[TagSetting] = TAGS, assets: Sequence[AssetSetting] = ASSETS,
    last: Columns | None = None, **config: Any,
) -> AsyncIterator[House]:  # fmt: skip
    """An open server; without users it lets everybody in, without security it is in the clear."""
    port = config.pop("port", 0) or free_port()
    if "users" not in config:
        config = {"anonymous": True, **config}
    spec = OpcUaServerSpec.model_validate({"listen": f"127.0.0.1:{port}", "security": ["None"], **config})
    server = OpcUaServer(spec, surroundings(data, tags, revision(tags, assets), last))
    async with server.open() as sink:
        yield House(f"opc.tcp://127.0.0.1:{port}/", sink, data, server)


HISTORICAL = int(Mark.HISTORICAL)
