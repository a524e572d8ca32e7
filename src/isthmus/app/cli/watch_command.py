# SPDX-License-Identifier: Apache-2.0
"""`isthmus watch`: the last values of a running plant, live."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from isthmus.app.cli import show
from isthmus.app.cli.once import run
from isthmus.app.cli.options import DataOption, ForOption, JsonOption
from isthmus.app.cli.where import data_folder

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import RenderableType
    from rich.text import Text

    from isthmus.app.watching import News, Seen, Turn, Watch
    from isthmus.plant.revision import TagSetting

PERIOD: Final = 0.25
"""Seconds between two pictures."""


def register(app: typer.Typer) -> None:
    app.command("watch")(watch)


def watch(
    pattern: Annotated[
        str, typer.Argument(metavar="PATTERN", help="Which tags: a path or a part of one, `*`, `**`.")
    ] = "**",
    data: DataOption = None,
    for_: ForOption = None,
    as_json: JsonOption = False,
) -> None:
    """Watch the last values of a running plant: value, unit, quality, age; stale when its source falls silent.

    In a terminal it is a table that stays in place; in a pipe, or with --json, a line for every sample as it comes,
    and one when a system's tags become stale or are heard of again: {"event": "stale", "system": "dcs", "stale": true,
    ...}, later {"event": "back", ...}.

    \b
    Examples:
      isthmus watch
      isthmus watch 'reactor-*/temperature'
      isthmus watch line-1 --json --for 10s
    """
    import asyncio
    from contextlib import aclosing, suppress

    from isthmus.app.run.place import Place
    from isthmus.app.watching import Watch
    from isthmus.core import path, time
    from isthmus.core.errors import NotFound

    seconds = time.duration(for_) / time.SECOND if for_ else None
    watch = Watch(Place(data_folder(data)), path.matcher(pattern))
    screen = JsonLines() if as_json else Picture() if sys.stdout.isatty() else Lines()

    async def main() -> None:
        with suppress(TimeoutError), screen:
            async with asyncio.timeout(None) as limit, aclosing(watch.follow()) as items:
                async for news in items:
                    if not watch.settings:
                        raise NotFound(f"no tag matches {pattern!r}", hint="isthmus watch without a pattern shows all")
                    screen.show(watch, news)
                    if seconds is not None and limit.when() is None:
                        limit.reschedule(asyncio.get_running_loop().time() + seconds)

    run(main())


class Lines:
    """A line of text for every sample."""

    def __init__(self) -> None:
        self._begun = self._away = False

    def __enter__(self) -> None:
        return

    def __exit__(self, *_: object) -> None:
        return

    def show(self, watch: Watch, news: News) -> None:
        """Prints what came; at first the last values."""
        self.print(news.samples if self._begun else watch.describe())
        self._begun = True
        for turn in watch.turns():
            self.print_turn(turn)
        if news.away != self._away:
            typer.echo(f"isthmus: the log {'does not answer' if news.away else 'answers again'}", err=True)
            self._away = news.away
        elif news.note:
            typer.echo(f"isthmus: {news.note}", err=True)

    def print(self, samples: Iterable[Seen]) -> None:
        from isthmus.core import quality
        from isthmus.core.time import to_iso

        for seen in samples:
            setting = seen.setting
            words = [to_iso(seen.at), setting.tag.path, show.value(setting, seen.value), setting.tag.unit]
            words += [quality.name(seen.quality), quality.marks(seen.mark)]
            typer.echo("  ".join(word for word in words if word))

    def print_turn(self, turn: Turn) -> None:
        from isthmus.core.time import to_iso

        tags = f"{turn.tags:,} tag{'s' if turn.tags > 1 else ''}"
        what = f"stale: {tags} not heard of" if turn.stale else f"back: {tags} heard of again"
        typer.echo("  ".join(word for word in (to_iso(turn.at), turn.system, what, turn.why) if word))


class JsonLines(Lines):
    """A JSON object on a line for every sample."""

    def print(self, samples: Iterable[Seen]) -> None:
        import msgspec

        for seen in samples:
            typer.echo(msgspec.json.encode(as_data(seen)).decode())

    def print_turn(self, turn: Turn) -> None:
        import msgspec

        from isthmus.core.time import to_iso

        data = {
            "event": "stale" if turn.stale else "back",
            "system": turn.system,
            "stale": turn.stale,
            "tags": turn.tags,
            "time": to_iso(turn.at),
            "message": turn.why,
        }
        typer.echo(msgspec.json.encode(data).decode())


def as_data(seen: Seen) -> dict[str, Any]:
    """A sample for scripts."""
    from isthmus.core import quality
    from isthmus.core.single import shortest
    from isthmus.core.time import to_iso

    setting, value = seen.setting, seen.value
    return {
        "tag": setting.tag.path,
        "time": to_iso(seen.at),
        "seen": to_iso(seen.seen),
        "value": shortest(value, setting.scale, setting.offset) if isinstance(value, float) else value,
        "unit": setting.tag.unit,
        "label": setting.labels.get(value) if isinstance(value, int) else None,
        "quality": quality.name(seen.quality),
        "code": seen.quality,
        "marks": quality.marks(seen.mark),
    }


class Picture:
    """A table that stays in place and shows the last values."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._console = Console()
        self._live = Live(console=self._console, auto_refresh=False, screen=self._console.is_terminal)
        self._drawn = 0.0
        self._last = ""

    def __enter__(self) -> None:
        self._live.__enter__()

    def __exit__(self, *error: Any) -> None:
        self._live.__exit__(*error)

    def show(self, watch: Watch, news: News) -> None:
        """Draws the picture anew, at most four times a second."""
        from time import monotonic

        self._last = news.note or (news.event.message if news.event is not None else self._last)
        if monotonic() - self._drawn >= PERIOD:
            self._drawn = monotonic()
            self._live.update(self._picture(watch, news.away), refresh=True)

    def _picture(self, watch: Watch, away: bool) -> RenderableType:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        room = max(1, self._console.height - 4)
        table = Table(box=None, pad_edge=False, header_style="bold")
        for heading in (f"tag of {watch.plant}", "value", "unit", "quality", "age", "remarks"):
            table.add_column(heading, justify="right" if heading in ("value", "age") else "left", no_wrap=True)
        for setting in watch.settings[:room]:
            table.add_row(*_cells(watch, setting))
        hidden = len(watch.settings) - room
        more = f"{hidden} more tags do not fit: give a pattern. " if hidden > 0 else ""
        state = "The log does not answer. " if away else ""
        return Group(table, Text(""), Text(f"{state}{more}{self._last}", style="bold yellow" if away else "dim"))


def _cells(watch: Watch, setting: TagSetting) -> list[str | Text]:
    from rich.text import Text

    from isthmus.core import quality, time

    latest = watch.latest(setting)
    name = setting.tag.path.removeprefix(f"{watch.plant}/")
    if latest is None:
        return [name, Text("-", style="dim"), setting.tag.unit, "", "", "no value yet"]
    severity = quality.severity(latest.quality)
    style = {"good": "", "uncertain": "yellow", "bad": "red"}[severity]
    remarks = [word for word in ("stale" if latest.stale else "", quality.marks(latest.mark)) if word]
    return [
        name,
        Text(show.value(setting, latest.value), style="dim" if latest.stale else style),
        setting.tag.unit,
        Text(quality.name(latest.quality), style=style),
        show.age((time.now() - latest.time) / time.SECOND),
        Text(", ".join(remarks), style="yellow"),
    ]
