# SPDX-License-Identifier: Apache-2.0
"""What the plant file may say of a database, and of the tables in it that are read."""

from __future__ import annotations

import re
from string import Formatter
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator

from isthmus.systems.contract import Spec
from isthmus.systems.durations import Duration, between
from isthmus.systems.sql.address import TABLE
from isthmus.systems.zones import BEFORE, Zone

SCHEMES = ("postgresql", "postgres")


def _url(text: str) -> str:
    authority = text.partition("://")[2].split("/")[0]
    if "@" in authority or "password=" in text or "user=" in text:  # before anything that repeats it
        raise ValueError("user and password have keys of their own")
    if "\0" in text:
        raise ValueError("a NUL in it")
    scheme = text.partition("://")[0]
    if scheme == "sqlite":
        if not text.startswith("sqlite:////") or len(text) == len("sqlite:////"):
            raise ValueError(f"{text!r} is no file with its whole path; write sqlite:////var/lib/mes/mes.db")
        return text
    if scheme not in SCHEMES or not authority or not urlsplit(text).path.strip("/"):
        raise ValueError(f"{text!r} is no database; write postgresql://host:5432/database, or sqlite:////path/file.db")
    return text


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _template(text: str) -> str:
    try:
        parts = list(Formatter().parse(text))
    except ValueError as error:
        raise ValueError(f"{text[:80]!r}: {error}; write columns in braces: '{{lot}} was {{decision}}'") from error
    for _, name, format_, conversion in parts:
        if name is not None and (not name or re.search(r"[.\[]", name) or format_ or conversion):
            raise ValueError(f"{text[:80]!r}: between braces stands the name of a column and nothing else")
    return text


class Database(Spec):
    """A database, and who we are there."""

    url: Annotated[str, AfterValidator(_url)] = Field(
        description="Where the database is: `postgresql://host:5432/database`, or `sqlite:////whole/path/file.db`. "
        "What libpq understands may follow, such as `?sslmode=verify-full&sslrootcert=/etc/ssl/lab.pem`."
    )
    user: str | None = Field(default=None, min_length=1, description="User name (PostgreSQL).")
    password: SecretStr | None = Field(default=None, description="The user's password; written `!secret name`.")
    timeout: Annotated[Duration, between("100ms", "10m")] = Field(
        default="10s", description="How long the database may take for one answer before it is given up."
    )

    @model_validator(mode="after")
    def _fits(self) -> Database:
        if self.file and (self.user or self.password):
            raise ValueError("a SQLite file has no user and no password")
        if self.password is not None and not self.user:
            raise ValueError("a password needs a user")
        return self

    @property
    def file(self) -> str:
        """The path of a SQLite file; empty for PostgreSQL."""
        return self.url.removeprefix("sqlite:///") if self.url.startswith("sqlite:") else ""


Columns = Annotated[
    tuple[Annotated[str, Field(min_length=1)], ...],
    BeforeValidator(_listed, json_schema_input_type=str | list[str]),
]


class Table(Spec):
    """A table, a view or a query that is read as rows come."""

    table: str | None = Field(
        default=None, min_length=1, description="The table or view, `results` or `lab.results` with its schema."
    )
    query: str | None = Field(
        default=None, min_length=1, description="In its place a SELECT that gives rows: a join, columns under names."
    )
    time: str = Field(default="time", min_length=1, description="The column with the time of the row.")
    order: Columns = Field(
        default=(),
        description="The column, or columns, that grow from row to row: by them we know what is new. An identity or "
        "the time of entry is best, with an index. Without it `time`.",
    )
    key: Columns = Field(
        default=(),
        description="The column, or columns, that tell rows apart which agree in `order`. Without it `order` does.",
    )
    where: str | None = Field(
        default=None, min_length=1, description="Which rows count, in SQL: `status = 'released' AND site = 'LYON'`."
    )
    quality: str | None = Field(
        default=None, min_length=1, description="The column with an OPC UA quality: `Good`, `BadSensorFailure`."
    )
    look_back: Annotated[Duration, between("0s", "52w")] = Field(
        default="10m",
        description="How much later than its successors in `order` a row may become visible and still be taken.",
    )
    begins: Literal["first", "now"] = Field(
        default="first", description="When we see the table first: take every row there is, or only those that come."
    )
    event: Annotated[str, AfterValidator(_template)] | None = Field(
        default=None,
        min_length=1,
        description="Each row is an event, too, of this text: `{lot} was {decision} by {person}`.",
    )
    severity: Literal["information", "warning", "error"] = Field(
        default="information", description="How much a person should care about these events."
    )

    @model_validator(mode="after")
    def _fits(self) -> Table:
        if (self.table is None) == (self.query is None):
            raise ValueError("say either table or query")
        if not self.order and not self.key:
            raise ValueError(
                f"rows may agree in {self.time!r}: say key, what tells them apart, or order, a column that grows"
            )
        return self

    @property
    def ordered_by(self) -> tuple[str, ...]:
        """The columns of the watermark."""
        return self.order or (self.time,)

    @property
    def keyed_by(self) -> tuple[str, ...]:
        """What tells apart rows that agree in these."""
        return tuple(column for column in self.key if column not in self.ordered_by)

    @property
    def told(self) -> tuple[str, ...]:
        """The columns that the text of the event names."""
        return tuple(name for _, name, _, _ in Formatter().parse(self.event or "") if name)


class SqlSpec(Database):
    """A database from which the rows of some tables are taken, each once."""

    tables: dict[Annotated[str, Field(pattern=f"^{TABLE}$")], Table] = Field(
        min_length=1,
        max_length=200,
        description="What is read: a name, as it stands in addresses, and how the table is read (see below).",
    )
    time_zone: Zone = BEFORE
    every: Annotated[Duration, between("50ms", "1d")] = Field(default="10s", description="How often to look.")
    page: int = Field(default=5000, ge=1, le=100_000, description="Rows taken of one table at once.")
