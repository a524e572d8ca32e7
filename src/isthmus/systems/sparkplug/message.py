# SPDX-License-Identifier: Apache-2.0
"""The messages of an edge node and of a host as bytes: births, data, deaths, the question for a birth.

`seq` and `bd` are counted by whoever sends: `seq` 0 with a node's birth, one more with each message after it, and 0
again after 255; `bd` the same in a node's birth and in the death that was left with the broker as its will (6.4.8).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from isthmus.core import quality, time
from isthmus.core.samples import Value
from isthmus.systems.sparkplug import payload
from isthmus.systems.sparkplug.quality import QUALITY, STATUS, code
from isthmus.systems.sparkplug.values import Type, put

BD: Final = "bdSeq"
REBIRTH: Final = "Node Control/Rebirth"
LOW: Final = "engLow"
HIGH: Final = "engHigh"
UNIT: Final = "engUnit"
ABOUT: Final = "documentation"
"""Properties as Ignition calls them; the specification names none but Quality."""

_PROPERTIES: Final = {bool: Type.BOOLEAN, int: Type.INT64, float: Type.DOUBLE, str: Type.STRING}


class Metric(NamedTuple):
    """One value of one metric."""

    name: str
    type: Type
    value: Value
    """None: there is none."""
    at: int
    """Since when it is so, ns since 1970-01-01 UTC; to the millisecond is what Sparkplug can say."""
    alias: int | None = None
    quality: int | None = None
    """OPC UA StatusCode; None leaves it unsaid, which hosts take for good."""
    historical: bool = False
    properties: Mapping[str, bool | int | float | str] = MappingProxyType({})
    """Said in births: see UNIT, LOW, HIGH, ABOUT."""


def birth(metrics: Iterable[Metric], *, at: int, seq: int, bd: int | None = None) -> bytes:
    """What an edge node (with `bd`) or a device (without) has: every metric with its name, type and last value."""
    message = payload.Payload(timestamp=at // time.MILLISECOND, seq=seq)
    if bd is not None:
        _add(message, Metric(BD, Type.INT64, bd, at), full=True)
        _add(message, Metric(REBIRTH, Type.BOOLEAN, False, at), full=True)
    for metric in metrics:
        _add(message, metric, full=True)
    return bytes(message.SerializeToString())


def data(metrics: Iterable[Metric], *, at: int, seq: int) -> bytes:
    """Values that changed; of a metric with an alias only that is said, and no name.

    They say their type, which the specification finds needless (6.4.7): hosts made with Tahu's JavaScript, as those of
    Node-RED are, see no values else.
    """
    message = payload.Payload(timestamp=at // time.MILLISECOND, seq=seq)
    for metric in metrics:
        _add(message, metric, full=False)
    return bytes(message.SerializeToString())


def node_death(*, bd: int, at: int) -> bytes:
    """What the broker says of an edge node that is gone."""
    message = payload.Payload(timestamp=at // time.MILLISECOND)
    _add(message, Metric(BD, Type.INT64, bd, at), full=True)
    return bytes(message.SerializeToString())


def device_death(*, at: int, seq: int) -> bytes:
    """What an edge node says of a device that is gone."""
    return bytes(payload.Payload(timestamp=at // time.MILLISECOND, seq=seq).SerializeToString())


def rebirth(at: int) -> bytes:
    """A host's question for an edge node's births (6.4.22)."""
    message = payload.Payload(timestamp=at // time.MILLISECOND)
    _add(message, Metric(REBIRTH, Type.BOOLEAN, True, at), full=True)
    return bytes(message.SerializeToString())


def asks_rebirth(command: Any) -> bool:
    """Whether a parsed NCMD is that question."""
    return any(metric.name == REBIRTH and metric.boolean_value for metric in command.metrics)


def _add(message: Any, metric: Metric, *, full: bool) -> None:
    name, type_, value, at, alias, status, historical, properties = metric
    added = message.metrics.add()
    added.timestamp, added.datatype = at // time.MILLISECOND, type_
    if alias is not None:
        added.alias = alias
    if full or alias is None:
        added.name = name
    if full:
        for key, said in properties.items():
            _add_property(added, key, _PROPERTIES[type(said)], said)
    if historical:
        added.is_historical = True
    if value is None:
        added.is_null = True
    else:
        put(added, type_, value)
    if status is not None:
        _add_property(added, QUALITY, Type.INT32, code(status))
        if status != quality.GOOD:
            _add_property(added, STATUS, Type.INT64, status)  # Tahu's JavaScript reads no UInt32


def _add_property(metric: Any, key: str, type_: Type, value: bool | int | float | str) -> None:
    metric.properties.keys.append(key)
    put(metric.properties.values.add(type=type_), type_, value)
