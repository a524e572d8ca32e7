# SPDX-License-Identifier: Apache-2.0
"""The plant file of the chemical plant and the model behind its servers say the same."""

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from isthmus.app.demo.chemical import FaultKind, Plant
from isthmus.app.demo.chemical.catalogue import CATALOGUE
from isthmus.app.demo.chemical.faces import FACES, SERVERS, nodes
from isthmus.app.demo.chemical.page import AREAS, STREAMS, page
from isthmus.app.demo.chemical.plant import rows
from isthmus.app.demo.chemical.tag import PlantTag
from isthmus.app.demo.pieces.fault import Fault
from isthmus.core import unit as units
from isthmus.core.tag import DataType
from isthmus.outputs.registry import output_kinds
from isthmus.plant.check import check_plant
from isthmus.plant.revision import TagSetting
from isthmus.systems.registry import kinds

HOUR = 3600 * 10**9
"""ns"""

FOLDER = Path(__file__).parents[2] / "examples/chemical"
CHECKED = check_plant(FOLDER / "plant.yaml", kinds(), outputs=output_kinds())
TAGS: Mapping[str, PlantTag] = {
    face.address(row.tag): row.tag for face in FACES.values() for row in rows() if row.tag.server == face.letter
}
SETTINGS: Mapping[str, TagSetting] = {setting.address: setting for setting in CHECKED.tags}


def test_the_plant_file_has_every_tag_of_all_systems_once_and_nothing_to_warn_of() -> None:
    assert len(CHECKED.tags) == len(SETTINGS) == len(TAGS) == 316
    assert SETTINGS.keys() == TAGS.keys()
    assert CHECKED.warnings == ()


def test_six_kinds_of_systems_are_read() -> None:
    assert {system.kind for system in CHECKED.systems} == {face.kind for face in FACES.values()}
    assert len({face.kind for face in FACES.values()}) == 6


def test_every_tag_is_read_from_the_system_that_has_it() -> None:
    assert {FACES[setting.system].letter + address for address, setting in SETTINGS.items()} == {
        tag.server + address for address, tag in TAGS.items()
    }


@pytest.mark.parametrize("address", TAGS, ids=[tag.name for tag in TAGS.values()])
def test_unit_scale_range_and_type_in_the_plant_file_are_right(address: str) -> None:
    tag, setting = TAGS[address], SETTINGS[address]
    kind = DataType.FLOAT if tag.type is DataType.INTEGER else tag.type  # integers there have a decimal point implied
    assert setting.tag.type == kind
    assert setting.tag.stepped == tag.stepped
    assert setting.labels == {number: name.replace("-", " ") for number, name in tag.labels.items()}
    if kind is DataType.FLOAT:
        factor, offset = units.conversion(tag.unit or "1", setting.tag.unit or "1")
        assert setting.scale == pytest.approx(tag.scale * factor)
        assert setting.offset == pytest.approx(offset)
        assert setting.range is None or _holds(tag, setting, factor, offset)


def _holds(tag: PlantTag, setting: TagSetting, factor: float, offset: float) -> bool:
    """The whole span fits into the range, and the range is not much wider."""
    assert tag.range is not None
    assert setting.range is not None
    low, high = (end * factor + offset for end in tag.range)
    width = setting.range[1] - setting.range[0]
    return setting.range[0] <= low + 1e-6 * width and high <= setting.range[1] and high - low > 0.04 * width


def test_the_two_servers_differ_in_all_their_habits() -> None:
    tags = [row.tag for row in rows()]
    dcs, packages = (nodes(face, tags) for face in SERVERS.values())
    assert all(node.unit or node.type not in ("Double", "Float") for node in dcs if node.range)
    assert not any(node.unit or node.range or node.labels for node in packages)
    assert {"Float", "Int16", "Byte"} & {node.type for node in dcs} == set()
    assert {"Float", "Int16", "Byte", "Double", "Boolean"} == {node.type for node in packages}
    assert max(len(node.path) for node in dcs) == 3
    assert min(len(node.path) for node in packages) == 4


def test_every_small_integer_of_the_second_server_has_room_for_a_transmitter_beyond_its_span() -> None:
    plant = Plant(settle=0.0)
    sensors = {s.name: s for b in (plant._steering.bank, plant._watching.bank) for s in b.sensors}
    for node, tag in zip(nodes(FACES["packages"], plant.tags), _of("B"), strict=True):
        if node.type == "Int16":
            assert sensors[tag.name].high < float("inf")
            assert max(map(abs, tag.range or (0, 0))) / tag.scale * 1.04 < 32_767


def _of(server: str) -> list[PlantTag]:
    return [row.tag for row in rows() if row.tag.server == server]


def test_every_fault_of_the_catalogue_can_begin_at_every_target_it_names() -> None:
    assert set(CATALOGUE) == set(FaultKind)
    plant = Plant(settle=0.0)
    for kind, entry in CATALOGUE.items():
        for target in entry.targets or ("R1.TT201", "C301.PT301"):
            plant.inject(Fault(kind, target, 0.1, ramp=entry.ramp))
    plant.step(1.0)
    assert len(plant.truth) == sum(len(entry.targets) or 2 for entry in CATALOGUE.values())


def test_a_target_outside_the_catalogue_is_none() -> None:
    plant = Plant(settle=0.0)
    everything = SimpleNamespace(**{kind.name: entry for kind, entry in CATALOGUE.items()})
    for kind, other in ((FaultKind.FOULING, everything.LEAK), (FaultKind.LEAK, everything.FOULING)):
        for target in set(other.targets) - set(CATALOGUE[kind].targets):
            with pytest.raises(ValueError, match="cannot have"):
                plant.inject(Fault(kind, target))


def test_the_diagram_of_the_page_joins_equipment_that_there_is() -> None:
    places = {asset.path.removeprefix("acme/antwerp/") for asset in CHECKED.assets}
    ends = {end for stream in STREAMS for end in stream[:2]}
    assert ends <= places
    assert {end.partition("/")[0] for end in ends} == set(AREAS)


def test_the_page_has_every_tag_and_every_fault() -> None:
    text = page()
    assert all(f"`{row.tag.address}`" in text for row in rows())
    assert all(f"| `{kind}` |" in text for kind in FaultKind)


def test_normal_bands_hold_what_steady_operation_shows() -> None:
    plant = Plant()
    shown = np.concatenate([block.value for block in plant.past(plant.now, plant.now + 3 * HOUR, 60.0)])
    places = {row.tag.name: position for position, row in enumerate(rows())}
    outside = []
    for address, tag in TAGS.items():
        setting = SETTINGS[address]
        if setting.normal is not None:
            values = shown[:, places[tag.name]] * setting.scale + setting.offset
            values = values[np.isfinite(values)]
            low, high = setting.normal
            if len(values) and np.mean((values >= low) & (values <= high)) < 0.99:
                outside.append((setting.tag.path, setting.normal, values.min(), values.max()))
    assert outside == []
    assert sum(setting.normal is not None for setting in SETTINGS.values()) > 120


def test_every_piece_of_equipment_of_an_area_stands_on_its_picture() -> None:
    pictures = {picture.of.removeprefix("acme/antwerp/"): picture for picture in CHECKED.pictures}
    assert {"acme/antwerp", *AREAS} <= pictures.keys()
    parts = tuple(f"{asset.path}/" for asset in CHECKED.assets if asset.type and "/tray-" not in asset.path)
    for asset in CHECKED.assets:
        area = asset.path.removeprefix("acme/antwerp/").partition("/")[0]
        if area in AREAS and not asset.path.startswith(parts):
            assert asset.path in pictures[area].place, asset.path
