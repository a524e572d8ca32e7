# SPDX-License-Identifier: Apache-2.0
"""A round asks for every block of a scan; a refused block is halved until what the device refuses stands alone."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from isthmus.core import quality, time
from isthmus.systems.contract import Form, Oddity, Readings
from isthmus.systems.modbus import wire
from isthmus.systems.modbus.blocks import Block, coalesce
from isthmus.systems.modbus.link import Link
from isthmus.systems.modbus.remarks import Remarks
from isthmus.systems.modbus.schedule import AGAIN, Scan
from isthmus.systems.modbus.spec import ModbusSpec

SPLITTING: Final = 2.0
"""Seconds a round may take before what is still to be halved waits for the next one."""


class Silent(Exception):
    """The unit does not answer."""

    def __init__(self, status: int, why: str) -> None:
        self.status = status
        super().__init__(why)


@dataclass(slots=True)
class Round:
    """What one round brought."""

    answers: list[tuple[Block, bytes | int]] = field(default_factory=list)
    """Each block with its data, or the StatusCode of all its addresses."""
    times: list[int] = field(default_factory=list)
    """When each of them came, ns."""
    keep: list[Block] = field(default_factory=list)
    """Blocks of the next round."""
    refused: dict[int, int] = field(default_factory=dict)
    """Position → exception, of addresses refused for the first time."""
    restored: list[int] = field(default_factory=list)
    oddities: list[Oddity] = field(default_factory=list)
    silent: Silent | None = None

    def add(self, block: Block, answer: bytes | int) -> None:
        """What came for a block, now."""
        self.answers.append((block, answer))
        self.times.append(time.now())


class Reader:
    """Asks over one link."""

    def __init__(self, link: Link, spec: ModbusSpec, remarks: Remarks) -> None:
        self._link, self._spec, self._remarks = link, spec, remarks
        self._loop = asyncio.get_running_loop()
        self._timeout, self._pause = spec.seconds("timeout"), spec.seconds("pause")

    async def ask(self, question: bytes) -> bytes:
        """The answer to a question; raises TimeoutError, Disconnected."""
        if self._pause:
            await self._link.rest(max(0.0, self._link.heard + self._pause - self._loop.time()))
        return await self._link.ask(question, self._timeout)

    async def read(self, scan: Scan) -> Round:
        """One round of `scan`, which learns from it what to ask for in the next one."""
        done, began = Round(), self._loop.time()
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

    def _dead(self, scan: Scan, now: float) -> list[Block]:
        """What was refused before, where it is time to try it again."""
        if not scan.dead or now < scan.again:
            return []
        scan.again = now + AGAIN
        return coalesce((wanted for wanted, _ in scan.dead.values()), self._spec)

    async def _step(self, block: Block, done: Round, scan: Scan, began: float) -> tuple[Block, ...]:
        """Asks for a block; gives the parts that are to be asked for in its place."""
        answer = await self._answer(block, done)
        if isinstance(answer, int):
            return self._spoilt(block, answer, done, scan, began)
        done.keep.append(block)
        done.add(block, answer)
        if scan.dead:
            done.restored += [w.position for w in block.wanted if scan.dead.pop(w.position, None) is not None]
        return ()

    def _spoilt(self, block: Block, code: int, done: Round, scan: Scan, began: float) -> tuple[Block, ...]:
        """What becomes of a block that was answered with an exception, or with nonsense (code 0)."""
        if code in wire.ASKED_WRONGLY:
            if code == 1 or len(block.wanted) == 1:
                self._bury(block, code, done, scan)
                return ()
            if self._loop.time() - began < SPLITTING:
                return block.halves()
        if not _buried(block, scan):
            done.keep.append(block)
            done.add(block, wire.status(code) if code else quality.BAD_DECODING)
        return ()

    async def _answer(self, block: Block, done: Round) -> bytes | int:
        """A block's data, or an exception; 0 when the answer made no sense. Raises Silent."""
        try:
            frame = await self.ask(block.question)
        except TimeoutError:
            strays = f", {self._link.strays} answers to nobody" if self._link.strays else ""
            raise Silent(quality.BAD_TIMEOUT, f"no answer within {self._spec.timeout}{strays}") from None
        try:
            answer = wire.contents(frame, block.question, block.size)
        except wire.Garbled as error:
            done.oddities += self._remarks.garbled(block.wanted[0].position, str(error), frame)
            return 0
        if isinstance(answer, int) and answer in wire.GONE:
            raise Silent(wire.status(answer), wire.meaning(answer))
        return answer

    def _bury(self, block: Block, code: int, done: Round, scan: Scan) -> None:
        """The device refuses just this: it is left out of the next rounds and tried again later."""
        new = {wanted.position: code for wanted in block.wanted if wanted.position not in scan.dead}
        if new:
            if not scan.dead:
                scan.again = self._loop.time() + AGAIN
            done.refused |= new
            done.add(block, wire.status(code))
        scan.dead |= {wanted.position: (wanted, code) for wanted in block.wanted}


def _buried(block: Block, scan: Scan) -> bool:
    """Its addresses were refused before, and it is only a try."""
    return block.wanted[0].position in scan.dead


def readings(scan: Scan, done: Round) -> Readings:
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
    bad = [(block, answer) for block, answer in done.answers if isinstance(answer, int)]
    return _without(whole, bad) if bad else whole


def _without(whole: Readings, bad: list[tuple[Block, int]]) -> Readings:
    """The readings where some blocks have a StatusCode and no data."""
    form, text = whole.form.copy(), None if whole.text is None else list(whole.text)
    for block, status in bad:
        rows = np.flatnonzero(np.isin(whole.index, [wanted.position for wanted in block.wanted]))
        form[rows], whole.value[rows], whole.quality[rows] = Form.NONE, np.nan, status
        if whole.integer is not None:
            whole.integer[rows] = 0
        if text is not None:
            for row in rows.tolist():
                text[row] = None
    return replace(whole, form=form, text=text)
