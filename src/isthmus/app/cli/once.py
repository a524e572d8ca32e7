# SPDX-License-Identifier: Apache-2.0
"""Running what a command has to wait for: quietly, on an event loop of its own."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """What `work` gives; of what happens meanwhile only errors are logged."""
    import asyncio

    from isthmus.app.run import logs

    logs.only_errors()
    return asyncio.run(work)
