# SPDX-License-Identifier: Apache-2.0
"""Options that several commands share, said once: `--data`, `--json`, `--from`, `--to`, `--for`, `--listen`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DataOption = Annotated[
    Path | None,
    typer.Option("--data", metavar="DIR", help="The data directory; else ISTHMUS_DATA, else `data` in this folder."),
]

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]

FromOption = Annotated[
    str,
    typer.Option(
        "--from",
        metavar="TIME",
        help="From this time: `-2h`, `today`, `yesterday 06:30`, `06:30`, `2026-11-23`, `2026-11-23T06:30:00Z`.",
    ),
]

ToOption = Annotated[str, typer.Option("--to", metavar="TIME", help="Up to this time, which is not included.")]

ListenOption = Annotated[
    str | None,
    typer.Option(
        "--listen",
        metavar="[HOST:]PORT",
        help="Where the API and the screen answer, on this machine only; else 127.0.0.1:8640, or a free port if taken.",
    ),
]

ForOption = Annotated[
    str | None, typer.Option("--for", metavar="SPAN", help="Stop by itself after running so long: `60s`, `5m`.")
]
