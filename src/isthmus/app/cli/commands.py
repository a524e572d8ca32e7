# SPDX-License-Identifier: Apache-2.0
"""Which commands there are, and under which heading `isthmus --help` lists them.

A command's module is imported only to list or run commands, and imports what it needs (numpy, pyarrow, asyncua, ...)
inside its functions: `isthmus --help` stays light.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from isthmus.app.cli.history_group import first_sentence

HEADINGS: Final = {
    "Run": ("demo", "run", "service"),
    "Look": ("watch", "history", "sql", "events", "quarantine", "status", "doctor"),
    "Describe the plant": ("check", "test", "plan", "apply", "rollback", "revisions", "schema", "browse"),
    "Deliver": ("parked", "forget"),
    "Keep": ("import", "files", "share", "backup", "restore"),
}

MODULES: Final = (
    "demo_group",
    "run_command",
    "service_command",
    "watch_command",
    "history_group",
    "sql_command",
    "events_command",
    "quarantine_command",
    "status_command",
    "doctor_command",
    "plant_commands",
    "test_command",
    "browse_command",
    "parked_command",
    "forget_command",
    "import_command",
    "share_commands",
    "backup_commands",
)
"""Each has `register(app)`, which adds its commands."""


class Headed(TyperGroup):
    """The commands, listed under their headings."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [name for _, names in self._headed() for name in names]

    def _headed(self) -> Iterator[tuple[str, list[str]]]:
        for heading, names in HEADINGS.items():
            yield heading, [name for name in names if name in self.commands]
        headed = {name for names in HEADINGS.values() for name in names}
        yield "Other", [name for name in self.commands if name not in headed]

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        for heading, names in self._headed():
            if names:
                with formatter.section(heading):
                    formatter.write_dl([(name, first_sentence(self.commands[name])) for name in names])

    def invoke(self, ctx: Any) -> Any:
        """Runs a command; what is wrong with its words is said without the checking library's own prefix."""
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            error.message = error.message.removeprefix("Value error, ")
            raise


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"isthmus {version('isthmus')}")
        raise typer.Exit


def _make() -> typer.Typer:
    made = typer.Typer(
        cls=Headed,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"max_content_width": 100},
    )
    made.callback()(_isthmus)
    for module in MODULES:
        import_module(f"isthmus.app.cli.{module}").register(made)
    return made


def _isthmus(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Joins the plant floor (OT) and the business (IT): one file describes the plant, one command runs it.

    Start with `isthmus demo`. `isthmus COMMAND --help` has examples.
    """


app = _make()
