# SPDX-License-Identifier: Apache-2.0
"""A process that does nothing until it is told to end: `python -m tests.app.pausing`."""

from __future__ import annotations

import signal

if __name__ == "__main__":
    signal.pause()
