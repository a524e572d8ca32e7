# SPDX-License-Identifier: Apache-2.0
"""The collector killed (SIGKILL) anywhere in a file: every row is in history, once, and the file goes to `done/`."""

from __future__ import annotations

import asyncio
import json
import random
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from isthmus.core.tag import DataType, Tag
from isthmus.plant.revision import SystemSetting, TagSetting
from isthmus.store.history.read import open_history
from isthmus.stream.log import open_log
from isthmus.stream.server import LogServer
from isthmus.systems.files.folder import Folder, Open, moved
from isthmus.systems.files.progress import Progress
from isthmus.systems.files.spec import FilesSpec
from tests.conftest import Until
from tests.contract.adapters import eventually
from tests.flow.floor import PLANT, Floor

ROWS = 20_000
START = 1_790_000_000_000


async def killed(folder: Path, until: Until, rounds: int) -> None:
    """Kills the collector so many times, in rounds of a file each."""
    chosen = random.Random(5)
    async with LogServer(folder / "log") as server:
        floor, drop = Floor(folder, server), folder / "drop"
        drop.mkdir()
        config = {"folder": str(drop), "every": "100ms", "settle": "0s"}
        tags = [TagSetting(tag=Tag(n, f"{PLANT}/lab/{c}", "", DataType.FLOAT, False), system="lab", address=c)
                for n, c in ((1, "one"), (2, "two"))]  # fmt: skip
        floor.apply([SystemSetting(name="lab", kind="files", config=config)], tags)
        expected: dict[int, list[tuple[int, float]]] = {1: [], 2: []}
        async with floor.recording():
            for number in range(rounds):
                name = f"{number:04d}.csv"
                rows = [(START + number * ROWS + i, i * 0.5, -i * 0.25) for i in range(ROWS)]
                hidden = drop / f".{name}"
                hidden.write_text("time,one,two\n" + "".join(f"{at},{one},{two}\n" for at, one, two in rows))
                hidden.rename(drop / name)
                expected[1] += [(at * 1_000_000, one) for at, one, _ in rows]
                expected[2] += [(at * 1_000_000, two) for at, _, two in rows]
                progress = folder / "run" / "files-lab.json"
                for _ in range(2):
                    await kill_within(folder, progress, name, chosen.randrange(ROWS))
                process = await started(folder)
                await until((drop / "done" / name).exists, f"{name} is done", within=240)
                process.kill()
                await process.wait()
                process._transport.close()  # type: ignore[attr-defined]  # else a ResourceWarning at collection

        async with (
            open_log(server.endpoint_of("serve"), name="read") as log,
            open_history(folder / "history", log) as read,
        ):
            for tag, wanted in expected.items():
                table = read.raw([tag])
                found = zip(table["time"].cast("int64").to_pylist(), table["value"].to_pylist(), strict=True)
                assert list(found) == wanted


async def started(folder: Path) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.files.dying", str(folder), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout
    async with asyncio.timeout(180):
        while b"ready" not in (line := await process.stdout.readline()):
            assert line, "the collector ended"
    return process


async def kill_within(folder: Path, progress: Path, name: str, line: int) -> None:
    """Kills it once the log has so much of the file, or all."""
    process = await started(folder)
    await eventually(lambda: not 0 <= reached(progress, name) < line, within=240)
    process.kill()
    await process.wait()
    process._transport.close()  # type: ignore[attr-defined]  # else a ResourceWarning at collection


def reached(progress: Path, name: str) -> int:
    with suppress(OSError):  # not there yet
        return next((line for key, line in json.loads(progress.read_bytes()).items() if key.startswith(name)), 0)
    return 0


async def test_a_collector_killed_in_the_middle_of_a_file_takes_each_row_once(tmp_path: Path, until: Until) -> None:
    await killed(tmp_path, until, 1)


class Death(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("where", ["done", "failed"])
@pytest.mark.parametrize("dies", ["before", "behind"])
def test_who_dies_around_putting_a_file_aside_leaves_none_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, dies: str
) -> None:
    drop, spec = tmp_path / "drop", FilesSpec.model_validate({"folder": str(tmp_path / "drop"), "settle": "0s"})
    drop.mkdir()
    (drop / "a.csv").write_text("time,one\n1790000000000,1\n")

    def dying(path: Path, target: Path) -> None:
        if dies == "behind":
            moved(path, target)
        raise Death

    def found() -> tuple[Folder, Open | None]:
        opened = Folder(spec, Progress(tmp_path / "progress.json"))
        return opened, opened.next()

    folder, file = found()
    assert file
    with monkeypatch.context() as patched, pytest.raises(Death):
        patched.setattr("isthmus.systems.files.folder.moved", dying)
        folder.finish(file, where)
    folder, file = found()
    assert (file is None) == (dies == "behind")
    if file:
        folder.finish(file, where)
    assert [one.relative_to(drop).as_posix() for one in drop.rglob("*.csv")] == [f"{where}/a.csv"]
    assert found()[1] is None


@pytest.mark.soak
async def test_a_hundred_files_and_two_hundred_kills(tmp_path: Path, until: Until) -> None:
    await killed(tmp_path, until, 100)
