# SPDX-License-Identifier: Apache-2.0
"""What can go wrong, as one small tree; every message says what, where, and what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

Raised = TypeVar("Raised", bound=BaseException)


class IsthmusError(Exception):
    """Anything Isthmus knows how to explain; shown to people without a traceback.

    `what` is one sentence, `where` names the place (a file, a system, a tag), `hint` says what to do next.
    """

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        self.what, self.where, self.hint = what, where, hint
        super().__init__(what)

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text}; {self.hint}" if self.hint else text


class Disconnected(IsthmusError):
    """The far end is gone: the runner says so, waits, and opens again."""


class Refused(IsthmusError):
    """The far end will never take this: park it, say so, go on."""


class LogFull(IsthmusError):
    """The log has no room: the publisher holds what it has and the collector's overflow policy applies."""


class Damaged(IsthmusError):
    """Stored bytes are not what was written: set aside, named, reported; the rest stays readable."""


class InUse(IsthmusError):
    """Another instance already runs on this data directory."""


class NotFound(IsthmusError):
    """Nothing has this name; the hint offers the nearest one."""


class Misasked(IsthmusError):
    """The question makes no sense, whatever there is: a time nobody can read, a range that ends before it begins."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One finding in a plant file: where it stands and what to do about it. Lines and columns count from 1."""

    file: str
    line: int
    column: int
    path: str
    what: str
    hint: str = ""
    warning: bool = False

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}: "
        path = f"{self.path}: " if self.path else ""
        return f"{where}{'warning: ' if self.warning else ''}{path}{self.what}{'; ' + self.hint if self.hint else ''}"


class PlantFileError(IsthmusError):
    """A plant file does not hold together; `problems` has every finding at once, in file order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(str(problem) for problem in self.problems))


def first(group: BaseExceptionGroup[IsthmusError]) -> IsthmusError:
    """One of a group's errors: a person reads one sentence, all are in the traceback."""
    return leaf(group)


def leaf(group: BaseExceptionGroup[Raised]) -> Raised:
    """The first error of a group that is no group itself."""
    error = group.exceptions[0]
    return leaf(error) if isinstance(error, BaseExceptionGroup) else error
