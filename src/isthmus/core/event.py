# SPDX-License-Identifier: Apache-2.0
"""An event is something that happened: a gap, an overflow, a connection lost, a revision applied."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from isthmus.core.samples import Value


class EventKind(StrEnum):
    """What can happen; part of the subject an event travels under."""

    GAP = "gap"
    """Samples that existed are not in the log, or may not be: an overflow, a damaged file, a lost log."""
    CONNECTION = "connection"
    """A system was reached, lost or refused us."""
    OUTPUT = "output"
    """An output reached its far end, lost it, was refused by it, or goes on from history."""
    OVERRUN = "overrun"
    """A system could not be read as often as the plant file says: readings were left out, or rows are behind."""
    TAG = "tag"
    """One tag cannot be read as the plant file says, or can again."""
    QUARANTINE = "quarantine"
    """Something arrived that could not be understood; its bytes are kept."""
    LOG = "log"
    """The log itself: nearly full, full, another stream, restarted."""
    SERVICE = "service"
    """A process of ours started, stopped or died."""
    REVISION = "revision"
    """A revision was applied or rolled back."""
    CORRECTION = "correction"
    """A person corrected recorded values."""
    REPORT = "report"
    """A system tells of something that happened there: a row of a database, a decision of the laboratory."""


class Severity(StrEnum):
    """How much a person should care."""

    INFORMATION = "information"
    WARNING = "warning"
    ERROR = "error"


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that happened, to something, at a time."""

    id: str
    """Unique: redelivery is recognised by it."""
    kind: EventKind
    severity: Severity
    source: str
    """What it happened to: a path, a system, a service."""
    at: int
    """ns since 1970-01-01 UTC."""
    message: str
    """One sentence for a person."""
    details: dict[str, Value] = {}
    """The numbers behind the sentence: for a gap `first`, `last` (times, ns), `count` (samples, or absent: unknown)."""
