# SPDX-License-Identifier: Apache-2.0
"""What a kind of output is: a Spec that configures it and a sink that takes samples.

`flow/deliver` runs every output: it follows the log from the output's own position, hands over deliveries one after the
other, tries again what was not taken, and commits the position behind what was. Kinds keep no position and write no
reconnect loop; they raise `Disconnected` or `Refused`.

Delivered is at least once. A sample that comes again is the same in tag, time, value, quality and mark: these are its
stable key. Where the far end can, it stores a sample under (tag, time) once; different values at one time are all real.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from isthmus.core.errors import Refused
from isthmus.plant.revision import Revision, TagSetting
from isthmus.store.history.columns import Columns, empty
from isthmus.systems.contract import Spec


@dataclass(frozen=True, slots=True)
class Delivery:
    """Samples to hand over at once; only of tags that the output is to get."""

    columns: Columns
    """(n) samples as history keeps them, in the order of the log; n is 0 every few seconds when nothing comes."""
    recalled: bool = False
    """They are from history, which the log does not have any more: by tag, then by time, days in their order."""

    retried: bool = False
    """They were parked, and somebody asks for another try."""

    def __len__(self) -> int:
        return len(self.columns)


@dataclass(frozen=True, slots=True)
class Refusal:
    """The far end will never take one sample of a delivery."""

    row: int
    """Position in the delivery."""
    reason: str
    """What the far end said, for a person."""


class Sink(Protocol):
    """An open connection to the far end."""

    async def write(self, delivery: Delivery) -> Sequence[Refusal]:
        """Returns once the far end has stored all samples but those refused: these are parked.

        Raises Disconnected when the far end is gone, also on an empty delivery: the same samples come again once the
        output is open again. Raises Refused when nothing of the delivery will ever be taken.
        """


class Accepts(Protocol):
    """An output, configured. What it must remember from one connection to the next it keeps itself."""

    def open(self) -> AbstractAsyncContextManager[Sink]:
        """Entering connects: raises Disconnected when the far end cannot be reached, Refused when it does not take us.

        Leaving closes politely within a few seconds.
        """


@runtime_checkable
class Clears(Protocol):
    """An output whose far end goes on showing what was delivered, also when nothing more comes."""

    async def clear(self) -> int:
        """Takes away what it left at its far end; how many things that were. Raises Disconnected, Refused."""


async def nothing() -> Columns:
    """What its tags were, to an output that had no samples before."""
    return empty()


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an output gets from the house besides its Spec."""

    output: str
    """Name of the output in the plant file."""
    revision: Revision
    """What runs: assets, units, labels. When any of it changes that this output has to do with, it is opened anew."""
    tags: Mapping[int, TagSetting]
    """Number → tag, of all the tags it gets; former numbers of a tag do not come."""
    data: Path
    """The data directory: `pki/` lies in it, and `history/` for outputs that answer questions."""
    folder: Path
    """The output's own, where it keeps what it must remember from one start to the next; it exists."""
    last: Callable[[], Awaitable[Columns]] = nothing
    """The last live sample of each of its tags that it had before, ordered by tag number: what a far end that shows
    what is now should show at first. Raises Disconnected while the log is away."""


def nowhere(spec: Any, surroundings: Surroundings) -> Accepts:
    """`OutputKind.connect` of what is only shown; raises Refused."""
    raise Refused("nothing is handed over to outputs of this kind", where=surroundings.output)


@dataclass(frozen=True, slots=True)
class OutputKind:
    """One kind of output, as the registry finds it under the entry-point group `isthmus.outputs`."""

    name: str
    """The word in the plant file: `kind: mqtt`."""
    title: str
    spec: type[Spec]
    connect: Callable[[Any, Surroundings], Accepts]
    """(validated spec with secrets resolved, surroundings) → the output; connects nothing yet."""
    example: str
    """A runnable piece of plant file: the `outputs:` entry."""
    secrets: tuple[str, ...] = ()
    """Spec fields that must be written `!secret name`."""
    sole: Callable[[Mapping[str, Any]], Sequence[str]] = field(default=lambda config: ())
    """(own keys, as the plant file says them) → what no other system or output should also be: `the device at HOST`."""
    sole_hint: str = ""
    """What to do where two are the same."""
    shown: bool = False
    """Nothing is handed over to it: the API shows what its tags are. `connect` is then `nowhere`."""
    about: str = ""
    """What arrives at the far end, as Markdown for the page of outputs."""
    tested: tuple[str, ...] = ()
    """Far ends that it is tested against; none of them shares a library with it unless that is said."""
