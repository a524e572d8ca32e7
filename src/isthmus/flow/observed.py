# SPDX-License-Identifier: Apache-2.0
"""Until when was each system observed? Kept in a small file, so that a collector that died owes no longer a gap."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from isthmus.core.time import SECOND

PACE: Final = 2 * SECOND
"""Time between two writes: each makes the file system work."""


class Observed:
    """System → when (ns, our clock) the last of its readings that the log has was seen.

    Written every two seconds, without fsync: after a power cut it may be older, and the gap told longer than it was.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept: dict[str, int] = {}

    def load(self) -> Mapping[str, int]:
        """What was kept; empty when there is no such file or it cannot be read."""
        with suppress(OSError, msgspec.MsgspecError):
            self._kept = msgspec.json.decode(self._path.read_bytes(), type=dict[str, int])
        return dict(self._kept)

    def keep(self, now: Mapping[str, int], *, newer_by: int = PACE) -> None:
        """Keeps what is newer by so many ns; a disk without room must not end the collector."""
        if not any(at and at - self._kept.get(system, 0) >= newer_by for system, at in now.items()):
            return
        newer = self._kept | {system: at for system, at in now.items() if at}
        self._kept = newer
        temporary = self._path.with_suffix(".tmp")
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(msgspec.json.encode(newer))
            temporary.replace(self._path)
