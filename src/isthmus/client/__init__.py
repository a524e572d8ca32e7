# SPDX-License-Identifier: Apache-2.0
"""A plant in Python: last values, history as Arrow, pandas or polars tables, SQL, live samples, events.

import isthmus.client

with isthmus.client.open("data") as plant:
    frame = plant.history("reactor-1/temperature", "-7d", every="1h", aggregate="Average").pandas()
"""

from isthmus.app.not_kept import NotKept
from isthmus.client.answer import Answer, History
from isthmus.client.plant import Plant, open  # noqa: A004  (said `isthmus.client.open`)
from isthmus.client.values import Sample, Tag
from isthmus.core.errors import IsthmusError
from isthmus.core.event import Event, EventKind, Severity
from isthmus.store.history.sql.given import Limits

__all__ = [
    "Answer",
    "Event",
    "EventKind",
    "History",
    "IsthmusError",
    "Limits",
    "NotKept",
    "Plant",
    "Sample",
    "Severity",
    "Tag",
    "open",
]
