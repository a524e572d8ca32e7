# SPDX-License-Identifier: Apache-2.0
"""A data directory with two weeks of history that is known by heart: three reactors, a power meter, odd values.

The reactors' temperatures follow the hour, so every figure in the documentation can be told by hand.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from isthmus.app.revising import apply, propose
from isthmus.core.event import Event
from isthmus.core.quality import Mark
from isthmus.core.samples import Value
from isthmus.core.tag import DataType, Tag, TagList
from isthmus.core.time import SECOND, from_iso
from isthmus.plant.revision import Revision, TagSetting
from isthmus.store.history.adopt import open_manifest
from isthmus.store.history.columns import Columns, empty, join
from isthmus.store.history.folder import Folder, keep
from isthmus.store.history.gaps import gap
from isthmus.store.history.runs import write_run
from isthmus.store.history.tend import tended

PLANT = """\
version: 1
plant: acme/lyon
time_zone: Europe/Paris
calendar:
  shifts: {early: 06:00, late: 14:00, night: 22:00}
  rotation:
    begins: 2026-11-09
    each: week
    crews: {A: early late night, B: late night early, C: night early late}
history:
  classes:
    default: {raw: 2y, rollups: 10y}
systems:
  dcs: {kind: opcua, url: "opc.tcp://dcs.acme.example:4840"}
types:
  reactor:
    tags:
      temperature: {unit: Cel, range: [0, 180]}
      state: {type: enumeration, values: {0: idle, 1: heating, 2: holding}}
assets:
  mixing/reactor-{1..3}:
    type: reactor
    system: dcs
    tags: {temperature: "ns=2;s=R{n}.TT", state: "ns=2;s=R{n}.S"}
  mixing/drive:
    system: dcs
    tags:
      power: {address: ns=2;s=M.P, unit: kW, stepped: true}
      energy: {address: ns=2;s=M.E, unit: kW.h}
      starts: {address: ns=2;s=M.N, type: integer}
      serial: {address: ns=2;s=M.U, type: unsigned}
      on: {address: ns=2;s=M.On, type: boolean}
      operator: {address: ns=2;s=M.Op, type: text}
"""
START = from_iso("2026-11-09T00:00:00Z")
END = from_iso("2026-11-23T00:00:00Z")
HOUR = 3600 * SECOND
MINUTE = 60 * SECOND

Rows = Iterable[tuple[int, Value, int]]
"""(time, value, StatusCode)."""


def samples(tag: Tag, rows: Rows, mark: int = 0) -> Columns:
    """Samples of one tag, as recording keeps them."""
    some = list(rows)
    found = empty(len(some))
    words: list[str] = []
    found.tag[:] = tag.number
    found.mark[:] = mark
    for i, (time, value, quality) in enumerate(some):
        found.time[i], found.seen[i], found.quality[i], found.value[i] = time, time + SECOND // 10, quality, np.nan
        if isinstance(value, str):
            words.append(value)
            found.text[i] = len(words)
        elif value is not None:
            found.value[i] = float(value)
            if tag.whole:
                found.whole[i] = True
                found.integer[i] = np.array(int(value) & 0xFFFF_FFFF_FFFF_FFFF, np.uint64).astype(np.int64)
    return Columns(tuple(words), *found.arrays())


def make(data: Path) -> Revision:
    """The plant, applied, with its history."""
    data.mkdir(parents=True, exist_ok=True)
    (data / "plant.yaml").write_text(PLANT)
    revision = apply(propose(data / "plant.yaml", data), data)
    tags = TagList(tuple(setting.tag for setting in revision.tags))
    folder = Folder(data / "history")
    folder.make()
    keep(folder.lists / tags.digest, tags.packed)
    record(data, [samples(setting.tag, known(setting)) for setting in revision.tags])
    return revision


def record(data: Path, parts: Sequence[Columns], events: Sequence[Event] = ()) -> None:
    folder = Folder(data / "history")
    folder.make()
    open_manifest(folder).close()
    with tended(folder.root) as manifest:
        write_run(folder.root, manifest, join(parts), events=events)


def known(setting: TagSetting) -> Rows:
    """Every sample of a tag."""
    name = setting.tag.path.removeprefix("acme/lyon/mixing/")
    match name.split("/")[1]:
        case "temperature":
            reactor = int(name[8])
            return ((at, _temperature(reactor, at), 0) for at in range(START, END, MINUTE))
        case "state":
            return ((at, (at // HOUR) % 3, 0) for at in range(START, END, HOUR))
        case "power":
            return ((at, 50.0 if (at // HOUR) % 24 < 12 else 30.0, 0) for at in range(START, END, HOUR))
        case "energy":
            return ((at, _energy(at), 0) for at in range(START, END, 15 * MINUTE))
    return _odd(setting.tag)


def _temperature(reactor: int, at: int) -> float:
    """20 at midnight UTC, a degree more each 10 minutes and reactor number; only reactor 3 gets hot."""
    return round(20.0 + (at % (24 * HOUR)) / HOUR * reactor, 3)


def _energy(at: int) -> float:
    """A counter of 40 kW.h an hour that began again at zero on 18 November at 03:00 UTC."""
    reset = from_iso("2026-11-18T03:00:00Z")
    return 1000.0 + (at - START) / HOUR * 40.0 if at < reset else (at - reset) / HOUR * 40.0


def _odd(tag: Tag) -> Rows:
    values: dict[DataType, Sequence[Value]] = {
        DataType.INTEGER: (-(2**63), 2**53 + 1, None, 7),
        DataType.UNSIGNED: (2**64 - 1, 2**63, 0, None),
        DataType.BOOLEAN: (True, None, False, True),
        DataType.TEXT: ('Ødegård, 1; "2"', "", None, "Li"),
    }
    codes = (0, 0, 0x808B_0000, 0)
    begin = from_iso("2026-11-20T03:00:00Z")
    return [(begin + i * HOUR, value, codes[i]) for i, value in enumerate(values[tag.type])]


def lost(source: str, first: str, last: str) -> Event:
    """A gap of a system."""
    span = from_iso(first), from_iso(last)
    return gap(source, "the connection was lost", about=span, at=span[1], first=span[0], last=span[1])


HISTORICAL = int(Mark.HISTORICAL)
