# SPDX-License-Identifier: Apache-2.0
"""The most memory a process ever held, in MiB.

`getrusage` does not tell: a process inherits the peak of the one that started it, across exec.
"""

from __future__ import annotations

from pathlib import Path


def peak(process: int | str = "self") -> float:
    """Of this process, or of one that still runs; 0 of one that has just ended."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")), 0.0)
