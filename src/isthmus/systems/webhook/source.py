# SPDX-License-Identifier: Apache-2.0
"""The webhook driver: pushed messages become readings, and their senders are answered once the log has them."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from time import monotonic
from typing import Final

from isthmus.core import time
from isthmus.systems.bare import no_values
from isthmus.systems.contract import Address, Readings, Surroundings
from isthmus.systems.files.picking import Picker, Piece
from isthmus.systems.webhook.door import Door
from isthmus.systems.webhook.memory import Memory
from isthmus.systems.webhook.message import Message
from isthmus.systems.webhook.spec import WebhookSpec

BEAT: Final = 5.0
"""Seconds without a message after which listening is a sign of life, as long as nobody has to have pushed."""
AT_ONCE: Final = 10_000
"""Rows, about, that are made readings at once."""


class WebhookSource:
    """Listens. Remembers, in the data directory, which messages came."""

    def __init__(self, spec: WebhookSpec, surroundings: Surroundings) -> None:
        self._spec = spec
        self._path = surroundings.folder / "run" / f"webhook-{surroundings.system}.db"

    @asynccontextmanager
    async def open(self, addresses: Sequence[Address]) -> AsyncGenerator[AsyncIterator[Readings]]:
        """Listens; see the contract."""
        memory = Memory(self._path, time.duration(self._spec.remember))
        try:
            await memory.open()
            door = Door(self._spec, memory)
            async with door.open():
                taking = Taking(door, Picker(addresses, self._spec), self._spec)
                try:
                    yield taking
                finally:
                    await taking.close()
        finally:
            await memory.close()


class Taking:
    """The readings of one webhook, made while they are asked for."""

    def __init__(self, door: Door, picker: Picker, spec: WebhookSpec) -> None:
        self._door, self._picker = door, picker
        self._silence = math.inf if spec.silence is None else spec.seconds("silence")
        self._heard = monotonic()
        self._answering: set[asyncio.Task[None]] = set()

    def __aiter__(self) -> Taking:
        return self

    async def __anext__(self) -> Readings:
        try:
            async with asyncio.timeout(BEAT):
                first = await self._door.waiting.get()
        except TimeoutError:
            return no_values(alive=monotonic() - self._heard <= self._silence)
        self._heard = monotonic()
        messages, rows = [first], len(first.rows)
        while rows < AT_ONCE and not self._door.waiting.empty():
            messages.append(self._door.waiting.get_nowait())
            rows += len(messages[-1].rows)
        return self._readings(messages)

    def _readings(self, messages: Sequence[Message]) -> Readings:
        piece = Piece()
        for message in messages:
            piece.file = f"message {message.id}"
            samples, spoilt = len(piece.index), len(piece.oddities)
            for row in message.rows:
                self._picker.take(row, piece)
            message.samples, message.spoilt = len(piece.index) - samples, len(piece.oddities) - spoilt
        return piece.readings(done=partial(self._accepted, messages))

    def _accepted(self, messages: Sequence[Message]) -> None:
        for message in messages:
            task = asyncio.get_running_loop().create_task(self._door.accepted(message))
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)

    async def close(self) -> None:
        """Answers of messages that the log has are given."""
        await asyncio.gather(*self._answering, return_exceptions=True)
