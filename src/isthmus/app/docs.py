# SPDX-License-Identifier: Apache-2.0
"""Writes the generated pages of `docs/`, or checks that they, and every link and dependency, are up to date.

`python -m isthmus.app.docs [--check]`, in a checkout.
"""

from __future__ import annotations

import inspect
import re
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer

from isthmus.app.cli.history_group import ASKING, Group

if TYPE_CHECKING:
    from isthmus.outputs.contract import OutputKind
    from isthmus.systems.contract import Kind

ROOT: Final = Path(__file__).parents[3]
"""The checkout."""

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_CODE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_OUTSIDE: Final = ("http://", "https://", "mailto:")


def command_line() -> str:
    """`docs/command-line.md`, from the commands themselves."""
    from isthmus.app.cli.commands import HEADINGS, app

    group: Any = typer.main.get_command(app)
    parts = [
        "# The command line",
        _sentence(group.help),
        "Exit codes: 0 done, 1 could not be done, 2 asked wrongly, 130 stopped with Ctrl-C. "
        "Messages go to the error output, results to the output.",
    ]
    for heading, names in HEADINGS.items():
        parts.append(f"## {heading}")
        parts += [_command(name, group.commands[name]) for name in names]
    return "\n\n".join(parts) + "\n"


def _sentence(text: str) -> str:
    return inspect.cleandoc(text).replace("\b\n", "")


def _command(name: str, command: Any) -> str:
    """A command's part of the page; for a group that of every command in it."""
    if isinstance(command, Group):
        beside = (_command(f"{name} {one}", command.named()[one]) for one in sorted(command.named()))
        return "\n\n".join([_command(name, command.commands[ASKING]), *beside])
    context = typer.Context(command, info_name=f"isthmus {name}")
    usage = " ".join(command.collect_usage_pieces(context))
    parts = [f"### isthmus {name}", f"```\nisthmus {name} {usage}\n```", *_paragraphs(command.help)]
    records = [record for parameter in command.params if (record := parameter.get_help_record(context))]
    rows = [f"| `{_cell(what)}` | {_cell(means)} |" for what, means in records if what != "--help"]
    if rows:
        parts.append("\n".join(["| argument or option | meaning |", "| --- | --- |", *rows]))
    return "\n\n".join(parts)


def _paragraphs(help_: str) -> Iterator[str]:
    """The paragraphs of a command's help; what begins with `\\b` is kept line by line."""
    for paragraph in inspect.cleandoc(help_).split("\n\n"):
        if paragraph.startswith("\b"):
            title, *lines = paragraph.removeprefix("\b\n").splitlines()
            yield title
            yield "```\n" + "\n".join(line.strip() for line in lines) + "\n```"
        else:
            yield " ".join(paragraph.split())


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def plant_file() -> str:
    """`docs/plant-file.md`, from the grammar."""
    from isthmus.outputs.registry import output_kinds
    from isthmus.plant.reference import render
    from isthmus.systems.registry import kinds

    return render(kinds(), output_kinds())


def systems() -> str:
    """`docs/systems.md`, from the Specs of the kinds."""
    from isthmus.outputs.registry import output_kinds
    from isthmus.plant.reference import kind_section
    from isthmus.systems.registry import kinds

    opening = (
        "# Kinds of systems\n\nWhat stands under `systems:` in the [plant file](plant-file.md), besides the keys that "
        "every system has. `isthmus browse` prints what a system has, ready to paste, where there is a list of it. "
        "Kinds that accept samples stand under `outputs:`, and on [their own page](outputs.md).\n"
    )
    table = ["| kind | is | " + " | ".join(_POWERS) + " | tested against |", "| --- " * (len(_POWERS) + 3) + "|"]
    table += (_powers_row(kind, output_kinds()) for kind in kinds().values())
    sections = (kind_section(kind) + _addresses(kind) for kind in kinds().values())
    return "\n".join((opening, *table, "", *sections))


_POWERS: Final = ("reads", "writes", "browses", "accepts")


def _powers_row(kind: Kind, outputs: Mapping[str, OutputKind]) -> str:
    able = ["yes" if power in kind.powers else "" for power in _POWERS]
    if kind.name in outputs:
        able[_POWERS.index("accepts")] = f"[yes](outputs.md#{_section(outputs[kind.name])})"
    return f"| `{kind.name}` | {_cell(kind.title)} | {' | '.join(able)} | {_cell(', '.join(kind.tested))} |"


def _section(kind: OutputKind) -> str:
    return _anchor(f"{kind.name}: {kind.title}")


def _outputs_row(kind: OutputKind) -> str:
    return f"| [`{kind.name}`](#{_section(kind)}) | {_cell(kind.title)} | {_cell(', '.join(kind.tested))} |"


def _addresses(kind: Kind) -> str:
    """How the kind's addresses are written."""
    pattern = f"\nAs a regular expression: `{kind.pattern}`\n" if kind.pattern else ""
    return f"\n### Addresses of {kind.name}\n\n{kind.addresses.strip()}\n{pattern}" if kind.addresses else ""


_OUTPUTS: Final = """\
# Outputs

{table}

What stands under `outputs:` in the [plant file](plant-file.md#outputs-where-samples-go-on-to): where samples go on to,
besides history. `isthmus run` starts a process for them, `deliver`, once the plant file has some; `isthmus apply`
opens, changes and closes them one by one while the others go on.

## What an output promises

Every sample that the log accepted is delivered at least once, in the order of the log for each tag. Each output has a
position of its own, on disk in `outputs/<name>/book.db` below the data directory. What the far end took is behind it;
after a sudden end up to about a second of samples comes again. A sample that comes again is the same in tag, time,
value, quality and marks.

While the far end is away nothing is lost and nobody else waits. The log keeps what is not recorded; what history has
and the log does not have any more, the output reads from history, and goes on with the log where that ends. Samples of
the last five minutes before its position may come again then, and those of one day come tag by tag. What a retention
rule removed from history before the output came to it is not delivered. Imported samples are not delivered, except to
an output with `begins: first` that comes upon them in history.

Where neither the log nor a history has what comes next, its messages are counted as lost in `isthmus status`, and a gap
event tells of it. Of days that history has compacted already, a sample is left out that reached a collector whose clock
was more than five minutes behind what the output had of the tag's system before.

`isthmus status` shows for every output its state and how far it is behind, in messages of the log and in time; the same
figures are in `/metrics` as `isthmus_output_...`. Connections lost and made are among `isthmus events --kind output`.

What the far end refuses is parked, with the reason, so that the rest goes on: [`isthmus
parked`](command-line.md#isthmus-parked) lists it, tries it again or drops it. With 100,000 samples parked, or 256 MB of
them, the output stands still until somebody does. What is parked of a tag that the output does not get any more is not
handed over again; it stays until it is dropped.

An output that is taken out of the plant file stops, and what it published stays at its far end; under its name it may
come back, and goes on where it was. [`isthmus forget`](command-line.md#isthmus-forget) clears what it left retained on
a broker, its position and what it had parked.

"""


def outputs() -> str:
    """`docs/outputs.md`, from the Specs of the kinds of outputs."""
    from isthmus.outputs.registry import output_kinds
    from isthmus.plant.grammar import OUTPUT
    from isthmus.plant.reference import kind_section

    sections = (kind_section(kind, shape=OUTPUT) + f"\n{kind.about}" for kind in output_kinds().values())
    table = ["| kind | is | tested against |", "| --- | --- | --- |", *map(_outputs_row, output_kinds().values())]
    return _OUTPUTS.format(table="\n".join(table)) + "\n".join(sections)


def chemical_plant() -> str:
    """`docs/chemical-plant.md`, from the demo's model and its plant file."""
    from isthmus.app.demo.chemical.page import page

    return page()


def tests() -> str:
    """`docs/tests.md`, from the grammar of tests and the inputs of the kinds."""
    from isthmus.app.testing.page import page

    return page()


PAGES: Final[dict[str, Callable[[], str]]] = {
    "docs/chemical-plant.md": chemical_plant,
    "docs/command-line.md": command_line,
    "docs/outputs.md": outputs,
    "docs/plant-file.md": plant_file,
    "docs/systems.md": systems,
    "docs/tests.md": tests,
}
"""Generated page → what writes it."""

_MARK: Final = "<!-- Generated by `make docs`: change what it describes, not this page. -->\n\n"


def problems(root: Path = ROOT) -> Iterator[str]:
    """Everything about the pages that is not true."""
    for name, make in PAGES.items():
        path = root / name
        if not path.exists() or path.read_text(encoding="utf-8") != _MARK + make():
            yield f"{name}: is not up to date; run `make docs`"
    for path in (root / "README.md", *sorted((root / "docs").glob("**/*.md"))):
        yield from (f"{path.relative_to(root)}: the link {link} leads nowhere" for link in broken_links(path))
    yield from undocumented_dependencies(root)


def broken_links(path: Path) -> Iterator[str]:
    """Links of a page to files or headings that are not there; links to other hosts are not followed."""
    for link in _LINK.findall(_CODE.sub("", path.read_text(encoding="utf-8"))):
        if link.startswith(_OUTSIDE):
            continue
        file, _, heading = link.partition("#")
        target = path.parent / file if file else path
        if not target.exists() or (heading and target.suffix == ".md" and heading not in _anchors(target)):
            yield link


def _anchors(path: Path) -> set[str]:
    """What headings are called in links: lower case, without punctuation, spaces as hyphens."""
    headings = _HEADING.findall(_CODE.sub("", path.read_text(encoding="utf-8")))
    return set(map(_anchor, headings))


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def undocumented_dependencies(root: Path = ROOT) -> Iterator[str]:
    """Packages of pyproject.toml without their sentence in docs/dependencies.md, and sentences without a package."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    groups = (one for group in project["dependency-groups"].values() for one in group)
    texts = (*project["project"]["dependencies"], *(one for one in groups if isinstance(one, str)))
    wanted = {_name(text) for text in texts}
    page = (root / "docs/dependencies.md").read_text(encoding="utf-8")
    said = set(re.findall(r"^- `([a-z0-9-]+)`: \S", page, re.MULTILINE))
    yield from (f"docs/dependencies.md: no sentence for {name}" for name in sorted(wanted - said))
    yield from (f"docs/dependencies.md: {name} is not in pyproject.toml" for name in sorted(said - wanted))


def _name(requirement: str) -> str:
    match = re.match(r"[A-Za-z0-9_.-]+", requirement)
    assert match is not None
    return match[0].lower().replace("_", "-").replace(".", "-")


def main() -> None:
    """Writes the pages, or with `--check` says what is wrong with them."""
    if not (ROOT / "pyproject.toml").exists():
        sys.exit("isthmus: there is no checkout here: the pages are written beside the source")
    if sys.argv[1:] == ["--check"]:
        found = list(problems())
        sys.stderr.writelines(f"{problem}\n" for problem in found)
        sys.exit(1 if found else 0)
    for name, make in PAGES.items():
        (ROOT / name).write_text(_MARK + make(), encoding="utf-8")


if __name__ == "__main__":
    main()
