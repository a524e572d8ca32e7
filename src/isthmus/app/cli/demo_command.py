# SPDX-License-Identifier: Apache-2.0
"""`isthmus demo`: a simulated plant to try everything with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from isthmus.app.cli.options import ForOption


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

    from isthmus.app.cli import banner
    from isthmus.app.demo.play import Demo, play
    from isthmus.app.run import logs
    from isthmus.app.run.place import Place, held
    from isthmus.core import time

    place = Place(data)
    chosen = Demo(name, place)
    seconds = time.duration(for_) / time.SECOND if for_ else None

    def ready() -> None:
        change = f"Edit {chosen.file} and save: it is applied at once."
        typer.echo(banner.runs(place, change, server=chosen.url))

    with held(place, "demo"):
        logs.begin("run", place.run / "run.log", logs.Speech.TEXT)
        typer.echo(f"Starting {name} ...")
        asyncio.run(play(chosen, port=port, seconds=seconds, say=typer.echo, ready=ready))
        typer.echo(banner.stopped(place, "demo"))
