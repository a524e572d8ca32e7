# SPDX-License-Identifier: Apache-2.0
"""The tables of the ledger as they are today; `migrations/` says how they came to be."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, LargeBinary, MetaData, String, Table, Text

HEAD: Final = "0001"
"""The newest migration: a ledger that is there needs none."""

metadata = MetaData()

REVISIONS: Final = Table(
    "revisions",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("digest", String(32), nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("author", Text, nullable=False),
    Column("comment", Text, nullable=False),
    Column("content", LargeBinary, nullable=False),
)
"""`content` is the packed revision, compressed by zlib; `created` in ns since 1970-01-01 UTC."""

APPLIED: Final = Table(
    "applied",
    metadata,
    Column("step", Integer, primary_key=True, autoincrement=False),
    Column("revision", Integer, ForeignKey("revisions.number"), nullable=False),
    Column("applied", BigInteger, nullable=False),
    Column("author", Text, nullable=False),
)
"""What ran from when on; the highest step is what runs."""

TAG_NUMBERS: Final = Table(
    "tag_numbers",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("path", Text, nullable=False, index=True),
    Column("unit", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("revision", Integer, ForeignKey("revisions.number"), nullable=False),
    Column("tag", BigInteger, nullable=False),
    Column("gone", Integer, nullable=False),
)
"""Every number ever given: the path it had last, its unit and data type, the revision that gave it, the first number of
its tag, and the revision from which on nothing has it (0 while something does). Never deleted."""
