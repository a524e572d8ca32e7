# SPDX-License-Identifier: Apache-2.0
"""Alembic runs this: the migrations go over the connection, and inside the transaction, of who opened the ledger."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
