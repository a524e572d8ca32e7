# SPDX-License-Identifier: Apache-2.0
"""The ledger is the SQL record of what was decided: revisions, tag numbers, what was applied when and by whom."""

from isthmus.store.ledger.ledger import Ledger, Line

__all__ = ["Ledger", "Line"]
