# SPDX-License-Identifier: Apache-2.0
"""Asking in SQL: a snapshot of the history is taken, a confined process answers from it, its rows come back as Arrow.

`ask` is what the command and the API use. Cancelling it kills the process.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import pyarrow as pa

from isthmus.app.run.access import history_of
from isthmus.app.run.endpoint import revision_of
from isthmus.app.run.lifeline import PARENT
from isthmus.app.run.place import Place
from isthmus.app.sql.frames import HEAD, LONGEST, Done, Failed, Frame
from isthmus.core import errors, time
from isthmus.core.errors import Damaged, IsthmusError
from isthmus.store.history.damage import set_aside
from isthmus.store.history.kept import Kept
from isthmus.store.history.segment import Segment
from isthmus.store.history.sql.gather import gather
from isthmus.store.history.sql.given import Given, Limits, Question, pack
from isthmus.store.history.sql.statement import measure

_MODULE: Final = "isthmus.app.sql.child"
_STARTING: Final = 60.0
"""Seconds that the process may take to start, on a busy machine."""
_TRIES: Final = 3
"""Questions put again because a file turned out damaged, which the next snapshot leaves out."""
_ENVIRONMENT: Final = {
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "LANG": "C.UTF-8",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """The rows of a question."""

    table: pa.Table
    more: bool
    """There were more rows than the limits allow."""
    limits: Limits
    done: Done


async def ask(place: Place, sql: str, limits: Limits | None = None) -> Answer:
    """The answer to a question about everything recorded and accepted up to now.

    Raises IsthmusError (Refused, NotFound) that says what is wrong with it, or which limit it exceeded.
    """
    limits = limits if limits is not None else Limits()
    for last in (False,) * (_TRIES - 1) + (True,):
        given, tables = await snapshot(place)
        try:
            return await answer(given, tables, sql, limits)
        except Damaged as error:
            if last or not await _set_aside(place, error):
                raise
    raise AssertionError("the last try returns or raises")


async def snapshot(place: Place) -> tuple[Given, Mapping[str, pa.Table]]:
    """What questions are answered from: the history with the log's tail, and the names of the applied revision."""
    revision = revision_of(place)
    async with history_of(place, "sql") as history:
        return await asyncio.to_thread(gather, history, revision, time.now())


async def _set_aside(place: Place, error: Damaged) -> bool:
    """Has the history set aside the file that an answer found damaged; False when that is none of its files."""
    name = Path(error.where).name
    async with history_of(place, "sql") as history:
        parts: list[Segment | Kept] = [*history.segments, *history.kept]
        found = [part for part in parts if part.file == name]
        for part in found:
            await asyncio.to_thread(set_aside, history.folder, part, error.what)
    return bool(found)


async def answer(given: Given, tables: Mapping[str, pa.Table], sql: str, limits: Limits) -> Answer:
    """The answer of one confined process to a question about this snapshot."""
    measure(sql)
    block = pack(Question(sql=sql, limits=limits, given=given), tables)
    with tempfile.TemporaryFile() as file, tempfile.TemporaryDirectory(prefix="isthmus-sql-") as empty:
        file.write(block)
        file.seek(0)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            _MODULE,
            PARENT,
            str(os.getpid()),
            stdin=file,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=empty,
            env=_ENVIRONMENT,
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(_STARTING) as patience:
                return await _received(process, limits, patience)
        except TimeoutError:
            raise _too_long(limits) from None
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def _too_long(limits: Limits) -> IsthmusError:
    hint = "ask for a shorter time or fewer tags, or allow more with --timeout"
    return IsthmusError(f"no answer within {limits.seconds:g} s", hint=hint)


async def _received(process: asyncio.subprocess.Process, limits: Limits, patience: asyncio.Timeout) -> Answer:
    assert process.stdout is not None
    assert process.stderr is not None
    said = asyncio.create_task(_last(process.stderr))
    parts = bytearray()
    try:
        while True:
            head = await process.stdout.readexactly(HEAD)
            length = int.from_bytes(head[1:], "little")
            if length > LONGEST or len(parts) > 2 * limits.size:
                raise IsthmusError("the answer is too large", hint="ask for fewer rows or columns")
            body = await process.stdout.readexactly(length)
            if head[0] == Frame.READY:
                patience.reschedule(asyncio.get_running_loop().time() + limits.seconds)
            elif head[0] == Frame.PART:
                parts += body
            elif head[0] == Frame.DONE:
                return _answer(bytes(parts), msgspec.json.decode(body, type=Done), limits)
            else:
                raise _failure(msgspec.json.decode(body, type=Failed), limits)
    except asyncio.IncompleteReadError:
        raise _ended(await process.wait(), await said, limits) from None
    finally:
        said.cancel()


async def _last(stream: asyncio.StreamReader) -> str:
    """The end of what a process says."""
    said = b""
    while piece := await stream.read(4000):
        said = (said + piece)[-4000:]
    return said.decode(errors="replace")


def _answer(stream: bytes, done: Done, limits: Limits) -> Answer:
    table = pa.ipc.open_stream(pa.py_buffer(stream)).read_all()
    table.validate(full=True)
    return Answer(table, done.more, limits, done)


def _failure(failed: Failed, limits: Limits) -> IsthmusError:
    if "Out of memory" in failed.what or "Out of Memory" in failed.what:
        return _too_much(limits)
    kind: type[IsthmusError] = getattr(errors, failed.kind)
    return kind(failed.what, where=failed.where, hint=failed.hint)


def _too_much(limits: Limits) -> IsthmusError:
    hint = "ask for a shorter time, fewer tags or fewer columns, or allow more with --memory"
    return IsthmusError(f"the answer needs more than {limits.memory / 1e6:.0f} MB of memory", hint=hint)


def _ended(code: int, said: str, limits: Limits) -> IsthmusError:
    """Why the process went without a word."""
    if code in (-signal.SIGXCPU, -signal.SIGKILL):  # the latter where both limits of CPU time are the same
        return _too_long(limits)
    if code == -signal.SIGABRT or "bad_alloc" in said or "MemoryError" in said:
        return _too_much(limits)
    last = said.strip().rpartition("\n")[2]
    return IsthmusError(f"the answering process ended ({code}): {last}" if last else f"ended with {code}", where="sql")
