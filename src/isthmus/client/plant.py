# SPDX-License-Identifier: Apache-2.0
"""A plant, opened by its data directory: its history whether it runs or not, live samples while it runs."""

from __future__ import annotations

import logging
import os
from collections.abc import Coroutine, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc
import structlog

from isthmus.app.cli.where import data_folder
from isthmus.app.gaps import concerning
from isthmus.app.recorded import Recorded, find, recorded, span, zone
from isthmus.app.run.access import history_of
from isthmus.app.run.endpoint import revision_of
from isthmus.app.run.place import Place
from isthmus.client.answer import Answer, History
from isthmus.client.background import Background
from isthmus.client.live import Live
from isthmus.client.values import Moment, Sample, Tag, text_of
from isthmus.core import time
from isthmus.core.errors import IsthmusError, Misasked
from isthmus.core.event import Event, EventKind
from isthmus.core.path import matcher

if TYPE_CHECKING:
    from isthmus.app.summed import Summed
    from isthmus.plant.revision import Revision
    from isthmus.store.history.sql.given import Limits

Tags = str | Sequence[str]
"""A path, the end of one, a pattern (`*` within a name, `**` over several), or several of these."""


def open(data: str | Path | None = None) -> Plant:  # noqa: A001  (said `isthmus.client.open`)
    """Opens the plant with this data directory; without one ISTHMUS_DATA, else `data` in the current folder.

    Raises NotFound when there is no plant.
    """
    if data is not None and "://" in os.fspath(data):
        raise IsthmusError(f"{data} is an address", hint="a plant is opened by its data directory, on its own machine")
    place = Place(data_folder(Path(data) if data is not None else None))
    revision_of(place)
    _hush()
    return Plant(place)


def _hush() -> None:
    """Of what happens inside only errors are logged, by way of `logging`, unless the program said otherwise."""
    if not structlog.is_configured():
        structlog.configure(
            processors=[structlog.stdlib.render_to_log_kwargs],
            wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
            logger_factory=structlog.stdlib.LoggerFactory(),
        )


class Plant:
    """An open plant. Close it, or use it in a `with` block.

    Every call reads anew: it knows the plant's current revision and everything accepted so far. It may be called from
    any thread, also where an event loop runs, as in a Jupyter notebook.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self._background = Background()

    def __enter__(self) -> Plant:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of the plant."""
        self._background.close()

    @property
    def name(self) -> str:
        """`enterprise/site`, which every path begins with."""
        return self._revision().plant

    @property
    def time_zone(self) -> str:
        """The plant's IANA time zone."""
        return self._revision().time_zone

    @property
    def running(self) -> bool:
        """Whether the plant is run on this machine at the moment."""
        holder = self._place.holder()
        return holder is not None and not holder.brief

    def tags(self, tags: Tags = "**") -> list[Tag]:
        """The tags that match, in order of their paths. Raises NotFound when none does."""
        return [Tag.of(setting) for setting in find(self._revision(), _several(tags))]

    def last(self, tags: Tags = "**") -> list[Sample]:
        """The last sample of each tag that has one, in order of their paths."""
        return self._background.run(self._last(_several(tags)))

    def history(
        self,
        tags: Tags,
        start: Moment = "-1h",
        end: Moment = "now",
        *,
        every: str | None = None,
        aggregate: Tags | None = None,
        unit: str | None = None,
    ) -> History:
        """What was recorded from `start` (included) to `end` (not included).

        With `aggregate`, names of OPC UA Part 13 such as `Average` or `Maximum2`, it is summed up: each `every`
        (`15m`, `1h`; `hour`, `day`, `week`, `month` and `shift` in plant time), or the whole range; and converted to
        `unit`, a UCUM code, where one is given.
        """
        if aggregate is None:
            if every is not None or unit is not None:
                raise Misasked("every and unit need an aggregate", hint="say aggregate='Average'")
            return self._history(recorded(self._place, _several(tags), text_of(start), text_of(end)))
        from isthmus.app.converted import converted
        from isthmus.app.summed import summed

        names, span = _several(aggregate), (text_of(start), text_of(end))
        found = self._background.run(summed(self._place, _several(tags), *span, names, every))
        return History(converted(found, unit) if unit is not None else found, self.time_zone)

    def at(self, tags: Tags, times: Moment | Sequence[Moment]) -> History:
        """The values at these times: a sample where there is one, else what is known to hold there, or a line's."""
        from isthmus.app.summed import values_at

        moments = [times] if isinstance(times, Moment) else list(times)
        return self._history(values_at(self._place, _several(tags), list(map(text_of, moments))))

    def spells(
        self,
        tags: Tags,
        start: Moment = "-1d",
        end: Moment = "now",
        *,
        above: float | None = None,
        below: float | None = None,
        lasting: str | None = None,
    ) -> Answer:
        """When tags were above a limit, or below one, for more than `lasting` (`5m`): one row for each such time.

        Columns `tag`, `since`, `until`, `seconds`, `highest` (of those below `lowest`), `unit`; and whether it is known
        that the spell `begins` and `ends` there: it may be longer where the range, or what was observed, ends. A spell
        never leads over a Bad sample, nor over a gap.
        """
        from isthmus.app.spells import Limit, spells_of

        limit = Limit.of(above, below, lasting)
        found = self._background.run(spells_of(self._place, _several(tags), text_of(start), text_of(end), limit))
        return Answer(found.table())

    def sql(self, query: str, *, limits: Limits | None = None) -> Answer:
        """The answer to a question in DuckDB's SQL over views such as `samples`, `tags`, `events` and `rollup_15m`.

        It is answered by a confined process, within limits of rows, memory and time; an answer that was cut says so in
        `more`. Raises IsthmusError that says what is wrong with the query, or which limit it exceeded.
        """
        from isthmus.app.sql.ask import ask

        found = self._background.run(ask(self._place, query, limits))
        return Answer(found.table, found.more)

    def live(self, tags: Tags = "**") -> Live:
        """The last value of each tag, then every sample as it comes, for `for` and `async for`.

        Raises NotFound, when it is iterated, while the plant does not run.
        """
        wanted = {setting.tag.path for setting in find(self._revision(), _several(tags))}
        matches = [matcher(pattern) for pattern in _several(tags)]
        return Live(
            self._place,
            lambda path: path in wanted or any(match(path) for match in matches),
            self._background,
        )

    def events(self, start: Moment = "-1d", end: Moment = "now", *, kind: EventKind | None = None) -> list[Event]:
        """What happened from `start` to `end`, oldest first."""
        return self._background.run(self._events(text_of(start), text_of(end), kind))

    def gaps(self, tags: Tags = "**", start: Moment = "-1d", end: Moment = "now") -> list[Event]:
        """Gaps in which samples of these tags may be missing, oldest first."""
        return self._background.run(self._gaps(_several(tags), text_of(start), text_of(end)))

    def _revision(self) -> Revision:
        return revision_of(self._place)

    def _history(self, reading: Coroutine[Any, Any, Recorded | Summed]) -> History:
        return History(self._background.run(reading), self.time_zone)

    async def _last(self, patterns: Sequence[str]) -> list[Sample]:
        settings = {setting.tag.number: setting for setting in find(self._revision(), patterns)}
        async with history_of(self._place, "client") as history:
            table = history.last(sorted(settings))
        by_number = [(setting, table.filter(pc.equal(table["tag"], number))) for number, setting in settings.items()]
        rows = Recorded(0, 0, [pair for pair in by_number if len(pair[1])], ()).rows()
        return [Sample.of(row.setting, row.value, row.time, row.seen, row.quality, row.mark) for row in rows]

    async def _events(self, start: str, end: str, kind: EventKind | None) -> list[Event]:
        first, last = self._span(start, end)
        async with history_of(self._place, "client") as history:
            return history.events(first, last, kind)

    async def _gaps(self, patterns: Sequence[str], start: str, end: str) -> list[Event]:
        revision = self._revision()
        first, last = self._span(start, end)
        async with history_of(self._place, "client") as history:
            return concerning(history.gaps(first, last), find(revision, patterns), revision)

    def _span(self, start: str, end: str) -> tuple[int, int]:
        return span(start, end, time.now(), zone(self._revision()))


def _several(tags: Tags) -> list[str]:
    return [tags] if isinstance(tags, str) else list(tags)
