# SPDX-License-Identifier: Apache-2.0
"""The most memory this process ever held, in MiB.

`getrusage` does not tell: a process inherits the peak of the one that started it, across exec.
"""

from __future__ import annotations

from pathlib import Path


def peak() -> float:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024
