# SPDX-License-Identifier: Apache-2.0
"""A kept process: told to end while it is being started, it ends all the same."""

from __future__ import annotations

import asyncio
from pathlib import Path

from isthmus.app.run.kept import Job, Kept


async def test_what_is_told_to_end_while_it_is_started_is_ended(tmp_path: Path) -> None:
    kept = Kept(Job("mill", "tests.app.pausing", [], tmp_path / "mill.json"), lambda name, how: None)
    keeping = asyncio.create_task(kept.keep())
    await asyncio.sleep(0)
    assert (kept.state, kept.pid) == ("starting", None)
    assert await kept.stop()
    await keeping
    assert (kept.state, kept.last_end, kept.restarts) == ("stopped", "ended by SIGTERM", 0)
