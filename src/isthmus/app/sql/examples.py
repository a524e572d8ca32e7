# SPDX-License-Identifier: Apache-2.0
"""Three questions that the plant at hand can answer, to begin with."""

from __future__ import annotations

from isthmus.core.tag import DataType
from isthmus.plant.revision import Revision
from isthmus.store.history.sql.views import text


def examples(revision: Revision) -> list[tuple[str, str]]:
    """(what it answers, the question)."""
    paths = [setting.tag.path for setting in revision.tags if setting.tag.type is DataType.FLOAT]
    tag = text(min(paths, default=f"{revision.plant}/line-1/reactor-1/temperature"))
    return [
        (
            "what a tag was ten minutes ago",
            f"SELECT time, value, quality FROM samples WHERE tag = {tag} "
            "AND time BETWEEN now() - INTERVAL 1 DAY AND now() - INTERVAL 10 MINUTE ORDER BY time DESC LIMIT 1",
        ),
        (
            "its averages of the last hours",
            "SELECT time_bucket(INTERVAL 1 HOUR, time) AS hour, sum(integral) / sum(good_time) AS average "
            f"FROM rollup_1m WHERE tag = {tag} AND time >= now() - INTERVAL 8 HOUR GROUP BY hour ORDER BY hour",
        ),
        ("which tags are not well now", "SELECT tag, value, quality, time FROM last WHERE quality <> 'Good'"),
    ]
