# SPDX-License-Identifier: Apache-2.0
"""The process that answers one question: `python -m isthmus.app.sql.child --parent PID`, the question on its input.

It ends with its parent. Before it looks at the question's text it gives up everything but reading the history.
"""

from __future__ import annotations

import gc
import mmap
import os
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Final

import msgspec
import pyarrow as pa

from isthmus.app.run.lifeline import PARENT, end_with
from isthmus.app.sql.confine import confine, limit
from isthmus.app.sql.frames import Done, Failed, Frame, encode
from isthmus.core.errors import Damaged, IsthmusError, NotFound, Refused
from isthmus.store.history.folder import Folder
from isthmus.store.history.sql.database import Database
from isthmus.store.history.sql.given import Limits, unpack

_SPARE: Final = 640_000_000
"""Bytes of address space beside DuckDB's memory: merging, row groups, Arrow, stacks."""
_LATE: Final = ("numpy.ma",)
"""Modules that are else loaded at the first call that needs them: behind the locks there is no file to load from."""
_SHOWN: Final = (Damaged, NotFound, Refused)


def main() -> None:
    end_with(int(sys.argv[sys.argv.index(PARENT) + 1]))
    block = memoryview(mmap.mmap(0, 0, access=mmap.ACCESS_READ))
    question, tables = unpack(block)
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    for module in _LATE:
        import_module(module)
    try:
        database = Database(question.given, tables, question.limits)
        limit(question.limits.seconds, question.limits.memory + _SPARE)
        folder = Folder(Path(question.given.folder))
        locks = confine([path for path in (folder.segments, folder.kept) if path.is_dir()])
        _send(Frame.READY, b"")
        rows, more = _write(database.answer(question.sql), question.limits)
        done = Done(rows, more, tuple(database.remarks), locks.landlock, locks.seccomp)
        _send(Frame.DONE, msgspec.json.encode(done))
    except IsthmusError as error:
        kind = next((known.__name__ for known in _SHOWN if isinstance(error, known)), "IsthmusError")
        _send(Frame.FAILED, msgspec.json.encode(Failed(kind, error.what, error.where, error.hint)))
    except MemoryError:
        _send(Frame.FAILED, msgspec.json.encode(Failed("IsthmusError", "Out of memory")))
    gc.disable()
    sys.stdout.flush()
    os._exit(0)


class _Pipe:
    """Arrow's bytes as frames; counts them."""

    closed = False

    def __init__(self) -> None:
        self.size = 0

    def write(self, data: bytes) -> int:
        body = bytes(data)
        self.size += len(body)
        _send(Frame.PART, body)
        return len(body)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """The output stays open for what follows."""


def _write(batches: Iterator[pa.RecordBatch], limits: Limits) -> tuple[int, bool]:
    """Sends the answer up to its limits; how many rows, and whether there are more."""
    pipe, rows, more = _Pipe(), 0, False
    first = next(batches)
    with pa.ipc.new_stream(pa.PythonFile(pipe, "w"), first.schema) as writer:
        for batch in batches:
            more = rows + len(batch) > limits.rows or pipe.size + batch.nbytes > limits.size
            some = batch.slice(0, limits.rows - rows) if pipe.size + batch.nbytes <= limits.size else batch.slice(0, 0)
            if len(some):
                writer.write_batch(some)
                rows += len(some)
            if more:
                break
    return rows, more


def _send(kind: Frame, body: bytes) -> None:
    data = memoryview(encode(kind, body))
    while data:
        data = data[os.write(1, data) :]


if __name__ == "__main__":
    main()
