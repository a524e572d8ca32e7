# SPDX-License-Identifier: Apache-2.0
"""Times of a file as nanoseconds: ISO 8601, a format of its own, or numbers; a local time that is not one is refused.

Nothing is guessed: a file whose times are not ISO 8601 is refused with the formats that would fit, and a time that the
clock shows twice (the hour after daylight saving ends) is refused unless it is said which one is meant.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from isthmus.app.importing.formats import fitting, parts_of
from isthmus.app.importing.piece import Column
from isthmus.core.errors import IsthmusError
from isthmus.core.time import SECOND

_QUARTER: Final = 900 * SECOND
"""Offsets from UTC change at whole quarters of an hour."""

_COUNTS: Final[dict[str, tuple[float, int]]] = {
    "s": (SECOND, 0),
    "ms": (10**6, 0),
    "us": (10**3, 0),
    "ns": (1, 0),
    "excel": (86_400 * SECOND, -25_569),
    "filetime": (100, -116_444_736_000_000_000),
}
"""Format of a number → ns of one, and what is added before: 1970-01-01 in that counting is 0."""

_ISO: Final = "%Y-%m-%d %H:%M:%S%f%z"

NO_TIME: Final = "no time"
NOT_A_TIME: Final = "the time cannot be read"
TWICE: Final = "the clock shows this time twice (daylight saving ends): --fold first or second says which one is meant"
NEVER: Final = "the clock never shows this time (daylight saving begins)"


@dataclass(frozen=True, slots=True)
class Times:
    """n times."""

    ns: NDArray[np.int64]
    """(n,) since 1970-01-01 UTC; 0 where it is refused."""
    wrong: dict[str, NDArray[np.bool_]]
    """Reason → (n,) which are refused."""

    @property
    def right(self) -> NDArray[np.bool_]:
        """(n,) which are not refused."""
        bad = np.zeros(len(self.ns), np.bool_)
        for rows in self.wrong.values():
            bad |= rows
        return ~bad


@dataclass(slots=True)
class Clock:
    """How the times of a file are to be read."""

    format: str
    """strptime, or one of `s`, `ms`, `us`, `ns`, `excel`, `filetime`; empty: ISO 8601."""
    zone: tzinfo
    """Of texts without an offset."""
    naive: tzinfo = UTC
    """Of Arrow times without a zone."""
    fold: str = ""
    proven: bool = False
    """Some times were in the format: from now on one that is not is the row's fault, not the format's."""
    _offsets: dict[tuple[int, int], tuple[int, int, bool]] = field(default_factory=dict)

    def read(self, column: Column) -> Times:
        """Raises IsthmusError when the first times are none of this format: then the file is not meant so."""
        array = column if not isinstance(column, list) else _array(column)
        if isinstance(array, pa.DictionaryArray):
            array = array.dictionary_decode()
        kind = array.type
        if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
            return self._arrow(array)
        if pa.types.is_integer(kind) or pa.types.is_floating(kind):
            return self._counted(array)
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            return self._texts(array.cast(pa.string()))
        raise IsthmusError(f"the times are of type {kind}, which are none", hint="--time-column names another column")

    def _arrow(self, array: pa.Array) -> Times:
        missing = array.is_null().to_numpy(zero_copy_only=False)
        try:
            ns = array.cast(pa.timestamp("ns", getattr(array.type, "tz", None))).cast(pa.int64())
        except pa.ArrowInvalid as error:
            raise IsthmusError("there are times outside the years 1678 to 2261", hint="leave them out") from error
        times = Times(ns.fill_null(0).to_numpy(), {NO_TIME: missing})
        return times if getattr(array.type, "tz", None) else self._local(times, self.naive)

    def _counted(self, array: pa.Array) -> Times:
        if self.format not in _COUNTS:
            hint = "--time-format says what they count: s, ms, us or ns since 1970, excel, filetime"
            raise IsthmusError("the times are numbers", hint=hint)
        scale, begin = _COUNTS[self.format]
        missing = array.is_null().to_numpy(zero_copy_only=False)
        if pa.types.is_integer(array.type):
            counts: Any = array.cast(pa.int64()).fill_null(-begin).to_numpy()
            fits = np.abs(counts.astype(np.float64) + begin) * scale < 2.0**63
            return Times(
                np.where(fits, (np.where(fits, counts, -begin) + begin) * int(scale), 0),
                {NO_TIME: missing, NOT_A_TIME: ~fits},
            )
        counts = array.cast(pa.float64()).fill_null(np.nan).to_numpy(zero_copy_only=False)
        fits = np.abs(counts + begin) * scale < 2.0**63
        whole = np.floor(np.where(fits, counts, 0.0))
        part = np.where(fits, counts, 0.0) - whole
        # the fraction apart, to the microsecond: a float of seconds has no more, and Excel's has less
        ns = (whole.astype(np.int64) + begin) * int(scale) + np.round(part * scale / 1000).astype(np.int64) * 1000
        return Times(np.where(fits, ns, 0), {NO_TIME: missing, NOT_A_TIME: ~fits & ~missing})

    def _texts(self, texts: pa.Array) -> Times:
        texts = pc.utf8_trim_whitespace(texts)
        if self.format in _COUNTS:
            return self._numbers(texts)
        if not self.format:
            quick = _quick(texts)
            if quick is not None:
                self.proven = True
                return self._local(Times(quick[0], {}), self.zone) if quick[1] else Times(quick[0], {})
        empty = pc.or_kleene(pc.is_null(texts), pc.equal(texts, "")).fill_null(True).to_numpy(zero_copy_only=False)
        ns, offset, fits = parts_of(texts, self.format or _ISO)
        if not fits.any() and not empty.all() and not self.proven:
            raise self._unfit(texts)
        self.proven |= bool(fits.any())
        times = Times(ns, {NO_TIME: empty, NOT_A_TIME: ~fits & ~empty})
        if offset is None:
            return self._local(times, self.zone)
        zoned, known = offset
        ours = self._local(Times(ns, {}), self.zone)
        wrong = {reason: rows & ~known for reason, rows in ours.wrong.items()}
        return Times(np.where(known, ns - zoned, ours.ns), {**times.wrong, **wrong})

    def _numbers(self, texts: pa.Array) -> Times:
        whole = self.format not in ("excel", "s")
        try:
            return self._counted(texts.cast(pa.int64() if whole else pa.float64()))
        except pa.ArrowInvalid:
            good = pc.match_substring_regex(texts, r"^[+-]?\d+(\.\d*)?$").fill_null(False)
            times = self._counted(pc.if_else(good, texts, None).cast(pa.float64()))
            bad = ~good.to_numpy(zero_copy_only=False)
            empty = pc.or_kleene(pc.is_null(texts), pc.equal(texts, "")).fill_null(True).to_numpy(zero_copy_only=False)
            return Times(times.ns, {NO_TIME: empty, NOT_A_TIME: bad & ~empty})

    def _unfit(self, texts: pa.Array) -> IsthmusError:
        """What to say of times in another format."""
        sample = next((text for text in texts.to_pylist() if text), "")
        near = fitting(sample)
        hint = f"--time-format {' or '.join(map(repr, near))} would fit" if near else "--time-format says how they are"
        said = f"in the format {self.format!r}" if self.format else "in ISO 8601"
        return IsthmusError(f"the times are not {said}: {sample[:60]!r}", hint=hint)

    def _local(self, times: Times, zone: tzinfo) -> Times:
        """Wall-clock times of a zone as UTC."""
        if zone is UTC:
            return times
        quarter = times.ns // _QUARTER
        different, inverse = np.unique(quarter, return_inverse=True)
        known = [self._offset(int(one), zone) for one in different.tolist()]
        first, second = (np.array([one[i] for one in known], np.int64)[inverse] for i in (0, 1))
        never = np.array([one[2] for one in known], np.bool_)[inverse]
        twice = (first != second) & ~never
        shift = np.where(twice, second if self.fold == "second" else first, first)
        wrong = dict(times.wrong)
        if never.any():
            wrong[NEVER] = never
        if twice.any() and not self.fold:
            wrong[TWICE] = twice
        return Times(times.ns - shift, wrong)

    def _offset(self, quarter: int, zone: tzinfo) -> tuple[int, int, bool]:
        """Offsets (ns) of a quarter of an hour on the wall, read as its first and second time; whether it never is."""
        key = (quarter, id(zone))
        if key not in self._offsets:
            self._offsets[key] = _offset(quarter, zone)
        return self._offsets[key]


def _offset(quarter: int, zone: tzinfo) -> tuple[int, int, bool]:
    wall = datetime(1970, 1, 1) + timedelta(seconds=quarter * 900)
    first, second = (wall.replace(tzinfo=zone, fold=fold).utcoffset() or timedelta() for fold in (0, 1))
    never = first != second and (wall - first).replace(tzinfo=UTC).astimezone(zone).replace(tzinfo=None) != wall
    return _ns(first), _ns(second), never


def _ns(span: timedelta) -> int:
    return span // timedelta(microseconds=1) * 1000


def _quick(texts: pa.Array) -> tuple[NDArray[np.int64], bool] | None:
    """ISO 8601 that Arrow reads itself, when all of it is: (ns, whether it is local time)."""
    if texts.null_count:
        return None
    for zone in ("UTC", None):
        try:
            return texts.cast(pa.timestamp("ns", zone)).cast(pa.int64()).to_numpy(), zone is None
        except pa.ArrowInvalid:
            continue
    return None


def _array(values: list[Any]) -> pa.Array:
    """Python values as one array: numbers where all are, else texts."""
    numbers = all(value is None or (isinstance(value, int | float) and not isinstance(value, bool)) for value in values)
    if numbers:
        return pa.array(values, pa.float64() if any(isinstance(value, float) for value in values) else pa.int64())
    return pa.array([value if isinstance(value, str | None) else str(value) for value in values], pa.string())


def check_format(text: str) -> None:
    """Raises IsthmusError unless `text` is a format of times."""
    if text and text not in _COUNTS and not re.search(r"%[YymdHIMSfpzbBjT]", text):
        hint = "strptime's, such as '%d.%m.%Y %H:%M:%S'; or s, ms, us, ns, excel, filetime"
        raise IsthmusError(f"{text!r} is no format of times", hint=hint)
