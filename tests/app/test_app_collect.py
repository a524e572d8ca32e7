# SPDX-License-Identifier: Apache-2.0
"""The collect service: names that nobody resolves and shares that hang keep nothing else waiting."""

from __future__ import annotations

import asyncio
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from isthmus.app.run import collect as service
from isthmus.app.run.place import Place
from isthmus.app.run.service import Work


async def test_forty_steps_that_hang_keep_no_other_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quick = False

    async def stuck(*_: Any, **__: Any) -> None:
        nonlocal quick
        thaw = Event()
        hanging = [asyncio.create_task(asyncio.to_thread(thaw.wait)) for _ in range(40)]
        await asyncio.sleep(0)
        try:
            async with asyncio.timeout(60):
                quick = await asyncio.to_thread(lambda: True)
        finally:
            thaw.set()
            await asyncio.gather(*hanging)

    monkeypatch.setattr(service, "collect", stuck)
    nobody: Any = None
    await service.body(Work(Place(tmp_path), "", None, nobody, asyncio.Event(), nobody, nobody))
    assert quick
