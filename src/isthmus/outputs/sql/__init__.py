# SPDX-License-Identifier: Apache-2.0
"""The kind `sql`: samples in the tables of PostgreSQL or SQLite."""

from __future__ import annotations

from typing import Any, Final

from isthmus.outputs.contract import OutputKind, Surroundings
from isthmus.outputs.sql.spec import SqlOutputSpec


def _connect(spec: SqlOutputSpec, surroundings: Surroundings) -> Any:
    from isthmus.outputs.sql.output import SqlOutput

    return SqlOutput(spec, surroundings)


_ABOUT: Final = """\
With `shape: narrow`, all samples go into one table:

```sql
CREATE TABLE plant.samples (
  tag      text NOT NULL,             -- acme/lyon/mixing/line-1/reactor-1/temperature
  time     timestamptz NOT NULL,      -- the device's time; PostgreSQL keeps microseconds, the rest is cut off
  value    double precision,          -- numbers; 0 and 1; NULL where there is none
  "integer" numeric(20),              -- of whole tags the exact number
  text     text,                      -- texts, and the writing of a value that has a wrong type
  quality  bigint NOT NULL,           -- OPC UA StatusCode: 0 is Good, bad ones begin at 2147483648
  mark     bigint NOT NULL,           -- our own remarks as bits: 4 is historical
  time_ns  bigint NOT NULL,           -- the device's time in full: nanoseconds since 1970 (OPC UA has 100 ns)
  sample   bigint NOT NULL,           -- made of value, quality and mark: tells samples at one time apart
  PRIMARY KEY (tag, time_ns, sample)
);
```

```
$ psql postgresql://reader@warehouse.acme.example/plant
plant=> SELECT time, value FROM plant.samples
plant->  WHERE tag = 'acme/lyon/mixing/line-1/reactor-1/temperature' AND quality = 0 ORDER BY time_ns DESC LIMIT 2;
            time            | value
----------------------------+-------
 2026-11-23 06:30:00.25+00  |  81.6
 2026-11-23 06:29:59.75+00  |  81.5
```

With `shape: wide` there is a table for each asset type, `reactor`, with a row for each asset and time: `time`, `asset`
(its path), `time_ns`, `sample`, and for each tag two columns, `temperature` and `temperature_quality`. What is there at
one time stands in one row; where a tag has nothing then, both its columns are NULL, and where it is bad, only the value
is. Names of types and tags are written in small letters, with `_` for what needs quotes (`heat-jacket` is
`heat_jacket`). Tags of assets without a type are in `untyped`. When a type gets a tag its table gets the columns. Marks
are not kept here, and a value of a wrong type is NULL.

```
plant=> SELECT time, asset, temperature, pressure FROM reactor WHERE sample = 0 ORDER BY time DESC LIMIT 10;
```

**Each once.** A delivery is one transaction: COPY into a temporary table, then an INSERT that leaves alone what is
there by its key. A sample that comes again after a break is therefore stored once. Different values of a tag at one
time are all kept: narrow, as rows that differ in `sample`; wide, the first in the row with `sample` 0 and the others
in rows of their own. What the database has committed is delivered; whether that outlives a power cut is the database's
own matter (`synchronous_commit`).

**Tables** and columns that are not there are made, unless `create: false` says otherwise or the user may not: then the
output is refused, and the statements that make the tables lie in `outputs/<name>/tables.sql` below the data directory.
A table with a wrong type or key is named and left alone. Columns of your own are no trouble as long as they have a
default or may be NULL. The user needs SELECT, INSERT and for wide tables UPDATE on them, and the right to make
temporary tables; a pooler must leave a session its server (pgbouncer: `pool_mode = session`).

**Refused** is a row whose content the database does not take: a constraint or a trigger of yours, a text with a NUL. It
is parked with the database's words, and the rest is stored. What may pass or can be put right, such as a full disk, too
many connections, a table that was dropped, a right that was taken away, stops the output until it has: nothing is lost
by that.

**SQLite**: `url: sqlite:////var/lib/isthmus/plant.db`, a file that we make, with the same tables. `time` is a text,
`2026-11-23T06:30:00.250Z`. Whole numbers from 2^63 on, which SQLite does not have, are digits in `text`; in a wide
table they are refused. No value is NULL also where it was NaN.
"""

KIND = OutputKind(
    name="sql",
    title="SQL tables (PostgreSQL, SQLite)",
    spec=SqlOutputSpec,
    connect=_connect,
    secrets=("password",),
    example="""\
outputs:
  warehouse:
    kind: sql
    url: postgresql://warehouse.acme.example:5432/plant?sslmode=require
    user: isthmus
    password: !secret warehouse
    table: plant.samples
""",
    about=_ABOUT,
    tested=("PostgreSQL 15", "SQLite"),
)
