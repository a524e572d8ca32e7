# SPDX-License-Identifier: Apache-2.0
"""How recorded samples are written: as a table, CSV or JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TextIO

from isthmus.app.cli import show, told

if TYPE_CHECKING:
    from isthmus.app.recorded import Recorded, Row

COLUMNS: Final = ("tag", "time", "seen", "value", "unit", "quality", "code", "marks")
"""Of a sample for scripts."""


def write_table(found: Recorded, to: TextIO) -> None:
    from isthmus.core import quality
    from isthmus.core.time import to_iso

    several = len(found.tables) > 1
    rows = [
        [
            *([row.setting.tag.path] if several else []),
            to_iso(row.time),
            show.value(row.setting, row.value),
            row.setting.tag.unit,
            quality.name(row.quality),
            quality.marks(row.mark),
        ]
        for row in found.rows()
    ]
    if not several:
        to.write(f"{found.tables[0][0].tag.path}\n")
    columns = [*(["tag"] if several else []), "time (UTC)", "value", "unit", "quality", "marks"]
    if rows:
        to.write(show.table(columns, rows, right=["value"]) + "\n")
    else:
        to.write(told.nothing("recorded", found.start, found.end) + "\n")
    to.writelines(f"{line}\n" for line in told.below(len(rows), found.left_out, found.gaps, found.not_kept))


def write_csv(found: Recorded, to: TextIO) -> None:
    import csv

    writer = csv.writer(to, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(data(row).values() for row in found.rows())


def write_json(found: Recorded, to: TextIO) -> None:
    import msgspec

    content = {"samples": [data(row) for row in found.rows()], **told.missing(found)}
    to.write(msgspec.json.format(msgspec.json.encode(content), indent=1).decode() + "\n")


def data(row: Row) -> dict[str, Any]:
    """A sample for scripts; an enumeration's value is its number."""
    from isthmus.core import quality
    from isthmus.core.time import to_iso

    return {
        "tag": row.setting.tag.path,
        "time": to_iso(row.time),
        "seen": to_iso(row.seen),
        "value": row.value,
        "unit": row.setting.tag.unit,
        "quality": quality.name(row.quality),
        "code": row.quality,
        "marks": quality.marks(row.mark),
    }
