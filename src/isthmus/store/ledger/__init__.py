# SPDX-License-Identifier: Apache-2.0
"""The ledger is the SQL record of what was decided: revisions, tag numbers, what was applied when and by whom.

Loaded when first used: services read revision files only, and starting SQLAlchemy costs them a third of their start.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from isthmus.store.ledger.ledger import Ledger, Line

__all__ = ["Ledger", "Line"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from isthmus.store.ledger import ledger

    return getattr(ledger, name)
