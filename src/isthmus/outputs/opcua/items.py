# SPDX-License-Identifier: Apache-2.0
"""A monitored item: which values of a variable a client hears of, and the queue of those it has not heard yet.

Part 4 (1.05), 5.13.1: sampling interval, filter, queue, overflow, triggering. Values come in by `offer`, as the
variable changes; no timer samples anything. With a sampling interval at most one value of each interval of source time
is taken, the first one at once, and the latest one is never left out: it is taken when the interval is over.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final

from isthmus.outputs.opcua.wire import OVERFLOW, Value, handle

if TYPE_CHECKING:
    from isthmus.outputs.opcua.subscription import Subscription


class Mode(IntEnum):
    """MonitoringMode (Part 4, 7.23)."""

    DISABLED = 0
    SAMPLING = 1
    REPORTING = 2


class Trigger(IntEnum):
    """DataChangeTrigger (Part 4, 7.22.2)."""

    STATUS = 0
    STATUS_VALUE = 1
    STATUS_VALUE_TIMESTAMP = 2


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms a client hears of values."""

    handle: int
    """The client's own number of the item."""
    size: int = 1
    """Of the queue."""
    sampling: int = 0
    """ns; 0: every value."""
    discard_oldest: bool = True
    trigger: Trigger = Trigger.STATUS_VALUE
    deadband: float = 0.0
    """Absolute; a value as near to the last one is no change."""
    stamps: int = 2
    """TimestampsToReturn."""


class Variable:
    """Something that has a value: a tag, the text of an enumeration, an attribute of another node."""

    __slots__ = ("current", "items")

    def __init__(self, current: Value) -> None:
        self.current = current
        self.items: dict[Item, None] = {}

    def change(self, value: Value, now: float) -> None:
        """Takes a new value; `now` is monotonic seconds."""
        self.current = value
        for item in self.items:
            item.offer(value, now)


@dataclass(eq=False, slots=True)
class Item:
    """One monitored item."""

    number: int
    variable: Variable
    subscription: Subscription
    watched: Any
    """What the client asked to watch."""
    terms: Terms
    mode: Mode
    done: Callable[[], None] = field(default=lambda: None)
    """Called when it goes."""
    queue: deque[Value] = field(default_factory=deque)
    links: dict[Item, None] = field(default_factory=dict)
    """Items whose queues are reported when this one has something to report."""
    _last: Value | None = None
    """The last value that was taken."""
    _pending: Value | None = None
    """The latest value of an interval of which one was taken already."""
    _slot: int = -1
    _taken: float = 0.0
    _overflow: bool = False
    _handle: bytes = b""

    def __post_init__(self) -> None:
        self._handle = handle(self.terms.handle)
        self.variable.items[self] = None
        if self.mode:
            self._take(self.variable.current)

    def offer(self, value: Value, now: float) -> None:
        """The variable has a new value."""
        if not self.mode:
            return
        if not (interval := self.terms.sampling):
            self._take(value)
            return
        slot = (value.seen if value.at is None else value.at) // interval
        if slot == self._slot:
            self._pending = value
            self.subscription.resting[self] = None
            return
        self._slot, self._taken, self._pending = slot, now, None
        self._take(value)

    def ripen(self, now: float) -> bool:
        """Takes what is pending once its interval is over; false while it is not."""
        if self._pending is None:
            return True
        if now - self._taken < self.terms.sampling * 1e-9:
            return False
        value, self._pending, self._taken = self._pending, None, now
        self._take(value)
        return True

    def _take(self, value: Value) -> None:
        if self._last is not None and not self._differs(value, self._last):
            return
        self._last = value
        queue, terms = self.queue, self.terms
        if len(queue) >= terms.size:
            self._overflow = terms.size > 1  # a queue of one has no overflow (Part 4, 7.21)
            if terms.discard_oldest:
                queue.popleft()
            else:
                queue.pop()
        queue.append(value)
        if self.mode is Mode.REPORTING:
            self.subscription.ready[self] = None
            for linked in self.links:
                if linked.mode is Mode.SAMPLING and linked.queue:
                    linked.subscription.ready[linked] = None

    def _differs(self, value: Value, last: Value) -> bool:
        trigger, deadband = self.terms.trigger, self.terms.deadband
        if value.status != last.status:
            return True
        if trigger is Trigger.STATUS:
            return False
        if value.variant != last.variant:
            if deadband and bool(value.variant) == bool(last.variant):
                return not abs(value.number - last.number) <= deadband
            return True
        return trigger is Trigger.STATUS_VALUE_TIMESTAMP and not deadband and value.at != last.at

    def drain(self, most: int) -> list[bytes]:
        """The oldest values of the queue as notifications; not more than `most`."""
        queue, stamps, head = self.queue, self.terms.stamps, self._handle
        if len(queue) == 1 and not self._overflow:
            return [head + queue.popleft().encoded(stamps)]
        count = min(len(queue), most)
        found = [queue.popleft() for _ in range(count)]
        notes = [head + value.encoded(stamps) for value in found]
        if self._overflow and (self.terms.discard_oldest or not queue):
            place = 0 if self.terms.discard_oldest else -1
            notes[place] = head + found[place].marked(stamps, found[place].status | OVERFLOW)
            self._overflow = False
        return notes

    def modify(self, terms: Terms) -> None:
        """Goes on on other terms; what a smaller queue has no room for goes."""
        self.terms, self._handle = terms, handle(terms.handle)
        while len(self.queue) > terms.size:
            self._overflow = terms.size > 1
            if terms.discard_oldest:
                self.queue.popleft()
            else:
                self.queue.pop()
        if not terms.sampling:
            self._slot = -1

    def set(self, mode: Mode) -> None:
        """Changes the mode (Part 4, 5.13.4): a disabled item forgets, an enabled one begins with what is now."""
        before, self.mode = self.mode, mode
        if mode is Mode.DISABLED:
            self.queue.clear()
            self._last = self._pending = None
            self._slot, self._overflow = -1, False
        elif before is Mode.DISABLED:
            self._take(self.variable.current)
        if mode is Mode.REPORTING and self.queue:
            self.subscription.ready[self] = None
        elif mode is not Mode.REPORTING:
            self.subscription.ready.pop(self, None)

    def close(self) -> None:
        """No more of it."""
        self.variable.items.pop(self, None)
        for waiting in (self.subscription.ready, self.subscription.resting):
            waiting.pop(self, None)
        for other in self.subscription.triggers:
            other.links.pop(self, None)
        self.subscription.triggers.pop(self, None)
        self.done()


LARGEST_QUEUE: Final = 1_000
"""Values of one item; more is in the history."""
