# SPDX-License-Identifier: Apache-2.0
"""What `isthmus run` and `isthmus demo` tell a person: what runs, where it is kept, where to look, that it stopped."""

from __future__ import annotations

from collections import Counter
from shlex import quote
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from isthmus.app.run.place import Place
    from isthmus.plant.revision import Revision


class Door(NamedTuple):
    """Something that other programs can call."""

    what: str
    where: str
    command: str
    """To try."""


def runs(
    place: Place,
    change: str,
    *,
    servers: Mapping[str, str] | None = None,
    more: Sequence[str] = (),
    doors: Sequence[Door] = (),
    services: str = "collected and recorded",
) -> str:
    """A plant runs now; `change` says how it is changed.

    Of a simulated one `servers` has addresses and what serves each, `more` further commands to try, `doors` what other
    programs can call.
    """
    from isthmus.app.run.endpoint import revision_of

    url = address(place)
    revision = revision_of(place)
    tags, systems = len(revision.tags), len({setting.system for setting in revision.tags})
    program, data = called(), f"--data {quote(str(place.root))}"
    of = f"{tags:,} tag{'' if tags == 1 else 's'} of {systems} system{'' if systems == 1 else 's'}"
    lines = [f"Open {url} in a browser", ""] if url else []
    lines += [f"{revision.plant} runs: revision {revision.number}, {of}, {services}. Its data: {place.root}"]
    lines += [f"Its server: {url} ({what})" if what else f"Its server: {url}" for url, what in (servers or {}).items()]
    lines += ["", "Try in another terminal (in this folder):"]
    lines += [f"  {program} {command} {data}" for command in (*_commands(revision), *more)]
    lines += [f"  {program} browse {url}" for url in list(servers or {})[:1]]
    lines += ["", "Call it with other programs:", *_table(doors)] if doors else []
    return "\n".join([*lines, "", f"{change} Ctrl-C stops.", ""])


def _table(doors: Sequence[Door]) -> Iterator[str]:
    """A line for each, in columns."""
    widths = [max(len(door[i]) for door in doors) for i in range(2)]
    for door in doors:
        yield f"  {door.what:<{widths[0]}}  {door.where:<{widths[1]}}  {door.command}"


def address(place: Place) -> str:
    """Where the screen of a running plant is; empty when nothing serves it."""
    from isthmus.app.run import status

    said = status.read(place.status("serve"))
    return str(said.counters.get("url", "")) if said is not None and said.ready else ""


def stopped(place: Place, command: str) -> str:
    """The plant stopped in good order."""
    again = f"isthmus {command} --data {quote(str(place.root))}"
    return f"Stopped. What was recorded stays in {place.root}; `{again}` goes on."


def _commands(revision: Revision) -> Iterator[str]:
    """With tags that this revision has, whatever they were called before."""
    yield "watch"
    names = Counter(setting.tag.path.rpartition("/")[2] for setting in revision.tags if setting.tag.type == "float")
    if names:
        name, count = names.most_common(1)[0]
        if count > 1:
            yield f"watch '*/{name}'"
        example = next(s.tag.path for s in revision.tags if s.tag.path.endswith(f"/{name}"))
        yield f"history {quote(example.removeprefix(f'{revision.plant}/'))} --from -5m"
    yield "status"


def called() -> str:
    """How this program was called, so that what is printed can be pasted."""
    import shutil
    import sys
    from pathlib import Path

    here = Path(sys.argv[0])
    if here.name != "isthmus":
        return f"{Path(sys.executable).name} -m isthmus"
    return "isthmus" if (found := shutil.which("isthmus")) and Path(found).samefile(here) else quote(str(here))
