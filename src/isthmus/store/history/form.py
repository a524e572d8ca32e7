# SPDX-License-Identifier: Apache-2.0
"""How samples are written to Parquet: each column in the encoding in which some of the samples are smallest.

Values as doubles are repeats of few numbers (then zstd finds them best as they are) or noise in their low bits (then
bytes of equal rank belong together); times are regular, or those of other tags again. No rule knows, so it is tried.
"""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from itertools import pairwise
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from isthmus.store.history.columns import SCHEMA, Columns, to_table

GROUP: Final = 15_360
"""Rows of a row group of samples: one tag's hour is read from one, in a quarter of the time that 61,440 rows take, for
1.5 % more bytes."""

_PLAIN: Final = MappingProxyType(dict.fromkeys(("time", "seen", "value", "integer"), "PLAIN"))
_OTHER: Final = (
    _PLAIN | dict.fromkeys(("time", "seen", "integer"), "DELTA_BINARY_PACKED") | {"value": "BYTE_STREAM_SPLIT"}
)
_WORTH: Final = 0.01
"""Bytes of a sample that it has to save to be plain: of a column without anything all are small."""


def cuts(tag: NDArray[np.uint32], group: int = GROUP) -> list[int]:
    """Where row groups of samples ordered by tag begin, and where the last one ends: each `group` rows, and with a tag
    of which there are as many, so that none of its row groups but the last holds others."""
    begins = np.flatnonzero(np.append(True, tag[1:] != tag[:-1])) if len(tag) else np.zeros(0, np.intp)
    lengths = np.diff(np.append(begins, len(tag)))
    parts = [*sorted({0, *begins[lengths >= group].tolist()}), len(tag)]
    return [*(place for low, high in pairwise(parts) for place in range(low, high, group)), len(tag)]


def fitted(some: Columns) -> dict[str, Any]:
    """The form for ordered samples like these."""
    plain, other = _sizes(some, _PLAIN), _sizes(some, _OTHER)
    least = _WORTH * len(some)
    return _form({name: (_PLAIN if plain[name] + least < other[name] else _OTHER)[name] for name in _PLAIN})


def _form(encodings: Mapping[str, str]) -> dict[str, Any]:
    return {
        "compression": "zstd",
        "compression_level": 3,
        "use_dictionary": [name for name in SCHEMA.names if name not in encodings],
        "column_encoding": dict(encodings),
        "write_page_checksum": True,
    }


def sample(columns: Columns) -> Columns:
    """As many of many ordered samples as `fitted` needs: two row groups from within."""
    if len(columns) <= 2 * GROUP:
        return columns
    firsts = len(columns) // 3, 2 * len(columns) // 3 - GROUP
    return columns.pick(np.concatenate([np.arange(first, first + GROUP) for first in firsts]))


def _sizes(columns: Columns, encodings: Mapping[str, str]) -> dict[str, int]:
    """Bytes of each column in these encodings."""
    sink, table = BytesIO(), to_table(columns).select(list(encodings))
    pq.write_table(table, sink, row_group_size=GROUP, **_form(encodings) | {"use_dictionary": False})
    found = pq.read_metadata(sink)
    sizes = dict.fromkeys(encodings, 0)
    for group in range(found.num_row_groups):
        for i in range(found.num_columns):
            column = found.row_group(group).column(i)
            sizes[column.path_in_schema] += column.total_compressed_size
    return sizes
