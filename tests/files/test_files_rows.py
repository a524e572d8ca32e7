# SPDX-License-Identifier: Apache-2.0
"""Files as other programs write them: what becomes of their rows, of what is no row, and of the files."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isthmus.core import quality, time
from isthmus.core.errors import Disconnected, IsthmusError
from isthmus.core.event import EventKind
from isthmus.core.tag import DataType, Tag
from isthmus.flow.collect import Collector, _source
from isthmus.plant.revision import SystemSetting, TagSetting
from isthmus.systems.contract import Address, Form
from isthmus.systems.files.address import check_address
from isthmus.systems.files.folder import PIECE, moved
from isthmus.systems.files.rows import LONGEST, Row, Spoilt, Unreadable, opened, read_rows
from isthmus.systems.files.spec import FilesSpec
from isthmus.systems.registry import kinds
from tests.contract.adapters import eventually
from tests.contract.collected import Collected

NOON = time.from_iso("2026-11-23T12:00:00Z")


def collecting(folder: Path, addresses: Mapping[str, DataType] | Sequence[str], **config: Any) -> Collected:
    typed = addresses if isinstance(addresses, Mapping) else dict.fromkeys(addresses, DataType.FLOAT)
    drop = folder / "drop"
    drop.mkdir(exist_ok=True)
    said = {"folder": str(drop), "every": "100ms", "settle": "0s", **config}
    return Collected(kinds()["files"], said, folder, [Address(text, type_) for text, type_ in typed.items()])


def drop(folder: Path, name: str, content: str | bytes) -> None:
    hidden = folder / "drop" / f".{name}"
    hidden.parent.mkdir(exist_ok=True)
    hidden.write_bytes(content.encode() if isinstance(content, str) else content)
    hidden.rename(folder / "drop" / name)


def oddities(collected: Collected) -> list[tuple[str, bytes]]:
    return [(oddity.reason, oddity.payload) for readings in collected.readings for oddity in readings.oddities]


async def taken(collected: Collected, folder: Path, name: str, where: str = "done") -> None:
    async with collected.running():
        await eventually((folder / "drop" / where / name).exists)


async def test_rows_are_found_by_what_stands_beside_the_value(tmp_path: Path) -> None:
    drop(tmp_path, "lab.csv", "\ufefftank;test;result;time\nT1;pH;7,25;23.11.2026 13:00\nT2;pH;;23.11.2026 13:00\n"
         "T1;remark;cloudy;23.11.2026 13:01\nT9;pH;1;23.11.2026 13:02\nT2;pH;6,5;23.11.2026 13:03\n")  # fmt: skip
    wanted = {
        "result[tank=T1,test=pH]": DataType.FLOAT,
        "result[tank=T2,test=pH]": DataType.FLOAT,
        "result[tank=T1,test=remark]": DataType.TEXT,
    }
    collected = collecting(tmp_path, wanted, decimal=",", time_zone="Europe/Paris", time_format="%d.%m.%Y %H:%M")
    await taken(collected, tmp_path, "lab.csv")
    minute = 60 * time.SECOND
    assert list(collected.rows(0)) == [(NOON, 0, 7.25)] and list(collected.rows(1)) == [(NOON + 3 * minute, 0, 6.5)]
    (readings,) = [readings for readings in collected.readings if len(readings)]
    assert readings.text is not None and [text for text in readings.text if text] == ["cloudy"]
    assert not oddities(collected) and not collected.events


@pytest.mark.parametrize("type_", [DataType.FLOAT, DataType.INTEGER])
async def test_with_a_decimal_comma_a_point_is_never_taken_for_it(tmp_path: Path, type_: DataType) -> None:
    cells = ["7,25", "1.234", "1.234,5", "-.5", "8"]
    drop(tmp_path, "p.csv", "time;a\n" + "".join(f"2026-11-23T12:00:0{i}Z;{cell}\n" for i, cell in enumerate(cells)))
    collected = collecting(tmp_path, {"a": type_}, decimal=",")
    await taken(collected, tmp_path, "p.csv")
    assert [value for _, _, value in collected.rows(0)] == [7.25, 8.0]
    reasons = [
        f"p.csv:{line}: column 'a' holds {cells[line - 2]!r}, no number with a decimal comma" for line in (3, 4, 5)
    ]
    assert [reason for reason, _ in oddities(collected)] == reasons


async def test_a_decimal_comma_says_nothing_of_numbers_in_json(tmp_path: Path) -> None:
    drop(tmp_path, "j.jsonl", '{"time": "2026-11-23T12:00:00Z", "a": 1.5, "b": 1.5}\n')
    wanted = {"a": DataType.FLOAT, "b": DataType.INTEGER}
    collected = collecting(tmp_path, wanted, format="jsonl", files="*.jsonl", decimal=",")
    await taken(collected, tmp_path, "j.jsonl")
    assert [value for tag in (0, 1) for _, _, value in collected.rows(tag)] == [1.5, 1.5]
    assert not oddities(collected)


async def test_capitals_count_in_names_of_files_and_a_pattern_can_have_both(tmp_path: Path) -> None:
    for name in ("a.csv", "B.CSV", "c.txt"):
        drop(tmp_path, name, "time,a\n2026-11-23T12:00:00Z,1\n")
    await taken(collecting(tmp_path, {"a": DataType.FLOAT}), tmp_path, "a.csv")
    assert (tmp_path / "drop" / "B.CSV").exists()
    await taken(collecting(tmp_path, {"a": DataType.FLOAT}, files="*.[cC][sS][vV]"), tmp_path, "B.CSV")
    assert (tmp_path / "drop" / "c.txt").exists()


async def test_json_lines_keep_whole_numbers_truth_and_nesting(tmp_path: Path) -> None:
    rows = [
        {"time": "2026-11-23T12:00:00Z", "batch": {"count": 2**63 + 5, "ok": True}, "name": "B-7"},
        {"time": NOON // time.MILLISECOND, "batch": {"count": -3, "ok": None}},
    ]
    drop(tmp_path, "b.jsonl", "\n".join(map(json.dumps, rows)) + "\n\n[1]\n{no}\n")
    wanted = {"batch.count": DataType.UNSIGNED, "batch.ok": DataType.BOOLEAN, "name": DataType.TEXT}
    collected = collecting(tmp_path, wanted, format="jsonl", files="*.jsonl")
    await taken(collected, tmp_path, "b.jsonl")
    (readings,) = [readings for readings in collected.readings if len(readings)]
    assert readings.integer is not None and readings.integer.tolist() == [-(2**63) + 5, 0, 0, -3]
    assert readings.form.tolist() == [Form.UNSIGNED, Form.BOOLEAN, Form.TEXT, Form.SIGNED]
    assert set(readings.at.tolist()) == {NOON}
    assert [reason.split(": ")[0] for reason, _ in oddities(collected)] == ["b.jsonl:4", "b.jsonl:5"]


async def test_bad_rows_go_to_quarantine_with_file_and_line_and_the_others_are_taken(tmp_path: Path) -> None:
    lines = [
        b"time,a,b,q",
        b"2026-11-23T12:00:00Z,1,2,Good",
        b"2026-11-23T12:00:01Z,1",
        b"yesterday,1,2,Good",
        b"2026-11-23T12:00:02Z,x,3,BadSensorFailure",
        b"2026-11-23T12:00:03Z,\xff,3,Good",
        b'2026-11-23T12:00:04Z,"4"x,3,Good',
        b"2026-11-23T12:00:05Z,nan,1e999,Good",
        b"2026-11-23T12:00:06Z,6,,Great",
        b"0001-01-01,1,1,Good",
        b"",
        b"2026-11-23T12:00:07Z,7,8,",
    ]
    drop(tmp_path, "x.csv", b"\r\n".join(lines))
    collected = collecting(tmp_path, ["a", "b"], quality="q")
    await taken(collected, tmp_path, "x.csv")
    assert collected.values(0) == [1.0, 7.0] and collected.values(1) == [2.0, 3.0, 8.0]
    assert [code for _, code, _ in collected.rows(1)] == [0, 0x808C_0000, 0]
    found = oddities(collected)
    assert [reason.split(": ")[0] for reason, _ in found] == [f"x.csv:{n}" for n in (3, 4, 5, 6, 7, 8, 8, 9, 10)]
    assert [payload.rstrip() for _, payload in found] == [lines[n - 1] for n in (3, 4, 5, 6, 7, 8, 8, 9, 10)]
    assert "2 cells under 4 columns" in found[0][0] and "'x', no number" in found[2][0]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is empty"),
        (b"a,b\n1,2\n", "there is no column 'time'"),
        (b"time,a,a\n1,2,3\n", "two columns are called 'a'"),
        (b"\xff\xfet\0i\0m\0e\0", "not utf-8"),
        (bytes(3_000_000), "more than 1,048,576 bytes"),
    ],
)
async def test_what_is_no_such_file_goes_aside_and_is_told(tmp_path: Path, content: bytes, said: str) -> None:
    drop(tmp_path, "a.csv", content)
    drop(tmp_path, "b.csv", "time,a\n2026-11-23T12:00:00Z,5\n")
    collected = collecting(tmp_path, ["a"])
    await taken(collected, tmp_path, "b.csv")
    assert (tmp_path / "drop" / "failed" / "a.csv").read_bytes() == content
    (event,) = collected.told(EventKind.QUARANTINE)
    assert "a.csv cannot be read" in event.message and said in event.message
    assert collected.values(0) == [5.0] and len(oddities(collected)) == 1


async def test_a_link_is_not_followed_and_a_pipe_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "drop").mkdir()
    (tmp_path / "secret").write_text("time,a\n2026-11-23T12:00:00Z,1\n")
    (tmp_path / "drop" / "a.csv").symlink_to(tmp_path / "secret")
    os.mkfifo(tmp_path / "drop" / "b.csv")
    drop(tmp_path, "c.csv", "time,a\n2026-11-23T12:00:00Z,5\n")
    collected = collecting(tmp_path, ["a"])
    await taken(collected, tmp_path, "c.csv")
    assert collected.values(0) == [5.0] and not oddities(collected) and not collected.errors
    with pytest.raises(OSError, match="symbolic links"):  # made a link after it was looked at
        opened(tmp_path / "drop" / "a.csv")
    with opened(tmp_path / "drop" / "b.csv") as pipe:
        assert not pipe.read(1)


async def test_a_link_in_the_place_of_done_is_not_followed_and_told(tmp_path: Path) -> None:
    drop(tmp_path, "a.csv", "time,a\n2026-11-23T12:00:00Z,5\n")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "drop" / "done").symlink_to(tmp_path / "elsewhere")
    collected = collecting(tmp_path, ["a"])
    with pytest.raises(Disconnected, match="symbolic link, which is not followed: make it a folder"):
        async with collected.driver.open(collected.addresses):
            pass
    (tmp_path / "drop" / "done").unlink()
    await taken(collected, tmp_path, "a.csv")
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_file_moves_to_another_disk_whole(tmp_path: Path) -> None:
    other = Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second disk here")
    with TemporaryDirectory(dir=other) as folder:
        (tmp_path / "a.csv").write_bytes(b"x" * 100_000)
        moved(tmp_path / "a.csv", Path(folder) / "a.csv")
        assert [path.name for path in Path(folder).iterdir()] == ["a.csv"]
        assert (Path(folder) / "a.csv").read_bytes() == b"x" * 100_000
    assert not (tmp_path / "a.csv").exists()


@pytest.mark.parametrize(
    ("format_", "said"),
    [
        ("%d.%m.%Y %H:%M:%Q", "cannot be read"),
        ("%H:%M:%S", "no whole date"),
        ("%m/%Y", "no whole date"),
        ("dd.mm.yyyy", "no whole date"),
        ("%", "cannot be read"),
        ("", "no whole date"),
    ],
)
def test_a_wrong_format_of_times_is_told_when_the_plant_file_is_checked(format_: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        FilesSpec(folder="/drop", time_format=format_)
    assert FilesSpec(folder="/drop", time_format="%d.%m.%y %I:%M %p").time_format


def test_a_file_we_may_not_read_is_one_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("time,a\n")
    (tmp_path / "a.csv").chmod(0)
    mine = os.geteuid()
    os.seteuid(mine or 65_534)  # root may read everything
    try:
        with pytest.raises(Unreadable, match="may not read"):
            opened(tmp_path / "a.csv")
    finally:
        os.seteuid(mine)


async def test_no_nesting_and_no_long_line_takes_others_with_it(tmp_path: Path) -> None:
    row = '{"time":"2026-11-23T12:00:00Z","a":%d}\n'
    deep = "".join('{"x":' * depth + "1" + "}" * depth + "\n" for depth in range(860, 1010))
    drop(tmp_path, "a.jsonl", row % 1 + deep + row % 2 + "x" * (2 * LONGEST - 1) + "\n" + row % 3)
    collected = collecting(tmp_path, ["a"], files="*.jsonl", format="jsonl")
    await taken(collected, tmp_path, "a.jsonl")
    assert collected.values(0) == [1.0, 2.0, 3.0]
    assert "more than 1,048,576 bytes in one line" in oddities(collected)[-1][0]


def test_a_row_that_never_ends_is_cut_off_and_what_follows_is_read(tmp_path: Path) -> None:
    endless = b'"\n",' * (LONGEST // 3)
    (tmp_path / "a.csv").write_bytes(b"time,a\n1,1\n" + endless + b'\n"\n2,2\n"\n2,2\n')  # in a quotation or not
    spec = kinds()["files"].spec.model_validate({"folder": str(tmp_path)})
    found = list(read_rows(tmp_path / "a.csv", cast(FilesSpec, spec)))
    assert [row.cells["a"] for row in found if isinstance(row, Row)] == ["1", "2"]
    assert "more than 1,048,576 bytes in one row" in [row.reason for row in found if isinstance(row, Spoilt)]


async def test_a_list_is_text_as_json_writes_it(tmp_path: Path) -> None:
    drop(tmp_path, "a.jsonl", '{"time":"2026-11-23T12:00:00Z","a":[true,null,"x"]}\n')
    collected = collecting(tmp_path, {"a": DataType.TEXT}, files="*.jsonl", format="jsonl")
    await taken(collected, tmp_path, "a.jsonl")
    assert [readings.text for readings in collected.readings if len(readings)] == [['[true,null,"x"]']]


async def test_a_file_goes_aside_only_when_the_log_has_it_and_no_more_than_some_pieces_are_ahead(
    tmp_path: Path,
) -> None:
    rows = 12 * PIECE
    drop(tmp_path, "a.csv", "time,a\n" + "".join(f"{1_790_000_000 + i},{i}\n" for i in range(rows)))
    collected = collecting(tmp_path, ["a"])
    collected.keep = False
    async with collected.running():
        await eventually(lambda: len(collected.values(0)) == 8 * PIECE)
        waiting = list(collected.readings)
        assert (tmp_path / "drop" / "a.csv").exists()
        collected.keep = True
        for readings in waiting:
            readings.done()
        await eventually((tmp_path / "drop" / "done" / "a.csv").exists)
    assert collected.values(0) == [float(i) for i in range(rows)]


async def test_a_file_that_stays_is_remembered_and_one_that_changes_is_another(tmp_path: Path) -> None:
    drop(tmp_path, "a.csv", "time,a\n2026-11-23T12:00:00Z,1\n")
    for expected in ([1.0], [], [2.0], []):
        if expected == [2.0]:
            drop(tmp_path, "a.csv", "time,a\n2026-11-23T12:00:00Z,2\n")
        collected = collecting(tmp_path, ["a"], done="keep")
        async with collected.running():
            await looked_twice(collected)
        assert collected.values(0) == expected
    assert [path.name for path in (tmp_path / "drop").iterdir()] == ["a.csv"]


async def looked_twice(collected: Collected) -> None:
    """Nothing is left to take."""
    await eventually(lambda: sum(not len(readings) for readings in collected.readings) >= 2)


async def test_a_file_that_is_still_written_is_left_alone(tmp_path: Path) -> None:
    drop(tmp_path, "a.csv", "time,a\n2026-11-23T12:00:00Z,1\n")
    collected = collecting(tmp_path, ["a"], settle="1h")
    async with collected.running():
        await eventually(lambda: len(collected.readings) >= 3)
        assert not collected.values(0)
        long_ago = time.now() - 7200 * time.SECOND
        os.utime(tmp_path / "drop" / "a.csv", ns=(long_ago, long_ago))
        await eventually(lambda: collected.values(0) == [1.0])


async def test_a_file_from_a_clock_that_runs_ahead_is_taken_once_it_stays_the_same(tmp_path: Path) -> None:
    drop(tmp_path, "a.csv", "time,a\n2026-11-23T12:00:00Z,1\n")
    ahead = time.now() + 7200 * time.SECOND
    os.utime(tmp_path / "drop" / "a.csv", ns=(ahead, ahead))
    collected = collecting(tmp_path, ["a"], settle="300ms")
    async with collected.running():
        await eventually(lambda: collected.values(0) == [1.0])


async def test_a_column_that_is_missing_is_named_and_bad_until_a_file_has_it(tmp_path: Path) -> None:
    drop(tmp_path, "1.csv", "time,a\n2026-11-23T12:00:00Z,1\n")
    collected = collecting(tmp_path, ["a", "b"])
    async with collected.running():
        await eventually((tmp_path / "drop" / "done" / "1.csv").exists)
        drop(tmp_path, "2.csv", "time,b,a\n2026-11-23T12:01:00Z,2,3\n")
        await eventually(collected.saw(1, 2.0))
    assert [code for _, code, _ in collected.rows(1)] == [quality.BAD_NODE_ID_UNKNOWN, quality.GOOD]
    assert ["has no column" in event.message for event in collected.told(EventKind.TAG)] == [True, False]


async def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    collected = collecting(tmp_path, ["a"])
    (tmp_path / "drop").rmdir()
    async with collected.running():
        await eventually(lambda: len(collected.errors) > 1)
    assert {type(error) for error in collected.errors} == {Disconnected}
    assert str(collected.errors[0]) == f"{tmp_path / 'drop'}: No such file or directory"


cells = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=12)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(cells, st.floats(allow_nan=False, allow_infinity=False)), max_size=8), st.sampled_from(",;\t|")
)
def test_what_csv_writers_write_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, float]], delimiter: str
) -> None:
    from isthmus.systems.files.picking import Picker, Piece
    from isthmus.systems.files.rows import read_rows
    from isthmus.systems.files.spec import FilesSpec

    file = io.StringIO()
    writer = csv.writer(file, delimiter=delimiter)
    writer.writerow(["time", "name", "value"])
    writer.writerows([["2026-11-23T12:00:00Z", name, repr(value)] for name, value in rows])
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    path.write_text(file.getvalue(), encoding="utf-8", newline="")
    spec = FilesSpec(folder=str(path.parent))
    picker = Picker([Address("name", DataType.TEXT), Address("value", DataType.FLOAT)], spec)
    piece = Piece(file="a.csv")
    for row in read_rows(path, spec):
        picker.take(row, piece)
    assert not piece.oddities
    assert [v for v, i in zip(piece.value, piece.index, strict=True) if i == 1] == [value for _, value in rows]
    assert [t for t, i in zip(piece.text, piece.index, strict=True) if i == 0] == [
        n.strip() for n, _ in rows if n.strip()
    ]


@pytest.mark.parametrize(
    ("said", "canonical"),
    [(" a b ", "a b"), ("v[ tag = TT 1 ]", "v[tag=TT 1]"), ("v[b=2,a=1]", "v[a=1,b=2]"), ("größe.x", "größe.x")],
)
def test_an_address_has_one_canonical_writing(said: str, canonical: str) -> None:
    assert check_address(said) == canonical == check_address(canonical)


@pytest.mark.parametrize(
    "said", ["", "[a=1]", "v[a]", "v[a=]", "v[=1]", "v[a=1,a=2]", "v[a=1", "v[]", "a,b", "x" * 2000]
)
def test_what_is_no_address_is_told(said: str) -> None:
    with pytest.raises(IsthmusError):
        check_address(said)


async def test_a_file_of_whole_pieces_is_taken_and_no_less_of_it_is_remembered(tmp_path: Path) -> None:
    drop(tmp_path, "a.csv", "time,a\n" + "".join(f"{1_790_000_000 + i},{i}\n" for i in range(PIECE)))
    collected = collecting(tmp_path, ["a"], done="keep")
    async with collected.running():
        await looked_twice(collected)
    again = collecting(tmp_path, ["a"], done="keep")
    async with again.running():
        await looked_twice(again)
    assert len(collected.values(0)) == PIECE and not again.values(0)


def test_the_collector_discards_nothing_of_a_kind_whose_far_end_keeps_it(tmp_path: Path) -> None:
    tag = TagSetting(tag=Tag(1, "acme/lyon/lab/a", "", DataType.FLOAT, False), system="lab", address="a")
    collector = Collector(tmp_path, "", epoch=1)
    for kind, overflow in (("files", "wait"), ("modbus", "discard-oldest")):
        system = SystemSetting(name="lab", kind=kind, config={})
        assert _source(collector, system, (tag,), None, {}).overflow == overflow
