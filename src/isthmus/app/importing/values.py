# SPDX-License-Identifier: Apache-2.0
"""Values of a file in the form they have there (a number, a whole one, a switch, a text), ready to be standardised.

What a word or a number means follows from the tag it is for: `on` is a switch for a boolean tag, the name of a value
for an enumeration, and a text else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from isthmus.app.importing.piece import Column
from isthmus.core.errors import IsthmusError
from isthmus.core.tag import DataType
from isthmus.systems.contract import Form

_SWITCHES: Final = {"true": 1.0, "false": 0.0, "on": 1.0, "off": 0.0, "yes": 1.0, "no": 0.0}
_NUMBER: Final = (
    r"^[+-]?(\d+\.?\d*([eE][+-]?\d+)?|\.\d+([eE][+-]?\d+)?|[nN][aA][nN]|[iI][nN][fF]([iI][nN][iI][tT][yY])?)$"
)
_WHOLE: Final = r"^[+-]?\d{1,20}$"
_LOW, _HIGH = -(2**63), 2**64


@dataclass(slots=True)
class Values:
    """n values, as `systems.contract.Readings` has them."""

    form: NDArray[np.uint8]
    value: NDArray[np.float64]
    integer: NDArray[np.int64] | None = None
    text: list[str | None] | None = None

    @classmethod
    def none(cls, count: int) -> Values:
        """No value in any row."""
        return cls(np.zeros(count, np.uint8), np.full(count, np.nan))

    def put(self, rows: NDArray[np.intp], part: Values) -> None:
        """Sets these rows."""
        if not self.value.flags.writeable:  # as Arrow gave it
            self.value = self.value.copy()
        self.form[rows], self.value[rows] = part.form, part.value
        if part.integer is not None:
            if self.integer is None:
                self.integer = np.zeros(len(self.form), np.int64)
            self.integer[rows] = part.integer
        if part.text is not None:
            if self.text is None:
                self.text = [None] * len(self.form)
            for row, text in zip(rows.tolist(), part.text, strict=True):
                self.text[row] = text


def values(column: Column, type_: DataType, labels: dict[str, int], decimal: str) -> Values:
    """The values of a column for tags of one type; `labels` are the names of an enumeration's values, lower case.

    Raises IsthmusError for a column of lists or structures.
    """
    if isinstance(column, list):
        return _objects(column, type_, labels)
    if isinstance(column, pa.DictionaryArray):
        column = column.dictionary_decode()
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind):
        return _texts(column.cast(pa.string()), type_, labels, decimal)
    if pa.types.is_boolean(kind):
        return _filled(column, Form.BOOLEAN, column.cast(pa.uint8()))
    if pa.types.is_integer(kind):
        return _integers(column)
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return _filled(column, Form.FLOAT, column)
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind) or pa.types.is_time(kind):
        return _texts(column.cast(pa.string()), DataType.TEXT, {}, decimal)
    raise IsthmusError(f"the values are of type {kind}, which no tag can have")


def _filled(column: pa.Array, form: int, numbers: pa.Array) -> Values:
    value = numbers.cast(pa.float64()).fill_null(np.nan).to_numpy(zero_copy_only=False)
    held = column.is_valid().to_numpy(zero_copy_only=False)
    return Values(np.where(held, form, Form.NONE).astype(np.uint8), value)


def _integers(column: pa.Array) -> Values:
    unsigned = column.type == pa.uint64()
    whole = column.fill_null(0).to_numpy(zero_copy_only=False)
    held = column.is_valid().to_numpy(zero_copy_only=False)
    form = np.where(held, Form.UNSIGNED if unsigned else Form.SIGNED, Form.NONE).astype(np.uint8)
    return Values(form, np.where(held, whole.astype(np.float64), np.nan), whole.astype(np.uint64).view(np.int64))


def _texts(column: pa.Array, type_: DataType, labels: dict[str, int], decimal: str) -> Values:
    """Texts as a CSV file has them; an empty one is no value, but a text tag's."""
    if type_ is DataType.TEXT:
        held = column.is_valid().to_numpy(zero_copy_only=False)
        form = np.where(held, Form.TEXT, Form.NONE).astype(np.uint8)
        return Values(form, np.full(len(column), np.nan), None, column.to_pylist())
    texts = said = pc.utf8_trim_whitespace(column.fill_null(""))
    if decimal != ".":  # a point is none of a number then: it may part thousands
        texts = pc.replace_substring(pc.replace_substring(texts, ".", "'"), decimal, ".")
    quick = _quick(texts, type_)
    if quick is not None:
        return quick
    found = Values.none(len(texts))
    rest = pc.not_equal(texts, "")
    if type_ is not DataType.FLOAT:
        rest = _numbers(found, texts, rest, _WHOLE)
    rest = _numbers(found, texts, rest, _NUMBER)
    rows = np.flatnonzero(rest.to_numpy(zero_copy_only=False))
    if len(rows):
        found.put(rows, _words(pc.take(said, rows).to_pylist(), pc.take(column, rows).to_pylist(), type_, labels))
    return found


def _quick(texts: pa.Array, type_: DataType) -> Values | None:
    """All of them at once, when all are numbers as Arrow reads them."""
    try:
        if type_ is DataType.FLOAT:
            value = texts.cast(pa.float64()).to_numpy()
            return Values(np.full(len(texts), Form.FLOAT, np.uint8), value)
        return _integers(texts.cast(pa.int64()))
    except pa.ArrowInvalid:
        return None


def _numbers(found: Values, texts: pa.Array, rest: pa.Array, pattern: str) -> pa.Array:
    """Takes the texts that are such numbers; which are left."""
    fits = pc.and_(rest, pc.match_substring_regex(texts, pattern))
    rows = np.flatnonzero(fits.to_numpy(zero_copy_only=False))
    if len(rows):
        some = pc.take(texts, rows)
        if pattern is _WHOLE:
            part, right = _wholes(some.to_pylist())
            found.put(rows[right], part)
            fits = np.zeros(len(texts), np.bool_)
            fits[rows[right]] = True
            fits = pa.array(fits)
        else:
            value = np.array([float(text) for text in some.to_pylist()], np.float64)
            found.put(rows, Values(np.full(len(rows), Form.FLOAT, np.uint8), value))
    return pc.and_not(rest, fits)


def _wholes(texts: Sequence[str]) -> tuple[Values, NDArray[np.bool_]]:
    """Whole numbers of up to 64 bits, and which of the texts are such."""
    numbers = [int(text) for text in texts]
    right = np.array([_LOW <= number < _HIGH for number in numbers], np.bool_)
    return _of_ints([number for number in numbers if _LOW <= number < _HIGH]), right


def _of_ints(numbers: Sequence[int]) -> Values:
    form = np.array([Form.UNSIGNED if number >= 2**63 else Form.SIGNED for number in numbers], np.uint8)
    wrapped = np.array([number - 2**64 if number >= 2**63 else number for number in numbers], np.int64)
    return Values(form, np.array([float(number) for number in numbers], np.float64), wrapped)


def _words(words: Sequence[str], written: Sequence[str], type_: DataType, labels: dict[str, int]) -> Values:
    """What is no number: a switch, the name of an enumeration's value, or a text."""
    found = Values.none(len(words))
    found.form[:] = Form.TEXT
    found.text = [*written]
    switches = _SWITCHES if type_ is DataType.BOOLEAN else {"true": 1.0, "false": 0.0}
    for row, word in enumerate(map(str.lower, words)):
        if word in labels:
            found.form[row], found.value[row] = Form.FLOAT, labels[word]
        elif word in switches:
            found.form[row], found.value[row] = Form.BOOLEAN, switches[word]
    return found


def _objects(column: Sequence[Any], type_: DataType, labels: dict[str, int]) -> Values:
    """Values as JSON has them, of any mixture."""
    kinds = set(map(type, column))
    if kinds <= {float, type(None)}:
        return _filled(array := pa.array(column, pa.float64()), Form.FLOAT, array)
    if kinds <= {int}:
        small = all(_LOW <= number < _HIGH for number in column)
        return _of_ints(column) if small else _texts(pa.array(map(str, column), pa.string()), type_, labels, ".")
    found = Values.none(len(column))
    for row, value in enumerate(column):
        if isinstance(value, bool):
            found.form[row], found.value[row] = Form.BOOLEAN, float(value)
        elif isinstance(value, float):
            found.form[row], found.value[row] = Form.FLOAT, value
        elif isinstance(value, int) and _LOW <= value < _HIGH:
            found.put(np.array([row]), _of_ints([value]))
        elif value is not None:
            text = value if isinstance(value, str) else _written(value)
            found.put(np.array([row]), _texts(pa.array([text]), type_, labels, "."))
    return found


def _written(value: Any) -> str:
    import msgspec

    return msgspec.json.encode(value).decode()
