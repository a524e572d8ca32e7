# SPDX-License-Identifier: Apache-2.0
"""How the times are written in which tags were past a limit: as a table, CSV or JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TextIO

from isthmus.app.cli import show, told

if TYPE_CHECKING:
    from collections.abc import Iterator

    from isthmus.app.spells import Spells


def write_table(found: Spells, to: TextIO) -> None:
    rows = [
        [
            row.setting.tag.path,
            _moment(row.start) + ("" if row.begins else " or before"),
            _moment(row.end) + ("" if row.ends else " or later"),
            f"{show.value(row.setting, row.extreme)} {row.setting.tag.unit}".rstrip(),
        ]
        for row in found.rows
    ]
    if rows:
        to.write(show.table(["tag", "since (UTC)", "until (UTC)", found.called], rows, right=[found.called]) + "\n")
    else:
        to.write(told.nothing(_asked(found), found.start, found.end) + "\n")
    to.writelines(f"{line}\n" for line in told.below(len(rows), found.left_out, found.gaps, found.not_kept))


def _moment(time: int) -> str:
    """To the millisecond: where a line passes the limit is not measured."""
    from isthmus.core.time import MILLISECOND, to_iso

    return to_iso(round(time / MILLISECOND) * MILLISECOND)


def _asked(found: Spells) -> str:
    """`above 90 for more than 300 s`."""
    from isthmus.core.time import SECOND

    limit = found.limit
    lasting = f" for more than {limit.more_than / SECOND:g} s" if limit.more_than else ""
    return f"{'below' if limit.below else 'above'} {limit.value:g}{lasting}"


def write_csv(found: Spells, to: TextIO) -> None:
    import csv

    writer = csv.writer(to, lineterminator="\n")
    writer.writerow(found.table().column_names)
    writer.writerows(record.values() for record in _records(found))


def write_json(found: Spells, to: TextIO) -> None:
    import msgspec

    content = {"spells": list(_records(found)), **told.missing(found)}
    to.write(msgspec.json.format(msgspec.json.encode(content), indent=1).decode() + "\n")


def _records(found: Spells) -> Iterator[dict[str, Any]]:
    """Flat rows with their times in ISO 8601."""
    from isthmus.core.time import to_iso

    for record in found.records():
        yield record | {name: to_iso(record[name]) for name in ("since", "until")}
