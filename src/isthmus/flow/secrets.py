# SPDX-License-Identifier: Apache-2.0
"""`!secret name` becomes its value at the last moment: from the environment or a file, never from a revision."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from isthmus.core.errors import Refused

KEY = "!secret"


def variable(name: str) -> str:
    """The environment variable a secret is looked up in: `dcs-user` → `ISTHMUS_SECRET_DCS_USER`."""
    return "ISTHMUS_SECRET_" + "".join(c if c.isalnum() else "_" for c in name).upper()


def reveal(config: dict[str, Any], data: Path) -> dict[str, Any]:
    """`config` with every `{"!secret": name}` replaced; raises Refused that names a secret which is not set."""
    return {key: _revealed(value, data) for key, value in config.items()}


def _revealed(value: Any, data: Path) -> Any:
    match value:
        case {"!secret": str(name)}:
            return _secret(name, data)
        case dict():
            return reveal(value, data)
        case list():
            return [_revealed(item, data) for item in value]
    return value


def _secret(name: str, data: Path) -> str:
    found = os.environ.get(variable(name))
    if found is not None:
        return found
    file = data / "secrets" / name
    if file.is_file():
        return file.read_text(encoding="utf-8").removesuffix("\n")
    raise Refused(f"the secret {name!r} is not set", hint=f"set {variable(name)}, or write it to {file} (mode 0600)")
