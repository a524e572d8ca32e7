# SPDX-License-Identifier: Apache-2.0
"""A plant ends: its processes in rounds, those of a round side by side, and a person sees what is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog

from isthmus.app.run.kept import Kept

LOOK: Final = 1.0
"""Seconds between two looks at what is still waited for."""

say = structlog.get_logger("run")


async def end(rounds: Sequence[Sequence[Kept]]) -> None:
    """Ends the processes of the first round, and once all of them are gone those of the next."""
    for number, processes in enumerate(rounds, start=1):
        await _end(processes, number)


async def _end(processes: Sequence[Kept], number: int) -> None:
    """All of them at once; what is waited for is told when it begins, and as it becomes less."""
    ending = {asyncio.create_task(_ended(one, number)): one.job.name for one in processes}
    waiting, told = set(ending), set[asyncio.Task[None]]()
    while waiting:
        if waiting != told:
            _tell(sorted(ending[one] for one in waiting), again=bool(told) or number > 1)
            told = waiting
        _, waiting = await asyncio.wait(waiting, timeout=LOOK)
    for one in ending:
        one.result()


def _tell(names: Sequence[str], *, again: bool) -> None:
    hint = "" if again else "Ctrl-C again ends everything at once; what was accepted is not lost by that"
    say.info("stopping", waits_for=", ".join(names), **({"hint": hint} if hint else {}))


async def _ended(kept: Kept, number: int) -> None:
    say.info("told to end", process=kept.job.name, round=number)
    willing = await kept.stop()
    say.info("ended", process=kept.job.name, round=number, willing=willing)
