# SPDX-License-Identifier: Apache-2.0
"""The ledger keeps revisions and numbers, through the loss of any of its parts."""

from __future__ import annotations

import shutil
import sqlite3
import stat
import threading
from pathlib import Path

import pytest

from isthmus.core.errors import Damaged, IsthmusError, NotFound
from isthmus.plant.number import restore
from isthmus.store.ledger import Ledger
from isthmus.store.ledger.files import Pointer, RevisionFiles, read_pointer
from tests.ledger.content import apply, next_revision, numbers


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def lose_the_ledger(data: Path) -> None:
    for path in data.glob("ledger.db*"):
        path.unlink()


def test_what_is_applied_is_there_when_it_is_opened_again(data: Path) -> None:
    with Ledger.open(data, create=True) as ledger:
        assert ledger.current() is None
        assert ledger.next_number() == 1
        first = apply(ledger, ["a", "b"])
    with Ledger.open(data) as ledger:
        assert ledger.current() == first
        assert ledger.current_number() == 1
        assert ledger.revision(1) == first
        assert ledger.numbers().next == 3
        (line,) = ledger.revisions()
        assert (line.number, line.digest, line.author, line.applied) == (1, first.digest, "me", 1000)


def test_the_pointer_names_what_runs(data: Path) -> None:
    with Ledger.open(data, create=True) as ledger:
        apply(ledger, ["a"])
        second = apply(ledger, ["a", "b"])
    assert (data / "revisions" / "current").read_text() == f"2 {second.digest}\n"
    assert read_pointer(data / "revisions") == Pointer(2, second.digest)


def test_a_revision_is_a_file_beside_the_segments(data: Path) -> None:
    with Ledger.open(data, create=True) as ledger:
        first = apply(ledger, ["a"])
    files = RevisionFiles(data / "revisions")
    assert files.numbers() == {1: data / "revisions" / f"000001-{first.digest[:8]}.json"}
    assert files.read(files.numbers()[1]) == first
    assert "!secret" in files.numbers()[1].read_text()


def test_a_lost_ledger_is_made_again_from_the_files(data: Path) -> None:
    with Ledger.open(data, create=True) as ledger:
        apply(ledger, ["a", "b"])
        apply(ledger, ["a"])
        apply(ledger, ["a"], unit="mbar")
        before, lines, current = ledger.numbers(), ledger.revisions(), ledger.current()
    lose_the_ledger(data)
    with Ledger.open(data) as ledger:
        assert ledger.numbers() == before
        assert ledger.revisions() == lines
        assert ledger.current() == current
        assert numbers(apply(ledger, ["a", "b"], unit="bar")) == {"a": 1, "b": 2}


def test_a_lost_ledger_is_made_again_even_without_the_pointer(data: Path) -> None:
    with Ledger.open(data, create=True) as ledger:
        apply(ledger, ["a"])
        second = apply(ledger, ["a", "b"])
    lose_the_ledger(data)
    (data / "revisions" / "current").unlink()
    with Ledger.open(data) as ledger:
        assert ledger.current() == second
    assert read_pointer(data / "revisions") == Pointer(2, second.digest)


@pytest.mark.parametrize("damage", [b"", b"not a database at all, just some text that is long enough to be read"])
def test_a_damaged_ledger_says_what_to_do(data: Path, damage: bytes) -> None:
    with Ledger.open(data, create=True) as ledger:
        first = apply(ledger, ["a"])
    (data / "ledger.db").write_bytes(damage)
    if damage:
        with pytest.raises(Damaged, match="made again from the files"):
            Ledger.open(data)
    else:  # an empty file is an empty database: it is filled again
        with Ledger.open(data) as ledger:
            assert ledger.current() == first


def test_lost_files_are_written_again_from_the_ledger(data: Path) -> None:
    with Ledger.open(data, create=True) as ledger:
        first, second = apply(ledger, ["a"]), apply(ledger, ["a", "b"])
    shutil.rmtree(data / "revisions")
    with Ledger.open(data) as ledger:
        assert ledger.current() == second
    files = RevisionFiles(data / "revisions")
    assert [files.read(path) for path in files.numbers().values()] == [first, second]
    assert files.pointed() == Pointer(2, second.digest)


@pytest.mark.parametrize("damage", [b"", b"{}", b"\xff\xff", b'{"number": 1}', b"[" * 100_000])
def test_a_damaged_file_is_not_believed_when_the_ledger_is_made_again(data: Path, damage: bytes) -> None:
    with Ledger.open(data, create=True) as ledger:
        apply(ledger, ["a"])
    lose_the_ledger(data)
    (path,) = RevisionFiles(data / "revisions").numbers().values()
    path.write_bytes(damage)
    with pytest.raises(Damaged, match=path.name):
        Ledger.open(data)
    path.unlink()
    with pytest.raises(NotFound):  # what the failed attempt made is no ledger yet
        lose_the_ledger(data)
        Ledger.open(data)


def test_a_file_with_another_content_than_its_name_is_not_believed(data: Path) -> None:
    with Ledger.open(data, create=True) as ledger:
        apply(ledger, ["a"])
    lose_the_ledger(data)
    (path,) = RevisionFiles(data / "revisions").numbers().values()
    path.write_text(path.read_text().replace("pin-a", "pin-b"))
    with pytest.raises(Damaged, match="its content is not that of its name"):
        Ledger.open(data)


def test_two_files_of_one_number_are_not_guessed_about(data: Path) -> None:
    with Ledger.open(data, create=True) as ledger:
        apply(ledger, ["a"])
    (data / "revisions" / "000001-00000000.json").write_text("{}")
    with pytest.raises(Damaged, match="both revision 1"):
        Ledger.open(data)


def test_the_second_of_two_applies_is_refused(data: Path) -> None:
    with Ledger.open(data, create=True) as one, Ledger.open(data) as other:
        mine, theirs = next_revision(one, ["a"]), next_revision(other, ["b"])
        one.apply(mine, base=None)
        with pytest.raises(IsthmusError, match="revision 1 was applied meanwhile"):
            other.apply(theirs, base=None)
        assert other.current() == mine
    assert len(RevisionFiles(data / "revisions").numbers()) == 1


def test_of_many_applies_at_once_exactly_one_wins(data: Path) -> None:
    Ledger.open(data, create=True).close()
    outcomes: list[str] = []
    start = threading.Barrier(8)

    def race(name: str) -> None:
        with Ledger.open(data) as ledger:
            revision = next_revision(ledger, [name])
            start.wait()
            try:
                ledger.apply(revision, base=None)
                outcomes.append(name)
            except IsthmusError as error:
                assert "meanwhile" in str(error)

    racers = [threading.Thread(target=race, args=(f"t{n}",)) for n in range(8)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert len(outcomes) == 1
    with Ledger.open(data) as ledger:
        current = ledger.current()
        assert current is not None
        assert numbers(current) == {outcomes[0]: 1}
        assert read_pointer(data / "revisions") == Pointer(1, current.digest)


def test_many_that_open_an_empty_data_directory_at_once_all_get_it(data: Path) -> None:
    failures: list[BaseException] = []
    start = threading.Barrier(6)

    def race() -> None:
        start.wait()
        try:
            Ledger.open(data, create=True).close()
        except BaseException as error:
            failures.append(error)

    racers = [threading.Thread(target=race) for _ in range(6)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert failures == []


def test_a_roll_back_is_a_new_revision_with_the_old_numbers(data: Path) -> None:
    with Ledger.open(data, create=True) as ledger:
        first = apply(ledger, ["a", "b"])
        apply(ledger, ["a"], unit="mbar")
        back = restore(first, ledger.numbers(), number=ledger.next_number(), created=3)
        ledger.apply(back, base=2)
        assert ledger.current_number() == 3
        assert numbers(back) == numbers(first)
        assert [former.number for former in back.by_path["a"].formers] == [3]


def test_a_number_never_means_something_else(data: Path) -> None:
    with Ledger.open(data, create=True) as ledger:
        apply(ledger, ["a"])
        with Ledger.open(data.parent / "other", create=True) as other:
            apply(other, ["x"], unit="Cel")
            wrong = next_revision(other, ["x", "y"], unit="Cel")
        with pytest.raises(IsthmusError, match=r"number 1 is 'a' \(float in 'bar'\) and cannot become 'x'"):
            ledger.apply(wrong, base=1)
        assert ledger.current_number() == 1
        assert len(ledger.revisions()) == 1


def test_there_is_no_plant_in_an_empty_folder(data: Path) -> None:
    with pytest.raises(NotFound, match="there is no plant in"):
        Ledger.open(data)
    assert not data.exists()


def test_a_revision_that_does_not_exist_is_not_found(data: Path) -> None:
    with Ledger.open(data, create=True) as ledger:
        with pytest.raises(NotFound, match="nothing is applied yet"):
            ledger.revision(1)
        apply(ledger, ["a"])
        with pytest.raises(NotFound, match="there are 1 to 1"):
            ledger.revision(7)


def test_a_folder_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(IsthmusError, match="cannot be made"):
        Ledger.open(tmp_path / "file" / "data", create=True)


def test_a_disk_that_refuses_the_file_changes_nothing(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Ledger.open(data, create=True) as ledger:
        first = apply(ledger, ["a"])
        (data / "revisions").rename(data / "elsewhere")
        (data / "revisions").write_text("a file where the folder should be")
        with pytest.raises(IsthmusError, match="cannot be written"):
            ledger.apply(next_revision(ledger, ["a", "b"]), base=1)
        (data / "revisions").unlink()
        (data / "elsewhere").rename(data / "revisions")
        assert ledger.current() == first
        assert numbers(apply(ledger, ["a", "b"])) == {"a": 1, "b": 2}


def test_the_ledger_is_safe_against_a_power_cut(data: Path) -> None:
    with Ledger.open(data, create=True) as ledger, ledger._engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL


def test_a_copy_of_the_database_opens(data: Path, tmp_path: Path) -> None:
    with Ledger.open(data, create=True) as ledger:
        first = apply(ledger, ["a"])
        (tmp_path / "copy").mkdir()
        source, target = sqlite3.connect(data / "ledger.db"), sqlite3.connect(tmp_path / "copy" / "ledger.db")
        source.backup(target)
        source.close()
        target.close()
    with Ledger.open(tmp_path / "copy") as copy:
        assert copy.current() == first


def test_a_ledger_by_url_is_the_same_ledger(data: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'elsewhere.db'}"
    with Ledger.open(data, url, create=True) as ledger:
        first = apply(ledger, ["a"])
        other = next_revision(ledger, ["a", "b"])
        second = apply(ledger, ["a", "c"])
        with pytest.raises(IsthmusError, match="meanwhile"):
            ledger.apply(other, base=1)
    assert not (data / "ledger.db").exists()
    with Ledger.open(data, url) as ledger:
        assert (ledger.revision(1), ledger.current()) == (first, second)


def test_the_files_have_no_secret_and_ordinary_rights(data: Path) -> None:
    with Ledger.open(data, create=True) as ledger:
        apply(ledger, ["a"])
    (path,) = RevisionFiles(data / "revisions").numbers().values()
    assert stat.S_ISREG(path.stat().st_mode)
    assert not list((data / "revisions").glob(".*.tmp"))
