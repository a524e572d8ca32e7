# SPDX-License-Identifier: Apache-2.0
"""What a kind of system is: a Spec that configures it and the powers it really has.

Drivers raise `Disconnected` or `Refused` and never write a reconnect loop: `flow/collect` says so, waits and opens
again. They acknowledge their peer only after `Readings.done()`, which the collector calls when the log has it on disk.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from isthmus.core.event import Event
from isthmus.core.samples import Value
from isthmus.core.tag import DataType


class Spec(BaseModel):
    """What the plant file may say of a system of this kind; unknown keys are refused.

    Errors do not repeat what was said: secrets are among it when a driver is made.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


@dataclass(frozen=True, slots=True)
class Address:
    """Where one tag is found in a system, as the plant file says it."""

    text: str
    """The address itself, in the kind's own writing."""
    type: DataType
    """What the tag should be."""
    sampling: int = 0
    """Wanted sampling interval in ns; 0: as fast as the far end likes."""
    deadband: float = 0.0
    """Absolute deadband in the device's unit, applied at the source; 0: none."""
    queue: int = 0
    """Values the far end should queue between two messages; 0: the kind's default."""


class Form:
    """What one reading's value is, as it came over the wire: small integers so that a column of them is one array."""

    NONE: ClassVar[int] = 0
    """No value (a bad status alone, a null)."""
    BOOLEAN: ClassVar[int] = 1
    SIGNED: ClassVar[int] = 2
    UNSIGNED: ClassVar[int] = 3
    FLOAT: ClassVar[int] = 4
    TEXT: ClassVar[int] = 5


@dataclass(frozen=True, slots=True)
class Oddity:
    """Something that arrived and could not be understood: goes to quarantine with its original bytes."""

    reason: str
    payload: bytes
    index: int | None = None
    """Position in the opened address list, where one is known."""


def nothing() -> None:
    """What `Readings.done` does when nobody waits for it."""


@dataclass(frozen=True, slots=True)
class Readings:
    """What a driver hands over at once: n readings as equal-length columns, and what happened on the way.

    Not standardised: values are in the device's own unit and type. `flow/standardise` makes Samples of them.
    """

    index: NDArray[np.uint32]
    """(n,) position in the opened address list."""
    at: NDArray[np.int64]
    """(n,) the device's time, ns since 1970-01-01 UTC; `time.UNKNOWN` where it gave none, which counts as `seen`.

    Where several answers of a device without a clock are one Readings: when each came, by our clock.
    """
    quality: NDArray[np.uint32]
    """(n,) OPC UA StatusCode; protocols without one follow their documented rule."""
    form: NDArray[np.uint8]
    """(n,) of `Form`."""
    value: NDArray[np.float64]
    """(n,) NaN where form is NONE or TEXT; for integers the nearest float."""
    integer: NDArray[np.int64] | None = None
    """(n,) exact values where form is SIGNED or UNSIGNED (two's complement); may be None when no reading is whole."""
    text: Sequence[str | None] | None = None
    """(n,) values where form is TEXT."""
    seen: int = 0
    """When they reached us, ns since 1970-01-01 UTC."""
    historical: bool = False
    """Recalled from what the far end kept, not live."""
    events: Sequence[Event] = ()
    oddities: Sequence[Oddity] = ()
    alive: bool = True
    """The far end answered: even empty readings are a heartbeat of the source."""
    done: Callable[[], None] = field(default=nothing)
    """Called once everything above is in the log: only now may the driver acknowledge its peer."""

    def __len__(self) -> int:
        return len(self.index)

    def advance(self, newest: NDArray[np.int64]) -> None:
        """Moves `newest`, device times by opened address, on to these readings' times; not to one in the future."""
        index, at = self.index, self.at
        if len(at) and at.max() > self.seen:
            timely = at <= self.seen
            index, at = index[timely], at[timely]
        np.maximum.at(newest, index, at)


@dataclass(frozen=True, slots=True)
class Found:
    """One thing a system has, as `isthmus browse` shows it."""

    address: str
    """Ready to stand in a plant file."""
    name: str
    path: str
    """Names from the root down to it, joined with `/`."""
    type: DataType | None
    """None when it is not a readable scalar (a folder, an array, a structure)."""
    unit: str = ""
    """UCUM code where the system names its unit."""
    description: str = ""
    writable: bool = False
    range: tuple[float, float] | None = None
    left_out: str = ""
    """Why a variable is no tag: `not a single value`; empty for a tag and for what only holds others."""
    needs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Own keys that the system has to have for what lies below it, as far as they can be told: `tables` → name → how it
    is read. Those of all that was found belong together."""
    remark: str = ""
    """What its values become, where the tag's type alone does not say it: `a DateTime, read as text in ISO 8601`."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a driver gets from the house besides its Spec."""

    system: str
    """Name of the system in the plant file."""
    folder: Path
    """The data directory: `pki/` lives below it, and `run/`, where a driver whose far end keeps no account of what we
    took keeps its own (see `Kind.waits`); a driver keeps nothing else on disk."""
    resume: Mapping[str, int] = field(default_factory=dict)
    """Address text → the newest device time (ns) the log has of it: where recalling may begin. Empty on first start."""


@runtime_checkable
class Reads(Protocol):
    """Gives readings for as long as it is open.

    Entering connects (raises Disconnected when the far end cannot be reached, Refused when it will never take us);
    iterating raises Disconnected when it is gone. A bad address harms only itself: its reading has a bad quality and a
    TAG event names it. Leaving closes politely within a few seconds.
    """

    def open(self, addresses: Sequence[Address]) -> AbstractAsyncContextManager[AsyncIterator[Readings]]: ...


@runtime_checkable
class Writes(Protocol):
    """Changes values at the far end, over the connection that `open` holds, ahead of what is to be read over it."""

    async def write(self, values: Sequence[tuple[Address, Value]]) -> Sequence[int]:
        """Writes each value to its address, one after the other, and gives a StatusCode for each, in their order.

        - Good: the far end took it, and was read back to hold it.
        - Uncertain: the far end took it, and holds something else, or what it holds cannot be read.
        - BadNotConnected: nothing was sent. So for all of them while nothing is open.
        - BadTimeout, BadCommunicationError: it was sent and no answer came; whether it was taken is not known.
        - BadTypeMismatch, BadOutOfRange, BadNotWritable: it does not fit the address; nothing was sent.
        - Any other: the far end refused it, and says that it is as it was.

        Nothing is ever sent twice, and nothing raised: who wrote has to know of each value what became of it. There is
        no way to here from the command line or the plant file: who may write what is decided elsewhere.
        """
        ...


@runtime_checkable
class Browses(Protocol):
    """Lists what the far end has."""

    def browse(self, start: str | None = None) -> AsyncIterator[Found]: ...


@dataclass(frozen=True, slots=True)
class Replay:
    """How what a far end said is read again without it, by the kind's own decoding: for tests beside the plant file."""

    input: type[Spec]
    """One thing that it said, as a test writes it. A field `bytes` may be filled from a file beside the test, `name`
    with that file's name."""
    begin: Callable[[Any, str, Sequence[Address]], Callable[[Any], Readings]]
    """(validated spec, name of the system, its addresses) → what reads one input after the other.

    That gives an input's Readings; raises IsthmusError where the far end could not have said it. `seen` of the
    Readings and `at` where it is UNKNOWN are the caller's to set.
    """
    example: str
    """What stands under `given` in a test: YAML that fits the example of the kind."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of system, as the registry finds it under the entry-point group `isthmus.systems`."""

    name: str
    """The word in the plant file: `kind: opcua`."""
    title: str
    spec: type[Spec]
    connect: Callable[[Any, Surroundings], Any]
    """(validated spec with secrets resolved, surroundings) → an object with the powers below."""
    check_address: Callable[[str], str]
    """The address in its canonical writing; raises IsthmusError (what, hint) when it cannot be one. Asks nobody."""
    powers: tuple[str, ...]
    """Of: reads, recalls, writes, calls, browses, accepts."""
    example: str
    """A runnable piece of plant file: the `systems:` entry and one asset."""
    check_fit: Callable[[Any, str], None] = field(default=lambda spec, text: None)
    """(validated spec, canonical address): raises IsthmusError (what, hint) where a system that is set up like this can
    never have it, whatever its far end is. Asks nobody."""
    warn_address: Callable[[str], str] = field(default=lambda text: "")
    """A warning about a valid address that will hurt later (an index that shifts), empty for none."""
    check_write: Callable[[str], str] = field(default=lambda text: "")
    """Why nothing can be written to a valid address, of a tag that says `write:`; empty: something can."""
    secrets: tuple[str, ...] = ()
    """Spec fields that must be written `!secret name`."""
    sole: Callable[[Mapping[str, Any]], Sequence[str]] = field(default=lambda config: ())
    """(own keys, as the plant file says them) → what no other system or output should also be: `the device at HOST`."""
    sole_hint: str = ""
    """What to do where two are the same."""
    looking: Mapping[str, Any] = field(default_factory=dict)
    """Keys that `isthmus browse --kind` adds: the Spec requires them, and for a passing look they say nothing."""
    local_times: Callable[[Mapping[str, Any]], bool] = field(default=lambda config: False)
    """(own keys, as the plant file says them) → times without an offset may come from there: its `time_zone` is the
    plant's where it says none."""
    waits: bool = False
    """Its far end keeps what we do not take: while the hold is full the driver waits, whatever `overflow` says, and
    nothing of it is discarded."""
    addresses: str = ""
    """How addresses are written and what becomes of what they name: Markdown for the page of systems."""
    pattern: str = ""
    """Regular expression (ECMA 262, as in JSON Schema) of addresses in their canonical writing; empty for none."""
    replay: Callable[[], Replay] | None = None
    """How a test gives it what a far end said; None: only values as they stand after decoding."""
    tested: tuple[str, ...] = ()
    """Far ends that the contract suite runs it against; one of them at least shares no library with the driver."""
