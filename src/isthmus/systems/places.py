# SPDX-License-Identifier: Apache-2.0
"""A folder in a Spec: a whole path, which does not depend on where Isthmus is started."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, Field


def _whole(text: str) -> str:
    if not PurePosixPath(text).is_absolute():
        raise ValueError(f"{text!r} depends on where Isthmus is started; write a whole path, /var/lib/lab/results")
    return text


WholePath = Annotated[str, Field(min_length=1), AfterValidator(_whole)]
