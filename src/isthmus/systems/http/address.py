# SPDX-License-Identifier: Apache-2.0
"""An HTTP address is a path below the system's url, and where the answer is JSON `#` and a JSON Pointer into it."""

from __future__ import annotations

import re
from typing import Final

from isthmus.core.errors import IsthmusError
from isthmus.systems.pointer import steps

PATTERN: Final = r'^/[^\u0000-\u0020"#<>\\^`{|}\u007f-\uffff]*(#(/[^/]*)+)?$'
"""Of addresses in their canonical writing."""
LONGEST: Final = 2000
_PATH = re.compile(r"/[^\x00-\x20\"#<>\\^`{|}\x7f-\U0010ffff]*")


def check_address(text: str) -> str:
    """The address in its canonical writing; raises IsthmusError when it cannot be one."""
    path, sign, pointer = text.strip().partition("#")
    if "://" in path.partition("?")[0]:
        hint = "name the server with the system's url:, and here only what follows it: /status#/temperature"
        raise IsthmusError(f"{text[:80]!r} names a server", hint=hint)
    named = bool(path)
    path = path if path.startswith("/") else f"/{path}"
    if not named or not _PATH.fullmatch(path) or len(text) > LONGEST:
        hint = "write /status#/temperature; %20 stands for a space, and %C3%A9 for a letter that ASCII has not"
        raise IsthmusError(f"{text[:80]!r} is no path of a URL", hint=hint)
    if sign:
        steps(pointer)
    return f"{path}#{pointer}" if pointer else path


def split(address: str) -> tuple[str, tuple[str, ...]]:
    """(path, steps into the answer) of an address in its canonical writing."""
    path, _, pointer = address.partition("#")
    return path, steps(pointer)
