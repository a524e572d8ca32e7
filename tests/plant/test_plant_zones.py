# SPDX-License-Identifier: Apache-2.0
"""Times that say no zone: they are in the plant's, a system may say another, and what runs does not shift unseen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from isthmus.core import time
from isthmus.plant.check import Checked, check_plant
from isthmus.plant.compare import compare
from isthmus.plant.number import NONE_GIVEN, resolve
from isthmus.plant.revision import Revision
from isthmus.systems.contract import Address
from isthmus.systems.registry import kinds

BERLIN = "version: 1\nplant: acme/berlin\ntime_zone: Europe/Berlin\n"
KEYS = {
    "files": "folder: /drop, format: jsonl",
    "sql": "url: 'sqlite:////mes.db', tables: {t: {table: t, key: time}}",
    "webhook": "listen: '127.0.0.1:8090', secret: !secret s",
    "http": "url: 'http://127.0.0.1:9', time: /time",
    "mqtt": "url: 'mqtt://127.0.0.1:9', time: /time",
}
ADDRESSES = {"sql": "t.v", "http": "/now#/v", "mqtt": "topic#/v"}
SAID: dict[str, Callable[[str], dict[str, Any]]] = {
    "files": lambda at: {"content": f'{{"time": "{at}", "v": 1}}'},
    "sql": lambda at: {"table": "t", "rows": [{"time": at, "v": 1}]},
    "webhook": lambda at: {"body": {"time": at, "v": 1}},
    "http": lambda at: {"path": "/now", "body": {"time": at, "v": 1}},
    "mqtt": lambda at: {"topic": "topic", "payload": {"time": at, "v": 1}},
}
"""Kind → what its far end says at a local time."""
MOMENTS = (
    ("2026-11-23 07:30:00", "2026-11-23T06:30:00Z"),
    ("2026-07-01 07:30:00", "2026-07-01T05:30:00Z"),
    ("2026-11-23T07:30:00+05:00", "2026-11-23T02:30:00Z"),
    ("2026-10-25 01:59:59", "2026-10-24T23:59:59Z"),
    ("2026-10-25 02:30:00", "2026-10-25T00:30:00Z"),  # the clock shows it again an hour later
    ("2026-10-25 03:00:00", "2026-10-25T02:00:00Z"),
    ("2026-03-29 01:59:59", "2026-03-29T00:59:59Z"),
    ("2026-03-29 02:30:00", "2026-03-29T01:30:00Z"),  # the clock shows 03:30 then
    ("2026-03-29 03:30:00", "2026-03-29T01:30:00Z"),
)


def checked(folder: Path, kind: str, more: str = "", head: str = BERLIN) -> Checked:
    address = ADDRESSES.get(kind, "v")
    assets = f"assets:\n  a: {{system: s, tags: {{v: '{address}'}}}}\n"
    path = folder / "plant.yaml"
    path.write_text(f"{head}systems:\n  s: {{kind: {kind}, {KEYS[kind]}{more}}}\n{assets}", encoding="utf-8")
    return check_plant(path, kinds())


def read(found: Checked, kind: str, moments: Sequence[str]) -> list[str]:
    """What these local times are, read as the collector reads them."""
    (system,), (tag,) = found.systems, found.tags
    replay = kinds()[kind].replay
    assert replay is not None
    config = {**system.config, "secret": "0123456789abcdef"} if "secret" in system.config else system.config
    how, spec = replay(), kinds()[kind].spec.model_validate(config)
    reads = how.begin(spec, "s", [Address(tag.address, tag.tag.type)])
    return [
        time.to_iso(at) for moment in moments for at in reads(how.input.model_validate(SAID[kind](moment))).at.tolist()
    ]


@pytest.mark.parametrize("kind", KEYS)
def test_local_times_are_in_the_zone_of_the_plant_through_both_changes_of_the_clocks(kind: str, tmp_path: Path) -> None:
    found = checked(tmp_path, kind)
    assert found.zoned == ("s",)
    assert read(found, kind, [local for local, _ in MOMENTS]) == [utc for _, utc in MOMENTS]


@pytest.mark.parametrize("kind", KEYS)
def test_a_system_that_says_its_zone_keeps_it(kind: str, tmp_path: Path) -> None:
    found = checked(tmp_path, kind, ", time_zone: Asia/Tokyo")
    assert found.zoned == () and not found.warnings
    assert read(found, kind, ["2026-11-23 07:30:00"]) == ["2026-11-22T22:30:00Z"]


@pytest.mark.parametrize("kind", KEYS)
def test_what_was_applied_before_without_a_zone_is_read_in_utc_until_it_is_applied_anew(
    kind: str, tmp_path: Path
) -> None:
    found = checked(tmp_path, kind)
    (system,) = found.systems
    config = {key: value for key, value in system.config.items() if key != "time_zone"}
    old = msgspec.structs.replace(system, config=config)
    assert kinds()[kind].spec.model_validate({**config, **({"secret": "0" * 16} if "secret" in config else {})})
    new = resolve(found, None, NONE_GIVEN, number=1, created=0)
    before = Revision.unpack(msgspec.structs.replace(new, systems=(old,)).pack())
    assert list(compare(before, msgspec.structs.replace(new, number=2)).lines()) == [
        "~ s: closes and opens again: time_zone none → Europe/Berlin",
        "! s: times without an offset were in UTC there and are in Europe/Berlin from what comes next on; what is "
        "recorded stays as it is; to leave it so, say time_zone: UTC in the system",
    ]
    said = resolve(checked(tmp_path, kind, ", time_zone: UTC"), before, NONE_GIVEN.after(before), number=2, created=0)
    assert not [step for step in compare(before, said).steps if step.kind == "note"]


def test_another_zone_of_the_plant_is_another_for_its_systems_and_said(tmp_path: Path) -> None:
    first = resolve(checked(tmp_path, "files"), None, NONE_GIVEN, number=1, created=0)
    moved = checked(tmp_path, "files", head=BERLIN.replace("Berlin", "Lisbon"))
    lines = list(compare(first, resolve(moved, first, NONE_GIVEN.after(first), number=2, created=0)).lines())
    assert "~ s: closes and opens again: time_zone Europe/Berlin → Europe/Lisbon" in lines
    assert any(line.startswith("! s: times without an offset were in Europe/Berlin there") for line in lines)


@pytest.mark.parametrize("kind", ["http", "mqtt"])
def test_where_payloads_say_no_time_no_zone_is_said(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KEYS, kind, KEYS[kind].replace(", time: /time", ""))
    found = checked(tmp_path, kind)
    assert found.zoned == () and "time_zone" not in found.systems[0].config


@pytest.mark.parametrize("kind", ["http", "mqtt"])
def test_of_payloads_that_said_no_time_before_or_say_none_any_more_no_times_are_said_to_shift(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    timed = resolve(checked(tmp_path, kind), None, NONE_GIVEN, number=1, created=0)
    monkeypatch.setitem(KEYS, kind, KEYS[kind].replace(", time: /time", ""))
    bare = resolve(checked(tmp_path, kind), None, NONE_GIVEN, number=1, created=0)
    for before, after in ((timed, bare), (bare, timed)):
        steps = compare(before, msgspec.structs.replace(after, number=2)).steps
        assert [step.kind for step in steps] == ["reopen system"]


def test_check_says_whose_local_times_are_the_plants(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from isthmus.app.cli import main

    checked(tmp_path, "files")
    monkeypatch.setattr("sys.argv", ["isthmus", "check", str(tmp_path)])
    with pytest.raises(SystemExit):
        main()
    assert "times without an offset are read in Europe/Berlin, the plant's, from s:" in capsys.readouterr().out
