# SPDX-License-Identifier: Apache-2.0
"""One edge node as a host knows it: whether it lives, which of its messages are missing, what it has to be asked for.

Its messages carry a number that counts from 0 to 255 and begins again (Sparkplug 3.0, 6.4.7). One that comes too early
is held back for a while, for those before it may still come; then they count as lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, Final

from isthmus.core import quality, time
from isthmus.systems.sparkplug.address import Place
from isthmus.systems.sparkplug.message import BD
from isthmus.systems.sparkplug.payload import Garbled, parsed
from isthmus.systems.sparkplug.remarks import Remarks
from isthmus.systems.sparkplug.scope import LATEST, Scope, Take
from isthmus.systems.sparkplug.topic import Topic

CYCLE: Final = 256
FARTHEST: Final = 128
"""A number so far ahead, or farther, is one from the past: the edge node counts anew, or the message is late."""

MOST_HELD: Final = 16 << 20
"""Bytes of messages that are held back."""

GRACE: Final = 5.0
"""Seconds that an edge node may take to tell of itself, and after that each of its devices, before we say it does not.
"""


@dataclass(frozen=True, slots=True)
class _Held:
    """A message that came before its time."""

    topic: Topic
    payload: Any
    raw: bytes
    seen: int


class Node:
    """What is known of one edge node since we connected."""

    def __init__(
        self,
        place: Place,
        wanted: Mapping[str, Mapping[str, Sequence[int]]],
        remarks: Remarks,
        reorder: float,
        now: float,
    ) -> None:
        # wanted: device, or empty for the node itself → metric → positions
        self.place, self._remarks, self._reorder = place, remarks, reorder
        self._scopes = {device: Scope(metrics, remarks) for device, metrics in {"": {}, **wanted}.items()}
        self.alive = False
        self.ask = False
        """We need its births."""
        self.asked = -inf
        """When it was asked for them last (s of the loop's clock)."""
        self._bd: int | None = None
        self._next = 0
        self._held: dict[int, _Held] = {}
        self._bytes = 0
        self._until = inf
        """When what is held back is not held back any longer."""
        self._due = now + GRACE
        """When what has not told of itself is said to be so; inf: nothing is due."""
        self._heard = time.UNKNOWN
        """When its last message in order came, ns."""
        self._unread, self._unread_since = 0, time.UNKNOWN
        """Messages that came while we did not know what they mean, and since when."""

    @property
    def deadline(self) -> float:
        """When `tick` has something to do."""
        return min(self._until, self._due)

    def take(self, topic: Topic, raw: bytes, now: float, take: Take) -> None:
        """Takes one of its messages; `now`: s of the loop's clock."""
        try:
            payload = parsed(raw)
        except Garbled as error:
            take.oddities += self._remarks.odd_message(str(self.place), error.what, raw, take.seen)
            return
        if topic.verb == "NDEATH":
            self._die(payload, take)
        elif topic.verb == "NBIRTH":
            self._release(take)
            self._be_born(payload, raw, now, take)
        elif not self.alive:
            self._not_understood(take)
        else:
            self._order(_Held(topic, payload, raw, take.seen), now, take)

    def tick(self, now: float, take: Take) -> None:
        """Does what is due."""
        if now >= self._until:
            self._release(take)
        if now >= self._due:
            self._due = inf
            self._miss(take)

    def _be_born(self, payload: Any, raw: bytes, now: float, take: Take) -> None:
        self.alive, self.ask, self._bd = True, False, _bd(payload)
        self._next, self._heard = (payload.seq + 1) % CYCLE, take.seen
        self._tell_unread(take)
        for scope in self._scopes.values():
            scope.born = False
        self._scopes[""].declare(payload, raw, take)
        self._due = now + GRACE if len(self._scopes) > 1 else inf

    def _die(self, payload: Any, take: Take) -> None:
        """Its end, unless it is that of an earlier session (6.4.23)."""
        ended = _bd(payload)
        if self._bd is not None and ended is not None and ended != self._bd:
            return
        self._release(take)
        self.alive, self.ask, self._due = False, False, inf
        for scope in self._scopes.values():
            scope.end(take, quality.BAD_NO_COMMUNICATION, f"edge node {self.place} is gone")

    def _miss(self, take: Take) -> None:
        """Says of what has not told of itself that it cannot be read."""
        for device, scope in self._scopes.items():
            if not scope.born and scope.positions:
                what = f"device {self.place}/{device}" if device else f"edge node {self.place}"
                scope.end(take, quality.BAD_NO_COMMUNICATION, f"{what} has not told of itself")

    def _not_understood(self, take: Take) -> None:
        self.ask = True
        self._unread += 1
        self._unread_since = self._unread_since or take.seen

    def _tell_unread(self, take: Take) -> None:
        if self._unread:
            what = f"{self._unread} messages of edge node {self.place} came before its birth and were not understood"
            take.events.append(self._remarks.gap(what, self._unread_since, take.seen, self._unread))
        self._unread, self._unread_since = 0, time.UNKNOWN

    # The order of messages

    def _order(self, message: _Held, now: float, take: Take) -> None:
        payload = message.payload
        if not payload.HasField("seq") or payload.seq >= CYCLE:
            what = "a sequence number over 255" if payload.seq else "no sequence number"
            take.oddities += self._remarks.odd_message(str(self.place), what, message.raw, take.seen)
            self._apply(message, take)
            return
        ahead = (payload.seq - self._next) % CYCLE
        if ahead == 0:
            self._in_order(message, take)
        elif ahead >= FARTHEST or payload.seq in self._held:
            self._release(take)
            self._jump(message, take)
        else:
            self._hold(message, now, take)

    def _in_order(self, message: _Held, take: Take) -> None:
        following: _Held | None = message
        while following is not None:
            self._next = (self._next + 1) % CYCLE
            self._heard = following.seen
            self._apply(following, take)
            following = self._held.pop(self._next, None)
        if not self._held:
            self._until, self._bytes = inf, 0

    def _hold(self, message: _Held, now: float, take: Take) -> None:
        self._held[message.payload.seq] = message
        self._bytes += len(message.raw)
        self._until = min(self._until, now + self._reorder)
        if self._reorder == 0 or self._bytes > MOST_HELD:
            self._release(take)

    def _release(self, take: Take) -> None:
        """Gives up waiting: what is held back is taken, and what is missing between is lost."""
        held = sorted(self._held.values(), key=lambda one: (one.payload.seq - self._next) % CYCLE)
        self._held, self._until, self._bytes = {}, inf, 0
        for message in held:
            self._jump(message, take)

    def _jump(self, message: _Held, take: Take) -> None:
        """Takes a message whose number is not the next one."""
        seq = message.payload.seq
        missing = (seq - self._next) % CYCLE
        if missing:
            at_least = f"{missing} messages" if missing < FARTHEST else "messages"
            what = (
                f"{at_least} of edge node {self.place} are missing: after number {(self._next - 1) % CYCLE} came {seq}"
            )
            count = missing if missing < FARTHEST else 0
            take.events.append(self._remarks.gap(what, self._heard, message.seen, count))
            self.ask = True
        self._next, self._heard = (seq + 1) % CYCLE, message.seen
        self._apply(message, take)

    def _apply(self, message: _Held, take: Take) -> None:
        """Takes what a message says, in its turn."""
        verb, device = message.topic.verb, message.topic.device
        scope = self._scopes.get(device)
        if scope is None:
            return
        if verb == "DBIRTH":
            self._tell_unread(take)
            scope.declare(message.payload, message.raw, take)
        elif verb == "DDEATH":
            stamp = message.payload.timestamp
            at = stamp * time.MILLISECOND if stamp <= LATEST else time.UNKNOWN
            scope.end(take, quality.BAD_NO_COMMUNICATION, f"device {self.place}/{device} is gone", at)
        elif not scope.born:
            self._not_understood(take)
        elif scope.read(message.payload, message.raw, take):
            self.ask = True


def _bd(payload: Any) -> int | None:
    """The number that a birth shares with its death."""
    for metric in payload.metrics:
        if metric.name == BD:
            return int(metric.long_value if metric.WhichOneof("value") == "long_value" else metric.int_value)
    return None


def nodes(
    wanted: Iterable[tuple[int, Place, str]], remarks: Remarks, reorder: float, now: float
) -> dict[tuple[str, str], Node]:
    """(group, node) → what is to be known of it; `wanted`: (position, who declares it, metric)."""
    found: dict[tuple[str, str], dict[str, dict[str, list[int]]]] = {}
    for position, (group, node, device), metric in wanted:
        found.setdefault((group, node), {}).setdefault(device, {}).setdefault(metric, []).append(position)
    return {key: Node(Place(*key), devices, remarks, reorder, now) for key, devices in found.items()}
