# SPDX-License-Identifier: Apache-2.0
"""A format of times, as strptime has it, reads a whole column at once; and which formats a text could be in."""

from __future__ import annotations

import re
from functools import cache
from typing import Final, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from isthmus.core.errors import IsthmusError
from isthmus.core.time import SECOND

Offsets: TypeAlias = tuple[NDArray[np.int64], NDArray[np.bool_]]
"""(n,) ns east of UTC, and (n,) where one is given."""

_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_FIELDS: Final = {
    "Y": r"(?P<Y>\d{4})", "y": r"(?P<y>\d\d)", "m": r"(?P<m>\d\d?)", "d": r"(?P<d>\d\d?)", "H": r"(?P<H>\d\d?)",
    "I": r"(?P<H>\d\d?)", "M": r"(?P<M>\d\d)", "S": r"(?P<S>\d\d)", "f": r"(?:[.,](?P<f>\d{1,9}))?",
    "p": r"(?P<p>[AaPp])\.?[Mm]\.?", "b": r"(?P<b>[A-Za-z]{3})[a-z]*\.?", "B": r"(?P<b>[A-Za-z]{3})[a-z]*",
    "z": r"\s*(?P<z>[Zz]|[+-]\d\d:?\d\d)?", "j": r"(?P<j>\d{1,3})", "%": "%",
}  # fmt: skip
_TWICE: Final = {"T": "%H:%M:%S", "F": "%Y-%m-%d", "R": "%H:%M", "D": "%m/%d/%y"}
_CANDIDATES: Final = tuple(
    f"{date}{between}{time}"
    for date in (
        "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y%m%d", "%d-%b-%Y", "%d-%b-%y",
        "%d %b %Y", "%d.%m.%y", "%m/%d/%y", "%b %d, %Y",
    )
    for between in (" ", "T", "")
    for time in (
        "%H:%M:%S", "%H:%M", "%I:%M:%S %p", "%I:%M %p", "%H%M%S", "%H:%M:%S.%f", "%I:%M:%S.%f %p", "%H:%M:%S.%f%z",
    )
)  # fmt: skip


@cache
def pattern(format_: str) -> str:
    """The regular expression of a format; raises IsthmusError when it cannot be one."""
    text = re.sub(r"%([TFRD])", lambda match: _TWICE[match[1]], format_)
    text = re.sub(r"[.,]%f", "%f", text)
    if format_.startswith("%Y-%m-%d %H:%M:%S%f%z"):
        return (
            _FIELDS["Y"] + "-" + _FIELDS["m"] + "-" + _FIELDS["d"]
            + r"(?:[T ](?P<H>\d\d):(?P<M>\d\d)(?::(?P<S>\d\d)(?:[.,](?P<f>\d{1,9}))?)?)?" + _FIELDS["z"]
        )  # fmt: skip
    body = ""
    for piece in re.split(r"(%.)", text):
        if not piece.startswith("%"):
            body += re.sub(r"(?:\\ )+", r"\\s+", re.escape(piece))
        elif piece[1:] in _FIELDS:
            body += _FIELDS[piece[1:]]
        else:
            known = " ".join(f"%{one}" for one in (*_FIELDS, *_TWICE))
            raise IsthmusError(f"{piece} in the format of times is not known", hint=f"known are {known}")
    names = re.findall(r"\?P<(\w)>", body)
    if len(names) != len(set(names)) or not ({"Y", "y"} & set(names)):
        raise IsthmusError(f"{format_!r} is no format of times", hint="it needs a year, and each part once")
    return body


def parts_of(texts: pa.Array, format_: str) -> tuple[NDArray[np.int64], Offsets | None, NDArray[np.bool_]]:
    """(n,) wall-clock ns of texts, their offsets where the format has one, and (n,) which fit it."""
    found = pc.extract_regex(texts, f"^{pattern(format_)}$")
    fits: NDArray[np.bool_] = found.is_valid().to_numpy(zero_copy_only=False)
    part = {found.type.field(i).name: found.field(i) for i in range(found.type.num_fields)}

    def number(name: str, default: int = 0) -> NDArray[np.int64]:
        if name not in part:
            return np.full(len(texts), default, np.int64)
        given = pc.if_else(pc.equal(part[name], ""), str(default), part[name]).fill_null(str(default))
        array: NDArray[np.int64] = given.cast(pa.int64()).to_numpy()
        return array

    year = number("Y") if "Y" in part else 2000 + number("y")
    month = _months(part["b"]) if "b" in part else number("m", 1)
    hour = number("H") + _afternoon(number("H"), part["p"]) if "p" in part else number("H")
    days, real = _days(year, month, number("d", 1))
    if "j" in part:
        days, real = _days(year, np.ones_like(year), np.ones_like(year))
        days = days + number("j") - 1
    minute, second = number("M"), number("S")
    fits = fits & real & (hour < 24) & (minute < 60) & (second < 60) & (year > 1677) & (year < 2262)
    clock = (days * 86_400 + hour * 3600 + minute * 60 + second) * SECOND
    fraction = _fraction(part["f"]) if "f" in part else np.zeros(len(texts), np.int64)
    ns: NDArray[np.int64] = np.where(fits, clock + fraction, 0)
    return ns, _offsets(part["z"]) if "z" in part else None, fits


def _days(
    year: NDArray[np.int64], month: NDArray[np.int64], day: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Days since 1970-01-01, and where there is such a day."""
    right = (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31) & (year > 1600) & (year < 2400)
    months = np.where(right, (year - 1970) * 12 + month - 1, 0).astype("datetime64[M]")
    days = months.astype("datetime64[D]").astype(np.int64) + np.where(right, day, 1) - 1
    right &= days.astype("datetime64[D]").astype("datetime64[M]") == months
    return days, right


def _months(names: pa.Array) -> NDArray[np.int64]:
    found = pc.index_in(pc.utf8_lower(names), pa.array(_MONTHS)).fill_null(-1)
    months: NDArray[np.int64] = found.to_numpy(zero_copy_only=False).astype(np.int64) + 1
    return months


def _afternoon(hour: NDArray[np.int64], letter: pa.Array) -> NDArray[np.int64]:
    """What AM or PM adds to an hour from 1 to 12; what makes another one impossible."""
    late = pc.equal(pc.utf8_lower(letter), "p").fill_null(False).to_numpy(zero_copy_only=False)
    added = np.where(late, 12, 0) - np.where(hour == 12, 12, 0)
    return np.where((hour < 1) | (hour > 12), 24, added)


def _fraction(digits: pa.Array) -> NDArray[np.int64]:
    padded = pc.utf8_rpad(digits.fill_null(""), width=9, padding="0")
    array: NDArray[np.int64] = padded.cast(pa.int64()).to_numpy()
    return array


def _offsets(texts: pa.Array) -> Offsets:
    different = texts.fill_null("").dictionary_encode()
    known = np.array([_offset(text) for text in different.dictionary.to_pylist()], np.int64)
    given = np.array([bool(text) for text in different.dictionary.to_pylist()], np.bool_)
    codes = different.indices.to_numpy()
    return (known[codes], given[codes]) if len(known) else (np.zeros(0, np.int64), np.zeros(0, np.bool_))


def _offset(text: str) -> int:
    if not text or text in "Zz":
        return 0
    sign = -1 if text[0] == "-" else 1
    return sign * (int(text[1:3]) * 3600 + int(text[-2:]) * 60) * SECOND


def fitting(text: str) -> list[str]:
    """Formats in which a text is a time, at most two: `23/11/2026 06:30` is in one, `03/11/2026 06:30` in two."""
    found: list[str] = []
    for format_ in _CANDIDATES:
        if re.fullmatch(pattern(format_), text) and parts_of(pa.array([text]), format_)[2][0]:
            shorter = format_.replace("%z", "").replace(".%f", "")
            found += [] if shorter in found or format_.replace("%z", "") in found else [format_]
    return found[:2]
