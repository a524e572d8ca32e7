# SPDX-License-Identifier: Apache-2.0
"""How several tags on one time base are written: as a table, CSV or JSON, one column for each tag."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TextIO

from isthmus.app.cli import show, told
from isthmus.app.cli.summed_output import as_text, in_iso

if TYPE_CHECKING:
    from isthmus.app.aligned import Aligned, Column
    from isthmus.app.summed import Answer


def write_table(found: Aligned, to: TextIO) -> None:
    """A quality is named beside a value only where it is not Good."""
    from isthmus.core.time import to_iso

    paths = _short([column.setting.tag.path for column in found.columns])
    named = any(row[0].period for row in found.rows)
    values = [column.heading(path, "") for column, path in zip(found.columns, paths, strict=True)]
    rows = [
        [
            *([row[0].period] if named else []),
            to_iso(row[0].time),
            *(_cell(column, answer) for column, answer in found.answers(row)),
        ]
        for row in found.rows
    ]
    to.write(show.table([*(["period"] if named else []), "time (UTC)", *values], rows, right=values) + "\n")
    to.writelines(f"{line}\n" for line in told.below(len(rows), found.left_out, found.gaps, found.not_kept))


def _short(paths: list[str]) -> list[str]:
    """Without what all of them begin with, as far as whole segments go."""
    split = [path.split("/") for path in paths]
    same = 0
    while all(len(parts) > same + 1 and parts[same] == split[0][same] for parts in split):
        same += 1
    return ["/".join(parts[same:]) for parts in split] if len(set(paths)) > 1 else paths


def _cell(column: Column, answer: Answer) -> str:
    from isthmus.core.quality import severity

    text = as_text(column.setting, column.name, answer)
    return text if severity(answer.quality) == "good" else f"{text} {answer.code}"


def write_csv(found: Aligned, to: TextIO) -> None:
    import csv

    writer = csv.writer(to, lineterminator="\n")
    for i, record in enumerate(found.records()):
        if i == 0:
            writer.writerow(record)
        writer.writerow(_iso(record).values())


def _iso(record: dict[str, Any]) -> dict[str, Any]:
    return record | in_iso({name: record[name] for name in ("time", "end")})


def write_json(found: Aligned, to: TextIO) -> None:
    import msgspec

    content = {"rows": [_iso(record) for record in found.records()], **told.missing(found)}
    to.write(msgspec.json.format(msgspec.json.encode(content), indent=1).decode() + "\n")
