# SPDX-License-Identifier: Apache-2.0
"""The commands around the plant file: check, plan, apply, rollback, revisions, schema."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from isthmus.app.cli.options import JsonOption as Json
from isthmus.app.cli.where import data_folder, data_of, told

if TYPE_CHECKING:
    from isthmus.app.revising import Proposal
    from isthmus.core.errors import PlantFileError, Problem
    from isthmus.plant.check import Checked
    from isthmus.plant.compare import Plan
    from isthmus.plant.revision import Revision
    from isthmus.store.ledger import Ledger

MOST_LINES: Final = 200
"""Problems shown at once; `--json` has all."""

Plant = Annotated[Path, typer.Argument(metavar="PLANT", help="A plant file, or a folder with a plant.yaml.")]
Data = Annotated[
    Path | None,
    typer.Option(
        "--data", metavar="DIR", help="The data directory; else ISTHMUS_DATA, else `data` beside the plant file."
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
All = Annotated[bool, typer.Option("--all", help="Show every step, not the first twenty of each kind.")]
Comment = Annotated[str, typer.Option("--comment", "-m", help="Why; kept with the revision.")]
Author = Annotated[str | None, typer.Option("--author", help="Who; without it, the user of this machine.")]


def register(app: typer.Typer) -> None:
    """Adds the commands to the command line."""
    for command in (check, plan, apply, rollback, revisions, schema):
        app.command()(command)


def check(plant: Plant = Path(), as_json: Json = False) -> None:
    """Find everything wrong with a plant file, without asking any system.

    \b
    Examples:
      isthmus check
      isthmus check plants/lyon.yaml --json
    """
    from isthmus.core.errors import PlantFileError
    from isthmus.plant.compare import unread

    try:
        checked = _checked(plant)
    except PlantFileError as error:
        _print_json(_problems(error.problems)) if as_json else _print_problems(error)
        raise typer.Exit(1) from None
    if as_json:
        more = {"unread": dict(checked.unread), "in_plant_time": checked.zoned}
        _print_json({**_problems(checked.warnings), **_counts(checked), **more})
        return
    for warning in checked.warnings[:MOST_LINES]:
        typer.echo(str(warning))
    for name, count in sorted(checked.unread.items())[:MOST_LINES]:
        typer.echo(f"{name}: {unread(count)}")
    if checked.zoned:
        typer.echo(_zoned(checked))
    counts = ", ".join(_count(number, noun[:-1]) for noun, number in _counts(checked).items())
    typer.echo(f"{plant}: all is well: {counts}")


def plan(plant: Plant = Path(), data: Data = None, everything: All = False, as_json: Json = False) -> None:
    """Show what applying a plant file would do: what opens, closes, is new, renamed, changed or removed.

    \b
    Examples:
      isthmus plan
      isthmus plan plants/lyon.yaml --data /var/lib/isthmus
    """
    from isthmus.core.errors import IsthmusError, NotFound
    from isthmus.store.ledger import Ledger

    checked = _checked_or_exit(plant)
    try:
        with Ledger.open(data_folder(data, plant)) as ledger:
            made = _proposed(checked, ledger, None, "").plan
    except NotFound:
        made = _proposed(checked, None, None, "").plan
    try:
        made.refuse_removal()
        refused = ""
    except IsthmusError as error:
        refused = str(error)
    if as_json:
        _print_json({**_plan_data(made), "refused": refused, **_problems(checked.warnings)})
    else:
        typer.echo(told(data, plant))
        _print_plan(made, checked, everything)
        if refused:
            typer.echo(f"apply will refuse this: it {refused}", err=True)


def apply(
    plant: Plant = Path(),
    data: Data = None,
    yes: Yes = False,
    remove: Annotated[
        bool, typer.Option("--remove", help="Tags that are gone are meant to go; their history stays.")
    ] = False,
    comment: Comment = "",
    author: Author = None,
    everything: All = False,
    as_json: Json = False,
) -> None:
    """Make a plant file what runs: a new numbered revision.

    Shows the plan and asks. A running plant takes it over by itself; only what changes is touched. Tags that would go
    without a word (`was:`, or --remove) are refused.

    \b
    Examples:
      isthmus apply
      isthmus apply plants/lyon.yaml -m "reactor 7 rewired" --yes
    """
    from isthmus.store.ledger import Ledger

    checked = _checked_or_exit(plant)
    with Ledger.open(data_folder(data, plant), create=True) as ledger:
        proposal = _proposed(checked, ledger, author, comment)
        if not as_json:
            typer.echo(told(data, plant))
            _print_plan(proposal.plan, checked, everything)
        if not remove:
            proposal.plan.refuse_removal()
        _carry_out(ledger, proposal.revision, proposal.plan, yes, as_json)


def rollback(
    where: Annotated[
        Path | None, typer.Argument(metavar="PLANT", help="A plant file, its folder or a data directory; says where.")
    ] = None,
    number: Annotated[
        int | None, typer.Argument(metavar="NUMBER", help="The revision to go back to; else the one before.")
    ] = None,
    data: Data = None,
    yes: Yes = False,
    comment: Comment = "",
    author: Author = None,
    everything: All = False,
    as_json: Json = False,
) -> None:
    """Make an earlier revision what runs again, as a new revision with its content. Tags keep their numbers.

    Without a number, the one that ran before. The plant file is not touched. `isthmus revisions` lists the numbers.

    \b
    Examples:
      isthmus rollback
      isthmus rollback plants/lyon.yaml 3
      isthmus rollback 3 --data /var/lib/isthmus
    """
    from isthmus.app import revising
    from isthmus.core import time
    from isthmus.core.errors import IsthmusError
    from isthmus.plant.compare import compare
    from isthmus.plant.load import printable
    from isthmus.plant.number import restore
    from isthmus.store.ledger import Ledger

    if where is not None and number is None and where.name.isdigit() and not where.exists():
        number, where = int(where.name), None
    folder = data_of(where, data)
    with Ledger.open(folder) as ledger:
        runs = ledger.current()
        if runs is None:
            raise IsthmusError("nothing is applied yet", hint="isthmus apply PLANT does it")
        old = ledger.revision(_before(ledger, runs.number) if number is None else number)
        revision = restore(
            old,
            ledger.numbers(),
            number=ledger.next_number(),
            created=time.now(),
            author=printable(author or revising.author()),
            comment=printable(comment) or f"back to revision {old.number}",
        )
        _known_kinds(revision)
        made = compare(runs, revision)
        if not as_json:
            typer.echo(f"data directory: {folder}" if where is not None else told(data))
            _print_lines(made, everything)
        _carry_out(ledger, revision, made, yes, as_json)


def revisions(
    where: Annotated[
        Path | None, typer.Argument(metavar="PLANT", help="A plant file, its folder or a data directory; says where.")
    ] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """List the revisions, the newest first: when, by whom and why.

    The one that runs has a star.

    \b
    Example:
      isthmus revisions --data /var/lib/isthmus
    """
    import msgspec

    from isthmus.core import time
    from isthmus.store.ledger import Ledger

    with Ledger.open(data_of(where, data)) as ledger:
        lines, runs = ledger.revisions(), ledger.current_number()
    if as_json:
        told = [
            {
                **msgspec.to_builtins(line),
                "created": time.to_iso(line.created),
                "applied": time.to_iso(line.applied) if line.applied is not None else None,
                "runs": line.number == runs,
            }
            for line in lines
        ]
        _print_json(told)
        return
    for line in lines:
        sign = "*" if line.number == runs else " "
        when = time.to_iso(line.created // time.SECOND * time.SECOND)
        typer.echo(f"{sign} {line.number:>5}  {when}  {line.author or '-'}  {line.comment}".rstrip())


def schema() -> None:
    """Print the JSON Schema of the plant file, for completion and checking in an editor.

    \b
    Example:
      isthmus schema > plant.schema.json
      and in the first line of the plant file: # yaml-language-server: $schema=plant.schema.json
    """
    from isthmus.outputs.registry import output_kinds
    from isthmus.plant.schema import schema as made
    from isthmus.systems.registry import kinds

    _print_json(made(kinds(), output_kinds()))


def _checked(plant: Path) -> Checked:
    from isthmus.app.cli.slow import slow
    from isthmus.outputs.registry import output_kinds
    from isthmus.plant.check import check_plant
    from isthmus.systems.registry import kinds

    with slow("reading the plant file") as progress:
        return check_plant(plant, kinds(), progress, outputs=output_kinds())


def _checked_or_exit(plant: Path) -> Checked:
    from isthmus.core.errors import PlantFileError

    try:
        return _checked(plant)
    except PlantFileError as error:
        _print_problems(error)
        raise typer.Exit(1) from None


def _proposed(checked: Checked, ledger: Ledger | None, author: str | None, comment: str) -> Proposal:
    """The revision a checked plant file would make now, and what that would do."""
    from isthmus.app import revising
    from isthmus.app.cli.slow import slow

    with slow("comparing with what runs"):
        return revising.proposed(checked, ledger, by=author or revising.author(), comment=comment)


def _carry_out(ledger: Ledger, revision: Revision, made: Plan, yes: bool, as_json: bool) -> None:
    """Applies a revision whose plan was shown, unless there is nothing to do or the user does not want it."""
    from isthmus.app.cli.slow import slow

    if made.nothing:
        if as_json:
            _print_json({"applied": False, **_plan_data(made)})
        return
    _ask(yes, f"Make this revision {revision.number}?")
    with slow("applying"):
        ledger.apply(revision, base=made.previous)
    if as_json:
        _print_json({"applied": True, "digest": revision.digest, **_plan_data(made)})
    else:
        typer.echo(f"revision {revision.number} is applied")


def _ask(yes: bool, question: str) -> None:
    from isthmus.core.errors import IsthmusError

    if yes:
        return
    if not sys.stdin.isatty():
        raise IsthmusError("this asks before it changes the plant, and nobody can answer", hint="say --yes")
    if not typer.confirm(question):
        typer.echo("nothing is changed")
        raise typer.Exit(1)


def _before(ledger: Ledger, runs: int) -> int:
    """The newest revision before the one that runs that ran itself."""
    from isthmus.core.errors import NotFound

    for line in ledger.revisions():
        if line.number < runs and line.applied is not None:
            return line.number
    raise NotFound(f"there is no revision before {runs}")


def _known_kinds(revision: Revision) -> None:
    from isthmus.core.errors import IsthmusError
    from isthmus.outputs.registry import output_kinds
    from isthmus.systems.registry import kinds

    used = [(one.name, one.kind, one.kind in kinds()) for one in revision.systems]
    used += [(one.name, one.kind, one.kind in output_kinds()) for one in revision.outputs]
    for name, kind, known in used:
        if not known:
            hint = "install the package that brings it"
            raise IsthmusError(f"revision has {name!r} of kind {kind!r}, which is not installed", hint=hint)


def _print_plan(made: Plan, checked: Checked, everything: bool) -> None:
    for warning in checked.warnings[:MOST_LINES]:
        typer.echo(str(warning), err=True)
    _print_lines(made, everything)


def _print_lines(made: Plan, everything: bool) -> None:
    for line in made.lines(0 if everything else 20):
        typer.echo(line)


def _plan_data(made: Plan) -> dict[str, Any]:
    import msgspec

    return {**msgspec.to_builtins(made), "nothing": made.nothing}


def _counts(checked: Checked) -> dict[str, int]:
    exits = {"outputs": len(checked.outputs)} if checked.outputs else {}
    return {"systems": len(checked.systems), **exits, "assets": len(checked.assets), "tags": len(checked.tags)}


def _zoned(checked: Checked) -> str:
    """Whose local times are taken for the plant's."""
    shown = ", ".join(checked.zoned[:5]) + (f" and {len(checked.zoned) - 5:,} more" if len(checked.zoned) > 5 else "")
    return (
        f"times without an offset are read in {checked.time_zone}, the plant's, from {shown}: they say no time_zone "
        "of their own"
    )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _problems(found: Sequence[Problem]) -> dict[str, Any]:
    from dataclasses import asdict

    return {"ok": all(one.warning for one in found), "problems": [asdict(one) for one in found]}


def _print_problems(error: PlantFileError) -> None:
    for problem in error.problems[:MOST_LINES]:
        typer.echo(str(problem), err=True)
    if len(error.problems) > MOST_LINES:
        typer.echo(f"... and {len(error.problems) - MOST_LINES:,} more", err=True)


def _print_json(data: Any) -> None:
    import msgspec

    typer.echo(msgspec.json.format(msgspec.json.encode(data), indent=2).decode())
