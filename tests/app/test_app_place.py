# SPDX-License-Identifier: Apache-2.0
"""A data directory has one holder at a time, and a second one learns who it is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from isthmus.app.run.place import Place, held
from isthmus.core.errors import InUse, IsthmusError

HOLD = """
import sys
from pathlib import Path
from isthmus.app.run.place import Place, held
with held(Place(Path(sys.argv[1])), sys.argv[2], brief=sys.argv[2] == "history"):
    print("held", flush=True)
    sys.stdin.read()
"""


def holder(data: Path, what: str) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", HOLD, str(data), what]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_one_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    with holder(tmp_path, "run") as other:
        with (
            pytest.raises(InUse, match=rf"in use by `isthmus run` \(process {other.pid}"),
            held(Place(tmp_path), "demo"),
        ):
            pass
        found = Place(tmp_path).holder()
        assert found is not None
        assert (found.pid, found.what) == (other.pid, "run")
        other.kill()
    with held(Place(tmp_path), "demo"):
        assert Place(tmp_path).holder() is not None


def test_a_command_that_reads_for_a_moment_is_waited_for(tmp_path: Path) -> None:
    with holder(tmp_path, "history") as other:
        with pytest.raises(InUse, match="history"), held(Place(tmp_path), "run", patience=0.2):
            pass
        assert other.stdin is not None
        other.stdin.close()
        with held(Place(tmp_path), "run"):
            found = Place(tmp_path).holder()
            assert found is not None
            assert found.pid == os.getpid()


def test_nobody_holds_what_nobody_made(tmp_path: Path) -> None:
    assert Place(tmp_path / "none").holder() is None
    assert not (tmp_path / "none").exists()


def test_a_place_that_cannot_be_made_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(IsthmusError, match="cannot be made"), held(Place(tmp_path / "file" / "data"), "run"):
        pass
