# SPDX-License-Identifier: Apache-2.0
"""Time is UTC nanoseconds since 1970 inside and ISO 8601 at the edges; here one becomes the other."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from isthmus.core.errors import IsthmusError, Misasked

SECOND: Final = 1_000_000_000
MILLISECOND: Final = 1_000_000
UNKNOWN: Final = 0
"""The device gave no time."""

EARLIEST: Final = -(2**63) + 1
LATEST: Final = 2**63 - 1

_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?)?\s*(Z|[+-]\d\d:?\d\d)?", re.IGNORECASE
)
_DAYS: Final = {"today": 0, "yesterday": 1}
_LOCAL = re.compile(r"(today|yesterday)?\s*(\d{1,2}:\d\d(?::\d\d(?:[.,]\d{1,9})?)?)?", re.IGNORECASE)
FORMS: Final = "write 2026-11-23T06:30:00Z, 2026-11-23 06:30, 06:30, yesterday 06:30, today, now, or -2h"
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|min|h|d|w)", re.IGNORECASE)
_UNITS = {"ms": 10**6, "s": SECOND, "m": 60 * SECOND, "min": 60 * SECOND, "h": 3600 * SECOND}
_UNITS |= {"d": 86_400 * SECOND, "w": 7 * 86_400 * SECOND}


def now() -> int:
    """The wall clock, in nanoseconds since 1970-01-01 UTC."""
    return time.time_ns()


def to_iso(ns: int) -> str:
    """`ns` as ISO 8601 in UTC with as many decimals as it needs: 0, 3, 6 or 9."""
    seconds, fraction = divmod(ns, SECOND)
    try:
        text = (datetime(1970, 1, 1) + timedelta(seconds=seconds)).isoformat()
    except OverflowError as error:  # int64 nanoseconds end in 2262, long before this
        raise IsthmusError(f"{ns} ns is outside the years 1 to 9999") from error
    digits = f"{fraction:09d}"
    while digits.endswith("000"):
        digits = digits[:-3]
    return f"{text}{'.' + digits if digits else ''}Z"


def to_local(ns: int, zone: tzinfo) -> str:
    """`ns` as ISO 8601 by the clocks of `zone`, cut to milliseconds or whole seconds, with its offset; `Z` for none."""
    seconds, fraction = divmod(ns // MILLISECOND, 1000)
    try:
        moment = datetime.fromtimestamp(seconds, zone)
    except (OverflowError, ValueError) as error:
        raise IsthmusError(f"{ns} ns is outside the years 1 to 9999") from error
    text = moment.isoformat(timespec="seconds")
    clock, offset = text[:19], text[19:]
    return f"{clock}{f'.{fraction:03d}' if fraction else ''}{'Z' if offset == '+00:00' else offset}"


def from_iso(text: str, zone: tzinfo = UTC) -> int:
    """Nanoseconds of an ISO 8601 date or time; one without an offset is read in `zone`.

    Raises Misasked when `text` is no such time or lies outside what 64 bits of nanoseconds hold (1677 to 2262).
    """
    match = _ISO.fullmatch(text.strip())
    if match is None:
        raise Misasked(f"{text!r} is not a time", hint=FORMS)
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    try:
        moment = datetime(int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0))
        moment = moment.replace(tzinfo=_offset(offset) if offset else zone)
        whole = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)
    except (ValueError, OverflowError) as error:
        raise Misasked(f"{text!r} is not a time: {error}") from error
    ns = whole * SECOND + int((fraction or "").ljust(9, "0"))
    if not EARLIEST <= ns <= LATEST:
        raise Misasked(f"{text!r} lies outside the years 1678 to 2261")
    return ns


def _offset(text: str) -> tzinfo:
    if text.upper() == "Z":
        return UTC
    from datetime import timezone

    sign = -1 if text[0] == "-" else 1
    return timezone(sign * timedelta(hours=int(text[1:3]), minutes=int(text[-2:])))


def duration(text: str) -> int:
    """Nanoseconds of `250ms`, `1s`, `5m`, `2h`, `7d`, `1w`. Raises Misasked for anything else."""
    match = _SPAN.fullmatch(text.strip())
    if match is None:
        raise Misasked(f"{text!r} is not a duration", hint="write a number and ms, s, m, h, d or w: 250ms, 1s, 2h")
    ns = float(match[1]) * _UNITS[match[2].lower()]
    if ns > LATEST:
        raise Misasked(f"{text!r} is longer than 292 years")
    return round(ns)


def moment(text: str, reference: int, zone: tzinfo = UTC) -> int:
    """A time as people write it; `reference` is now.

    `now`; `-2h`, before now; ISO 8601, in `zone` unless it names another; and on the days of `zone`: `today` and
    `yesterday`, which begin at midnight, `yesterday 06:30`, and `06:30`, which is today's. Raises Misasked for anything
    else.
    """
    text = text.strip()
    if text.lower() == "now":
        return reference
    if text.startswith("-"):
        return reference - duration(text[1:])
    local = _LOCAL.fullmatch(text)
    if local is not None and text:
        return from_iso(f"{_day(reference, _DAYS[(local[1] or 'today').lower()], zone)} {_clock(local[2])}", zone)
    return from_iso(text, zone)


def _day(reference: int, back: int, zone: tzinfo) -> str:
    """The date in `zone`, so many days ago."""
    today = datetime.fromtimestamp(reference // SECOND, zone).date()
    return (today - timedelta(days=back)).isoformat()


def _clock(text: str | None) -> str:
    return text.rjust(len(text) + (text[1] == ":"), "0") if text else "00:00"


def to_text(ns: int) -> str:
    """A duration as `duration` reads it, in its largest whole unit."""
    for unit in ("w", "d", "h", "m", "s", "ms"):
        if ns and ns % _UNITS[unit] == 0:
            return f"{ns // _UNITS[unit]}{unit}"
    return f"{ns / SECOND:g}s"
