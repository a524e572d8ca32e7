# SPDX-License-Identifier: Apache-2.0
"""The laboratory drops a CSV file with the results of each sample into its folder: written aside, then renamed."""

from __future__ import annotations

import csv
import io
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from isthmus.app.demo.chemical.desk import Change
from isthmus.app.demo.chemical.faces import Node
from isthmus.app.demo.chemical.field.mirror import Mirror
from isthmus.systems.files.address import parse

KEPT: Final = 200
"""Files that lie in `done/`: it tidies up behind those who take them."""


async def report(mirror: Mirror, folder: Path) -> None:
    """Until cancelled."""
    while True:
        if await mirror.news() and mirror.there:
            with suppress(OSError):  # a disk without room: the next sample is tried again
                drop(mirror, folder)


def drop(mirror: Mirror, folder: Path) -> None:
    """Writes the file of the latest sample, unless it was written before. Raises OSError."""
    sample = next((str(one.value) for one in mirror.last.values() if isinstance(one.value, str)), "")
    name = f"{sample}.csv"
    done = folder / "done"
    if not sample or (folder / name).exists() or (done / name).exists():
        return
    folder.mkdir(mode=0o700, exist_ok=True)
    hidden = folder / f".{name}"
    hidden.write_text(_text(sample, mirror), encoding="utf-8")
    hidden.rename(folder / name)
    for old in sorted(done.glob("L*.csv"))[:-KEPT]:
        old.unlink(missing_ok=True)


def _text(sample: str, mirror: Mirror) -> str:
    """`time,sample,analysis,result,unit`, a row for each analysis."""
    written = io.StringIO()
    lines = csv.writer(written, lineterminator="\n")
    lines.writerow(("time", "sample", "analysis", "result", "unit"))
    lines.writerows(
        _row(sample, mirror.nodes[one.position], one) for one in mirror.last.values() if not isinstance(one.value, str)
    )
    return written.getvalue()


def _row(sample: str, node: Node, said: Change) -> tuple[str, ...]:
    analysis = dict(parse(node.id).rows)["analysis"]
    at = datetime.fromtimestamp(said.at / 1e6, UTC).isoformat(timespec="milliseconds")
    return at, sample, analysis, repr(float(said.value)), node.unit
