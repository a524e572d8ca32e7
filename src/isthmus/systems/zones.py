# SPDX-License-Identifier: Apache-2.0
"""The time zone in a Spec: where local times, those without an offset, are local."""

from __future__ import annotations

from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field

BEFORE: Final = "UTC"
"""What revisions mean that were applied when no system took the plant's time zone, and say none."""


def _zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (OSError, ValueError, LookupError):
        raise ValueError(f"there is no time zone {text!r}; write Europe/Paris, or UTC") from None
    return text


def _shown(schema: dict[str, Any]) -> None:
    """A plant file that says none gets the plant's: `BEFORE` is for what was applied earlier."""
    schema.pop("default", None)
    schema["x-without"] = "the plant's"


Zone = Annotated[
    str,
    AfterValidator(_zone),
    Field(
        description="The time zone of times that do not say theirs: the plant's own, unless another is said. In the "
        "hour that clocks show twice in autumn the first is meant; 02:30 of the night in spring that has none is "
        "03:30. A system whose clock stays on winter time has a zone like `Etc/GMT-1`, which is UTC+1.",
        json_schema_extra=_shown,
    ),
]
