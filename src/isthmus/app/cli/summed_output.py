# SPDX-License-Identifier: Apache-2.0
"""How aggregates and values at given times are written: as a table, CSV or JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TextIO

from isthmus.app.cli import show, told

if TYPE_CHECKING:
    from collections.abc import Sequence

    from isthmus.app.summed import Answer, Row, Summed
    from isthmus.plant.revision import TagSetting


def write_table(found: Summed, to: TextIO) -> None:
    several = len({row.setting.tag.path for row in found.rows}) > 1
    named = any(row.period for row in found.rows)
    columns = [*(["tag"] if several else []), *(["period"] if named else []), "time (UTC)"]
    rows = [_cells(row, found.names, several=several, named=named) for row in found.rows]
    for name in found.names:
        columns += [name, "quality"]
    if found.rows and not several:
        to.write(f"{found.rows[0].setting.tag.path}\n")
    to.write(show.table(columns, rows, right=found.names) + "\n")
    to.writelines(f"{line}\n" for line in told.below(len(rows), found.left_out, found.gaps, found.not_kept))


def _cells(row: Row, names: Sequence[str], *, several: bool, named: bool) -> list[str]:
    from isthmus.core.time import to_iso

    cells = [*([row.setting.tag.path] if several else []), *([row.period] if named else []), to_iso(row.time)]
    for name, answer in zip(names, row.answers, strict=True):
        own = "" if answer.time == row.time else f" at {to_iso(answer.time)}"
        origin = f" ({answer.origin})" if answer.origin else ""
        cells += [as_text(row.setting, name, answer), f"{answer.code}{origin}{own}"]
    return cells


def as_text(setting: TagSetting, name: str, answer: Answer) -> str:
    """A value with its unit; whole numbers in full, a quality by its name."""
    from isthmus.core import quality

    value = answer.value
    if name.startswith("WorstQuality") and isinstance(value, int):
        return quality.name(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    text = show.value(setting, value) if answer.sampled or not isinstance(value, int) else str(value)
    return f"{text} {answer.unit}" if answer.unit and value is not None else text


def write_csv(found: Summed, to: TextIO) -> None:
    import csv

    writer = csv.writer(to, lineterminator="\n")
    for i, record in enumerate(found.records()):
        if i == 0:
            writer.writerow(record)
        writer.writerow(in_iso(record).values())


def in_iso(record: dict[str, Any]) -> dict[str, Any]:
    """A flat row with its times in ISO 8601."""
    from isthmus.core.time import to_iso

    times = {"time", "end"}
    return {
        name: to_iso(value) if name.rpartition(" ")[2] in times and value is not None else value
        for name, value in record.items()
    }


def write_json(found: Summed, to: TextIO) -> None:
    import msgspec

    content = {
        "rows": [_object(row, found.names) for row in found.rows],
        **told.missing(found),
    }
    to.write(msgspec.json.format(msgspec.json.encode(content), indent=1).decode() + "\n")


def _object(row: Row, names: tuple[str, ...]) -> dict[str, Any]:
    from isthmus.core.time import to_iso

    answers = {
        name: {
            "value": answer.shown(row.setting),
            "unit": answer.unit,
            "quality": answer.code,
            "code": answer.quality,
            "origin": answer.origin,
            "time": to_iso(answer.time),
        }
        for name, answer in zip(names, row.answers, strict=True)
    }
    end = {} if row.end is None else {"end": to_iso(row.end)}
    period = {"period": row.period} if row.period else {}
    return {"tag": row.setting.tag.path, "time": to_iso(row.time), **end, **period, **answers}
