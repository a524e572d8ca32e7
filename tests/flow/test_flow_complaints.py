# SPDX-License-Identifier: Apache-2.0
"""What is wrong with single tags stands beside their system, and so does when one that refused us is tried again."""

from __future__ import annotations

import asyncio
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import pytest

from isthmus.core import quality
from isthmus.core.event import EventKind, Severity
from isthmus.core.tag import DataType, Tag
from isthmus.core.time import SECOND, now
from isthmus.flow.complaints import Complaints
from isthmus.plant.revision import SystemSetting, TagSetting
from isthmus.systems.bare import bad
from isthmus.systems.contract import Form, Readings
from isthmus.systems.telling import can_be_read, cannot_be_read, happened, listed
from tests.conftest import Until
from tests.flow.floor import Floor


def setting(number: int, system: str, address: str) -> TagSetting:
    tag = Tag(number, f"acme/lyon/lab/t{number}", "", DataType.FLOAT, False)
    return TagSetting(tag=tag, system=system, address=address)


def put(path: Path, text: str) -> None:
    """A file that is there whole from the first moment on: `settle` is 0 s."""
    hidden = path.with_name(f".{path.name}")
    hidden.write_text(text)
    hidden.rename(path)


async def test_a_missing_column_and_rows_that_never_come_stand_beside_a_connected_system(
    floor: Floor, tmp_path: Path, until: Until
) -> None:
    drop = tmp_path / "drop"
    drop.mkdir()
    wanted = ["value[tag=TT1]", "value[tag=TT2]", "valeu[tag=TT3]"]
    tags = [setting(number, "lab", address) for number, address in enumerate(wanted, 1)]
    config = {"folder": str(drop), "settle": "0s", "every": "100ms"}

    def told() -> Any:
        return floor.report.get("systems", {}).get("lab", {})

    floor.apply([SystemSetting(name="lab", kind="files", config=config)], tags)
    async with floor.collecting():
        await until(lambda: floor.state("lab") == "connected", "the folder is there")
        await until(
            lambda: told()["tags_problem"] == f"3 of 3 tags have no value yet: {', '.join(wanted)}", "nothing came yet"
        )
        put(drop / "a.csv", f"time,tag,value\n2026-11-23T06:30:00Z,TT1,1\n{'2026-11-23T06:31:00Z,TT9,1'}\n")
        await until(lambda: told()["samples"] >= 2, "the file is taken")
        await until(
            lambda: (
                told()["tags_problem"]
                == "1 of 3 tags bad: the newest file has no column for valeu[tag=TT3]; 1 of 3 tags has no value yet: "
                "value[tag=TT2]"
            ),
            "each is told by itself",
        )
        assert (told()["bad"], told()["without_value"], told()["problem"]) == (1, 1, "")
        put(drop / "b.csv", "time,tag,value,valeu\n2026-11-23T06:33:00Z,TT2,1,\n2026-11-23T06:34:00Z,TT3,,3\n")
        await until(lambda: told()["tags_problem"] == "", "all are well")


async def test_a_system_that_refuses_us_says_when_it_is_tried_again(floor: Floor, until: Until) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    config = {"url": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"}
    floor.apply([SystemSetting(name="site", kind="http", config=config)], [setting(1, "site", "/now#/v")])
    async with server, floor.collecting():
        began = now()
        await until(lambda: floor.state("site") == "refused", "it wants a login")
        await until(lambda: floor.report["systems"]["site"]["again"] > began, "it says when")
        assert floor.report["systems"]["site"]["again"] <= now() + 31 * SECOND


def test_reasons_are_told_once_and_what_is_told_of_nobody_by_its_quality() -> None:
    complaints = Complaints.of([f"a{number}" for number in range(10)], [True] * 10)
    refused = happened("s", EventKind.TAG, Severity.ERROR, "a1, a2: refused", **listed(["a1", "a2"]))
    complaints.take(bad({1: quality.BAD_NODE_ID_UNKNOWN, 2: quality.BAD_NODE_ID_UNKNOWN, 7: quality.BAD_TIMEOUT}))
    complaints.hear([refused])
    assert complaints.describe() == {
        "bad": 3,
        "without_value": 0,
        "tags_problem": "3 of 10 tags bad: a1, a2: refused, a7 (BadTimeout)",
    }


def test_what_can_be_read_again_is_no_complaint_any_more() -> None:
    complaints = Complaints.of(["a", "b"], [True, True])
    complaints.take(bad({0: quality.BAD_NODE_ID_UNKNOWN}))
    complaints.hear([happened("s", EventKind.TAG, Severity.ERROR, "a: gone", **listed(["a"]))])
    complaints.hear([happened("s", EventKind.TAG, Severity.INFORMATION, "a can be read again", **listed(["a"]))])
    complaints.take(good(0))
    complaints.take(bad({0: quality.BAD_TIMEOUT}))
    assert complaints.describe()["tags_problem"] == "1 of 2 tags bad: a (BadTimeout)"


def test_of_many_that_can_be_read_again_one_after_the_other_it_is_heard_quickly() -> None:
    addresses = [f"a{number}" for number in range(10_000)]
    complaints = Complaints.of(addresses, [True] * len(addresses))
    complaints.hear([cannot_be_read("s", [address], "gone") for address in addresses])
    events = [can_be_read("s", [address]) for address in addresses]
    began = process_time()
    complaints.hear(events)
    assert process_time() - began < 1  # it was 3 s where each looked through all


@pytest.mark.parametrize("historical", [False, True])
def test_a_recalled_value_is_a_value_and_no_quality_of_now(historical: bool) -> None:
    complaints = Complaints.of(["a"], [False])
    complaints.take(bad({0: quality.BAD_TIMEOUT}))
    complaints.take(good(0, historical=historical))
    assert complaints.describe()["bad"] == int(historical)
    assert complaints.valued.all()


def test_a_tag_is_bad_or_without_a_value_and_never_counted_twice() -> None:
    complaints = Complaints.of(["a", "b"], [False, False])
    complaints.take(bad({0: quality.BAD_TIMEOUT}))
    said = complaints.describe()
    assert (said["bad"], said["without_value"]) == (1, 1)


def test_many_are_counted_and_few_named() -> None:
    complaints = Complaints.of([f"a{number}" for number in range(5000)], [False] * 5000)
    assert complaints.describe()["tags_problem"] == ("5,000 of 5,000 tags have no value yet: a0, a1, a2 and 4997 more")


def good(position: int, *, historical: bool = False) -> Readings:
    return Readings(
        index=np.array([position], np.uint32), at=np.array([1]), quality=np.zeros(1, np.uint32),
        form=np.array([Form.FLOAT], np.uint8), value=np.ones(1), seen=1, historical=historical,
    )  # fmt: skip
