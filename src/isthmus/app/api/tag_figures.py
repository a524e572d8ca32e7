# SPDX-License-Identifier: Apache-2.0
"""What the tags of outputs of the kind `prometheus` are now, as Prometheus's metrics."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from isthmus.core import time
from isthmus.core.quality import BAD, SEVERITY
from isthmus.core.tag import DataType
from isthmus.operations.live import Live
from isthmus.outputs.prometheus import KIND, PrometheusSpec
from isthmus.plant.outputs import tags_of
from isthmus.plant.revision import Revision, TagSetting

_LABELS: Final = ("path", "asset", "tag", "unit")


@dataclass(frozen=True, slots=True)
class Chosen:
    """The tags that are shown, of a revision."""

    revision: int
    tags: Sequence[TagSetting]
    left_out: int
    """Tags that were chosen too and are not shown, because there are too many."""

    @classmethod
    def of(cls, revision: Revision) -> Chosen:
        """Those of every output of the kind, each tag once, in the order of their paths."""
        found: dict[str, TagSetting] = {}
        left_out = set[str]()
        for output in revision.outputs:
            if output.kind == KIND.name:
                most = PrometheusSpec.model_validate(output.config).most
                numbers = [one for one in tags_of(output, revision.tags) if one.tag.type is not DataType.TEXT]
                ordered = sorted(numbers, key=lambda one: one.tag.path)
                found |= {one.tag.path: one for one in ordered[:most]}
                left_out |= {one.tag.path for one in ordered[most:]}
        return cls(revision.number, [found[path] for path in sorted(found)], len(left_out - found.keys()))


@dataclass(frozen=True, slots=True)
class Figure:
    """One tag as it is now."""

    labels: tuple[str, ...]
    value: float | None
    """None: Prometheus should show nothing."""
    good: bool
    at: float | None
    """Seconds since 1970-01-01 UTC; None: it never had a value."""


def figures(chosen: Chosen, live: Live, now: int) -> list[Figure]:
    """What the chosen tags are, at `now` of the clock that `live` measures silence with."""
    return [_figure(one, live, now) for one in chosen.tags]


def _figure(setting: TagSetting, live: Live, now: int) -> Figure:
    asset, _, tag = setting.tag.path.rpartition("/")
    labels = (setting.tag.path, asset, tag, setting.tag.unit)
    latest = live.latest(setting.tag.number, setting.tag.type, now)
    if latest is None:
        return Figure(labels, None, False, None)
    number = float(latest.value) if isinstance(latest.value, int | float) else math.nan
    shown = not latest.stale and latest.quality < BAD and not math.isnan(number)
    good = not latest.stale and latest.quality & SEVERITY == 0
    return Figure(labels, number if shown else None, good, latest.time / time.SECOND)


class TagFigures(Collector):
    """The figures of one moment."""

    def __init__(self, found: Sequence[Figure], left_out: int) -> None:
        self._found, self._left_out = found, left_out

    def collect(self) -> Iterator[Metric]:
        value = _family("value", "The tag's last value; absent while it is bad, stale or no number")
        good = _family("good", "1 when the last value's quality is Good and the tag is not stale")
        at = _family("time_seconds", "The device's time of the last value, seconds since 1970-01-01 UTC")
        for one in self._found:
            if one.value is not None:
                value.add_metric(one.labels, one.value)
            good.add_metric(one.labels, one.good)
            if one.at is not None:
                at.add_metric(one.labels, one.at)
        yield from (value, good, at)
        yield GaugeMetricFamily(
            "isthmus_tags_left_out", "Chosen tags that are not shown because there are too many", value=self._left_out
        )


def _family(name: str, means: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"isthmus_tag_{name}", means, labels=_LABELS)
