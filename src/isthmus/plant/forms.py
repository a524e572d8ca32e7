# SPDX-License-Identifier: Apache-2.0
"""A form says how one value in a plant file is written, and reads it: a path, a duration, a unit, a range.

Every form serves three readers: the check (`read`), editors (`schema`, JSON Schema) and people (`name`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from typing import Any, Final
from zoneinfo import available_timezones

from isthmus.core import path as paths
from isthmus.core import time, unit
from isthmus.core.errors import IsthmusError
from isthmus.core.tag import DataType
from isthmus.plant.calendar import DAY_NAMES
from isthmus.plant.findings import nearest, one_of
from isthmus.plant.nodes import List, Map, Node, Scalar

Json = Mapping[str, Any]

_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.\-]{0,62}[A-Za-z0-9_\-])?")
_TYPE = re.compile(r"([A-Za-z0-9_](?:[A-Za-z0-9_.\-]{0,62}[A-Za-z0-9_\-])?)(?:@([1-9][0-9]{0,5}))?")
_KEPT = re.compile(r"(\d{1,5})\s*([dwy])")
_CLOCK = re.compile(r"(\d{1,2}):(\d\d)")
_DATE = re.compile(r"[12]\d{3}-\d\d-\d\d")
_SITE = re.compile(r"(?:nats|tls)://[^\s/@]+")

SHORTEST_INTERVAL: Final = time.MILLISECOND
LONGEST_INTERVAL: Final = 86_400 * time.SECOND
WHOLE_PLANT: Final = "/"
"""In the place of a path: the whole plant."""
LONGEST_KEPT: Final = 100 * 366
"""Days."""


@dataclass(frozen=True, slots=True)
class Form:
    """How one value is written. `read` raises IsthmusError (what, hint) when it is not written so."""

    name: str
    read: Callable[[Node], Any]
    schema: Json
    text: str = field(default="")
    """More about it, for the reference; empty where the name says it all."""


def written(node: Node) -> str:
    """The text of a scalar that is there; numbers and switches count as they are written."""
    if isinstance(node, Map):
        braces = len(node.entries) == 1 and all(isinstance(v, Scalar) and v.empty for _, v in node.entries.values())
        raise IsthmusError(
            "wants a text, not a mapping", hint="put a text that begins with { in quotes" if braces else ""
        )
    if isinstance(node, List):
        raise IsthmusError("wants a text, not a list")
    if node.secret:
        raise IsthmusError("!secret cannot stand here", hint="only a system's secret fields take one")
    if node.empty:
        raise IsthmusError("is empty")
    return node.text


def _text(node: Node) -> str:
    text = written(node)
    if len(text) > 4000:
        raise IsthmusError(f"has {len(text):,} characters", hint="at most 4,000")
    return text


def _line(node: Node) -> str:
    text = _text(node)
    if "\n" in text or not text.strip():
        raise IsthmusError("must be one line of text" if text.strip() else "is empty")
    return text


def _number(node: Node) -> float:
    text = written(node)
    value = node.value() if isinstance(node, Scalar) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise IsthmusError(f"{text[:80]!r} is not a number")
    try:
        value = float(value)
    except OverflowError:
        value = math.inf
    if not math.isfinite(value):
        raise IsthmusError(f"{text[:80]!r} is too large or not a number")
    return value


def _whole(node: Node, least: int = -(2**63), most: int = 2**63 - 1) -> int:
    text = written(node)
    value = node.value() if isinstance(node, Scalar) else None
    if isinstance(value, bool) or not isinstance(value, int):
        raise IsthmusError(f"{text[:80]!r} is not a whole number")
    if not least <= value <= most:
        raise IsthmusError(f"{text[:80]} is out of bounds", hint=f"from {least:,} to {most:,}")
    return value


def whole(least: int, most: int) -> Form:
    schema = {"type": "integer", "minimum": least, "maximum": most}
    return Form("whole number", lambda node: _whole(node, least, most), schema, f"{least:,} to {most:,}")


def _version(node: Node) -> int:
    if _whole(node) != 1:
        raise IsthmusError("this Isthmus reads version 1", hint="a newer plant file wants a newer Isthmus")
    return 1


def _pictured(node: Node) -> str:
    return WHOLE_PLANT if isinstance(node, Scalar) and node.text == WHOLE_PLANT else _path(node)


def _placed(node: Node) -> Map:
    if not isinstance(node, Map):
        raise IsthmusError("wants equipment and its spot", hint="write place: {tank-1: [0, 0], pump-1: [1, 0]}")
    return node


def _flowing(node: Node) -> List:
    if not isinstance(node, List):
        raise IsthmusError("wants a list", hint="write - [tank-1, pump-1], or - water: [tank-1, pump-1], one per line")
    return node


def _positive(node: Node) -> float:
    value = _number(node)
    if value <= 0:
        raise IsthmusError("must be above zero")
    return value


def _not_negative(node: Node) -> float:
    value = _number(node)
    if value < 0:
        raise IsthmusError("must not be below zero")
    return value


def _scale(node: Node) -> float:
    value = _number(node)
    if value == 0:
        raise IsthmusError("a scale of zero makes every value the same")
    return value


def choice(*words: str) -> Form:
    """One of a few words."""

    def chosen(node: Node) -> str:
        text = written(node)
        if text not in words:
            raise IsthmusError(f"{text[:80]!r} is not known here", hint=one_of(text, words))
        return text

    return Form(" or ".join(f"`{word}`" for word in words), chosen, {"enum": list(words)})


def _switch(node: Node) -> bool:
    text = written(node)
    value = node.value() if isinstance(node, Scalar) else None
    if not isinstance(value, bool):
        raise IsthmusError(f"{text[:80]!r} is neither true nor false")
    return value


def _duration(node: Node) -> int:
    text = written(node)
    ns = time.duration(text[:80])
    if text.strip().startswith("-") or not SHORTEST_INTERVAL <= ns <= LONGEST_INTERVAL:
        raise IsthmusError(f"{text[:80]} is out of bounds", hint="from 1ms to 1d")
    return ns


def _range(node: Node) -> tuple[float, float]:
    if not isinstance(node, List) or len(node.items) != 2:
        raise IsthmusError("wants two numbers", hint="write the lower and the upper one: [0, 100]")
    low, high = _number(node.items[0]), _number(node.items[1])
    if low >= high:
        raise IsthmusError(f"the lower limit {low:g} is not below the upper {high:g}")
    return low, high


def _unit(node: Node) -> str:
    if isinstance(node, Scalar) and not node.plain and node.text == "":
        return ""
    code = written(node)
    if len(code) > 40:
        raise IsthmusError(f"a unit of {len(code):,} characters", hint="at most 40")
    try:
        unit.check(code)
    except IsthmusError as error:
        hint = nearest(code, _COMMON_UNITS) if "did you mean" not in error.hint else ""
        raise IsthmusError(error.what, hint=hint or error.hint) from error
    return code


_COMMON_UNITS: Final = (
    "Cel", "K", "[degF]", "bar", "mbar", "Pa", "kPa", "MPa", "[psi]", "m", "mm", "cm", "km", "L", "m3", "m3/h", "L/min",
    "L/h", "kg", "g", "t", "kg/h", "kg/m3", "s", "min", "h", "d", "/min", "Hz", "V", "mV", "A", "mA", "W", "kW", "MW",
    "kW.h", "MW.h", "J", "N", "N.m", "%", "[ppm]", "[pH]", "S/m", "uS/cm", "Ohm", "deg", "rad", "mol/L", "mg/L", "lx",
)  # fmt: skip


def _data_type(node: Node) -> DataType:
    text = written(node)
    try:
        return DataType(text)
    except ValueError:
        hint = _TYPE_HABITS.get(text.lower(), "")
        hint = f"did you mean {hint!r}?" if hint else one_of(text, DataType)
        raise IsthmusError(f"{text[:80]!r} is not a data type", hint=hint) from None


_TYPE_HABITS: Final = {
    "bool": "boolean", "int": "integer", "int16": "integer", "int32": "integer", "int64": "integer", "uint": "unsigned",
    "word": "unsigned", "uint16": "unsigned", "uint32": "unsigned", "uint64": "unsigned", "double": "float",
    "real": "float", "number": "float", "string": "text", "str": "text", "enum": "enumeration",
}  # fmt: skip


def _values(node: Node) -> dict[int, str]:
    if not isinstance(node, Map) or not node.entries:
        raise IsthmusError("wants a number and a name for each value", hint="write values: {0: stopped, 1: running}")
    labels: dict[int, str] = {}
    for key, value in node.entries.values():
        number, label = _whole(key), _line(value)
        if number in labels:
            raise IsthmusError(f"the value {number} is there twice")
        if label in labels.values():
            raise IsthmusError(f"two values are called {label[:80]!r}")
        labels[number] = label
    return labels


def _path(node: Node) -> str:
    return paths.check(written(node))


def _name(node: Node) -> str:
    text = written(node)
    if not _NAME.fullmatch(text):
        raise IsthmusError(f"{text[:80]!r} cannot be a name", hint="use 1 to 64 of A-Z a-z 0-9 _ - and .")
    return text


def _names(node: Node) -> str:
    """A name, or a template's that becomes one."""
    text = written(node)
    return text if "{" in text or "}" in text else _name(node)


def _type(node: Node) -> str:
    text = written(node)
    match = _TYPE.fullmatch(text)
    if match is None:
        raise IsthmusError(
            f"{text[:80]!r} cannot be the name of a type", hint="write reactor, or reactor@2 for its version 2"
        )
    return f"{match[1]}@{match[2] or 1}"


def _zone(node: Node) -> str:
    text = written(node)
    if text not in _zones():
        raise IsthmusError(
            f"{text[:80]!r} is not a time zone", hint=nearest(text, _zones()) or "write Europe/Paris, or UTC"
        )
    return text


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _server(node: Node) -> str:
    text = written(node)
    if not _SITE.fullmatch(text):
        raise IsthmusError(
            f"{text[:80]!r} is not the address of a log", hint="write nats://host:4222 or tls://host:4222"
        )
    return text


def secret(node: Node) -> dict[str, str]:
    """The reference `{"!secret": name}`."""
    if not isinstance(node, Scalar) or not node.secret:
        raise IsthmusError(
            "must not stand in the plant file", hint="write !secret and a name, and keep the value outside"
        )
    if not _NAME.fullmatch(node.text):
        raise IsthmusError(f"{node.text[:80]!r} cannot name a secret", hint="use 1 to 64 of A-Z a-z 0-9 _ - and .")
    return {"!secret": node.text}


def _clock(node: Node) -> int:
    text = written(node)
    match = _CLOCK.fullmatch(text)
    if match is None or int(match[1]) > 23 or int(match[2]) > 59:
        raise IsthmusError(f"{text[:80]!r} is not a time of day", hint="write 06:00, from 00:00 to 23:59")
    return int(match[1]) * 60 + int(match[2])


def _weekdays(node: Node) -> tuple[int, ...]:
    text = written(node)
    first, dash, last = text.lower().partition("-")
    low, high = _weekday(first, text), _weekday(last if dash else first, text)
    return tuple((low + step) % 7 for step in range((high - low) % 7 + 1))


def _weekday(word: str, text: str) -> int:
    for number, name in enumerate(DAY_NAMES):
        if word.strip() in (name, name[:3]):
            return number
    raise IsthmusError(f"{text[:80]!r} is no day of the week", hint="write mon, mon-fri or sat-sun")


def _date(node: Node) -> str:
    return _day(written(node))


def _day(text: str) -> str:
    try:
        if not _DATE.fullmatch(text):
            raise ValueError("not YYYY-MM-DD")
        return date.fromisoformat(text).isoformat()
    except ValueError as error:
        raise IsthmusError(f"{text[:80]!r} is not a date", hint="write 2026-12-25") from error


def _dates(node: Node) -> tuple[str, str]:
    text = written(node)
    first, slash, last = text.partition("/")
    found = _day(first.strip()), _day(last.strip() if slash else first.strip())
    if found[0] > found[1]:
        raise IsthmusError(f"{text[:80]!r} ends before it begins")
    return found


def _crews(node: Node) -> dict[str, tuple[str, ...]]:
    if not isinstance(node, Map) or not node.entries:
        raise IsthmusError("wants a mapping of crews", hint="write crews: {A: early late night off}")
    return {_name(key): _works(key.text, value) for key, value in node.entries.values()}


def _works(crew: str, node: Node) -> tuple[str, ...]:
    """The shifts of one crew, separated by blanks or as a list."""
    works = [_name(item) for item in node.items] if isinstance(node, List) else written(node).split()
    if not 0 < len(works) <= 1000:
        raise IsthmusError(f"crew {crew[:80]} works {len(works):,} shifts", hint="from 1 to 1,000: early early off off")
    return tuple(works)


def _kept(node: Node) -> int:
    """Days; 0 for ever."""
    text = written(node).strip().lower()
    match = _KEPT.fullmatch(text)
    if text == "forever":
        return 0
    days = int(match[1]) * {"d": 1, "w": 7, "y": 366}[match[2]] if match is not None else 0
    if not 0 < days <= LONGEST_KEPT:
        raise IsthmusError(f"{text[:80]!r} is not how long to keep", hint="write 90d, 8w, 5y (up to 100y) or forever")
    return days


_STRING: Final[Json] = {"type": "string", "minLength": 1}
_WRITTEN: Final[Json] = {"type": ["string", "number"]}

TEXT: Final = Form("text", _text, _WRITTEN)
LINE: Final = Form("line of text", _line, _WRITTEN)
NAMES: Final = Form("name", _names, _WRITTEN, "as a name, or a template of names: `meter-{1..500}`")
NAME: Final = Form("name", _name, _WRITTEN, "1 to 64 of `A-Z a-z 0-9 _ - .`")
PATH: Final = Form("path", _path, _WRITTEN, "names joined with `/`")
TYPE: Final = Form("type", _type, _STRING, "a type's name, `@` and its version unless that is 1")
NUMBER: Final = Form("number", _number, {"type": "number"})
POSITIVE: Final = Form("number", _positive, {"type": "number", "exclusiveMinimum": 0}, "above zero")
NOT_NEGATIVE: Final = Form("number", _not_negative, {"type": "number", "minimum": 0}, "zero or more")
SCALE: Final = Form("number", _scale, {"type": "number", "not": {"const": 0}}, "not zero")
SWITCH: Final = Form("`true` or `false`", _switch, {"type": "boolean"})
VERSION: Final = Form("`1`", _version, {"const": 1})
DURATION: Final = Form(
    "duration",
    _duration,
    {"type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*(ms|s|m|min|h|d)\s*$"},
    "`250ms`, `1s`, `5m`, `1h`",
)
RANGE: Final = Form(
    "range", _range, {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}, "`[lower, upper]`"
)
UNIT: Final = Form(
    "unit", _unit, {"type": "string", "examples": list(_COMMON_UNITS)}, "a UCUM code: `Cel`, `bar`, `m3/h`, `kW.h`"
)
DATA_TYPE: Final = Form("data type", _data_type, {"enum": [str(type_) for type_ in DataType]}, ", ".join(DataType))
VALUES: Final = Form(
    "values",
    _values,
    {"type": "object", "minProperties": 1, "additionalProperties": {"type": ["string", "number"]}},
    "`{0: stopped, 1: running}`",
)
ZONE: Final = Form("time zone", _zone, _STRING, "an IANA name: `Europe/Paris`")
SERVER: Final = Form("address", _server, {"type": "string", "pattern": r"^(nats|tls)://"}, "`nats://host:4222`")
SECRET: Final = Form("secret", secret, {"type": "string"}, "`!secret name`")
_CLOCKED: Final[Json] = {"type": "string", "pattern": r"^\d{1,2}:\d\d$"}
CLOCK: Final = Form("time of day", _clock, _CLOCKED, "`06:00`, as the clocks of the plant show it")
WEEKDAYS: Final = Form(
    "days of the week",
    _weekdays,
    {"type": "string", "examples": ["mon-fri", "sat-sun", *(name[:3] for name in DAY_NAMES)]},
    "`mon`, `mon-fri`, `sat-sun`",
)
DATE: Final = Form("date", _date, {"type": "string", "pattern": r"^\d{4}-\d\d-\d\d$"}, "`2026-12-25`")
DATES: Final = Form(
    "dates",
    _dates,
    {"type": "string", "pattern": r"^\d{4}-\d\d-\d\d(\s*/\s*\d{4}-\d\d-\d\d)?$"},
    "`2026-12-25`, or the first and the last: `2026-12-24/2027-01-01`",
)
CREWS: Final = Form(
    "crews",
    _crews,
    {
        "type": "object",
        "minProperties": 1,
        "additionalProperties": {"anyOf": [_STRING, {"type": "array", "items": _STRING, "minItems": 1}]},
    },
    "`{A: early late night off, B: late night off early}`",
)
KEPT: Final = Form(
    "time to keep",
    _kept,
    {"type": "string", "pattern": r"^\s*(\d{1,5}\s*[dwyDWY]|forever)\s*$"},
    "`90d`, `8w`, `5y` (a year counts as 366 days) or `forever`",
)
_SPOT: Final[Json] = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
_THROUGH: Final[Json] = {"type": "array", "items": {"anyOf": [_STRING, _SPOT]}, "minItems": 2}
PICTURED: Final = Form("place", _pictured, _WRITTEN, "a path below `plant`; `/` is the whole plant")
PLACED: Final = Form(
    "spots",
    _placed,
    {"type": "object", "additionalProperties": _SPOT},
    "`{tank-1: [0, 0], pump-1: [1, 0.5]}`: column and row, from the upper left",
)
FLOWS: Final = Form(
    "flows",
    _flowing,
    {"type": "array", "items": {"anyOf": [_THROUGH, {"type": "object", "additionalProperties": _THROUGH}]}},
    "a list of `[tank-1, pump-1]` or `water: [tank-1, pump-1]`; `[2, 1]` in between is where the line bends",
)
