# SPDX-License-Identifier: Apache-2.0
"""What takes more than a second shows how far it is, on a terminal; what is quick shows nothing."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PATIENCE = 1.0
"""Seconds before anything is shown."""


@contextmanager
def slow(what: str) -> Iterator[Callable[[str, int, int], None]]:
    """Gives a function to tell (what is being done, how far, of how many; 0 of 0 where nobody knows)."""
    if not sys.stderr.isatty():
        yield lambda doing, done, of: None
        return
    from rich.console import Console

    status = Console(stderr=True).status(f"{what} ...")
    timer = threading.Timer(PATIENCE, status.start)
    timer.daemon = True

    def say(doing: str, done: int, of: int) -> None:
        status.update(f"{doing} {done:,} of {of:,}" if of else f"{doing} ...")

    timer.start()
    try:
        yield say
    finally:
        timer.cancel()
        timer.join()
        status.stop()
