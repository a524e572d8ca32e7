# SPDX-License-Identifier: Apache-2.0
"""An address in files is a cell of their rows: `temperature`, `value[tag=TT101]`, `pH[tank=T1,by=lab]`."""

from __future__ import annotations

from typing import Final

from isthmus.systems import cell
from isthmus.systems.cell import Cell

PATTERN: Final = f"^{cell.PATTERN}$"
"""Of canonical addresses."""
_HINT: Final = "write a column, `temperature`, or a column and which rows count, `value[tag=TT101]`"


def parse(text: str) -> Cell:
    """The cell `text` names; raises IsthmusError when it cannot be one."""
    return cell.parse(text, text, "in a file", _HINT)


def check_address(text: str) -> str:
    """`text` in its canonical writing; raises IsthmusError when it cannot be an address."""
    return str(parse(text))
