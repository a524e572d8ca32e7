# SPDX-License-Identifier: Apache-2.0
"""The layout of a file: which column is what; long (a row a sample), or wide (a row a time, a column a tag).

A long file without a column of names has the samples of one tag: the one that the file is called like.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from isthmus.app.importing.piece import Reading
from isthmus.core.errors import IsthmusError

_TAG: Final = (
    "tag", "tagname", "tag_name", "tag name", "name", "point", "pointname", "point_name", "item", "itemid", "item_id",
    "sensor", "signal", "series", "path", "variable",
)  # fmt: skip
_TIME: Final = (
    "time", "timestamp", "time_stamp", "datetime", "date_time", "date time", "_time", "ts", "date", "at",
    "sourcetimestamp", "source_timestamp", "source time",
)  # fmt: skip
_VALUE: Final = ("value", "val", "_value", "pv")
_QUALITY: Final = ("code", "statuscode", "status_code", "quality", "opcquality", "opc_quality", "status")
_UNIT: Final = ("unit", "units", "uom", "eu")
_CODES: Final = frozenset({"code", "statuscode", "status_code"})
"""Columns whose numbers are StatusCodes of OPC UA and nothing else."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Columns by what they are; empty: there is none."""

    time: str
    tag: str = ""
    value: str = ""
    quality: str = ""
    unit: str = ""
    marks: str = ""
    """Our own marks, of a file that we exported."""
    integer: str = ""
    text: str = ""
    """Exact values, and texts, of a table file that we exported."""
    name: str = ""
    """The only tag, of a file that names none."""
    wide: bool = False
    coded: bool = False
    """Numbers of the quality column are StatusCodes."""

    def tags(self, names: Sequence[str]) -> list[str]:
        """The columns of a wide file that are tags."""
        return [name for name in names if name != self.time]


def layout(names: Sequence[str], reading: Reading, path: Path) -> Layout:
    """What the columns of a file are; raises IsthmusError when none has times, or one that was said is not there."""
    said = {"tag": reading.tag_column, "time": reading.time_column, "value": reading.value_column}
    for what, column in {**said, "quality": reading.quality_column, "unit": reading.unit_column}.items():
        if column and column not in names:
            near = get_close_matches(column, names, n=1, cutoff=0.5)
            raise IsthmusError(
                f"no column is called {column!r} (--{what}-column)",
                where=str(path),
                hint=f"did you mean {near[0]!r}?" if near else _there(names),
            )
    time = reading.time_column or _first(names, _TIME)
    if not time:
        raise IsthmusError("no column has the times", where=str(path), hint=f"--time-column names it; {_there(names)}")
    tag, value = reading.tag_column or _first(names, _TAG), reading.value_column or _first(names, _VALUE)
    if not value and tag:
        if reading.tag_column:
            raise IsthmusError("no column has the values", where=str(path), hint=f"--value-column; {_there(names)}")
        tag = ""
    if not value:
        return Layout(time, wide=True)
    quality = reading.quality_column or _first(names, _QUALITY)
    ours = {"seen", "unit"} <= set(names)
    return Layout(
        time=time,
        tag=tag,
        value=value,
        quality=quality,
        unit=reading.unit_column or _first(names, _UNIT),
        marks=next((name for name in ("marks", "mark") if ours and name in names), ""),
        integer="integer" if ours and {"integer", "text"} <= set(names) else "",
        text="text" if ours and {"integer", "text"} <= set(names) else "",
        name="" if tag else path.name.partition(".")[0],
        coded=quality.lower() in _CODES or "integer" in names,
    )


def _first(names: Sequence[str], known: Sequence[str]) -> str:
    by_lower = {name.lower().strip(): name for name in names}
    return next((by_lower[one] for one in known if one in by_lower), "")


def _there(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:12])
    return f"there are {shown}{' and others' if len(names) > 12 else ''}"
