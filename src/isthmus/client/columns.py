# SPDX-License-Identifier: Apache-2.0
"""Recorded samples and sums become Arrow tables: wide, one column per tag in the tag's own type, or long."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from isthmus.app.recorded import Recorded
from isthmus.app.summed import Answer, Row, Summed
from isthmus.core import quality
from isthmus.core.samples import Value
from isthmus.core.tag import DataType
from isthmus.plant.revision import TagSetting

TIME: Final = "time"
_NS: Final = pa.timestamp("ns", tz="UTC")
_WORD: Final = pa.dictionary(pa.int32(), pa.string())


def wide(found: Recorded, *, qualities: bool) -> pa.Table:
    """One row per time at which any of the tags has a sample; Bad values are missing.

    Of several samples of a tag at one time the last counts. With `qualities` each tag has a second column with the
    name of its quality, which tells a Bad value from none.
    """
    times = [table["time"].cast(pa.int64()).to_numpy() for _, table in found.tables]
    at = np.unique(np.concatenate(times)) if times else np.zeros(0, np.int64)
    columns: dict[str, pa.Array] = {TIME: pa.array(at).cast(_NS)}
    for (setting, table), own in zip(found.tables, times, strict=True):
        rows = np.searchsorted(own, at, "right") - 1
        there = (rows >= 0) & (own[np.maximum(rows, 0)] == at) if len(own) else np.zeros(len(at), np.bool_)
        picked = pa.array(np.where(there, rows, 0), mask=~there)
        codes = table["quality"].combine_chunks()
        good = pc.less(codes, pa.scalar(quality.BAD, pa.uint32()))
        values = pc.if_else(good, _plain(setting, table), None)
        columns[setting.tag.path] = _worded(setting, pc.take(values, picked))
        if qualities:
            columns[f"{setting.tag.path} quality"] = pc.take(_names(codes), picked)
    return pa.table(columns)


def long(found: Recorded) -> pa.Table:
    """One row per sample with everything that is known of it, tag after tag.

    `value` has numbers (of a boolean 0 or 1), `integer` the exact ones of whole-number tags, `text` texts and the
    names of an enumeration's values. `integer` is signed, unsigned where only unsigned tags need it, and decimal where
    neither holds all of them.
    """
    parts = [_described(setting, table) for setting, table in found.tables]
    whole = [part["integer"] for part in parts]
    unsigned = [column for column in whole if column.type == pa.uint64()]
    type_ = pa.int64()
    if unsigned:
        others = any(len(column) > column.null_count for column in whole if column.type != pa.uint64())
        type_ = pa.decimal128(20) if others else pa.uint64()
    place = parts[0].column_names.index("integer")
    same = [part.set_column(place, "integer", part["integer"].cast(type_)) for part in parts]
    return pa.concat_tables(same).unify_dictionaries()


def _described(setting: TagSetting, table: pa.Table) -> pa.Table:
    n, tag = len(table), setting.tag
    texts = table["text"].combine_chunks().cast(pa.string())
    if tag.type is DataType.ENUMERATION:
        texts = pc.coalesce(texts, _labels(setting, table))
    columns = {
        "tag": _repeated(tag.path, n),
        TIME: table["time"].cast(_NS),
        "value": pc.if_else(pc.is_nan(table["value"]), None, table["value"]),
        "integer": _whole(setting, table),
        "text": texts,
        "unit": _repeated(tag.unit, n),
        "quality": _names(table["quality"].combine_chunks()),
        "code": table["quality"],
        "marks": pa.array([quality.marks(mark) for mark in table["mark"].to_pylist()], pa.string()),
        "seen": table["seen"].cast(_NS),
    }
    return pa.table(columns)


def _repeated(text: str, n: int) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, np.int32)), pa.array([text], pa.string()))


def _whole(setting: TagSetting, table: pa.Table) -> pa.Array:
    """Exact whole numbers; those above 2^63 of an unsigned tag make the column unsigned, or decimal among signed."""
    integers = table["integer"].combine_chunks()
    if setting.tag.type is not DataType.UNSIGNED:
        return integers
    unsigned = _unsigned(integers)
    return unsigned if _beyond(unsigned) else integers


def _unsigned(integers: pa.Array) -> pa.Array:
    plain: NDArray[np.int64] = integers.fill_null(0).to_numpy(zero_copy_only=False)
    return pa.array(plain.view(np.uint64), mask=~integers.is_valid().to_numpy(zero_copy_only=False))


def _beyond(unsigned: pa.Array) -> bool:
    return bool(pc.any(pc.greater_equal(unsigned, pa.scalar(2**63, pa.uint64()))).as_py())


def _plain(setting: TagSetting, table: pa.Table) -> pa.Array:
    """(n,) values in the tag's own type, missing where there is none; an enumeration's are still numbers."""
    values = table["value"].combine_chunks()
    there = pc.invert(pc.is_nan(values))
    type_ = setting.tag.type
    if type_ is DataType.TEXT:
        return table["text"].combine_chunks().cast(pa.string())
    if type_ is DataType.BOOLEAN:
        return pc.if_else(there, pc.not_equal(values, 0.0), None)
    if type_ is DataType.FLOAT or not _exact(table):
        return pc.if_else(there, values, None)
    integers = table["integer"].combine_chunks()
    return pc.if_else(there, _unsigned(integers) if type_ is DataType.UNSIGNED else integers, None)


def _exact(table: pa.Table) -> bool:
    """Every value is a whole number; those from before the tag had whole numbers may not be."""
    values, integers = table["value"].combine_chunks(), table["integer"].combine_chunks()
    return not pc.any(pc.and_(pc.invert(pc.is_nan(values)), integers.is_null())).as_py()


def _labels(setting: TagSetting, table: pa.Table) -> pa.Array:
    return _worded(setting, _plain(setting, table)).cast(pa.string())


def _worded(setting: TagSetting, values: pa.Array) -> pa.Array:
    """An enumeration's numbers as their names, in the order of the numbers; one without a name is its number."""
    if setting.tag.type is not DataType.ENUMERATION:
        return values
    numbers = [None if number is None else int(number) for number in values.to_pylist()]
    known = {**setting.labels, **{n: str(n) for n in numbers if n is not None and n not in setting.labels}}
    places = {number: place for place, number in enumerate(sorted(known))}
    codes = pa.array([None if number is None else places[number] for number in numbers], pa.int32())
    return pa.DictionaryArray.from_arrays(codes, pa.array([known[number] for number in sorted(known)], pa.string()))


def _names(codes: pa.Array) -> pa.Array:
    """Qualities by their names, each kept once."""
    if not len(codes):
        return pa.array([], _WORD)
    numbers, places = np.unique(codes.to_numpy(), return_inverse=True)
    words = pa.array([quality.name(int(number)) for number in numbers], pa.string())
    return pa.DictionaryArray.from_arrays(pa.array(places.astype(np.int32)), words)


def sums(found: Summed, *, qualities: bool) -> pa.Table:
    """One row per interval or moment; a column per tag, or per tag and aggregate where several were asked for.

    Days and the like have a column `period`; shifts have `date`, `shift` and `crew`.
    """
    by_tag: dict[str, list[Row]] = {}
    for row in found.rows:
        by_tag.setdefault(row.setting.tag.path, []).append(row)
    first = next(iter(by_tag.values()), [])
    columns: dict[str, pa.Array] = {TIME: pa.array([row.time for row in first], pa.int64()).cast(_NS)}
    columns |= _periods([row.period for row in first])
    for path, rows in by_tag.items():
        for place, name in enumerate(found.names):
            answers = [row.answers[place] for row in rows]
            column = path if len(found.names) == 1 else f"{path} {name}"
            columns[column] = _summed(rows[0].setting, answers)
            if qualities:
                columns[f"{column} quality"] = pa.array([answer.code for answer in answers], pa.string())
    return pa.table(columns)


def _periods(names: Sequence[str]) -> dict[str, pa.Array]:
    words = [(*name.split(" "), "", "")[:3] for name in names]
    if not any(names):
        return {}
    if not any(shift for _, shift, _ in words):
        return {"period": pa.array(names, pa.string())}
    columns = zip(("date", "shift", "crew"), zip(*words, strict=True), strict=True)
    return {name: pa.array(column, pa.string()) for name, column in columns}


def _summed(setting: TagSetting, answers: Sequence[Answer]) -> pa.Array:
    values: list[Any] = [_said(setting, answer) for answer in answers]
    kinds = {type(value) for value in values if value is not None}
    if kinds == {int, float}:
        values = [None if value is None else float(value) for value in values]
    elif str in kinds and len(kinds) > 1:
        values = [None if value is None else str(value) for value in values]
    if not kinds:
        return pa.array(values, pa.float64())
    return pa.array(values, pa.uint64() if kinds == {int} and max(filter(None, values), default=0) >= 2**63 else None)


def _said(setting: TagSetting, answer: Answer) -> Value:
    """A value; an enumeration's that is a sample's by its name."""
    value = answer.value
    if answer.sampled and isinstance(value, int) and not isinstance(value, bool):
        return setting.labels.get(value, value)
    return value
