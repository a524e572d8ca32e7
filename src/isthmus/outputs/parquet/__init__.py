# SPDX-License-Identifier: Apache-2.0
"""The kind `parquet`: a share of Parquet files, one or more for each hour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from isthmus.outputs.contract import OutputKind
from isthmus.outputs.parquet.share import ParquetSpec, Share

_EXAMPLE: Final = """\
outputs:
  lake:
    kind: parquet
    folder: /srv/share/acme-lyon
    keep: 730d
"""

_ABOUT: Final = """\
Every sample, in Parquet files that pandas, polars, DuckDB and Spark read as they are:
`day=2026-11-23/06-4f1c09a2b7de.parquet` holds samples of the hour from 06:00 to 07:00 UTC. A file is written `settle`
after the end of its hour, and is whole when it has its name; no file is ever changed. What comes late goes into another
file of its hour. An hour with very many samples is more than one file, written before it ends.

| column | is |
| --- | --- |
| `tag` | the path |
| `time` | the device's time, an instant in UTC to the microsecond |
| `value` | a number; 0 and 1 of a boolean; NaN where there is none |
| `integer` | the exact value of a whole-number tag, null of others; of unsigned ones from 2^63 on minus 2^64 |
| `text` | the value of a text tag |
| `unit` | the UCUM code |
| `quality`, `code` | the OPC UA StatusCode, by name and as a number |
| `marks` | our own remarks, such as `out of range`; mostly empty |
| `seen` | when it reached us |
| `nanoseconds` | `time` to the nanosecond, since 1970-01-01 UTC |

Within a file tags are in order of their paths, the samples of a tag in order of time. Spark reads no times in
nanoseconds and DuckDB 1.5 cuts them where they have a zone: hence microseconds, and the exact number beside them. A
sample marked `corrected` stands for the others of its tag at its time.

`manifest.json` lists the files, each with its hour, rows, size, SHA-256 and the times of its first and last sample (in
nanoseconds). It is replaced as a whole once the files in it are. Read the files that it lists and you read one state;
`day=*/*.parquet` will do as well, since every file with that name is whole.

```python
import json, pathlib

share = pathlib.Path("/srv/share/acme-lyon")
files = [str(share / one["file"]) for one in json.loads((share / "manifest.json").read_text())["files"]]
```

A sample is in the share once, also when it was delivered twice because Isthmus or its machine went down: what a file of
the hour has already is not written again. Until their hour is written samples wait below `outputs/` in the data
directory, on the disk; `delivered` on `isthmus status` counts them. With `keep` files are taken out of the manifest
when they are old enough, and removed ten minutes later.

A share of another plant or output is refused, and so is a folder with other files in it. When the folder is gone, as a
network drive that is not mounted, the output waits for it.

[`isthmus share`](command-line.md#isthmus-share) makes a share of days, with what was recorded, when you ask for it.
"""


def _folder(config: Mapping[str, Any]) -> Sequence[str]:
    return (f"the share in {config.get('folder')}",)


KIND: Final = OutputKind(
    name="parquet",
    title="Parquet share, in hours",
    spec=ParquetSpec,
    connect=Share,
    example=_EXAMPLE,
    sole=_folder,
    sole_hint="a share is written by one output: give each a folder of its own",
    about=_ABOUT,
    tested=("pandas", "polars", "DuckDB", "Spark"),
)
