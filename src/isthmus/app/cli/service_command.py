# SPDX-License-Identifier: Apache-2.0
"""`isthmus service`: prints a systemd unit that runs a plant."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

UNIT = """\
[Unit]
Description=Isthmus, {data}
After=network-online.target time-sync.target
Wants=network-online.target

[Service]
Type=notify
NotifyAccess=main
ExecStart={program} run --data {data}
User={user}
Restart=always
RestartSec=2
TimeoutStartSec=90
TimeoutStopSec=60
KillMode=mixed
LimitNOFILE=65536
NoNewPrivileges=true
PrivateTmp=true
ProtectSystem=strict
ProtectHome=read-only
ReadWritePaths={data}

[Install]
WantedBy=multi-user.target
"""


def register(app: typer.Typer) -> None:
    app.command("service")(service)


def service(
    data: Annotated[Path, typer.Option("--data", metavar="DIR", help="The data directory.")] = Path("/var/lib/isthmus"),
    user: Annotated[
        str, typer.Option(help="The user the plant runs as; it has to own the data directory.")
    ] = "isthmus",
) -> None:
    """Print a systemd unit that starts the plant with the machine.

    \b
    Examples:
      isthmus service | sudo tee /etc/systemd/system/isthmus.service
      sudo systemctl enable --now isthmus
    """
    program = f"{Path(sys.executable).parent / 'isthmus'}"
    typer.echo(UNIT.format(program=_quoted(program), data=_quoted(str(data.absolute())), user=user), nl=False)


def _quoted(text: str) -> str:
    """`text` as one word of a unit file (systemd.syntax(7))."""
    text = text.replace("%", "%%")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"' if any(c in text for c in " \\\"'") else text
