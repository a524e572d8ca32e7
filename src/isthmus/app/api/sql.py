# SPDX-License-Identifier: Apache-2.0
"""SQL over the history, answered by a confined process."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

import msgspec
from litestar import Response, post

from isthmus.app.api.picture import Shown, shown
from isthmus.app.api.problem import NOT_THERE
from isthmus.app.api.questions import FILES, Questions
from isthmus.app.run.place import Place
from isthmus.app.sql.ask import Answer, ask
from isthmus.app.sql.moments import values
from isthmus.store.history.sql.given import Limits


class Query(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A question."""

    sql: Annotated[str, msgspec.Meta(min_length=1, max_length=100_000)]
    """One SELECT over the views that `isthmus sql` lists."""
    limit: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 10_000
    """Rows at most."""
    format: Literal["json", "csv", "arrow", "parquet"] = "json"


class Rows(msgspec.Struct, frozen=True):
    """The rows of a question."""

    columns: list[str]
    rows: list[list[Shown]]
    more: bool
    """There are more rows than `limit`."""
    remarks: list[str]
    """What is worth knowing about the question: a tag that does not exist, for one."""


@post("/api/sql", operation_id="sql", summary="A question in SQL", responses=NOT_THERE, tags=["sql"], status_code=200)
async def sql(place: Place, questions: Questions, data: Query) -> Response[Any]:
    """DuckDB's SQL; read-only, within limits of memory and time."""
    answer = await questions.ask(ask(place, data.sql, Limits(rows=data.limit)))
    if data.format != "json":
        return await asyncio.to_thread(FILES[data.format], answer.table)
    return await asyncio.to_thread(_rows, answer)


def _rows(answer: Answer) -> Response[bytes]:
    columns = [[_plain(value) for value in values(column)] for column in answer.table.columns]
    rows = [list(row) for row in zip(*columns, strict=True)]
    found = Rows(answer.table.column_names, rows, answer.more, list(answer.done.remarks))
    return Response(msgspec.json.encode(found), media_type="application/json")


def _plain(value: object) -> Shown:
    """A value as JSON can say it; what it has no word for as text."""
    if value is None or isinstance(value, bool | int | float | str):
        return shown(value)
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
