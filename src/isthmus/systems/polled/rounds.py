# SPDX-License-Identifier: Apache-2.0
"""A round asks for every block of a scan; a refused block is halved until what the device refuses stands alone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Generic

import numpy as np
from numpy.typing import NDArray

from isthmus.core import quality, time
from isthmus.systems.contract import Form, Oddity, Readings
from isthmus.systems.polled.language import Block, Garbled, Language, W
from isthmus.systems.polled.link import Link
from isthmus.systems.polled.remarks import Remarks
from isthmus.systems.polled.schedule import AGAIN, Scan

SPLITTING: Final = 2.0
"""Seconds a round may take before what is still to be halved waits for the next one."""


class Silent(Exception):
    """The unit does not answer."""

    def __init__(self, status: int, why: str) -> None:
        self.status = status
        super().__init__(why)


@dataclass(frozen=True, slots=True)
class Pace:
    """How long an answer may take, and how long to wait before the next question, in seconds."""

    timeout: float
    pause: float = 0.0

    def __str__(self) -> str:
        return time.to_text(round(self.timeout * time.SECOND))


@dataclass(slots=True)
class Round(Generic[W]):
    """What one round brought."""

    answers: list[tuple[Block[W], bytes | int]] = field(default_factory=list)
    """Each block with its data, or the StatusCode of all its addresses."""
    times: list[int] = field(default_factory=list)
    """When each of them came, ns."""
    keep: list[Block[W]] = field(default_factory=list)
    """Blocks of the next round."""
    refused: dict[int, int] = field(default_factory=dict)
    """Position → code, of addresses refused for the first time."""
    restored: list[int] = field(default_factory=list)
    oddities: list[Oddity] = field(default_factory=list)
    silent: Silent | None = None

    def add(self, block: Block[W], answer: bytes | int) -> None:
        """What came for a block, now."""
        self.answers.append((block, answer))
        self.times.append(time.now())


class Reader(Generic[W]):
    """Asks over one link."""

    def __init__(self, link: Link, language: Language[W], remarks: Remarks[W], pace: Pace) -> None:
        self._link, self._language, self._remarks, self._pace = link, language, remarks, pace
        self._loop = asyncio.get_running_loop()

    async def ask(self, question: bytes) -> bytes:
        """The answer to a question; raises TimeoutError, Disconnected."""
        async with self._link.turn:
            if self._pace.pause:
                await self._link.rest(max(0.0, self._link.heard + self._pace.pause - self._loop.time()))
            return await self._link.ask(question, self._pace.timeout)

    async def read(self, scan: Scan[W]) -> Round[W]:
        """One round of `scan`, which learns from it what to ask for in the next one."""
        done, began = Round[W](), self._loop.time()
        blocks = [*scan.blocks, *self._dead(scan, began)]
        try:
            while blocks:
                blocks[:1] = await self._step(blocks[0], done, scan, began)
        except Silent as silent:
            done.silent = silent
            left = [block for block in blocks if not _buried(block, scan)]
            for block in left:
                done.add(block, silent.status)
            done.keep += left
        scan.blocks = scan.blocks if list(scan.blocks) == done.keep else tuple(done.keep)
        return done

    def _dead(self, scan: Scan[W], now: float) -> Sequence[Block[W]]:
        """What was refused before, where it is time to try it again."""
        if not scan.dead or now < scan.again:
            return []
        scan.again = now + AGAIN
        return self._language.coalesce(wanted for wanted, _ in scan.dead.values())

    async def _step(self, block: Block[W], done: Round[W], scan: Scan[W], began: float) -> tuple[Block[W], ...]:
        """Asks for a block; gives the parts that are to be asked for in its place."""
        answer = await self._answer(block, done)
        if isinstance(answer, int):
            return self._spoilt(block, answer, done, scan, began)
        done.keep.append(block)
        done.add(block, answer)
        if scan.dead:
            done.restored += [w.position for w in block.wanted if scan.dead.pop(w.position, None) is not None]
        return ()

    def _spoilt(self, block: Block[W], code: int, done: Round[W], scan: Scan[W], began: float) -> tuple[Block[W], ...]:
        """What becomes of a block that was answered with a code, or with nonsense (code 0)."""
        if code in self._language.narrower:
            if code in self._language.never or len(block.wanted) == 1:
                self._bury(block, code, done, scan)
                return ()
            if self._loop.time() - began < SPLITTING:
                return block.halves()
        if not _buried(block, scan):
            done.keep.append(block)
            done.add(block, self._language.status(code) if code else quality.BAD_DECODING)
        return ()

    async def _answer(self, block: Block[W], done: Round[W]) -> bytes | int:
        """A block's data, or a code; 0 when the answer made no sense. Raises Silent."""
        try:
            frame = await self.ask(block.question)
        except TimeoutError:
            strays = f", {self._link.strays} answers to nobody" if self._link.strays else ""
            raise Silent(quality.BAD_TIMEOUT, f"no answer within {self._pace}{strays}") from None
        try:
            answer = self._language.contents(frame, block.question, block.size)
        except Garbled as error:
            done.oddities += self._remarks.garbled(block.wanted[0].position, str(error), frame)
            return 0
        if isinstance(answer, int) and answer in self._language.gone:
            raise Silent(self._language.status(answer), self._language.meaning(answer))
        return answer

    def _bury(self, block: Block[W], code: int, done: Round[W], scan: Scan[W]) -> None:
        """The device refuses just this: it is left out of the next rounds and tried again later."""
        new = {wanted.position: code for wanted in block.wanted if wanted.position not in scan.dead}
        if new:
            if not scan.dead:
                scan.again = self._loop.time() + AGAIN
            done.refused |= new
            done.add(block, self._language.status(code))
        scan.dead |= {wanted.position: (wanted, code) for wanted in block.wanted}


def _buried(block: Block[W], scan: Scan[W]) -> bool:
    """Its addresses were refused before, and it is only a try."""
    return block.wanted[0].position in scan.dead


def readings(scan: Scan[W], done: Round[W]) -> Readings:
    """What a round brought, as columns."""
    seen = time.now()
    layout = scan.layout(tuple(block for block, _ in done.answers))
    data = b"".join(answer if isinstance(answer, bytes) else bytes(block.size) for block, answer in done.answers)
    columns = layout.decode(data)
    n = len(layout.index)
    whole = Readings(
        index=layout.index,
        at=np.array(done.times, np.int64)[layout.answer] if len(done.times) > 1 else np.zeros(n, np.int64),
        quality=np.zeros(n, np.uint32),
        form=layout.form,
        value=columns.value,
        integer=columns.integer,
        text=columns.text,
        seen=seen,
        oddities=done.oddities,
    )
    bad = [(_rows(whole, block), answer) for block, answer in done.answers if isinstance(answer, int)]
    if columns.unreadable:
        bad.insert(0, (np.array(columns.unreadable), quality.BAD_DECODING))
    return _without(whole, bad) if bad else whole


def _rows(whole: Readings, block: Block[W]) -> NDArray[np.intp]:
    return np.flatnonzero(np.isin(whole.index, [wanted.position for wanted in block.wanted]))


def _without(whole: Readings, bad: list[tuple[NDArray[np.intp], int]]) -> Readings:
    """The readings where some rows have a StatusCode and no value."""
    form, text = whole.form.copy(), None if whole.text is None else list(whole.text)
    for rows, status in bad:
        form[rows], whole.value[rows], whole.quality[rows] = Form.NONE, np.nan, status
        if whole.integer is not None:
            whole.integer[rows] = 0
        if text is not None:
            for row in rows.tolist():
                text[row] = None
    return replace(whole, form=form, text=text)
