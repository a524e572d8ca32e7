# SPDX-License-Identifier: Apache-2.0
"""What is kept: history (segments, manifest, queries) and the ledger (SQL tables)."""
