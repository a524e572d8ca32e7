# SPDX-License-Identifier: Apache-2.0
"""How far is each tag recorded? Asked by a collector that starts, so it needs the manifest only, and no Parquet."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from isthmus.core.errors import Damaged


def newest(folder: Path) -> dict[int, int]:
    """Tag number → time (ns) of its latest recorded live sample, in a history folder; empty where none is.

    It is behind what the log has by a flush of the recorder. Raises Damaged when the manifest cannot be read.
    """
    path = folder / "manifest.db"
    if not path.exists():
        return {}
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=10)) as database:
            return dict(database.execute("SELECT tag, time FROM latest"))
    except sqlite3.Error as error:
        raise Damaged(f"the manifest cannot be read: {error}", where=str(path)) from error
