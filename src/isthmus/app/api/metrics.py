# SPDX-License-Identifier: Apache-2.0
"""Figures of the plant for Prometheus: connections, the log, the recorder, outputs, processes; chosen tags."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from time import monotonic_ns
from typing import Any

from litestar import Response, get
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from isthmus.app.api.picture import Picture
from isthmus.app.api.tag_figures import Chosen, TagFigures, figures
from isthmus.app.condition import gather
from isthmus.app.run.place import Place


class _Figures(Collector):
    """The figures of one moment."""

    def __init__(self, found: dict[str, Any], picture: Picture) -> None:
        self._found, self._picture = found, picture

    def collect(self) -> Iterator[Metric]:
        found, log = self._found, self._found["log"]
        yield _gauge(
            "ready", "1 when everything is ready and every system and output connected", found["state"] == "ready"
        )
        yield _gauge("revision", "Number of the applied revision", found["revision"])
        yield _gauge("tags", "Tags of the applied revision", found["tags"])
        yield _gauge("log_bytes", "Bytes the log holds", log["bytes"])
        yield _gauge("log_limit_bytes", "Bytes the log may hold", log["limit"])
        yield _gauge("log_unread_messages", "Messages that the recorder has not read", log["unread"])
        yield _gauge("log_unwritten_messages", "Messages that are not in segments yet", log["unwritten"])
        yield _gauge("api_page", "Pages of live values turned since the API started", self._picture.page)
        counters = found["counters"]
        yield _counter("samples_accepted", "Samples the log took since the collector started", counters["accepted"])
        yield _counter("samples_recorded", "Samples in segments since the recorder started", counters["recorded"])
        yield _counter("samples_discarded", "Samples discarded because the log was away", counters["discarded"])
        yield _gauge("gaps_recorded", "Gaps that history has ever had", counters["gaps"])
        yield from self._systems()
        yield from self._outputs()
        yield from self._services()

    def _systems(self) -> Iterator[Metric]:
        connected = GaugeMetricFamily("isthmus_system_connected", "1 when the system is connected", labels=["system"])
        bad = GaugeMetricFamily("isthmus_system_bad_tags", "Tags whose last quality is bad", labels=["system"])
        said = "Tags that never had a value and are not bad"
        never = GaugeMetricFamily("isthmus_system_tags_without_value", said, labels=["system"])
        odd = CounterMetricFamily(
            "isthmus_system_quarantined",
            "What could not be understood since the collector started",
            labels=["system"],
        )
        for name, system in self._found["systems"].items():
            connected.add_metric([name], system["state"] == "connected")
            bad.add_metric([name], system["bad"])
            never.add_metric([name], system["without_value"])
            odd.add_metric([name], system["quarantined"])
        yield from (connected, bad, never, odd)

    def _outputs(self) -> Iterator[Metric]:
        connected = _of_outputs("connected", "1 when the output's far end takes samples")
        delivered = CounterMetricFamily(
            "isthmus_output_delivered_samples",
            "Samples the far end took since the deliverer started",
            labels=["output"],
        )
        parked = _of_outputs("parked_samples", "Samples that the far end refused")
        lost = CounterMetricFamily(
            "isthmus_output_lost_messages",
            "Messages that neither the log nor a history had any more, since the deliverer started; of a log that is "
            "gone: 1",
            labels=["output"],
        )
        messages = _of_outputs("lag_messages", "Messages of the log that are not delivered")
        seconds = _of_outputs("lag_seconds", "How long ago the log took what was delivered last; 0: nothing is waiting")
        for name, output in self._found["outputs"].items():
            connected.add_metric([name], output["state"] == "connected")
            delivered.add_metric([name], output["delivered"])
            parked.add_metric([name], output["parked"])
            lost.add_metric([name], output["lost"])
            for family, value in ((messages, output["lag_messages"]), (seconds, output["lag_seconds"])):
                if value is not None:
                    family.add_metric([name], value)
        yield from (connected, delivered, parked, lost, messages, seconds)

    def _services(self) -> Iterator[Metric]:
        ready = GaugeMetricFamily("isthmus_service_ready", "1 when the service does its work", labels=["service"])
        restarts = CounterMetricFamily("isthmus_service_restarts", "Times it was started again", labels=["service"])
        for name, service in self._found["services"].items():
            ready.add_metric([name], service["state"] == "ready")
            restarts.add_metric([name], service["restarts"])
        yield ready
        yield restarts


def _of_outputs(name: str, means: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"isthmus_output_{name}", means, labels=["output"])


def _gauge(name: str, means: str, value: float) -> Metric:
    return GaugeMetricFamily(f"isthmus_{name}", means, value=value)


def _counter(name: str, means: str, value: float) -> Metric:
    return CounterMetricFamily(f"isthmus_{name}", means, value=value)


def _chosen(picture: Picture) -> Chosen | None:
    """The tags that outputs of the kind `prometheus` show; worked out once per revision."""
    revision = picture.watch.applied
    if revision is not None and (picture.chosen is None or picture.chosen.revision != revision.number):
        picture.chosen = Chosen.of(revision)
    return picture.chosen


def _text(*collectors: Collector) -> bytes:
    registry = CollectorRegistry()
    for one in collectors:
        registry.register(one)
    return generate_latest(registry)


@get("/metrics", operation_id="metrics", summary="Figures for Prometheus", tags=["health"], media_type="text/plain")
async def metrics(place: Place, picture: Picture) -> Response[bytes]:
    """In Prometheus's text format."""
    found = await asyncio.to_thread(gather, place)
    chosen = _chosen(picture)
    shown = figures(chosen, picture.live, monotonic_ns()) if chosen is not None else []
    text = await asyncio.to_thread(_text, _Figures(found, picture), TagFigures(shown, chosen.left_out if chosen else 0))
    return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")
