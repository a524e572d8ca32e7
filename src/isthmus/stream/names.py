# SPDX-License-Identifier: Apache-2.0
"""Every subject, stream and bucket of the log has its name from here."""

from __future__ import annotations

import re
from typing import Final

from isthmus.core.event import EventKind

STREAM: Final = "ISTHMUS"
"""The one stream samples, events and quarantine go through."""

LISTS: Final = "isthmus_lists"
"""Bucket of tag lists, by digest."""

REVISIONS: Final = "isthmus_revisions"
"""Bucket of revisions, by number."""

SUBJECTS: Final = ("isthmus.samples.>", "isthmus.events.>", "isthmus.quarantine.>")

SAMPLES: Final = "isthmus.samples."
EVENTS: Final = "isthmus.events."
QUARANTINE: Final = "isthmus.quarantine."

_ILLEGAL = re.compile(r"[^A-Za-z0-9_\-]")
_DEEPEST: Final = 16
_LONGEST: Final = 64


def token(text: str) -> str:
    """`text` as one legal token of a subject: anything but letters, digits, `_` and `-` becomes `_`.

    Tokens are for routing only: two texts may share one, the message itself says which it is.
    """
    return _ILLEGAL.sub("_", text)[:_LONGEST] or "_"


def tokens(path: str) -> str:
    """`path` as tokens of a subject, one for each segment."""
    return ".".join(token(segment) for segment in path.split("/", _DEEPEST - 1))


def samples_subject(site: str, collector: str) -> str:
    """Where one collector publishes; it is the only one that does."""
    return f"{SAMPLES}{token(site)}.{token(collector)}"


def event_subject(kind: EventKind, source: str) -> str:
    """Where an event of this kind about `source` goes."""
    return f"{EVENTS}{kind.value}.{tokens(source)}"


def quarantine_subject(source: str) -> str:
    """Where what could not be understood goes."""
    return f"{QUARANTINE}{tokens(source)}"


def bucket_stream(bucket: str) -> str:
    """The stream behind a bucket, as NATS names it."""
    return f"KV_{bucket}"


def bucket_subject(bucket: str, key: str) -> str:
    """The subject of a key of a bucket, as NATS names it."""
    return f"$KV.{bucket}.{key}"
