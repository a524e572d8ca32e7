# SPDX-License-Identifier: Apache-2.0
"""A question to the log that is cancelled ends cancelled, also when its answer comes in the same moment."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from isthmus.stream.log import open_log
from isthmus.stream.server import LogServer


async def test_a_cancelled_question_never_takes_its_answer_for_the_cancellation(tmp_path: Path) -> None:
    chance = random.Random(3)
    async with LogServer(tmp_path / "log") as server, open_log(server.endpoint) as log:
        for _ in range(300):
            asking = asyncio.create_task(log.state())
            await asyncio.sleep(chance.random() * 0.0012)
            if asking.cancel():
                with pytest.raises(asyncio.CancelledError):
                    await asking
