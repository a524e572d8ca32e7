# SPDX-License-Identifier: Apache-2.0
"""The Parquet share: what readers outside find in it, whoever dies: every sample, once, and no file that changes."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import shutil
import threading
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest

from isthmus.app.backup import back_up, restore
from isthmus.app.run.place import Place as RunPlace
from isthmus.core.errors import Damaged, Disconnected, Refused
from isthmus.core.quality import Mark
from isthmus.core.tag import DataType, Tag
from isthmus.core.time import SECOND, now, to_iso
from isthmus.outputs.contract import Delivery, Surroundings
from isthmus.outputs.parquet import hour
from isthmus.outputs.parquet import share as share_
from isthmus.outputs.parquet.listing import Files
from isthmus.outputs.parquet.share import ParquetSpec, Share
from isthmus.outputs.parquet.stage import Stage
from isthmus.plant.revision import OutputSetting, Revision, TagSetting
from isthmus.store.history.columns import Columns, empty, join
from tests.conftest import Until
from tests.deliver.plant import PLANT, TAGS, Plant, plant

HOUR = 3600 * SECOND
PAST = now() // HOUR * HOUR - 48 * HOUR
AHEAD = now() // HOUR * HOUR + 2 * HOUR
"""An hour that is not over while the tests run, whenever they begin."""
TYPES = {1: DataType.FLOAT, 2: DataType.INTEGER, 3: DataType.TEXT, 4: DataType.BOOLEAN}


def lake(folder: Path, **config: Any) -> OutputSetting:
    return OutputSetting(name="lake", kind="parquet", config={"folder": str(folder), "settle": "0s", **config}, tags=())


def setting(number: int) -> TagSetting:
    tag = Tag(number, f"{PLANT}/hall/tank-{9 - number}/level", "m", TYPES[number], False)
    return TagSetting(tag=tag, system="dcs", address=f"level-{number}")


def house(folder: Path) -> Surroundings:
    revision = Revision(number=1, created=0, author="test", comment="", plant=PLANT, time_zone="UTC", systems=(),
                        assets=(), tags=(), outputs=())  # fmt: skip
    (folder / "own").mkdir(exist_ok=True, parents=True)
    tags = {number: setting(number) for number in TYPES}
    return Surroundings("lake", revision, tags, folder, folder / "own")


def output(folder: Path, **config: Any) -> Share:
    return Share(ParquetSpec(folder=str(folder / "lake"), **{"settle": "0s", **config}), house(folder))


def samples(times: Iterable[int], values: Iterable[float], tag: int = 1, mark: int = 0) -> Columns:
    at = np.array(list(times), np.int64)
    made = empty(len(at))
    made.tag[:], made.time[:], made.seen[:], made.value[:] = tag, at, at + 5, list(values)
    made.mark[:] = mark
    return made


async def deliver(share: Share, *parts: Columns) -> None:
    """Hands over, and once more nothing, so that what is due is written."""
    async with share.open() as sink:
        for part in parts:
            await sink.write(Delivery(part))
        await sink.write(Delivery(empty()))


def listed(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((folder / "manifest.json").read_text())["files"]
    return found


def files(folder: Path) -> list[str]:
    return [str(folder / one["file"]) for one in listed(folder)]


def everywhere(folder: Path) -> list[str]:
    """What a reader finds who does not go by the manifest."""
    return [str(path) for path in folder.glob("day=*/*.parquet")]


def contents(paths: Iterable[str]) -> dict[str, bytes]:
    return {path: Path(path).read_bytes() for path in paths}


def rows(paths: Iterable[str]) -> list[tuple[str, int, float]]:
    """(tag, ns, value) of all samples, in order."""
    found = list[tuple[str, int, float]]()
    for path in paths:
        table = pq.read_table(path, columns=["tag", "nanoseconds", "value"], partitioning=None)
        found += zip(*(table[one].to_pylist() for one in table.column_names), strict=True)
    return sorted(found)


async def test_pandas_polars_and_duckdb_read_every_value_time_and_quality(tmp_path: Path) -> None:
    at = PAST + 7 * SECOND + 123_456_789
    whole = samples([at, at + 1], [np.nan, np.nan], 2)
    whole.integer[:], whole.whole[:] = (2**62 + 1, -5), True
    text = samples([at], [np.nan], 3)
    text = Columns(("Würze",), *text.arrays())
    text.text[:] = 1
    bad = samples([at + 2], [np.nan], 1, Mark.OUT_OF_RANGE)
    bad.quality[:] = 0x808C_0000
    share = output(tmp_path)
    await deliver(share, join([samples([at, at + HOUR], [1.5, 2.5]), whole, text, bad, samples([at], [1.0], 4)]))
    folder = tmp_path / "lake"
    paths = files(folder)
    assert len(paths) == 2
    frame = pd.concat(pd.read_parquet(path) for path in paths).sort_values(["tag", "nanoseconds"])
    level = f"{PLANT}/hall/tank-8/level"
    mine = frame[frame.tag == level]
    assert mine.value.tolist()[0] == 1.5 and mine.value.tolist()[2] == 2.5 and np.isnan(mine.value.tolist()[1])
    assert mine.quality.tolist() == ["Good", "BadSensorFailure", "Good"] and mine.marks.tolist()[1] == "out of range"
    assert mine.time.iloc[0] == pd.Timestamp(at // 1000 * 1000, unit="ns", tz="UTC")
    assert mine.nanoseconds.iloc[0] == at and set(mine.unit) == {"m"}
    theirs = pl.scan_parquet(paths).sort("tag", "nanoseconds").collect()
    assert theirs["integer"].drop_nulls().to_list() == [2**62 + 1, -5]
    assert theirs["text"].drop_nulls().to_list() == ["Würze"]
    assert theirs["time"].dt.epoch("us").to_list() == [ns // 1000 for ns in theirs["nanoseconds"].to_list()]
    found = duckdb.sql(
        f"SELECT tag, epoch_us(time), nanoseconds, day FROM read_parquet('{folder}/day=*/*.parquet') ORDER BY 1, 3"
    ).fetchall()
    assert [(tag, us, ns) for tag, us, ns, _ in found] == [
        (tag, ns // 1000, ns) for tag, ns in theirs.select("tag", "nanoseconds").rows()
    ]
    assert {str(day) for *_, day in found} == {to_iso(at)[:10], to_iso(at + HOUR)[:10]}
    for one in listed(folder):
        data = (folder / one["file"]).read_bytes()
        assert one["bytes"] == len(data) and one["sha256"] == hashlib.sha256(data).hexdigest()
    assert sum(one["rows"] for one in listed(folder)) == len(frame) == 7


async def test_what_comes_late_goes_into_another_file_and_no_file_changes(tmp_path: Path) -> None:
    share, folder = output(tmp_path), tmp_path / "lake"
    await deliver(share, samples([PAST, PAST + 1], [1.0, 2.0]))
    before = contents(files(folder))
    await deliver(share, samples([PAST + 2, PAST + HOUR], [3.0, 4.0]))
    assert len(files(folder)) == 3 and [value for *_, value in rows(files(folder))] == [1.0, 2.0, 3.0, 4.0]
    assert contents(before) == before
    assert [one["hour"] for one in listed(folder)] == [to_iso(PAST), to_iso(PAST), to_iso(PAST + HOUR)]


async def test_an_hour_that_is_not_over_is_staged_and_survives(tmp_path: Path) -> None:
    share, folder = output(tmp_path, settle="1m"), tmp_path / "lake"
    await deliver(share, samples([AHEAD, PAST], [1.0, 2.0]))
    assert not files(folder) and Stage(tmp_path / "own" / "stage").rows == 2
    await deliver(output(tmp_path), empty())
    assert [value for *_, value in rows(files(folder))] == [2.0]
    assert Stage(tmp_path / "own" / "stage").rows == 1


async def test_the_same_sample_is_written_once_however_often_it_comes(tmp_path: Path) -> None:
    share, folder = output(tmp_path), tmp_path / "lake"
    part = samples(range(PAST, PAST + 100), range(100))
    other = samples(range(PAST, PAST + 100), range(100), 4)
    moved = samples(range(PAST, PAST + 100), range(1, 101))  # other values at the same times: all of them are real
    nan = samples([PAST], [np.nan])
    await deliver(share, part, part, nan)
    await deliver(share, part.pick(slice(50, 100)), samples([PAST + 200], [7.0]), nan)
    await deliver(share, part, other, moved, nan)
    found = rows(files(folder))
    assert len(found) == 302 and len([1 for *_, value in found if value == value]) == len(
        {r for r in found if r[2] == r[2]}
    )


async def test_very_many_samples_of_an_hour_are_more_than_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(share_, "MOST", 1000)
    share, folder = output(tmp_path), tmp_path / "lake"
    parts = [samples(range(AHEAD + i, AHEAD + i + 400), range(400)) for i in range(0, 4000, 400)]
    await deliver(share, *parts)
    assert len(files(folder)) >= 3
    assert Stage(tmp_path / "own" / "stage").rows + len(rows(files(folder))) == 4000


async def test_long_texts_do_not_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(share_, "MOST_BYTES", 100_000)
    share, folder = output(tmp_path), tmp_path / "lake"
    parts = list[Columns]()
    for second in range(10):
        rows_ = samples([AHEAD + second], [np.nan], tag=3)
        rows_.text[:] = 1
        parts.append(Columns((str(second) * 60_000,), *rows_.arrays()))
    await deliver(share, *parts)
    assert len(files(folder)) >= 3
    stage = Stage(tmp_path / "own" / "stage")
    assert stage.bytes < 200_000
    assert stage.rows + len(rows(files(folder))) == 10


class Death(BaseException):
    """A sudden end."""


@pytest.mark.parametrize("where", ["write", "save", "drop"])
async def test_a_sudden_end_while_files_are_written_doubles_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """Before and after each step: a reader who does not go by the manifest sees nothing twice either."""
    parts = [samples(range(PAST + i * HOUR, PAST + i * HOUR + 10), range(10)) for i in range(3)]
    holder, name = {"write": (share_, "write"), "save": (Files, "save"), "drop": (Stage, "drop")}[where]
    real: Callable[..., Any] = getattr(holder, name)
    for count in range(1, 7):
        calls = iter(range(1, 100))

        def dying(*said: Any, calls: Any = calls, count: int = count) -> Any:
            turn = next(calls)
            if turn == count:
                raise Death
            found = real(*said)
            if turn + 1 == count and where == "write":
                raise Death
            return found

        shutil.rmtree(tmp_path / "lake", ignore_errors=True)
        shutil.rmtree(tmp_path / "own", ignore_errors=True)
        with monkeypatch.context() as patched:
            patched.setattr(holder, name, dying)
            try:
                await deliver(output(tmp_path), *parts)
            except Death:
                found = rows(everywhere(tmp_path / "lake"))
                assert len(found) == len(set(found))
        await deliver(output(tmp_path), *parts)  # what was not committed comes again
        found = rows(everywhere(tmp_path / "lake"))
        assert len(found) == len(set(found)) == 30
        assert sorted(everywhere(tmp_path / "lake")) == sorted(files(tmp_path / "lake"))


async def test_a_stage_whose_end_is_torn_off_keeps_what_is_whole(tmp_path: Path) -> None:
    share = output(tmp_path)
    await deliver(share, samples([AHEAD], [1.0]), samples([AHEAD + 1], [2.0]))
    path = tmp_path / "own" / "stage"
    data = path.read_bytes()
    for end in range(0, len(data), 41):
        path.write_bytes(data[:end])
        assert Stage(path).rows == (1 if end >= len(data) // 2 else 0)
        assert Stage(path).rows == (1 if end >= len(data) // 2 else 0)
    path.write_bytes(data + b"\0" * 100)
    assert Stage(path).rows == 2
    path.write_bytes(data[:40] + b"!" + data[41:])
    with pytest.raises(Damaged, match="not what was written"):
        Stage(path)


async def test_old_files_leave_the_manifest_then_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "lake"
    await deliver(output(tmp_path), samples([PAST, now() - 3 * HOUR], [1.0, 2.0]))
    assert len(files(folder)) == 2
    await deliver(output(tmp_path, keep="1d"), samples([PAST + 5], [3.0]))
    assert [value for *_, value in rows(files(folder))] == [2.0]
    assert len(everywhere(folder)) == 1  # it was old for longer than the grace
    assert not list(folder.glob(f"day={to_iso(PAST)[:10]}"))


async def test_a_share_that_is_gone_is_waited_for_and_a_foreign_folder_refused(tmp_path: Path) -> None:
    share, folder = output(tmp_path), tmp_path / "lake"
    await deliver(share, samples([PAST], [1.0]))
    folder.rename(tmp_path / "unmounted")
    with pytest.raises(Disconnected, match="not there any more"):
        await deliver(share, empty())
    folder.mkdir()
    with pytest.raises(Disconnected, match="not there any more"):
        await deliver(share, empty())
    folder.rmdir()
    (tmp_path / "unmounted").rename(folder)
    await deliver(share, samples([PAST + 1], [2.0]))
    assert len(rows(files(folder))) == 2
    (folder / "manifest.json").unlink()  # it is made again of the files
    await deliver(share, empty())
    assert len(rows(files(folder))) == 2
    shutil.rmtree(tmp_path / "own")
    said = (folder / "manifest.json").read_text()
    (folder / "manifest.json").write_text(said.replace('"lake"', '"other"', 1))
    with pytest.raises(Refused, match="share of output other"):
        await deliver(output(tmp_path), empty())
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").touch()
    with pytest.raises(Disconnected, match=r"holds cat\.jpg"):
        await deliver(Share(ParquetSpec(folder=str(tmp_path / "photos")), house(tmp_path)), empty())


async def test_nonsense_in_a_share_is_named_or_left_alone_and_nothing_is_lost(tmp_path: Path) -> None:
    share, folder = output(tmp_path), tmp_path / "lake"
    await deliver(share, samples([PAST], [1.0]))
    strange = folder / f"day={to_iso(PAST)[:10]}" / "07-0123456789ab.parquet"  # called like one of ours
    strange.write_bytes(random.Random(1).randbytes(5000))
    (folder / "manifest.json").write_bytes(random.Random(2).randbytes(500))
    with pytest.raises(Disconnected, match="the manifest cannot be read") as error:
        await deliver(share, samples([PAST + 1], [2.0]))
    assert "remove it: it is made again from the files" in str(error.value)
    (folder / "manifest.json").unlink()
    await deliver(share, samples([PAST + 1], [2.0]))
    assert [value for *_, value in rows(files(folder))] == [1.0, 2.0] and strange.exists()
    with pytest.raises(Disconnected, match=r"Not a directory|File exists"):
        await deliver(Share(ParquetSpec(folder=str(strange)), house(tmp_path / "other")), empty())


async def test_nothing_is_written_where_a_drive_was_that_went_while_the_share_was_open(tmp_path: Path) -> None:
    share, folder = output(tmp_path), tmp_path / "lake"
    async with share.open() as sink:
        await sink.write(Delivery(samples([PAST], [1.0])))
        folder.rename(tmp_path / "unmounted")
        folder.mkdir()
        for delivery in (empty(), samples([PAST + 1], [2.0])):
            with pytest.raises(Disconnected, match="not there any more"):
                await sink.write(Delivery(delivery))
    assert not list(folder.iterdir())
    folder.rmdir()
    (tmp_path / "unmounted").rename(folder)
    await deliver(share, samples([PAST + 1], [2.0]))
    assert len(rows(files(folder))) == 2


async def test_a_share_that_is_closed_while_it_writes_is_closed_when_that_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    share, folder = output(tmp_path), tmp_path / "lake"
    begun, go_on, real = threading.Event(), threading.Event(), hour.write

    def slowly(*said: Any) -> Any:
        begun.set()
        go_on.wait(60)
        return real(*said)

    monkeypatch.setattr("isthmus.outputs.parquet.share.write", slowly)
    task = asyncio.create_task(deliver(share, samples([PAST], [1.0])))
    await until(begun.is_set, "it writes")
    task.cancel()
    await asyncio.wait((task,), timeout=0.2)
    assert not task.done()
    go_on.set()
    await asyncio.wait((task,), timeout=90)
    assert task.cancelled()
    await deliver(output(tmp_path), samples([PAST], [1.0]), samples([PAST + 1], [2.0]))
    assert len(rows(everywhere(folder))) == 2


async def test_a_disk_that_is_full_stops_the_share_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    share = output(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr("isthmus.outputs.parquet.hour.pq.write_table", full)
        with pytest.raises(Disconnected, match="No space left"):
            await deliver(share, samples([PAST], [1.0]))
    await deliver(share, samples([PAST], [1.0]))
    assert len(rows(everywhere(tmp_path / "lake"))) == 1
    assert not list((tmp_path / "lake").glob("day=*/.*"))


async def kills(floor: Plant, folder: Path, until: Until, how_often: int) -> None:
    """The deliverer's process is killed in every phase while samples of hours that are over flow."""
    chance = random.Random(3)
    floor.apply([lake(folder)])
    async with floor.recording():
        floor.start()
        for _ in range(how_often):
            await until(lambda: floor.told("lake").get("state") == "connected", "connected")
            for _ in range(6):
                await floor.publish(20, every=3 * SECOND)
                await asyncio.sleep(0.02)
            await asyncio.sleep(chance.random() * 0.4)  # the phase in which it dies
            floor.kill()
            found = rows(everywhere(folder))
            assert len(found) == len(set(found))
            floor.start()
        await until(lambda: len(rows(everywhere(folder))) == floor.sent * TAGS, "every sample")
        assert floor.stop() == 0
    found = rows(files(folder))
    assert len(found) == len(set(found)) == floor.sent * TAGS
    values = {value for *_, value in found}
    assert values == set(map(float, range(floor.sent)))


async def test_a_deliverer_that_is_killed_again_and_again_loses_and_doubles_nothing(
    floor: Plant, tmp_path: Path, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.deliver.plant.AT", PAST)
    await kills(floor, tmp_path / "lake", until, 2)


async def test_what_waits_for_its_hour_is_in_a_backup(
    tmp_path: Path, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.deliver.plant.AT", AHEAD)
    async with plant(tmp_path / "data") as floor, floor.recording():
        floor.apply([lake(tmp_path / "lake", settle="1h")])
        async with floor.delivering() as told:
            await until(lambda: told.get("lake", {}).get("state") == "connected", "connected")
            await floor.publish(10)
            await until(lambda: told["lake"]["delivered"] == 10 * TAGS, "delivered")
    await back_up(RunPlace(tmp_path / "data"), tmp_path / "backup", lambda *_: None)
    await asyncio.to_thread(restore, tmp_path / "backup", RunPlace(tmp_path / "restored"), lambda *_: None)
    assert Stage(tmp_path / "restored" / "outputs" / "lake" / "stage").rows == 10 * TAGS


@pytest.mark.soak
async def test_two_hundred_kills_of_the_share(
    floor: Plant, tmp_path: Path, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.deliver.plant.AT", PAST - 24 * HOUR)
    await kills(floor, tmp_path / "lake", until, 200)


@pytest.mark.soak
async def test_spark_reads_the_share(tmp_path: Path) -> None:
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java, and there is none on this machine")
    spark_ = pytest.importorskip("pyspark.sql", reason="PySpark is missing: make soak installs it")
    at = PAST + 123_456_789
    await deliver(
        output(tmp_path), join([samples([at + i * HOUR for i in range(30)], range(30)), samples([at], [1.0], 4)])
    )
    spark = await asyncio.to_thread(
        partial(spark_.SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate)
    )
    try:
        frame = spark.read.parquet(str(tmp_path / "lake"))
        found = frame.selectExpr("tag", "unix_micros(time) AS us", "nanoseconds", "value", "day").collect()
    finally:
        spark.stop()
    theirs = sorted((row.tag, row.nanoseconds, row.value) for row in found)
    assert theirs == rows(files(tmp_path / "lake")) and len(theirs) == 31
    assert all(row.us == row.nanoseconds // 1000 for row in found)
    assert {str(row.day) for row in found} == {to_iso(at + i * HOUR)[:10] for i in range(30)}
