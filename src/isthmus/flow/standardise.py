# SPDX-License-Identifier: Apache-2.0
"""Readings in a device's own words become Samples in the plant's: number, unit, type, range, time, marks.

A bad value is kept, marked and counted, never clamped and never dropped. A value that is not of its tag's data type and
does not convert exactly keeps its original writing in `text`, has no `value`, and is marked WRONG_TYPE.
`standardise` works on whole columns; `tests/flow` holds the row-wise version of the same rules as its oracle.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from isthmus.core.quality import Mark
from isthmus.core.samples import Samples
from isthmus.core.tag import LONGEST_LIST, DataType, TagList
from isthmus.core.time import SECOND, UNKNOWN
from isthmus.plant.revision import TagSetting
from isthmus.systems.contract import Form, Readings

AHEAD: Final = 10 * SECOND
"""A device's clock may run this far ahead of ours before its times are marked FUTURE."""

_OUT_OF_RANGE, _FUTURE, _HISTORICAL, _WRONG_TYPE = (
    np.uint8(mark) for mark in (Mark.OUT_OF_RANGE, Mark.FUTURE, Mark.HISTORICAL, Mark.WRONG_TYPE)
)
_EXACT: Final = 2.0**53
_FLOAT_FORM: Final = bytes((Form.FLOAT,))
_ORDER: Final = tuple(DataType)
_FLOAT, _TEXT, _BOOLEAN, _UNSIGNED = (
    _ORDER.index(type_) for type_ in (DataType.FLOAT, DataType.TEXT, DataType.BOOLEAN, DataType.UNSIGNED)
)


@dataclass(frozen=True, slots=True)
class Standard:
    """What standardising needs to know of up to 4,096 opened addresses, as columns."""

    tags: TagList
    type: NDArray[np.uint8]
    scale: NDArray[np.float64]
    offset: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    labels: tuple[tuple[int, NDArray[np.int64]], ...]
    """(position, allowed values) of enumerations."""
    floats: bool
    """Every tag is a float: the common and quick case."""
    scaled: bool
    ranged: bool


def standards(settings: Sequence[TagSetting]) -> tuple[Standard, ...]:
    """One Standard per 4,096 settings, in their order: opened address i is entry `i % 4096` of standard `i // 4096`."""
    return tuple(_standard(settings[i : i + LONGEST_LIST]) for i in range(0, len(settings), LONGEST_LIST))


def _standard(settings: Sequence[TagSetting]) -> Standard:
    ranges = [setting.range or (-np.inf, np.inf) for setting in settings]
    type_ = np.array([_ORDER.index(setting.tag.type) for setting in settings], np.uint8)
    scale, offset = (np.array([getattr(setting, name) for setting in settings]) for name in ("scale", "offset"))
    return Standard(
        tags=TagList(tuple(setting.tag for setting in settings)),
        type=type_,
        scale=scale,
        offset=offset,
        low=np.array([low for low, _ in ranges]),
        high=np.array([high for _, high in ranges]),
        labels=tuple((i, np.array(sorted(s.labels), np.int64)) for i, s in enumerate(settings) if s.labels),
        floats=bool((type_ == _FLOAT).all()),
        scaled=bool((scale != 1).any() or (offset != 0).any()),
        ranged=any(setting.range for setting in settings),
    )


def standardise(readings: Readings, rules: Sequence[Standard], source: str) -> Iterator[Samples]:
    """The samples of `readings`, a block per tag list that occurs in it, without identity (epoch and number are 0).

    Empty readings give one empty block: a heartbeat of the source.
    """
    if len(rules) == 1 or len(readings) == 0:
        yield _block(readings, readings.index, slice(None), rules[0], source)
        return
    part = readings.index // LONGEST_LIST
    for number in np.unique(part):
        rows = np.flatnonzero(part == number)
        index = (readings.index[rows] % LONGEST_LIST).astype(np.uint32)
        yield _block(readings, index, rows, rules[number], source)


def _block(
    readings: Readings, index: NDArray[np.uint32], rows: slice | NDArray[np.intp], rule: Standard, source: str
) -> Samples:
    form, at, seen = readings.form[rows], readings.at[rows], readings.seen
    if np.count_nonzero(at) < len(at):
        at = np.where(at == UNKNOWN, seen, at)
    mark = np.zeros(len(index), np.uint8)
    if readings.historical:
        mark |= _HISTORICAL
    if len(at) and at.max() > seen + AHEAD:
        mark[at > seen + AHEAD] |= _FUTURE
    value, integer, text = readings.value[rows], None, None
    if (rule.floats or bool((rule.type[index] == _FLOAT).all())) and form.tobytes() == _FLOAT_FORM * len(form):
        value = _scaled(value, index, rule)
    else:
        value, integer, text = _mixed(readings, index, rows, rule, mark)
    if rule.ranged:
        with np.errstate(invalid="ignore"):
            mark[(value < rule.low[index]) | (value > rule.high[index])] |= _OUT_OF_RANGE
    if integer is not None:
        _mark_unnamed(integer, value, index, rule, mark)
    return Samples(source, 0, 0, rule.tags.digest, index, at, readings.quality[rows], mark, value, integer, text, seen)


def _scaled(value: NDArray[np.float64], index: NDArray[np.uint32], rule: Standard) -> NDArray[np.float64]:
    if not rule.scaled:
        return value
    with np.errstate(over="ignore", invalid="ignore"):
        scaled: NDArray[np.float64] = value * rule.scale[index] + rule.offset[index]
    return scaled


def _mixed(
    readings: Readings,
    index: NDArray[np.uint32],
    rows: slice | NDArray[np.intp],
    rule: Standard,
    mark: NDArray[np.uint8],
) -> tuple[NDArray[np.float64], NDArray[np.int64] | None, list[str | None] | None]:
    """(value, integer, text) for tags and forms of any mixture; marks wrong types in place."""
    form, type_, raw = readings.form[rows], rule.type[index], readings.value[rows]
    exact = readings.integer[rows] if readings.integer is not None else np.zeros(len(index), np.int64)
    given = _texts(readings, rows)
    held = form != Form.NONE
    numeric = held & (form != Form.TEXT)
    value = np.where(numeric, raw, np.nan)
    plain = _unscaled(index, rule)
    value = np.where(plain, value, _scaled(value, index, rule))
    whole = (type_ != _FLOAT) & (type_ != _TEXT) & (type_ != _BOOLEAN)
    integer, fits = _whole(form, exact, value, plain, type_ == _UNSIGNED)
    right = np.select(
        [whole, type_ == _BOOLEAN, type_ == _TEXT],
        [numeric & fits, numeric & ((value == 0) | (value == 1)), held],
        numeric,
    ).astype(bool)
    wrong = held & ~right
    mark[wrong] |= _WRONG_TYPE
    wordy = wrong | (held & (type_ == _TEXT))
    text = _written(np.flatnonzero(wordy), form, raw, exact, given, len(index)) if wordy.any() else None
    value[wordy] = np.nan
    return value, np.where(whole & right, integer, 0) if whole.any() else None, text


def _unscaled(index: NDArray[np.uint32], rule: Standard) -> NDArray[np.bool_]:
    if not rule.scaled:
        return np.ones(len(index), np.bool_)
    unscaled: NDArray[np.bool_] = (rule.scale[index] == 1) & (rule.offset[index] == 0)
    return unscaled


def _whole(
    form: NDArray[np.uint8],
    exact: NDArray[np.int64],
    value: NDArray[np.float64],
    plain: NDArray[np.bool_],
    unsigned: NDArray[np.bool_],
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The 64-bit integer of every row and whether it is that exactly, for a signed or an unsigned tag."""
    direct = plain & ((form == Form.SIGNED) | (form == Form.UNSIGNED))
    with np.errstate(invalid="ignore"):
        integral = ~direct & (np.abs(value) <= _EXACT) & (value == np.trunc(value))
        rounded = np.where(integral, value, 0.0).astype(np.int64)
    integer = np.where(direct, exact, rounded)
    sign_fits = (form == np.where(unsigned, Form.UNSIGNED, Form.SIGNED)) | (exact >= 0)
    fits = (direct & sign_fits) | (integral & (~unsigned | (rounded >= 0)))
    return integer, fits


def _texts(readings: Readings, rows: slice | NDArray[np.intp]) -> Sequence[str | None] | None:
    if readings.text is None or isinstance(rows, slice):
        return readings.text
    return [readings.text[row] for row in rows]


def _written(
    rows: NDArray[np.intp],
    form: NDArray[np.uint8],
    raw: NDArray[np.float64],
    exact: NDArray[np.int64],
    given: Sequence[str | None] | None,
    length: int,
) -> list[str | None]:
    """The value as the device wrote it, for the rows named; None elsewhere."""
    text: list[str | None] = [None] * length
    for row in rows.tolist():
        match form[row]:
            case Form.TEXT:
                text[row] = given[row] if given is not None else None
            case Form.BOOLEAN:
                text[row] = "true" if raw[row] else "false"
            case Form.SIGNED:
                text[row] = str(exact[row])
            case Form.UNSIGNED:
                text[row] = str(int(exact[row]) & 0xFFFF_FFFF_FFFF_FFFF)
            case _:
                text[row] = repr(float(raw[row]))
    return text


def _mark_unnamed(
    integer: NDArray[np.int64],
    value: NDArray[np.float64],
    index: NDArray[np.uint32],
    rule: Standard,
    mark: NDArray[np.uint8],
) -> None:
    for position, allowed in rule.labels:
        here = (index == position) & ~np.isnan(value)
        if here.any():
            mark[here & ~np.isin(integer, allowed)] |= _OUT_OF_RANGE
