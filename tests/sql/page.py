# SPDX-License-Identifier: Apache-2.0
"""The questions of docs/sql.md with their answers from a plant made for them. Run as a module to write the answers."""

from __future__ import annotations

import io
import re
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa

from isthmus.app.cli.sql_output import _table
from isthmus.app.docs import ROOT
from isthmus.app.sql.ask import Answer
from isthmus.app.sql.frames import Done
from isthmus.core.tag import DataType, Tag
from isthmus.core.time import SECOND, from_iso
from isthmus.plant.revision import AssetSetting, Revision, TagSetting
from isthmus.store.history.columns import Columns
from isthmus.store.history.sql.given import Limits
from tests.sql.prepared import REVISION, Prepared, of

PAGE = ROOT / "docs" / "sql.md"
START = from_iso("2026-11-15")
END = from_iso("2026-11-23T08:00")
LINE = "acme/lyon/mixing/line-1"
PAIR = re.compile(r"```sql\n(.*?)```\n\n```\n(.*?)```\n", re.DOTALL)


def _settings() -> Iterator[TagSetting]:
    for i in (1, 2, 3):
        temperature = Tag(2 * i, f"{LINE}/reactor-{i}/temperature", "Cel", DataType.FLOAT, False)
        state = Tag(2 * i + 1, f"{LINE}/reactor-{i}/state", "", DataType.ENUMERATION, False)
        yield TagSetting(tag=temperature, system="dcs", address="")
        yield TagSetting(tag=state, system="dcs", address="", labels={0: "idle", 1: "heating", 2: "holding"})
    yield TagSetting(tag=Tag(1, f"{LINE}/meter/power", "kW", DataType.FLOAT, True), system="dcs", address="")


PLANT: Revision = msgspec.structs.replace(
    REVISION,
    plant="acme/lyon",
    tags=tuple(_settings()),
    assets=(
        *(AssetSetting(path=f"{LINE}/reactor-{i}", type="reactor") for i in (1, 2, 3)),
        AssetSetting(path=f"{LINE}/meter", type="meter"),
    ),
)


def _samples() -> Iterator[Columns]:
    minutes = np.arange(START, END, 60 * SECOND)
    for i in (1, 2, 3):
        wave = 60 + 5 * i + 25 * np.sin(np.arange(len(minutes)) * (2 * np.pi / (600 + 70 * i)))
        temperature = of(2 * i, list(zip(minutes.tolist(), np.round(wave, 1).tolist(), strict=True)))
        yield temperature
        number = np.where(wave < 50, 0, np.where(np.gradient(wave) > 0, 1, 2))
        changes = np.flatnonzero(np.append(True, number[1:] != number[:-1]))
        state = of(2 * i + 1, [(int(minutes[at]), float(number[at])) for at in changes])
        yield replace(state, integer=number[changes].astype(np.int64), whole=np.ones(len(changes), np.bool_))
    load = np.round(120 + 40 * np.sin(np.arange(len(minutes)) / 200), 0)
    yield of(1, list(zip(minutes.tolist(), load.tolist(), strict=True)))


def plant(folder: Path) -> Prepared:
    """The plant of the page, its closed days compacted."""
    prepared = Prepared.at(folder)
    prepared.add(*_samples())
    prepared.compact()
    return prepared


def answer(prepared: Prepared, sql: str) -> str:
    """What `isthmus sql` prints."""
    table = pa.Table.from_batches(list(prepared.database(PLANT).answer(sql)))
    to = io.StringIO()
    _table(Answer(table, False, Limits(), Done(len(table), False)), to)
    return to.getvalue()


def main() -> None:
    """Writes the answers into the page."""
    with tempfile.TemporaryDirectory() as folder:
        prepared = plant(Path(folder) / "history")
        text = PAGE.read_text(encoding="utf-8")
        text = PAIR.sub(lambda m: f"```sql\n{m[1]}```\n\n```\n{answer(prepared, m[1])}```\n", text)
        PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
