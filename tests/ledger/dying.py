# SPDX-License-Identifier: Apache-2.0
"""A process that applies one revision after the other and is killed somewhere: `dying.py DATA POINT`.

POINT names the system call at which it kills itself: after the file is written, after the commit, before the pointer.
Every apply that returned is written to `DATA/../accepted`, fsynced.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from isthmus.store.ledger import Ledger, files, ledger
from tests.ledger.content import apply


def main(data: Path, point: str, after: int) -> None:
    count = 0

    def die(here: str) -> None:
        nonlocal count
        count += here == point
        if here == point and count > after:
            os.kill(os.getpid(), signal.SIGKILL)

    write, point_at, keep = files.RevisionFiles.write, files.RevisionFiles.point, ledger._keep

    def writing(*given: Any) -> Any:
        die("before the file")
        path = write(*given)
        die("before the commit")
        return path

    def pointing(*given: Any) -> None:
        die("after the commit")
        point_at(*given)
        die("after the pointer")

    def keeping(*given: Any) -> None:
        keep(*given)
        die("inside the transaction")

    files.RevisionFiles.write = writing  # type: ignore[method-assign,assignment]  # to die there
    files.RevisionFiles.point = pointing  # type: ignore[method-assign,assignment]  # to die there
    ledger._keep = keeping  # type: ignore[assignment]  # to die there
    accepted = os.open(data.parent / "accepted", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    with Ledger.open(data, create=True) as opened:
        while True:
            made = apply(opened, [f"acme/lyon/t{n}" for n in range(opened.next_number())])
            os.write(accepted, f"{made.number} {made.digest}\n".encode())
            os.fsync(accepted)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
