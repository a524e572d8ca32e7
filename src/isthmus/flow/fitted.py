# SPDX-License-Identifier: Apache-2.0
"""What a revision says of a system or an output, with its secrets, becomes its kind's Spec; or why not, in words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from isthmus.core.errors import Refused
from isthmus.flow.secrets import reveal


def fitted(spec: type[BaseModel], config: dict[str, Any], data: Path, name: str) -> Any:
    """The `spec` of the system or output `name`; raises Refused when a secret is not set, or what it says does not fit.

    What the plant file says was checked when it was applied: what is wrong here is a secret, or a kind of another
    version. `data` is the data directory, in which secrets are looked up.
    """
    try:
        return spec.model_validate(reveal(config, data))
    except ValidationError as error:
        raise Refused("; ".join(words(error)), where=name) from None  # what it was told may be a secret
    except UnicodeDecodeError:
        raise Refused("one of its secrets is no text", where=name, hint=f"look into {data / 'secrets'}") from None


def words(error: ValidationError) -> Iterator[str]:
    """Each thing that a Spec finds wrong, on a line: `secret: it needs 16 bytes`; never what it was told."""
    for one in error.errors(include_url=False, include_context=False, include_input=False):
        key = ".".join(str(part) for part in one["loc"])
        message = str(one["msg"]).removeprefix("Value error, ").removeprefix("Assertion failed, ")
        said = "is missing" if one["type"] == "missing" else message
        yield f"{key}: {said}" if key else said
