# SPDX-License-Identifier: Apache-2.0
"""The rows of a question in SQL as a table, CSV, JSON or Parquet.

A time without a zone is written without one (those of the views are UTC), to the nanosecond where it has any.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, TextIO

from isthmus.app.cli import show

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from isthmus.app.sql.ask import Answer


def write(answer: Answer, form: str, output: Path | None) -> None:
    """Writes to the file, or to the standard output; raises IsthmusError when the file cannot be written."""
    from isthmus.core.errors import IsthmusError

    try:
        _write(answer, form, output)
    except OSError as error:
        if output is None:
            raise
        hint = "look at the disk, or write somewhere else"
        raise IsthmusError(f"cannot be written: {error.strerror or error}", where=str(output), hint=hint) from error


def _write(answer: Answer, form: str, output: Path | None) -> None:
    if form == "parquet" and output is not None:
        _parquet(answer, output)
    elif output is None:
        _WRITERS[form](answer, sys.stdout)
    else:
        with output.open("x", encoding="utf-8", newline="") as file:
            _WRITERS[form](answer, file)


def _parquet(answer: Answer, output: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from isthmus.core.errors import IsthmusError

    try:
        pq.write_table(answer.table, output, compression="zstd")
    except pa.ArrowNotImplementedError as error:
        output.unlink(missing_ok=True)
        hint = "make a text of it with ::VARCHAR, or write CSV or JSON"
        raise IsthmusError(f"Parquet cannot hold a column of the answer: {error}", hint=hint) from error


def _rows(table: pa.Table) -> Iterator[list[Any]]:
    """Rows as Python values that JSON and text can hold."""
    from isthmus.app.sql.moments import values

    if not table.num_columns:
        return
    columns = [[_plain(value) for value in values(column)] for column in table.columns]
    for row in zip(*columns, strict=True):
        yield list(row)


def _plain(value: Any) -> Any:
    from datetime import date, time, timedelta
    from decimal import Decimal

    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() and value.as_tuple().exponent == 0 else float(value)
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return str(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if hasattr(value, "nanoseconds"):
        return _interval(value)
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value


def _interval(value: Any) -> str:
    """`1 month 2 days 03:04:05`, as DuckDB writes it."""
    seconds, fraction = divmod(abs(value.nanoseconds), 10**9)
    clock = f"{'-' if value.nanoseconds < 0 else ''}{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    clock += f".{fraction:09d}".rstrip("0") if fraction else ""
    larger = [
        f"{n} {unit}{'' if abs(n) == 1 else 's'}" for n, unit in ((value.months, "month"), (value.days, "day")) if n
    ]
    return " ".join([*larger, clock] if value.nanoseconds or not larger else larger)


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value).replace("\n", " ")


def _table(answer: Answer, to: TextIO) -> None:
    import pyarrow as pa

    table = answer.table
    numbers = [field.name for field in table.schema if _is_number(field.type, pa)]
    rows = [[_shown(value) for value in row] for row in _rows(table)]
    to.write((show.table(table.column_names, rows, right=numbers) if rows else "no rows") + "\n")


def _is_number(type_: pa.DataType, pa: Any) -> bool:
    types = pa.types
    return bool(types.is_integer(type_) or types.is_floating(type_) or types.is_decimal(type_))


def _csv(answer: Answer, to: TextIO) -> None:
    import csv

    table = answer.table
    writer = csv.writer(to, lineterminator="\n")
    writer.writerow(table.column_names)
    writer.writerows(["" if value is None else _cell(value) for value in row] for row in _rows(table))


def _cell(value: Any) -> Any:
    import msgspec

    if isinstance(value, bool):
        return _shown(value)
    return msgspec.json.encode(value).decode() if isinstance(value, list | dict) else value


def _json(answer: Answer, to: TextIO) -> None:
    """What JSON has no number for (NaN, infinity) is text."""
    import msgspec

    names = answer.table.column_names
    rows = [dict(zip(names, map(_finite, row), strict=True)) for row in _rows(answer.table)]
    to.write(msgspec.json.format(msgspec.json.encode({"rows": rows, "more": answer.more}), indent=1).decode() + "\n")


def _finite(value: Any) -> Any:
    if isinstance(value, float) and value - value != 0:
        return str(value)
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    return [_finite(inner) for inner in value] if isinstance(value, list) else value


_WRITERS: Final[dict[str, Callable[[Any, TextIO], None]]] = {"table": _table, "csv": _csv, "json": _json}
