# SPDX-License-Identifier: Apache-2.0
"""Checking a plant file finds everything that is wrong with it at once, or gives what a revision is made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from isthmus.core.errors import Problem
from isthmus.plant.alone import Said, check_alone
from isthmus.plant.assets import Progress, Survey
from isthmus.plant.calendar import PLAIN, Calendar
from isthmus.plant.classes import check_types, read_retention
from isthmus.plant.doors import Door, Kinds, read_doors
from isthmus.plant.findings import Findings
from isthmus.plant.former import Named
from isthmus.plant.grammar import STREAM
from isthmus.plant.load import Loaded, load, printable
from isthmus.plant.models import read_models
from isthmus.plant.outputs import NO_OUTPUTS, OutputKinds, read_outputs
from isthmus.plant.picture import Picture
from isthmus.plant.pictures import read_pictures
from isthmus.plant.placing import place_assets
from isthmus.plant.reading import read
from isthmus.plant.retention import NONE, Retention
from isthmus.plant.revision import AssetSetting, OutputSetting, SystemSetting, TagSetting
from isthmus.plant.shifts import read_calendar


@dataclass(frozen=True, slots=True)
class Checked:
    """A plant file that holds together: all of a revision but its numbers."""

    plant: str
    time_zone: str
    systems: tuple[SystemSetting, ...]
    assets: tuple[AssetSetting, ...]
    tags: tuple[TagSetting, ...]
    """In file order, each with the number 0."""
    renames: Mapping[str, str]
    """Tag path → the path it says it had before."""
    unread: Mapping[str, int]
    """`type.tag` → how many assets of the type do not say where it is found: they do not have it."""
    stream: dict[str, Any]
    sources: dict[str, str]
    warnings: tuple[Problem, ...]
    calendar: Calendar = PLAIN
    retention: Retention = NONE
    outputs: tuple[OutputSetting, ...] = ()
    named: Mapping[str, Named] = field(default_factory=dict)
    """Tag path → where the file says each name in it."""
    pictures: tuple[Picture, ...] = ()
    zoned: tuple[str, ...] = ()
    """Systems whose times without an offset are in the plant's time zone, because they say none."""


def silent(what: str, done: int, of: int) -> None:
    """A progress that nobody looks at."""


def check_plant(path: Path, kinds: Kinds, progress: Progress = silent, *, outputs: OutputKinds = NO_OUTPUTS) -> Checked:
    """Checks the plant file at `path` (or the `plant.yaml` in that folder) by these kinds of systems and outputs.

    Raises PlantFileError with every problem; asks no system and changes nothing.
    """
    findings = Findings()
    progress("reading files", 0, 0)
    loaded = load(Path(path), findings)
    stream = _stream(loaded, findings)
    calendar = read_calendar(loaded.header.get("calendar"), findings)
    retention = read_retention(loaded.header.get("history"), findings)
    models = read_models(loaded.types, findings)
    check_types(loaded.types, models, retention, findings)
    doors = read_doors(loaded, kinds, findings)
    placed = place_assets(loaded, findings)
    plant = loaded.header.get("plant", "plant")
    floor = Survey(plant, loaded, models, doors, retention, findings).walk(placed, progress)
    pictures = read_pictures(loaded, models, plant, (asset.path for asset in floor.assets), findings)
    exits = read_outputs(loaded, outputs, [setting.tag.path for setting in floor.tags], findings)
    findings.raise_problems()
    _alone(loaded, doors, exits, outputs, findings)
    return Checked(
        plant=plant,
        time_zone=loaded.header["time_zone"],
        calendar=calendar,
        retention=retention,
        pictures=pictures,
        systems=tuple(door.setting for door in doors.values()),
        outputs=exits,
        zoned=tuple(name for name, door in doors.items() if door.zoned),
        assets=tuple(floor.assets),
        tags=tuple(floor.tags),
        renames={path: former for path, (former, _) in floor.renames.items()},
        unread=dict(floor.unread),
        named=floor.named,
        stream=stream,
        sources={printable(name): text for name, text in loaded.sources.items()},
        warnings=findings.warnings,
    )


def _alone(
    loaded: Loaded, doors: Mapping[str, Door], exits: Iterable[OutputSetting], outputs: OutputKinds, findings: Findings
) -> None:
    """Warns of systems and outputs that get in each other's way."""
    said: list[Said] = [
        ("systems", name, door.key, door.kind, door.setting.config)
        for name, door in doors.items()
        if door.kind is not None
    ]
    said += [("outputs", one.name, loaded.outputs[one.name][0], outputs[one.kind], one.config) for one in exits]
    check_alone(said, findings)


def _stream(loaded: Loaded, findings: Findings) -> dict[str, Any]:
    node = loaded.header.get("stream")
    return read(node, STREAM, "stream", findings) if node is not None else {}
