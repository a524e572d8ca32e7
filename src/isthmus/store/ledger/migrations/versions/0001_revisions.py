# SPDX-License-Identifier: Apache-2.0
"""Revisions, what was applied, and the numbers of tags."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "revisions",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("digest", sa.String(32), nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("comment", sa.Text, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "applied",
        sa.Column("step", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("revision", sa.Integer, sa.ForeignKey("revisions.number"), nullable=False),
        sa.Column("applied", sa.BigInteger, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
    )
    op.create_table(
        "tag_numbers",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("unit", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("revision", sa.Integer, sa.ForeignKey("revisions.number"), nullable=False),
        sa.Column("tag", sa.BigInteger, nullable=False),
        sa.Column("gone", sa.Integer, nullable=False),
    )
    op.create_index("ix_tag_numbers_path", "tag_numbers", ["path"])
