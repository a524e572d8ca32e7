# SPDX-License-Identifier: Apache-2.0
"""History: raw samples, OPC UA Part 13 aggregates, values at given times, and lines for a screen."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import Response, get
from litestar.params import Parameter

from isthmus.app.api.events import From, Happened, To
from isthmus.app.api.picture import Shown, shown
from isthmus.app.api.problem import NOT_THERE
from isthmus.app.api.questions import FILES, Questions
from isthmus.app.not_kept import not_kept
from isthmus.app.recorded import Recorded, find, recorded, span, zone
from isthmus.app.run.endpoint import revision_of
from isthmus.app.run.place import Place
from isthmus.app.summed import Summed, summed, values_at
from isthmus.core import time
from isthmus.core.errors import Misasked
from isthmus.core.quality import marks, name
from isthmus.store.history.aggregates.pixels import Drawn
from isthmus.store.history.read import open_history
from isthmus.store.history.rollup.picture import pictures
from isthmus.store.history.watch import watch
from isthmus.stream.log import Log

Form = Annotated[
    Literal["json", "csv", "arrow", "parquet"],
    Parameter(query="format", description="`arrow` is an Arrow IPC stream, `parquet` a Parquet file"),
]
Which = Annotated[
    list[str], Parameter(query="tag", min_items=1, max_items=200, description="Path, end of a path, or pattern")
]

WIDEST: Final = 10_000
"""Pixels of a screen."""


class Sampled(msgspec.Struct, frozen=True):
    """The samples of one tag."""

    path: str
    unit: str
    samples: list[tuple[str, Shown, str, str]]
    """Time, value, quality by its standard name, our own marks."""


class LetGo(msgspec.Struct, frozen=True):
    """What of some tags is not kept any more: not the same as a gap."""

    keep: str
    """Their class of history."""
    paths: list[str]
    samples_before: str
    """Samples of before it are let go, on days of which roll-ups tell."""
    all_before: str | None
    """Of before it nothing is left; null: the question does not go that far back."""


class RawAnswer(msgspec.Struct, frozen=True):
    """Raw samples of some tags."""

    start: str
    end: str
    tags: list[Sampled]
    gaps: list[Happened]
    """In which samples of these tags may be missing."""
    not_kept: list[LetGo]
    left_out: int
    """Samples that were found too and are not here, because of `limit`; the newest are here."""


class Summary(msgspec.Struct, frozen=True):
    """What was asked of one tag for one interval, or its value at one time."""

    path: str
    time: str
    end: str | None
    period: str
    """What plant time calls the interval."""
    values: dict[str, Shown]
    """By aggregate; `value` for a value at a time."""
    units: dict[str, str]
    qualities: dict[str, str]
    """Standard names; with the origin, such as `Calculated, Partial`, behind them."""


class SummedAnswer(msgspec.Struct, frozen=True):
    """Aggregates, or values at times."""

    start: str
    end: str
    rows: list[Summary]
    gaps: list[Happened]
    not_kept: list[LetGo]


@get("/api/history/raw", operation_id="raw", summary="Raw samples", responses=NOT_THERE, tags=["history"])
async def raw(
    place: Place,
    questions: Questions,
    which: Which,
    start: From = "-1h",
    to: To = "now",
    limit: Annotated[int, Parameter(ge=1, le=1_000_000, description="Of each tag, the newest")] = 10_000,
    form: Form = "json",
) -> Response[Any]:
    """Per tag in order of time. Times are ISO 8601 with nanoseconds, UTC.

    What is not kept any more is told in JSON; with CSV and Arrow by the header `Isthmus-Not-Kept`.
    """
    found = (await questions.ask(recorded(place, which, start, to))).newest(limit)
    return await asyncio.to_thread(_in_form, found, form)


def _in_form(found: Recorded | Summed, form: str) -> Response[Any]:
    if form == "json":
        return _raw(found) if isinstance(found, Recorded) else _summed(found)
    answer = FILES[form](found.table())
    if found.not_kept:
        answer.headers["Isthmus-Not-Kept"] = "; ".join(map(str, found.not_kept))
    return answer


def _raw(found: Recorded) -> Response[bytes]:
    tags = {setting.tag.path: Sampled(setting.tag.path, setting.tag.unit, []) for setting, _ in found.tables}
    for row in found.rows():
        sample = (time.to_iso(row.time), shown(row.value), name(row.quality), marks(row.mark))
        tags[row.setting.tag.path].samples.append(sample)
    return _json(RawAnswer(*_ends(found), list(tags.values()), _gaps(found.gaps), _let_go(found), found.left_out))


def _ends(found: Recorded | Summed) -> tuple[str, str]:
    return time.to_iso(found.start), time.to_iso(found.end)


def _gaps(gaps: Iterable[Any]) -> list[Happened]:
    return [Happened.of(gap) for gap in gaps]


def _let_go(found: Recorded | Summed) -> list[LetGo]:
    def when(at: int | None) -> str | None:
        return time.to_iso(at) if at is not None else None

    return [LetGo(o.keep, list(o.tags), time.to_iso(o.samples_before), when(o.all_before)) for o in found.not_kept]


def _json(answer: RawAnswer | SummedAnswer) -> Response[bytes]:
    return Response(msgspec.json.encode(answer), media_type="application/json")


@get("/api/history/aggregate", operation_id="aggregate", summary="Aggregates", responses=NOT_THERE, tags=["history"])
async def aggregate(
    place: Place,
    questions: Questions,
    which: Which,
    names: Annotated[
        list[str], Parameter(query="aggregate", min_items=1, max_items=40, description="Part 13's name, as `Average`")
    ],
    start: From = "-1h",
    to: To = "now",
    every: Annotated[
        str | None, Parameter(description="`15m`, `1h`; in plant time hour, day, week, month, shift; none: the range")
    ] = None,
    form: Form = "json",
) -> Response[Any]:
    """OPC UA Part 13 aggregates of each interval, in order of tags and times."""
    found = await questions.ask(summed(place, which, start, to, names, every))
    return await asyncio.to_thread(_in_form, found, form)


@get("/api/history/at", operation_id="at", summary="Values at given times", responses=NOT_THERE, tags=["history"])
async def at(
    place: Place,
    questions: Questions,
    which: Which,
    times: Annotated[list[str], Parameter(query="time", min_items=1, max_items=1000, description="ISO 8601, `-5m`")],
    form: Form = "json",
) -> Response[Any]:
    """A sample's value where there is one, else what holds there or what a line between two gives."""
    return await asyncio.to_thread(_in_form, await questions.ask(values_at(place, which, times)), form)


def _summed(found: Summed) -> Response[bytes]:
    rows = []
    for row in found.rows:
        answers = dict(zip(found.names, row.answers, strict=True))
        summary = Summary(
            path=row.setting.tag.path,
            time=time.to_iso(row.time),
            end=time.to_iso(row.end) if row.end is not None else None,
            period=row.period,
            values={key: shown(one.shown(row.setting)) for key, one in answers.items()},
            units={key: one.unit for key, one in answers.items()},
            qualities={key: " ".join(filter(None, (one.code, one.origin))) for key, one in answers.items()},
        )
        rows.append(summary)
    return _json(SummedAnswer(*_ends(found), rows, _gaps(found.gaps), _let_go(found)))


@get(
    "/api/history/lines",
    operation_id="lines",
    summary="Tags as lines on a screen",
    responses=NOT_THERE,
    tags=["history"],
    media_type="application/octet-stream",
)
async def lines(
    place: Place,
    log: Log,
    which: Which,
    start: From = "-1h",
    to: To = "now",
    width: Annotated[int, Parameter(ge=1, le=WIDEST, description="Pixel columns")] = 1000,
) -> Response[bytes]:
    """First, least, greatest and last of every pixel column, as little-endian binary columns for a browser.

    A head of JSON, its length before it in 4 bytes: `start` and `end` (ms), of each tag `path`, `number`, `unit`,
    `stepped` and `points`, and what is `not_kept` any more; padded to a multiple of 8. Then of each tag its `points`
    times (float64, ms), values (float64, NaN breaks the line) and StatusCodes (uint32, padded to 8).
    """
    revision = revision_of(place)
    first, last = span(start, to, time.now(), zone(revision))
    settings = [one for one in find(revision, which) if one.tag.type != "text"]
    if not settings:
        raise Misasked("text cannot be drawn as a line", where="tag", hint="/api/history/raw gives texts")
    async with open_history(place.history, log) as history:

        def draw() -> list[Drawn]:
            watches = {s.system: watch(history, s.system, revision.of_system(s.system)) for s in settings}
            return pictures(history, settings, watches, first, last, width)

        found, gone = await asyncio.to_thread(draw), not_kept(history, settings, first)
    tags = [
        {
            "path": setting.tag.path,
            "number": setting.tag.number,
            "unit": setting.tag.unit,
            "stepped": setting.tag.stepped,
            "points": len(one.time),
        }
        for setting, one in zip(settings, found, strict=True)
    ]
    ends = {"start": first / time.MILLISECOND, "end": last / time.MILLISECOND}
    head = msgspec.json.encode({**ends, "tags": tags, "not_kept": [one.data() for one in gone]})
    return Response(_packed(head, found), media_type="application/octet-stream")


def _packed(head: bytes, found: Sequence[Drawn]) -> bytes:
    """The head and the columns, each from a multiple of 8 bytes on."""
    pieces = [(len(head)).to_bytes(4, "little") + head]
    for one in found:
        pieces += [
            (one.time / time.MILLISECOND).astype("<f8").tobytes(),
            one.value.astype("<f8").tobytes(),
            one.quality.astype("<u4").tobytes(),
        ]
    return b"".join(piece + bytes(-len(piece) % 8) for piece in pieces)
