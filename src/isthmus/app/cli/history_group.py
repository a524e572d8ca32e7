# SPDX-License-Identifier: Apache-2.0
"""`isthmus history TAG...` and the commands beside it: `compact`, `correct`, `retain`.

The first word decides: one of these commands, else all of it is a question about tags. `isthmus history -- compact`
asks about a tag that is called like a command.
"""

from __future__ import annotations

from importlib import import_module
from inspect import cleandoc
from typing import Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

MODULES: Final = ("history_command", "tend_commands", "retain_command", "correct_command")
"""Each has `register(history)`, which adds its commands beside `isthmus history TAG...`."""

ASKING: Final = "tags"
"""The command that is meant when none is named; it has no name on the command line."""


class Group(TyperGroup):
    """Its commands, and the one that is meant when none is named."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        named = bool(args) and args[0] in self.commands and args[0] != ASKING
        return super().parse_args(ctx, args if named else [ASKING, *args])

    def named(self) -> dict[str, Any]:
        """The commands that are called by a name, those of a group below by two."""
        named: dict[str, Any] = {}
        for name, command in self.commands.items():
            below = getattr(command, "commands", None)
            named |= {f"{name} {one}": below[one] for one in below} if below else {name: command}
        del named[ASKING]
        return named


def first_sentence(command: Any) -> str:
    """What a command does, for a list of commands; never cut."""
    paragraph = " ".join(cleandoc(command.help or "").split("\n\n")[0].split())
    return paragraph.partition(". ")[0].rstrip(".") + "."


class _Nameless(typer.Context):
    """The context of a command that is called by its group's name."""

    @property
    def command_path(self) -> str:
        assert self.parent is not None
        return self.parent.command_path


class Asking(TyperCommand):
    """What the group does when none of its commands is named; its help lists them."""

    context_class = _Nameless

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        group = ctx.parent.command if ctx.parent is not None else None
        if isinstance(group, Group) and group.named():
            with formatter.section("Commands"):
                rows = [(name, first_sentence(command)) for name, command in sorted(group.named().items())]
                formatter.write_dl(rows)


def register(app: typer.Typer) -> None:
    group = typer.Typer(cls=Group, add_completion=False, rich_markup_mode=None)
    group.callback()(_history)
    for module in MODULES:
        import_module(f"isthmus.app.cli.{module}").register(group)
    app.add_typer(group, name="history")


def _history() -> None:
    """Print what was recorded of a tag: every sample with its time, value, quality and marks."""
