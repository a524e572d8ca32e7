# SPDX-License-Identifier: Apache-2.0
"""What is spared is a library that another one would load where it finds it, and that a process of ours does without.

pyarrow loads pandas when it makes its first array: a quarter of a second and 30 MiB in every process, where somebody
installed it for the client. nats-py loads aiohttp for WebSockets, which no log of ours speaks: a sixth of a second.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from typing import Final

PANDAS: Final = "pandas"
"""Only who is given frames needs it: the client."""


class _Absent(MetaPathFinder):
    """Finds nothing of one library, and lets nobody else look for it."""

    def __init__(self, name: str) -> None:
        self._name = name

    def find_spec(self, fullname: str, path: object, target: object = None) -> None:
        if fullname.partition(".")[0] == self._name:
            raise ModuleNotFoundError(f"{fullname} is spared", name=fullname)


@contextmanager
def spared(name: str) -> Iterator[None]:
    """What runs in the block, or in a function that this decorates, does without the library if it is not loaded."""
    absent = _Absent(name)
    sys.meta_path.insert(0, absent)
    try:
        yield
    finally:
        sys.meta_path.remove(absent)
