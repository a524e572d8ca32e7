# SPDX-License-Identifier: Apache-2.0
"""Files: CSV and JSON lines that another program drops into a folder, each row once."""

from __future__ import annotations

from typing import Any

from isthmus.systems.contract import Kind, Replay, Surroundings
from isthmus.systems.files.address import PATTERN, check_address
from isthmus.systems.files.spec import FilesSpec

_TEST = """\
content: |
  time;tank;test;result
  2026-11-23T06:30:00Z;T-101;pH;7,2
"""


def _connect(spec: FilesSpec, surroundings: Surroundings) -> Any:
    from isthmus.systems.files.source import FilesSource

    return FilesSource(spec, surroundings)


def _replay() -> Replay:
    from isthmus.systems.files.replay import Dropped, begin

    return Replay(Dropped, begin, _TEST)


KIND = Kind(
    name="files",
    title="Folder of files (CSV, JSON lines)",
    spec=FilesSpec,
    connect=_connect,
    check_address=check_address,
    local_times=lambda config: True,
    powers=("reads",),
    waits=True,
    replay=_replay,
    tested=("files as other programs write them",),
    pattern=PATTERN,
    addresses="""\
An address is a column, and which rows count where not all do:

| address | is |
| --- | --- |
| `temperature` | the column of that name (in JSON lines a key; `result.value` is `value` inside `result`) |
| `value[tag=TT101]` | the column `value`, of the rows that have `TT101` in the column `tag` |
| `result[tank=T-101,test=pH]` | of the rows in which both are so |

Each row has the time in its column `time`; several tags may take their values from one row. An empty cell is no value;
in JSON lines a null is none either, but where the row has a bad quality it is a bad sample. What is no number where a
number is wanted, a row with too few cells, a line that is no JSON: goes to quarantine with file, line and its bytes,
and the rest of the file is taken. A file that cannot be read as a whole (a column without `time`, two columns of one
name, no right to read it) goes to `failed/`, and an event says why. Symbolic links are left alone: one could name a
file that its maker may not read.

Write a file under another name, `.result.csv`, and rename it when it is whole; where that cannot be done, `settle` says
how long a file must have stayed as it is. Each row is in history once, also when Isthmus is killed in the middle of a
file: what is read again is the same sample, with the same tag, time, value and quality, and that is kept once. Two rows
that agree in all of these are therefore one sample. A file counts as another one when its name, size or time of change
is another. What the log does not take yet stays in its file.
""",
    example="""\
systems:
  lab:
    kind: files
    folder: /var/lib/lab/results
    files: "*.csv"
    time_zone: Europe/Paris
    decimal: ","

assets:
  tanks/tank-{101..104}:
    system: lab
    tags:
      ph: "result[tank=T-{n},test=pH]"
      density: {address: "result[tank=T-{n},test=density]", unit: kg/m3}
      remark: {address: "remark[tank=T-{n}]", type: text}
""",
)
