# SPDX-License-Identifier: Apache-2.0
"""Which streams the log is made of, and how they are made: one for what happens, two buckets for what stays."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from isthmus.core.errors import Disconnected
from isthmus.stream import names
from isthmus.stream.wire import NOT_FOUND, Answered, Wire

GIGABYTE: Final = 1 << 30
DEDUPLICATION: Final = 600.0
"""Seconds. Only a convenience for events: publishers of samples do not rely on it."""

BUCKET: Final = 256 << 20
"""Bytes of each bucket."""

_NANO: Final = 1_000_000_000
_CANNOT_WRITE: Final = 10069


@dataclass(frozen=True, slots=True)
class Layout:
    """What may differ from one log to another."""

    limit: int = GIGABYTE
    """Bytes at which publishing is refused until the recorder has purged."""
    duplicates: float = DEDUPLICATION
    replicas: int = 1

    def stream(self) -> dict[str, Any]:
        """What happens: samples, events, quarantine. Refuses at the limit, never discards."""
        return {
            "name": names.STREAM,
            "subjects": list(names.SUBJECTS),
            "storage": "file",
            "discard": "new",
            "max_bytes": self.limit,
            "duplicate_window": int(self.duplicates * _NANO),
            "allow_direct": True,
            "num_replicas": self.replicas,
        }

    def bucket(self, bucket: str) -> dict[str, Any]:
        """What stays: one value per key, no age limit. NATS knows such a stream as a key-value bucket."""
        return {
            "name": names.bucket_stream(bucket),
            "subjects": [names.bucket_subject(bucket, ">")],
            "storage": "file",
            "discard": "new",
            "max_bytes": BUCKET,
            "max_msgs_per_subject": 1,
            "allow_direct": True,
            "num_replicas": self.replicas,
        }


async def make(wire: Wire, layout: Layout, limit: Callable[[Layout, int], int] | None = None) -> None:
    """Makes what is not there and gives what is there its limits. Raises Answered when the server refuses.

    `limit` says what the main stream's limit may be when it has so many bytes, where the disk allows less.
    """
    for config in (layout.bucket(names.LISTS), layout.bucket(names.REVISIONS), layout.stream()):
        # Asked first: CREATE reserves the bytes of a stream that is there a second time, and is refused.
        there = await _there(wire, config["name"])
        if limit is not None and config["name"] == names.STREAM:
            config["max_bytes"] = limit(layout, there["state"]["bytes"] if there else 0)
        if there is None:
            await wire.api(f"STREAM.CREATE.{config['name']}", config)
        elif any(there["config"].get(key) != value for key, value in config.items()):
            await _update(wire, config)


async def _there(wire: Wire, stream: str) -> dict[str, Any] | None:
    """What JetStream says of a stream; None when there is no such stream."""
    try:
        return await wire.api(f"STREAM.INFO.{stream}")
    except Answered as error:
        if error.code not in NOT_FOUND:
            raise
        return None


async def _update(wire: Wire, config: dict[str, Any]) -> None:
    """Changes a stream; that the disk has no room even for this is left to the next look (`room.py`)."""
    try:
        await wire.api(f"STREAM.UPDATE.{config['name']}", config, patience=2)
    except Answered as error:
        if error.code != _CANNOT_WRITE:
            raise


async def exist(wire: Wire) -> bool:
    """Whether the streams are there; makes them on a server that is not ours. Raises Answered when that is refused."""
    try:
        await wire.api(f"STREAM.INFO.{names.STREAM}", patience=2)
    except Disconnected:
        if wire.closed:
            raise
        return False
    except Answered as error:
        if error.code not in NOT_FOUND:
            raise
        if not wire.endpoint.embedded:
            await make(wire, Layout())
        return False
    return True


async def await_them(wire: Wire) -> None:
    """Returns once the streams are there."""
    while not await exist(wire):  # noqa: ASYNC110  (another process makes them and tells nobody)
        await asyncio.sleep(0.1)


async def limit(wire: Wire, layout: Layout, bytes_: int) -> None:
    """Sets the bytes at which the stream refuses; what it has stays, even if that is more."""
    await _update(wire, layout.stream() | {"max_bytes": max(1, bytes_)})


async def forget_revisions(wire: Wire, number: int) -> None:
    """Removes one revision from its bucket."""
    if number > 0:
        filter_ = names.bucket_subject(names.REVISIONS, f"{number}.>")
        await wire.api(f"STREAM.PURGE.{names.bucket_stream(names.REVISIONS)}", {"filter": filter_})
