# SPDX-License-Identifier: Apache-2.0
"""What the plant file may say of a folder that files are dropped into."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from isthmus.systems.contract import Spec
from isthmus.systems.durations import Duration, between, seconds
from isthmus.systems.places import WholePath
from isthmus.systems.zones import BEFORE, Zone


def _pattern(text: str) -> str:
    if "/" in text or text.startswith("."):
        raise ValueError(f"{text!r} is not a pattern of names in the folder; write *.csv")
    return text


def _format(text: str) -> str:
    """A format that reads back what it writes: it has a date, and nothing in it that only some computers know."""
    moment = datetime(2026, 11, 23, 16, 35, 12, tzinfo=UTC)
    try:
        read = datetime.strptime(moment.strftime(text), text)
    except ValueError as error:
        raise ValueError(f"{text!r} cannot be read: {error}; write %d.%m.%Y %H:%M:%S") from error
    if read.date() != moment.date():
        raise ValueError(f"{text!r} has no whole date; write day, month and year: %d.%m.%Y %H:%M:%S")
    return text


class FilesSpec(Spec):
    """A folder into which another program drops CSV or JSON lines: each row is taken once."""

    folder: WholePath = Field(description="The folder, with its whole path.")
    files: Annotated[str, Field(min_length=1), AfterValidator(_pattern)] = Field(
        default="*.csv",
        description="Which of its files, by name; capitals count: `*.[cC][sS][vV]` has `RESULT.CSV` too. Those "
        "beginning with a dot never count.",
    )
    format: Literal["csv", "jsonl"] = Field(
        default="csv",
        description="`csv`: the first row names the columns. `jsonl`: a JSON object in each line; `result.value` is "
        "`value` inside `result`.",
    )
    delimiter: Literal["auto", ",", ";", "tab", "|"] = Field(
        default="auto", description="What separates the cells of CSV; `auto`: what the first row has most of."
    )
    decimal: Literal[".", ","] = Field(
        default=".",
        description="What stands before the decimals of a number. With `,` a number with a point in it is none: the "
        "point may part thousands.",
    )
    encoding: Literal["utf-8", "latin-1", "cp1252"] = Field(default="utf-8", description="How text is written.")
    time: str = Field(default="time", min_length=1, description="The column with the time of the row.")
    time_format: Annotated[str, AfterValidator(_format)] | None = Field(
        default=None,
        description="How it is written, `%d.%m.%Y %H:%M:%S`; without it ISO 8601, or a number: seconds since 1970 with "
        "10 digits, milliseconds with 13, microseconds with 16, nanoseconds with 19.",
    )
    time_zone: Zone = BEFORE
    quality: str | None = Field(
        default=None, min_length=1, description="The column with an OPC UA quality: `Good`, `BadSensorFailure`."
    )
    every: Annotated[Duration, between("100ms", "1h")] = Field(default="1s", description="How often to look.")
    settle: Annotated[Duration, between("0s", "1h")] = Field(
        default="2s",
        description="How long a file must have stayed as it is before it is taken: longer than its writer pauses.",
    )
    done: Literal["move", "keep"] = Field(
        default="move",
        description="`move`: a file that is in the log goes to `done/` in the folder, one that cannot be read to "
        "`failed/`. `keep`: it stays and is remembered, for folders that only the other program may change.",
    )

    def seconds(self, name: str) -> float:
        """The duration in field `name`, in seconds."""
        return seconds(getattr(self, name))
