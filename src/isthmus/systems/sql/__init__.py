# SPDX-License-Identifier: Apache-2.0
"""The kind `sql`: rows of PostgreSQL and SQLite tables as they come, each once."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any, Final

from isthmus.core.errors import IsthmusError
from isthmus.systems.contract import Kind, Replay, Surroundings
from isthmus.systems.sql.address import PATTERN, check_address, parse
from isthmus.systems.sql.spec import SqlSpec, Table


def _connect(spec: SqlSpec, surroundings: Surroundings) -> Any:
    from isthmus.systems.sql.source import SqlSource

    return SqlSource(spec, surroundings)


def _fit(spec: SqlSpec, text: str) -> None:
    table = parse(text).table
    if table not in spec.tables:
        near = get_close_matches(table, spec.tables, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there is {', '.join(spec.tables)}"
        raise IsthmusError(f"{text!r}: there is no table {table!r} under tables", hint=hint)


def _replay() -> Replay:
    from isthmus.systems.sql.replay import Given, begin

    return Replay(Given, begin, _TEST)


_TEST: Final = """\
table: results
rows:
  - {id: 7, sampled_at: "2026-11-23 07:30:00", tank: T-101, test: pH, value: 7.2}
"""

_ADDRESSES: Final = """\
An address is a table, as it is called under `tables`, its column, and which rows count where not all do:

| address | is |
| --- | --- |
| `results.ph` | the column `ph` |
| `results.value[test=viscosity]` | the column `value`, of the rows that have `viscosity` in the column `test` |
| `results.value[tank=T-101,test=pH]` | of the rows in which both are so |

So several tags come from one table, whether it has a column for each or a row. The table is asked once for all of them.
What stands in brackets is compared as text, without blanks around it. A column whose name has one of `[ ] = ,` in it
needs another name in a `query`, or in a view. Names are those that the database has: capitals count.

`isthmus browse --kind sql postgresql://host:5432/lims --user isthmus --password-env LIMS` prints tables, views and
their columns ready to paste: each under `tables` with its primary key and the column that looks like the time of a row.
It says which tables have none; leave out what you do not want.

What can stand under the name of a table in `tables`:

"""

_ABOUT: Final = """

**What is new.** Rows are read in the order of `order` and `key`, and a watermark moves along. The best `order` is an
identity column, or the time at which the database wrote the row (`DEFAULT now()`), with an index on it. A row that is
changed counts as new only when `order` changes with it, as `updated_at` does: then the new values are recorded beside
the old ones. A row in which a column of `order` is NULL is not there yet; so `order: released_at` takes results when
they are released. Deleted rows stay recorded.

**Late rows.** A transaction that began first may end last, and somebody enters on Monday what was measured on Friday.
So what lies behind the watermark is read again, back to where the watermark stood `look_back` ago, and rows there that
were not taken yet are. The last 1,000 rows are looked through at every look, the whole stretch ten times within
`look_back`. Up to 20,000 rows are remembered; an event says so when that is less than `look_back`, and while rows come
more quickly than they are taken, one is found that becomes visible behind up to 10,000 others. Local times without
a zone are ambiguous for an hour in autumn: with one as `order`, `look_back` has to be more than an hour. A row more
than a day in the future is taken, and the watermark does not move to it.

**Each once.** How far each table was read is kept in `run/sql-<system>.db` below the data directory and moves on only
when the log has the rows. After a sudden end some rows are read again: they are the same samples, with the same tag,
time, value and quality, or events of the same id, and those are kept once. What the log does not take yet stays in the
database. When `table`, `query`, `order`, `key` or `where` change, the table is read from its beginning. A tag that is
added later has values from the rows that come then; under a new name in `tables` it is read from its beginning, too.

**Events** of a page go into the log together, and each of them is listed by `isthmus events`: for a table with a long
past say `begins: now`.

**Values.** A sample has the row's own time. NULL, and text of blanks only, is no value. A row without a time, a text
that is no number where a number is wanted: goes to quarantine with the row as JSON (of very
many in one page the later ones together), and the other rows are taken. Times
without a zone are in `time_zone`; numbers are seconds since 1970 with 10 digits, milliseconds with 13, microseconds
with 16, nanoseconds with 19. Dates, documents (JSON), arrays and bytes are texts. A table or column that is not there
harms
only its addresses, is told of, and is tried again: a column at every look, a table every 30 seconds. Rows that were
taken meanwhile are not taken again for a column that comes back.

**Many at once.** Where one page is full the next is asked for at once, whatever `every` says: 8 pages may be on their
way into the log, and the rest stays in the database. An event says so when there was always more for a minute, and up
to which time it was taken.

**TLS.** `sslmode=require` encrypts and trusts whoever answers; with `sslmode=verify-full&sslrootcert=/path/ca.pem` the
server has to show a certificate for its name that those in the file made. An expired one is told as such; rows wait in
the database, and come within seconds once it has a new one.

**Rights.** Nothing is written: transactions are READ ONLY, and a SQLite file is opened so. Give Isthmus a user that may
do no more than `GRANT SELECT ON lab.results`. Each question has `timeout`, in PostgreSQL as its `statement_timeout`,
which frees what it holds. A SQLite file in WAL mode needs its `-wal` and `-shm` beside it, readable, as long as its
writer runs.
"""


def _keys() -> str:
    """What can stand under the name of a table, as a Markdown table."""
    rows = ["| key | without it | meaning |", "| --- | --- | --- |"]
    for name, field in Table.model_fields.items():
        default = f"`{field.default}`" if field.default else "none"
        rows.append(f"| `{name}` | {default} | {field.description} |")
    return "\n".join(rows)


KIND = Kind(
    name="sql",
    title="Database (PostgreSQL, SQLite)",
    spec=SqlSpec,
    connect=_connect,
    check_address=check_address,
    check_fit=_fit,
    local_times=lambda config: True,
    powers=("reads", "browses"),
    secrets=("password",),
    looking={"tables": {"nothing": {"query": "nothing", "key": "nothing"}}},
    waits=True,
    replay=_replay,
    tested=("PostgreSQL 15", "SQLite"),
    pattern=PATTERN,
    addresses=_ADDRESSES + _keys() + _ABOUT,
    example="""\
systems:
  lims:
    kind: sql
    url: postgresql://lims.acme.example:5432/lims?sslmode=require
    user: isthmus
    password: !secret lims
    time_zone: Europe/Paris
    tables:
      results:
        table: lab.results
        time: sampled_at
        order: entered_at
        key: id
        where: "status = 'released'"
      lots:
        query: SELECT id, decided_at, lot, decision, person FROM lab.lots JOIN lab.people USING (person_id)
        time: decided_at
        order: id
        event: "lot {lot} was {decision} by {person}"

assets:
  tanks/tank-{101..104}:
    system: lims
    tags:
      ph: "results.value[tank=T-{n},test=pH]"
      density: {address: "results.value[tank=T-{n},test=density]", unit: kg/m3}
  office:
    system: lims
    tags:
      lot: {address: lots.lot, type: text}
""",
)
