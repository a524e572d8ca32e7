# SPDX-License-Identifier: Apache-2.0
"""Kept files and the manifest that lists them: runs, replacing, leaving, bookmarks, an older manifest."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from isthmus.core.errors import InUse, IsthmusError, NotFound
from isthmus.core.quality import Mark
from isthmus.store.history.adopt import open_manifest
from isthmus.store.history.columns import Columns, empty
from isthmus.store.history.folder import Folder
from isthmus.store.history.kept import DAY, Bookmark, Kind
from isthmus.store.history.manifest import Manifest
from isthmus.store.history.read import open_history
from isthmus.store.history.runs import write_run
from isthmus.store.history.tend import tended


def columns(*rows: tuple[int, int, float], mark: int = 0) -> Columns:
    """Samples of (tag, time, value)."""
    found = empty(len(rows))
    for i, (tag, time, value) in enumerate(rows):
        found.tag[i], found.time[i], found.seen[i], found.value[i] = tag, time, time, value
    found.mark[:] = mark
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    found = Folder(tmp_path / "history")
    open_manifest_of(found)
    return found


def open_manifest_of(folder: Folder) -> None:
    folder.make()
    open_manifest(folder).close()


async def test_a_run_is_read_with_its_bookmark(folder: Folder) -> None:
    with tended(folder.root) as manifest:
        kept = write_run(
            folder.root, manifest, columns((2, 5, 1.0), (1, 9, 2.0), (1, 7, 3.0)), bookmark=Bookmark("a", b"line 3")
        )
        assert (kept.kind, kept.rows, kept.first_time, kept.last_time) == (Kind.RUN, 3, 5, 9)
        assert manifest.kept() == [kept]
        assert manifest.bookmark("a") == b"line 3"
        second = write_run(folder.root, manifest, columns((1, 7, 4.0)))
        assert [run.number for run in manifest.kept(Kind.RUN)] == [kept.number, second.number]
    async with open_history(folder.root) as history:
        assert history.raw([1, 2])["value"].to_pylist() == [3.0, 4.0, 2.0, 1.0]
        assert history.rows == 4
        assert history.last()["value"].to_pylist() == [2.0, 1.0]


async def test_neither_an_imported_sample_nor_a_correction_of_it_is_ever_the_latest(folder: Folder) -> None:
    with tended(folder.root) as manifest:
        write_run(folder.root, manifest, columns((1, DAY, 1.0)))
        for marks in (Mark.HISTORICAL, Mark.HISTORICAL | Mark.CORRECTED):
            write_run(folder.root, manifest, columns((1, DAY, 3.0), (1, 2 * DAY, 2.0), (2, 1, 2.0), mark=marks))
            assert manifest.latest().value.tolist() == [1.0]


async def test_a_correction_of_a_live_sample_is_the_latest_where_that_was(folder: Folder) -> None:
    with tended(folder.root) as manifest:
        write_run(folder.root, manifest, columns((1, DAY, 1.0)))
        write_run(folder.root, manifest, columns((1, 1, 7.0), mark=Mark.CORRECTED))
        assert manifest.latest().value.tolist() == [1.0]
        write_run(folder.root, manifest, columns((1, DAY, 6.0), mark=Mark.CORRECTED))
        assert manifest.latest().value.tolist() == [6.0]
        write_run(folder.root, manifest, columns((1, DAY, 1.5)))  # the log brings what was corrected
        assert manifest.latest().value.tolist() == [6.0]
        write_run(folder.root, manifest, columns((1, 3 * DAY, 5.0), (2, 1, 4.0), mark=Mark.CORRECTED))
        assert manifest.latest().value.tolist() == [5.0, 4.0]
        write_run(folder.root, manifest, columns((2, 1, 1.5)))  # and here for the first time
        assert manifest.latest().value.tolist() == [5.0, 4.0]


def test_what_was_replaced_leaves_and_cannot_be_replaced_again(folder: Folder) -> None:
    with tended(folder.root) as manifest:
        first = write_run(folder.root, manifest, columns((1, 1, 1.0)))
        second = write_run(folder.root, manifest, columns((1, 2, 1.0)))
        manifest.replace((), (first.file,))
        assert manifest.kept() == [second]
        assert manifest.leaving() == [first.file]
        with pytest.raises(InUse, match="replaced meanwhile"):
            manifest.replace((), (second.file, first.file))
        assert manifest.kept() == [second]
        manifest.left([first.file])
        assert manifest.leaving() == []


def test_only_one_process_tends_a_history(folder: Folder) -> None:
    with tended(folder.root), pytest.raises(InUse, match="by another process"), tended(folder.root):
        pass
    with tended(folder.root):
        pass
    with pytest.raises(NotFound), tended(folder.root / "nowhere"):
        pass


async def test_a_manifest_of_version_1_is_read_as_it_is_and_upgraded_when_it_is_opened(folder: Folder) -> None:
    with closing(sqlite3.connect(folder.manifest, isolation_level=None)) as database:
        for table in ("kept", "leaving", "bookmarks"):
            database.execute(f"DROP TABLE {table}")
        database.execute("PRAGMA user_version = 1")
    async with open_history(folder.root) as history:
        assert history.kept == ()
    with closing(sqlite3.connect(folder.manifest)) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (1,)
    with tended(folder.root) as manifest:
        write_run(folder.root, manifest, columns((1, 1, 1.0)))
    async with open_history(folder.root) as history:
        assert len(history.kept) == 1


async def test_a_manifest_of_a_newer_version_is_left_alone(folder: Folder) -> None:
    with closing(sqlite3.connect(folder.manifest, isolation_level=None)) as database:
        database.execute("PRAGMA user_version = 77")
    with pytest.raises(IsthmusError, match="newer Isthmus"):
        Manifest.open(folder.manifest)
    with pytest.raises(IsthmusError, match="newer Isthmus"):
        async with open_history(folder.root):
            pass
    assert not list(folder.damaged.iterdir())
