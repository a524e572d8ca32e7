# SPDX-License-Identifier: Apache-2.0
"""A child process ends when its parent does, however that ends; and the parent ends its children in good order."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
PARENT: Final = "--parent"


def end_with(parent: int) -> None:
    """Has the kernel end this process with the process `parent`; ends it now when that is gone already (prctl(2))."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("isthmus: the parent process is gone")


async def start(module: str, arguments: Sequence[str], *, quiet: bool = False) -> asyncio.subprocess.Process:
    """Starts `python -m module` with `arguments`; it has to call `end_with` with what follows PARENT.

    In a session of its own, so that Ctrl-C in a terminal reaches the parent alone, which then stops it in good order.
    """
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        *arguments,
        PARENT,
        str(os.getpid()),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL if quiet else None,
        start_new_session=True,
    )


async def stop(process: asyncio.subprocess.Process, patience: float) -> bool:
    """Asks the process to end, and kills it after `patience` seconds; False when it had to be killed."""
    if process.returncode is not None:
        return True
    with suppress(ProcessLookupError):
        process.terminate()
    if await ended(process, patience):
        return True
    with suppress(ProcessLookupError):
        process.kill()
    await process.wait()
    return False


async def ended(process: asyncio.subprocess.Process, patience: float) -> bool:
    """Whether the process ends within `patience` seconds."""
    with suppress(TimeoutError):
        async with asyncio.timeout(patience):
            await process.wait()
    return process.returncode is not None
