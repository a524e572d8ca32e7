# SPDX-License-Identifier: Apache-2.0
"""`isthmus history correct`: recorded values said anew, the old ones kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from isthmus.app.cli import show
from isthmus.app.cli.once import run
from isthmus.app.cli.options import DataOption, JsonOption
from isthmus.app.cli.where import data_folder

if TYPE_CHECKING:
    from isthmus.app.correcting import Correction


def register(history: typer.Typer) -> None:
    history.command("correct")(correct)


def correct(
    tag: Annotated[str, typer.Argument(metavar="[TAG]", help="The tag's path; not with --file.")] = "",
    data: DataOption = None,
    at: Annotated[
        list[str] | None, typer.Option(metavar="TIME", help="The time of the sample, exactly. Repeatable.")
    ] = None,
    value: Annotated[
        str | None, typer.Option(metavar="VALUE", help="What it is from now on, in the tag's unit.")
    ] = None,
    quality: Annotated[
        str, typer.Option(metavar="NAME", help="Its quality: Good, Uncertain, Bad, BadSensorFailure, ...")
    ] = "Good",
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; kept with the correction.")] = "",
    by: Annotated[str, typer.Option(metavar="NAME", help="Who; else the user of this machine.")] = "",
    file: Annotated[
        Path | None, typer.Option("--file", metavar="FILE", help="Many: a file with tag, time, value and quality.")
    ] = None,
    revert: Annotated[bool, typer.Option("--revert", help="Let what was recorded first count again.")] = False,
    add: Annotated[bool, typer.Option("--add", help="Also where nothing was recorded; never a last value.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Correct recorded values: from now on the new one counts, everywhere; the old one stays kept.

    `isthmus history TAG --replaced` shows both, `isthmus events` who did it and why. Works whether the plant runs or
    not. Correcting again replaces a correction, --revert takes it back. A file is corrected all of it or not at all.

    \b
    Examples:
      isthmus history correct reactor-1/temperature --at 2026-11-23T03:12:07.5 --value 81.2 --reason "probe was out"
      isthmus history correct tank-1/level --at 2026-11-23T03:12 --quality BadSensorFailure
      isthmus history correct --file laboratory.csv --reason "second measurement"
      isthmus history correct reactor-1/temperature --at 2026-11-23T03:12:07.5 --revert
    """
    from getpass import getuser

    from isthmus.app.correcting import Said
    from isthmus.app.correcting import correct as corrected
    from isthmus.app.correcting import revert as reverted
    from isthmus.app.run.place import Place
    from isthmus.core.quality import BAD, code

    if (file is None) == (not tag) or (file is None and not at):
        raise typer.BadParameter("name a TAG and --at TIME, or a --file with many")
    if tag and not revert and value is None and quality == "Good":
        raise typer.BadParameter("say what it is from now on: --value, a --quality other than Good, or --revert")
    said_quality = code(quality)
    if said_quality is None:
        raise typer.BadParameter(f"{quality!r} is no name of a StatusCode, such as Good, Bad, BadSensorFailure")
    if value is None and not revert and said_quality < BAD and tag:
        raise typer.BadParameter("a sample without a --value is bad: say a --quality that is")
    place, said = Place(data_folder(data)), Said(by or getuser(), reason)
    if file is not None:
        done = run(_many(place, file, said, add))
    elif revert:
        done = run(reverted(place, tag, at or (), said))
    else:
        done = run(corrected(place, tag, at or (), value, said_quality, said, add=add))
    _print(done, as_json)


async def _many(place: object, file: Path, said: object, add: bool) -> list[Correction]:
    from isthmus.app.correcting import Said, correct_many
    from isthmus.app.importing.files import File
    from isthmus.app.importing.mapping import Names
    from isthmus.app.importing.names import Tags
    from isthmus.app.importing.piece import Reading
    from isthmus.app.recorded import zone
    from isthmus.app.run.endpoint import revision_of
    from isthmus.app.run.place import Place

    assert isinstance(place, Place)
    assert isinstance(said, Said)
    revision = revision_of(place)
    opened = File.open(file, Reading(), zone(revision))
    return await correct_many(place, opened, Tags(revision, Names()), said, add=add)


def _print(done: list[Correction], as_json: bool) -> None:
    from isthmus.core import quality
    from isthmus.core.time import to_iso

    if as_json:
        show.print_json(
            [
                {
                    "tag": one.setting.tag.path,
                    "time": to_iso(one.time),
                    "former": one.former,
                    "value": one.value,
                    "quality": quality.name(one.quality),
                }
                for one in done
            ]
        )
        return
    for one in done[:20]:
        former, value = (show.value(one.setting, said) for said in (one.former, one.value))
        typer.echo(
            f"{one.setting.tag.path} at {to_iso(one.time)}: {former} became {value} {one.setting.tag.unit}".rstrip()
        )
    if len(done) > 20:
        typer.echo(f"and {len(done) - 20:,} more")
