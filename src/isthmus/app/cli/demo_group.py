# SPDX-License-Identifier: Apache-2.0
"""`isthmus demo [NAME]` and the commands beside it, which need a chemical plant that runs: `fault`, `order`."""

from __future__ import annotations

from importlib import import_module
from typing import Final

import typer

from isthmus.app.cli.history_group import Group

MODULES: Final = ("demo_command", "demo_fault_commands", "demo_order_command")
"""Each has `register(demo)`, which adds its commands beside `isthmus demo`."""


def register(app: typer.Typer) -> None:
    group = typer.Typer(cls=Group, add_completion=False, rich_markup_mode=None)
    group.callback()(_demo)
    for module in MODULES:
        import_module(f"isthmus.app.cli.{module}").register(group)
    app.add_typer(group, name="demo")


def _demo() -> None:
    """Run a simulated plant and Isthmus beside it, to try everything with."""
