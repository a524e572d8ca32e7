# SPDX-License-Identifier: Apache-2.0
"""Chosen tags at `/metrics`, as a Prometheus reads them: what is, what is absent, and what that is told by."""

from __future__ import annotations

from pathlib import Path

import httpx
import numpy as np
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import CollectorRegistry

from isthmus.app.api.tag_figures import Chosen, TagFigures, figures
from isthmus.core.samples import Samples
from isthmus.core.tag import DataType, Tag, TagList
from isthmus.core.time import SECOND
from isthmus.operations.live import PATIENCE, Live
from isthmus.plant.revision import OutputSetting, Revision, TagSetting
from tests.api.conftest import address
from tests.app.conftest import plant, wait

AT = 1_790_000_000 * SECOND
TYPES = [DataType.FLOAT, DataType.BOOLEAN, DataType.INTEGER, DataType.TEXT, DataType.FLOAT, DataType.FLOAT]
Read = dict[tuple[str, str], float]


def revision(*outputs: OutputSetting) -> Revision:
    tags = tuple(
        TagSetting(tag=Tag(number, path(number), "m", type_, False), system="dcs", address="a")
        for number, type_ in enumerate(TYPES, start=1)
    )
    return Revision(number=1, created=0, author="test", comment="", plant="acme/lyon", time_zone="UTC", systems=(),
                    assets=(), tags=tags, outputs=outputs)  # fmt: skip


def shown(name: str = "figures", *tags: str, **config: int) -> OutputSetting:
    return OutputSetting(name=name, kind="prometheus", config=config, tags=tags)


def read(text: str) -> Read:
    """(metric, path) → value, as Prometheus's own parser has it."""
    return {
        (sample.name, sample.labels.get("path", "")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def scraped(live: Live, chosen: Chosen, now: int) -> Read:
    registry = CollectorRegistry()
    registry.register(TagFigures(figures(chosen, live, now), chosen.left_out))
    return read(generate_latest(registry).decode())


def lived(now: int) -> Live:
    """Tags 1 to 5 have a value, of which the fifth is bad; the sixth never had one."""
    live = Live()
    tags = TagList(tuple(one.tag for one in revision().tags))
    quality = np.array([0, 0, 0x4000_0000, 0, 0x808C_0000], np.uint32)
    samples = Samples(
        source="dcs", epoch=1, number=1, tags=tags.digest, index=np.arange(5, dtype=np.uint32),
        at=np.full(5, AT), quality=quality, mark=np.zeros(5, np.uint8), value=np.array([7.25, 1, 3, np.nan, 9.0]),
        integer=np.array([0, 0, 3, 0, 0]), text=[None, None, None, "idle", None], seen=AT,
    )  # fmt: skip
    live.apply(samples, tags, now)
    return live


def path(number: int) -> str:
    return f"acme/lyon/hall/boiler-{number}/level"


def test_values_are_shown_bad_ones_are_absent_and_quality_is_a_series_of_its_own() -> None:
    found = scraped(lived(0), Chosen.of(revision(shown())), SECOND)
    assert {key: value for key, value in found.items() if key[0] == "isthmus_tag_value"} == {
        ("isthmus_tag_value", path(1)): 7.25,
        ("isthmus_tag_value", path(2)): 1.0,
        ("isthmus_tag_value", path(3)): 3.0,
    }
    assert [found["isthmus_tag_good", path(n)] for n in (1, 2, 3, 5, 6)] == [1, 1, 0, 0, 0]
    assert [found["isthmus_tag_time_seconds", path(n)] for n in (1, 5)] == [AT / SECOND] * 2
    assert ("isthmus_tag_time_seconds", path(6)) not in found
    assert not [key for key in found if key[1] == path(4)]  # a text is no figure


def test_a_stale_tag_has_no_value_and_keeps_its_time() -> None:
    found = scraped(lived(0), Chosen.of(revision(shown())), PATIENCE + SECOND)
    assert not [key for key in found if key[0] == "isthmus_tag_value"]
    assert found["isthmus_tag_good", path(1)] == 0
    assert found["isthmus_tag_time_seconds", path(1)] == AT / SECOND


def test_tags_are_chosen_by_pattern_each_once_and_no_more_than_allowed() -> None:
    chosen = Chosen.of(revision(shown("a", "hall/boiler-1/*", most=1), shown("b", "**/boiler-6/*"), shown("c", most=2)))
    assert [one.tag.number for one in chosen.tags] == [1, 2, 6] and chosen.left_out == 2
    assert Chosen.of(revision()).tags == []


def test_a_plant_that_runs_shows_what_was_chosen(tmp_path: Path) -> None:
    with plant(tmp_path) as made:
        made.start()
        made.ready()
        file = made.data / "plant.yaml"
        file.write_text(file.read_text() + '\noutputs:\n  figures: {kind: prometheus, tags: ["**/level"]}\n')
        with httpx.Client(base_url=address(made), timeout=90, trust_env=False) as client:

            def values() -> Read:
                text = client.get("/metrics").text
                return {key: value for key, value in read(text).items() if key[0] == "isthmus_tag_value"}

            wait(values, "values are shown")
            assert values() and all(name.endswith("/level") for _, name in values())
            wait(lambda: "deliver" in made.status()["services"], "what delivers is started, as for every output")
            wait(lambda: made.status()["state"] == "ready", f"all is ready: {made.output}")
            figures = made.status()["outputs"]["figures"]
            assert figures["state"] == "connected"
            wait(lambda: figures["tags"] == len(values()), "all are shown")
