# SPDX-License-Identifier: Apache-2.0
"""Units are UCUM codes (ucum.org); between two of one kind a value converts as `value * scale + offset`."""

from __future__ import annotations

import re
from fractions import Fraction
from functools import cache
from math import isclose, isfinite
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from numpy import errstate

from isthmus.core.errors import IsthmusError

if TYPE_CHECKING:
    from ucumvert import PintUcumRegistry

HABITS: Final = {
    "°C": "Cel", "degC": "Cel", "C": "Cel", "celsius": "Cel", "°F": "[degF]", "degF": "[degF]", "psi": "[psi]",
    "rpm": "/min", "1/min": "/min", "min-1": "/min", "m³/h": "m3/h", "m³": "m3", "kWh": "kW.h", "Wh": "W.h",
    "MWh": "MW.h", "l": "L", "sec": "s", "hr": "h", "mmHg": "mm[Hg]", "ohm": "Ohm", "µm": "um", "°": "deg",
    "pcs": "{piece}", "pH": "[pH]", "gal": "[gal_us]", "lb": "[lb_av]", "ft": "[ft_i]",
    "metre": "m", "metres": "m", "meter": "m", "meters": "m", "kilowatt": "kW", "kilowatts": "kW", "watt": "W",
    "watts": "W", "litre": "L", "litres": "L", "liter": "L", "liters": "L", "percent": "%", "degree": "deg",
    "degrees": "deg", "Celsius": "Cel", "second": "s", "seconds": "s", "minute": "min", "minutes": "min", "hour": "h",
    "hours": "h", "kilogram": "kg", "kilograms": "kg", "ton": "t", "tons": "t", "tonne": "t", "tonnes": "t",
    "volt": "V", "volts": "V", "ampere": "A", "amperes": "A", "amp": "A", "amps": "A", "hertz": "Hz",
    "in": "[in_i]", "inch": "[in_i]", "VA": "V.A", "kVA": "kV.A", "ppm": "[ppm]",
}  # fmt: skip
"""How plants often write a unit, and its UCUM code; used for hints only."""

_COUNTED: Final = {"[pH]": "[pH]"}
"""Codes that are valid UCUM and convert only to themselves: the unit library does not know their definition."""


_HUGE = re.compile(r"\d{7}|[^\W\d][+-]?\d{3}|[*^\]}][+-]?\d{3}")
"""Factors from ten million and exponents from a hundred on: no unit of a plant, and hours of arithmetic."""


_FAR = 2.0**20
"""An amount at which what is lost between two temperatures does not count."""
_SMALL = 10_000
"""The largest denominator of the factors between temperature scales: 5/9, 273.15, 459.67."""


class Conversion(NamedTuple):
    """`value * scale + offset`."""

    scale: float
    offset: float


@cache
def _registry() -> PintUcumRegistry:
    from ucumvert import PintUcumRegistry  # half a second: only what checks plant files pays for it

    return PintUcumRegistry()


@cache
def _quantity(code: str) -> Any:
    """The pint quantity of a code, None for one that converts only to itself; raises IsthmusError if it is not UCUM."""
    if code == "" or code in _COUNTED or (code.startswith("{") and code.endswith("}") and "}" not in code[1:-1]):
        return None
    if _HUGE.search(code):
        raise IsthmusError(f"{code[:40]!r} is not a unit of this world", hint="exponents go up to 99")
    try:
        quantity = _registry().from_ucum(code)
        quantity.dimensionality  # noqa: B018  (a lone annotation parses and has none)
    except Exception as error:  # the parser raises many kinds on hostile text
        hint = f"did you mean {HABITS[code]!r}?" if code in HABITS else "units are UCUM codes: Cel, bar, m3/h, kW.h"
        raise IsthmusError(f"{code!r} is not a unit", hint=hint) from error
    return quantity


def check(code: str) -> None:
    """Raises IsthmusError when `code` is not a UCUM code."""
    _quantity(code)


@cache
def conversion(source: str, target: str) -> Conversion:
    """How values in `source` become values in `target`; raises IsthmusError when they do not convert, or not so."""
    before, after = _quantity(source), _quantity(target)
    if source == target:
        return Conversion(1.0, 0.0)
    if before is None or after is None or before.dimensionality != after.dimensionality:
        raise IsthmusError(f"{source or 'no unit'!r} does not convert to {target or 'no unit'!r}")
    zero, one, far = (_converted(before, after, amount) for amount in (0.0, 1.0, _FAR))
    scale = (far - zero) / _FAR
    if not (isfinite(scale) and isclose(one - zero, scale, rel_tol=1e-9)):
        raise IsthmusError(f"{source!r} does not convert to {target!r} by a factor", hint="logarithmic units do not")
    if zero == 0.0:
        return Conversion(one, 0.0)
    # temperatures go by way of kelvin, where 0 and 1 degree lie close together: the last digits would be lost
    return Conversion(_ratio(scale), _ratio(zero))


def _ratio(number: float) -> float:
    """The fraction of small numbers that `number` is but for its last digits: 5/9 of 0.5555555555555429."""
    ratio = float(Fraction(number).limit_denominator(_SMALL))
    return ratio if abs(ratio - number) <= 1e-13 * abs(number) else number


def _converted(before: Any, after: Any, amount: float) -> float:
    registry = _registry()
    value = registry.Quantity(amount * before.magnitude, before.units)
    with errstate(all="ignore"):  # logarithms of nothing, powers of a million
        return float(value.to(after.units).magnitude) / float(after.magnitude)
