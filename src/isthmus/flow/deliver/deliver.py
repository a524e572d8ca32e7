# SPDX-License-Identifier: Apache-2.0
"""What the `deliver` service does: every output of the plant, as the revision says.

A newly applied revision touches only what it changes: an output whose settings stay, and whose tags do, goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog

from isthmus.core.errors import IsthmusError, NotFound, Refused
from isthmus.core.threads import Threads
from isthmus.flow.deliver.origins import heard_of
from isthmus.flow.deliver.output import Output, run_output
from isthmus.flow.deliver.present import present
from isthmus.flow.deliver.reading import Heard
from isthmus.flow.end import end
from isthmus.flow.fitted import fitted
from isthmus.outputs.contract import Accepts, Surroundings
from isthmus.outputs.registry import delivers, output_kinds
from isthmus.plant.outputs import tags_of
from isthmus.plant.revision import OutputSetting, Place, Revision, TagSetting
from isthmus.store.history.state import State
from isthmus.store.ledger.files import RevisionFiles, read_pointer
from isthmus.stream.log import Log, LogState

LOOK: Final = 1.0
"""Seconds between two looks at which revision is current, and at how far the log goes."""

PATIENCE: Final = 10.0
"""Seconds that a new revision waits for outputs that end."""

THREADS: Final = 256
"""Blocking steps at once. A far end that is frozen holds a thread or two until it is given up: not those of others."""

say = structlog.get_logger("deliver")


@dataclass(slots=True)
class _Running:
    """An output and the task that runs it."""

    output: Output
    wiring: bytes
    """What it was opened with; while this stays, the output goes on."""
    task: asyncio.Task[None]


@dataclass(slots=True)
class Deliverer:
    """All outputs of a plant."""

    log: Log
    data: Path
    running: dict[str, _Running] = field(default_factory=dict)
    ending: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    """Outputs that were told to end and took their time: what they have open is not opened again before."""
    revision: int = 0

    def describe(self, log: LogState | None) -> dict[str, Any]:
        """For status."""
        outputs = {name: running.output.describe(log) for name, running in sorted(self.running.items())}
        return {"revision": self.revision, "outputs": outputs}


def folder_of(data: Path, output: str) -> Path:
    """Where an output's book is."""
    return data / "outputs" / output


async def deliver(
    log: Log,
    data: Path,
    *,
    ready: Callable[[], None],
    stop: asyncio.Event,
    report: Callable[[dict[str, Any]], None],
) -> None:
    """Delivers until `stop`; the positions reached are on disk when it returns."""
    asyncio.get_running_loop().set_default_executor(Threads(THREADS, "deliver"))
    deliverer = Deliverer(log, data)
    said = False
    async with asyncio.TaskGroup() as group:
        while not stop.is_set():
            await _follow(deliverer, group)
            report(deliverer.describe(await _state(log)))
            if deliverer.revision and not said:
                said = True
                ready()
            await _pause(stop)
        await end([*(running.task for running in deliverer.running.values()), *deliverer.ending.values()], _slow)


def _slow(output: str) -> None:
    say.warning("takes long to end", output=output)


async def _state(log: Log) -> LogState | None:
    try:
        return await log.state(patience=2.0)
    except IsthmusError:
        return None


async def _pause(stop: asyncio.Event) -> None:
    try:
        await asyncio.wait_for(stop.wait(), LOOK)
    except TimeoutError:
        return


async def _follow(deliverer: Deliverer, group: asyncio.TaskGroup) -> None:
    """Arranges what a newly applied revision changes; while that cannot be done, everything stays as it is."""
    try:
        pointed = read_pointer(deliverer.data / "revisions")
        if pointed is not None and pointed.number != deliverer.revision:
            revision = await asyncio.to_thread(RevisionFiles(deliverer.data / "revisions").current)
            if revision is None:
                raise NotFound(f"no revision is applied in {deliverer.data}", hint="isthmus apply PLANT")
            await _arrange(deliverer, revision, group)
    except (OSError, ValueError, IsthmusError) as error:
        say.error("the current revision does not run yet", problem=str(error), running=deliverer.revision)


async def _arrange(deliverer: Deliverer, revision: Revision, group: asyncio.TaskGroup) -> None:
    """Makes what runs be what `revision` says; what it does not change goes on untouched."""
    wanted = {output.name: output for output in revision.outputs if delivers(output.kind)}
    tags = {name: tags_of(setting, revision.tags) for name, setting in wanted.items()}
    wiring = {name: _wiring(setting, tags[name], revision) for name, setting in wanted.items()}
    changed = [name for name, running in deliverer.running.items() if running.wiring != wiring.get(name)]
    await asyncio.gather(*(_close(deliverer, name) for name in changed))
    for name in [name for name in wanted if name not in deliverer.running]:
        output = _output(deliverer, wanted[name], tags[name], revision)
        task = group.create_task(run_output(output, after=deliverer.ending.get(name)), name=name)
        deliverer.running[name] = _Running(output, wiring[name], task)
    deliverer.revision = revision.number


def _wiring(setting: OutputSetting, tags: tuple[TagSetting, ...], revision: Revision) -> bytes:
    """All that an output can notice of a revision; where things stand in the file is none of it."""
    nowhere = Place("", 0)
    above = _above(setting.tag.path for setting in tags)
    assets = [asset for asset in revision.assets if asset.path in above]
    parts = (setting, *assets, *tags)
    return msgspec.msgpack.encode([revision.plant, *(msgspec.structs.replace(one, place=nowhere) for one in parts)])


def _above(paths: Iterable[str]) -> set[str]:
    """Every place that one of the paths lies below."""
    found: set[str] = set()
    for path in paths:
        place = path.rpartition("/")[0]
        while place and place not in found:
            found.add(place)
            place = place.rpartition("/")[0]
    return found


async def _close(deliverer: Deliverer, name: str) -> None:
    """Ends an output; one that takes too long is waited for by the next of its name."""
    running = deliverer.running.pop(name)
    running.task.cancel()
    await asyncio.wait((running.task,), timeout=PATIENCE)
    if not running.task.done():
        _slow(name)
        deliverer.ending[name] = running.task


def _output(deliverer: Deliverer, setting: OutputSetting, tags: tuple[TagSetting, ...], revision: Revision) -> Output:
    systems = {one.tag.number: one.system for one in tags}
    heard = partial(heard_of, deliverer.data / "revisions", systems)
    return Output(
        setting=setting,
        systems=systems,
        heard=heard,
        folder=folder_of(deliverer.data, setting.name),
        history=deliverer.data / "history",
        connect=_connect(setting, tags, revision, deliverer, heard),
        log=deliverer.log,
    )


def _connect(
    setting: OutputSetting, tags: tuple[TagSetting, ...], revision: Revision, deliverer: Deliverer, heard: Heard
) -> Callable[[State], Accepts]:
    """What makes an output of its kind; its secrets are looked up then."""
    numbers, data, log = {one.tag.number: one for one in tags}, deliverer.data, deliverer.log

    def connect(delivered: State) -> Accepts:
        kind = output_kinds().get(setting.kind)
        if kind is None:
            known = ", ".join(sorted(output_kinds()))
            raise Refused(f"no kind of output {setting.kind!r} is installed here", hint=f"kinds: {known}")
        spec = fitted(kind.spec, setting.config, data, setting.name)
        last = partial(present, data / "history", log, numbers, delivered, heard)
        return kind.connect(
            spec, Surroundings(setting.name, revision, numbers, data, folder_of(data, setting.name), last)
        )

    return connect
