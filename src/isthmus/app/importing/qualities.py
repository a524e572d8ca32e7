# SPDX-License-Identifier: Apache-2.0
"""The quality column of a file as OPC UA StatusCodes: names, codes, or the quality byte of OPC DA."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from isthmus.app.importing.piece import Column
from isthmus.core import quality
from isthmus.core.errors import IsthmusError

WORDS: Final = {
    "good": quality.GOOD, "ok": quality.GOOD, "true": quality.GOOD,
    "uncertain": quality.UNCERTAIN, "questionable": quality.UNCERTAIN, "suspect": quality.UNCERTAIN,
    "bad": quality.BAD, "false": quality.BAD,
}  # fmt: skip
"""Words that historians write, and what they mean; besides the standard's own names of StatusCodes."""

UNKNOWN_WORD: Final = "the quality is not known: a StatusCode's name or number, good, uncertain or bad is"
_DA_LIMIT: Final = 0x1_0000


def qualities(column: Column, numbers: str, words: Mapping[str, int]) -> tuple[NDArray[np.uint32], NDArray[np.bool_]]:
    """(n,) StatusCodes, and (n,) which rows have one that is known; nothing said is Good.

    `numbers` is `opcua` or `opcda`: what a number is. Raises IsthmusError when there are numbers and it is empty.
    """
    array = column if not isinstance(column, list) else pa.array([None if c is None else str(c) for c in column])
    different = array if isinstance(array, pa.DictionaryArray) else array.dictionary_encode()
    codes = [_code(one, numbers, words) for one in different.dictionary.to_pylist()]
    known = np.array([code is not None for code in codes] + [True], np.bool_)
    code = np.array([code or 0 for code in codes] + [quality.GOOD], np.uint32)
    rows = different.indices.fill_null(len(codes)).to_numpy(zero_copy_only=False)
    return code[rows], known[rows]


def _code(said: Any, numbers: str, words: Mapping[str, int]) -> int | None:
    if isinstance(said, bool):
        return quality.GOOD if said else quality.BAD
    if isinstance(said, int | float):
        return _number(said, numbers)
    text = ("" if said is None else str(said)).strip()
    if not text:
        return quality.GOOD
    known = words.get(text.lower(), quality.code(text))
    if known is not None:
        return known
    try:
        return _number(int(text, 16 if text.lower().startswith("0x") else 10), numbers)
    except ValueError:
        return None


def _number(number: float, numbers: str) -> int | None:
    """Of OPC DA (Data Access 3.0, 6.8) the two highest of eight bits count: 11 good, 01 uncertain, else bad."""
    if not numbers:
        hint = "--quality-as opcua (0 is good) or opcda (192 is good) says what they are"
        raise IsthmusError(f"the qualities are numbers ({number:g})", hint=hint)
    if number != int(number) or not 0 <= number < 2**32:
        return None
    if numbers == "opcua":
        return int(number)
    kinds = (quality.BAD, quality.UNCERTAIN, quality.BAD, quality.GOOD)
    return kinds[(int(number) >> 6) & 3] if number < _DA_LIMIT else None
