# SPDX-License-Identifier: Apache-2.0
"""Questions that take a while run in threads of their own, a few at a time, so that live pages go on being turned."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
from litestar import Response

AT_ONCE: Final = 3
"""Questions that are worked on; others wait."""

ARROW: Final = "application/vnd.apache.arrow.stream"
PARQUET: Final = "application/vnd.apache.parquet"

T = TypeVar("T")


class Questions:
    """The room in which questions are worked on."""

    def __init__(self) -> None:
        self._room = asyncio.Semaphore(AT_ONCE)

    async def ask(self, question: Coroutine[Any, Any, T]) -> T:
        """The answer to a question that has a loop, and a connection to the log, of its own."""
        try:
            async with self._room:
                return await asyncio.to_thread(asyncio.run, question)
        finally:
            question.close()


def arrow(table: pa.Table) -> Response[bytes]:
    """A table as an Arrow IPC stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return Response(sink.getvalue().to_pybytes(), media_type=ARROW)


def csv(table: pa.Table) -> Response[bytes]:
    """A table as CSV with a heading; times are ISO 8601."""
    columns = {name: _written(table[name]) for name in table.column_names}
    sink = pa.BufferOutputStream()
    pyarrow.csv.write_csv(pa.table(columns), sink)
    return Response(sink.getvalue().to_pybytes(), media_type="text/csv; charset=utf-8")


def parquet(table: pa.Table) -> Response[bytes]:
    """A table as a Parquet file."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return Response(sink.getvalue().to_pybytes(), media_type=PARQUET)


FILES: Final[Mapping[str, Callable[[pa.Table], Response[bytes]]]] = {"arrow": arrow, "csv": csv, "parquet": parquet}
"""Forms of an answer that are files."""


def _written(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_timestamp(column.type):
        form = "%Y-%m-%dT%H:%M:%S" + ("Z" if column.type.tz else "")
        return pc.strftime(column, form)
    if pa.types.is_dictionary(column.type):
        return column.cast(column.type.value_type)
    return column
