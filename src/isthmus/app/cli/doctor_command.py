# SPDX-License-Identifier: Apache-2.0
"""`isthmus doctor`: what on this machine would stop a plant, or limit it."""

from __future__ import annotations

from typing import Annotated

import typer

from isthmus.app.cli import show
from isthmus.app.cli.options import DataOption, JsonOption
from isthmus.app.cli.where import data_folder


def register(app: typer.Typer) -> None:
    app.command("doctor")(doctor)


def doctor(
    data: DataOption = None,
    port: Annotated[
        int, typer.Option(metavar="N", min=0, max=65535, help="Also look whether the log could have this port.")
    ] = 0,
    as_json: JsonOption = False,
) -> None:
    """Look for what on this machine would stop a plant, or limit it. Changes nothing.

    Measures what a safe write costs on the disk of the data directory: it limits how many messages a second the log
    can take. The exit code is 1 when something would stop a plant.

    \b
    Examples:
      isthmus doctor
      isthmus doctor --data /var/lib/isthmus --json
    """
    from isthmus.app.doctor import Verdict, examine
    from isthmus.app.run.place import Place

    findings = list(examine(Place(data_folder(data)), port))
    if as_json:
        show.print_json(findings)
    else:
        rows = [[finding.verdict, finding.subject, finding.what] for finding in findings]
        typer.echo(show.table(["verdict", "subject", "found"], rows))
        for finding in findings:
            if finding.hint:
                typer.echo(f"{finding.subject}: {finding.hint}")
    if any(finding.verdict is Verdict.STOPS for finding in findings):
        raise typer.Exit(1)
