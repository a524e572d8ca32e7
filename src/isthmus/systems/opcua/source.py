# SPDX-License-Identifier: Apache-2.0
"""The OPC UA driver: opens one of a system's servers, gives its readings, and takes a live session up again."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager

from isthmus.core.errors import Disconnected, IsthmusError, Refused
from isthmus.systems.contract import Address, Found, Readings, Surroundings
from isthmus.systems.opcua.browse import Walk
from isthmus.systems.opcua.failure import explain, explained
from isthmus.systems.opcua.link import Link
from isthmus.systems.opcua.memory import Memory
from isthmus.systems.opcua.remarks import Remarks
from isthmus.systems.opcua.session import Session
from isthmus.systems.opcua.spec import OpcUaSpec


class OpcUaSource:
    """Reads and browses. Keep one for as long as the system is collected: it remembers the session it left."""

    def __init__(self, spec: OpcUaSpec, surroundings: Surroundings) -> None:
        self._spec, self._surroundings = spec, surroundings
        self._urls = list(spec.url)
        self._remarks = Remarks(surroundings.system)
        self._memory = Memory(surroundings.resume)
        self._left: Session | None = None
        """A session whose channel broke: the server may still have it."""

    @asynccontextmanager
    async def open(self, addresses: Sequence[Address]) -> AsyncGenerator[AsyncIterator[Readings]]:
        """Connects and subscribes; see the contract."""
        session, resumed = await self._begin(tuple(addresses))
        work = session.keep_trying() if resumed else session.monitor()
        try:
            async with session.running(work) as feed:
                yield feed
        finally:
            await self._leave(session)

    async def browse(self, start: str | None = None) -> AsyncIterator[Found]:
        """Lists what the server has below `start`; see the contract."""
        link = await self._open()
        try:
            async for found in Walk(link).below(start):
                yield found
        except Exception as error:  # the edge of the driver
            raise explain(error, link.url) from error
        finally:
            await link.close()

    async def _leave(self, session: Session) -> None:
        """A broken channel leaves a session that may live on; any other end closes it."""
        self._memory.note(session.addresses, session.newest, session.heard)
        if isinstance(session.feed.failure, Disconnected):
            self._left = session if session.settled else None
            session.link.drop()
        else:
            await session.link.close()

    async def _begin(self, addresses: tuple[Address, ...]) -> tuple[Session, bool]:
        left, self._left = self._left, None
        if left is not None and left.addresses == addresses and await self._resume(left):
            return left, True
        link = await self._open()
        session = Session(link, addresses, self._remarks, self._memory)
        try:
            with explained(link.url):
                await session.begin()
        except BaseException:
            link.drop()
            raise
        return session, False

    async def _resume(self, session: Session) -> bool:
        """Goes on with a session the server may still have; False when it has not.

        Raises Disconnected when the server cannot be reached and there is no other one; the session is kept then.
        """
        link = session.link
        try:
            known = await link.resume()
        except Disconnected:
            if len(self._urls) == 1:
                self._left = session
                raise
            return False
        try:
            with explained(link.url):
                if known:
                    await session.resume()
        except Disconnected:
            known = False
        if not known:
            link.drop()
        return known

    async def _open(self) -> Link:
        """A link to the first server that takes us, beginning with the one that did last time."""
        errors: list[IsthmusError] = []
        for url in list(self._urls):
            link = Link(self._spec, self._surroundings, url)
            try:
                await link.open()
            except (Disconnected, Refused) as error:
                errors.append(error)
                continue
            self._urls.remove(url)
            self._urls.insert(0, url)
            return link
        raise _together(errors)


def _together(errors: Sequence[IsthmusError]) -> IsthmusError:
    """One error for several servers: Refused only when every one of them refuses us."""
    if len(errors) == 1:
        return errors[0]
    kind = Refused if all(isinstance(error, Refused) for error in errors) else Disconnected
    return kind("; ".join(str(error) for error in errors))
