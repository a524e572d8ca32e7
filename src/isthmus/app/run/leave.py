# SPDX-License-Identifier: Apache-2.0
"""A process that has done its last ends, though a thread of it still waits for a far end that does not answer."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress
from typing import NoReturn


def leave(code: int) -> NoReturn:
    """Ends this process at once with this exit code; what was said is written.

    `sys.exit` would wait for the threads of every executor, and libpq alone may take as long as its `connect_timeout`.
    All that has to be closed in good order was closed before.
    """
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)
