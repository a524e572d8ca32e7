# SPDX-License-Identifier: Apache-2.0
"""`isthmus demo`: a simulated plant to try everything with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from isthmus.app.cli.options import ForOption

WELCOME = """\
The tank farm runs: 20 tags of an OPC UA server, collected and recorded.
Its server: {url}

Try in another terminal (in this folder):
  {isthmus} watch --data {data}
  {isthmus} watch 'tank-*/level' --data {data}
  {isthmus} history storage/tank-1/level --from -5m --data {data}
  {isthmus} status --data {data}
  {isthmus} browse {url}

Edit {file} and save: it is applied at once. Ctrl-C stops.
"""


def register(app: typer.Typer) -> None:
    app.command("demo")(demo)


def demo(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Which demo plant.")] = "tank-farm",
    data: Annotated[
        Path, typer.Option("--data", metavar="DIR", help="Where it keeps its plant file and what it records.")
    ] = Path("demo-data"),
    port: Annotated[
        int, typer.Option(metavar="N", min=0, max=65535, help="Port of the embedded log; 0: any free one.")
    ] = 0,
    for_: ForOption = None,
) -> None:
    """Run a simulated plant and Isthmus beside it, to try everything with.

    The demo follows its plant file: change DIR/plant.yaml, save, and it is applied; what is wrong is shown.

    \b
    Examples:
      isthmus demo
      isthmus demo --for 60s
    """
    import asyncio

    from isthmus.app.demo.play import Demo, play
    from isthmus.app.run import logs
    from isthmus.app.run.place import Place, held
    from isthmus.core import time

    place = Place(data)
    chosen = Demo(name, place)
    seconds = time.duration(for_) / time.SECOND if for_ else None

    def ready() -> None:
        typer.echo(WELCOME.format(isthmus=_called(), data=data, file=chosen.file, url=chosen.url))

    with held(place, "demo"):
        logs.begin("run", place.run / "run.log", quiet=True)
        typer.echo("Starting the tank farm ...")
        asyncio.run(play(chosen, port=port, seconds=seconds, say=typer.echo, ready=ready))
        typer.echo("Stopped. What was recorded stays; `isthmus demo` goes on from there.")


def _called() -> str:
    """How this program was called, so that what is printed can be pasted."""
    import shutil
    import sys

    here = Path(sys.argv[0])
    if here.name != "isthmus":
        return f"{Path(sys.executable).name} -m isthmus"
    return "isthmus" if (found := shutil.which("isthmus")) and Path(found).samefile(here) else str(here)
