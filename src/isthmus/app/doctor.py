# SPDX-License-Identifier: Apache-2.0
"""What on this machine would stop a plant or limit it: each examination looks at one thing and changes nothing."""

from __future__ import annotations

import os
import platform
import resource
import shutil
import socket
import sqlite3
import subprocess
import tempfile
import time as clock
from collections.abc import Iterator
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec
import psutil

from isthmus.app.run.place import Place
from isthmus.core.errors import IsthmusError
from isthmus.core.time import to_iso
from isthmus.store.history.folder import Folder
from isthmus.store.history.inventory import inventory
from isthmus.store.history.manifest import Manifest
from isthmus.stream.child import binary

MANY_SEGMENTS: Final = 1000
"""Segments that should long have been compacted."""
WRITES: Final = 200
"""Safe writes that are measured."""
LONGEST: Final = 5.0
"""s that measuring may take."""
GIGABYTE: Final = 1 << 30
LEAST_DISK: Final = GIGABYTE // 2
"""Below this much free disk nothing works for long."""
GOOD_DISK: Final = 10 * GIGABYTE
LEAST_MEMORY: Final = GIGABYTE // 2
GOOD_MEMORY: Final = 2 * GIGABYTE
GOOD_FILES: Final = 4096
SLOW_WRITE: Final = 0.020
"""s: a safe write slower than this limits a plant of many collectors."""


class Verdict(StrEnum):
    """What a finding means for a plant."""

    FINE = "fine"
    LIMITS = "limits"
    STOPS = "stops"


class Finding(msgspec.Struct, frozen=True):
    """What one examination found."""

    verdict: Verdict
    subject: str
    what: str
    hint: str = ""


def examine(place: Place, port: int = 0) -> Iterator[Finding]:
    """Every examination, one after the other."""
    yield from (python(), log_server(), directory(place), lock(place))
    folder = _existing(place.root)
    yield from (disk(folder), safe_write(folder), memory(), open_files(), wall_clock(), time_sync())
    if (place.history / "manifest.db").exists():
        yield history(place)
    if port:
        yield free_port(port)


def _finding(subject: str, what: str, *, stops: bool = False, limits: bool = False, hint: str = "") -> Finding:
    verdict = Verdict.STOPS if stops else Verdict.LIMITS if limits else Verdict.FINE
    return Finding(verdict, subject, what, hint if verdict is not Verdict.FINE else "")


def python() -> Finding:
    linux = platform.system() == "Linux"
    what = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    hint = "only Linux is tested: on a crash of the supervisor its services may go on without it"
    return _finding("Python", what, limits=not linux, hint=hint)


def log_server() -> Finding:
    try:
        path = binary()
        said = subprocess.run([str(path), "--version"], capture_output=True, text=True, timeout=10, check=True)
    except IsthmusError as error:
        return _finding("log server", error.what, stops=True, hint=error.hint)
    except (OSError, subprocess.SubprocessError) as error:
        return _finding("log server", f"nats-server does not start: {error}", stops=True, hint="reinstall isthmus")
    return _finding("log server", said.stdout.strip())


def directory(place: Place) -> Finding:
    folder = _existing(place.root)
    writable = os.access(folder, os.W_OK | os.X_OK)
    state = "exists" if folder == place.root.absolute() else "will be made"
    what = f"{place.root} {state}, {'writable' if writable else 'not writable'}"
    return _finding("data directory", what, stops=not writable, hint="choose another with --data, or change its owner")


def lock(place: Place) -> Finding:
    holder = place.holder()
    if holder is None:
        return _finding("in use", "nobody uses the data directory")
    return _finding("in use", f"by {holder}")


def disk(folder: Path) -> Finding:
    usage = shutil.disk_usage(folder)
    what = f"{usage.free / GIGABYTE:.1f} GiB free of {usage.total / GIGABYTE:.1f}"
    hint = (
        "the log refuses samples when the disk is nearly full; a plant of 1,000 tags at 1 Hz writes about 0.5 GB a day"
    )
    return _finding("disk", what, stops=usage.free < LEAST_DISK, limits=usage.free < GOOD_DISK, hint=hint)


def safe_write(folder: Path) -> Finding:
    """The price of a write that survives a power cut (fsync), which every message of the log pays once."""
    try:
        times = sorted(fsyncs(folder))
    except OSError as error:
        return _finding("safe writes", f"cannot be measured: {error.strerror}", limits=True, hint="see data directory")
    middle, late = times[len(times) // 2], times[int(len(times) * 0.99)]
    what = (
        f"fsync p50 {middle * 1000:.1f} ms, p99 {late * 1000:.1f} ms: "
        f"about {1 / max(late, 1e-5):,.0f} messages a second, of up to a few thousand samples each"
    )
    hint = "more than a few collectors will wait for each other: a disk with power-loss protection is much faster"
    return _finding("safe writes", what, limits=late > SLOW_WRITE, hint=hint)


def fsyncs(folder: Path) -> Iterator[float]:
    """Seconds of each of some safe writes of 4 kB."""
    until = clock.monotonic() + LONGEST
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(WRITES):
            began = clock.perf_counter()
            file.write(b"\0" * 4096)
            file.flush()
            os.fsync(file.fileno())
            yield clock.perf_counter() - began
            if clock.monotonic() > until:
                return


def history(place: Place) -> Finding:
    """Whether compacting keeps up with recording, and whether files had to be set aside."""
    folder = Folder(place.history)
    try:
        with closing(Manifest.open(folder.manifest, reading=True)) as manifest:
            held, damaged = inventory(folder, manifest), len(manifest.damaged())
    except (IsthmusError, OSError, sqlite3.Error) as error:
        hint = "the recorder makes the manifest again from the files when it starts"
        return _finding("history", f"the manifest cannot be read: {error}", limits=True, hint=hint)
    size = sum(kind.bytes for kind in (held.segments, held.runs, held.days, held.derived)) / GIGABYTE
    last = f"days last written {to_iso(held.compacted)[:19]}Z" if held.compacted else "not compacted yet"
    what = f"{held.days.files} days, {held.runs.files} runs, {held.segments.files} segments, {size:.1f} GiB; {last}"
    if damaged:
        hint = "isthmus events names them and what is lost; the files are in history/damaged"
        return _finding("history", f"{what}; {damaged} files were damaged", limits=True, hint=hint)
    hint = "compacting does not keep up: see run/tend.log, or do it now with `isthmus history compact`"
    return _finding("history", what, limits=held.segments.files > MANY_SEGMENTS, hint=hint)


def memory() -> Finding:
    available = psutil.virtual_memory().available
    what = f"{available / GIGABYTE:.1f} GiB available, {psutil.cpu_count()} processors"
    hint = "a small plant takes about 0.5 GiB"
    return _finding("memory", what, stops=available < LEAST_MEMORY // 4, limits=available < GOOD_MEMORY, hint=hint)


def open_files() -> Finding:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = hard == resource.RLIM_INFINITY or hard >= GOOD_FILES
    shown = "unlimited" if hard == resource.RLIM_INFINITY else f"{hard:,}"
    return _finding(
        "open files", f"at most {shown}", limits=not enough, hint="raise it: ulimit -n 65536, or LimitNOFILE="
    )


def wall_clock() -> Finding:
    """A clock before this program was made puts every sample into the past."""
    year = clock.gmtime().tm_year
    what = clock.strftime("%Y-%m-%dT%H:%M:%SZ", clock.gmtime())
    return _finding("clock", what, stops=not 2026 <= year < 2200, hint="set the clock: samples are stored by it")


def time_sync() -> Finding:
    """Whether something keeps the clock right: the kernel knows (adjtimex(2)), as `timedatectl` shows it."""
    synchronised = _synchronised()
    if synchronised is None:
        return _finding("time sync", "cannot be asked", limits=True, hint="see that NTP or PTP keeps this clock right")
    what = "the clock is kept right" if synchronised else "nothing keeps the clock right"
    return _finding("time sync", what, limits=not synchronised, hint="set up chrony or systemd-timesyncd")


def _synchronised() -> bool | None:
    """None when the kernel does not say."""
    import ctypes

    try:
        adjtimex = ctypes.CDLL(None, use_errno=True).adjtimex
    except (OSError, AttributeError):
        return None
    state = adjtimex(ctypes.create_string_buffer(512))  # struct timex is 208 bytes; modes = 0 only reads
    return None if state < 0 else bool(state != 5)  # 5: TIME_ERROR, the clock is not synchronised


def free_port(port: int) -> Finding:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            return _finding(
                f"port {port}", f"not free: {error.strerror}", stops=True, hint="choose another with --port"
            )
    return _finding(f"port {port}", "free")


def _existing(path: Path) -> Path:
    """`path`, or the nearest folder above it that exists."""
    return next(folder for folder in (path.absolute(), *path.absolute().parents) if folder.exists())
