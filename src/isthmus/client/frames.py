# SPDX-License-Identifier: Apache-2.0
"""Frames are Arrow tables as people in Python want them: pandas and polars, each imported only when it is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from isthmus.core.errors import IsthmusError

if TYPE_CHECKING:
    import pandas
    import polars


def to_pandas(table: pa.Table, index: str = "") -> pandas.DataFrame:
    """Columns that know a missing value: Int64, UInt64, boolean, string; times keep nanoseconds and zone."""
    library = _library("pandas")
    nullable = {
        **{pa.from_numpy_dtype(name): getattr(library, f"{kind}Dtype")() for name, kind in _WHOLE.items()},
        pa.bool_(): library.BooleanDtype(),
        pa.string(): library.StringDtype(),
    }
    frame: pandas.DataFrame = table.to_pandas(types_mapper=nullable.get)
    return frame.set_index(index) if index else frame


_WHOLE = {
    "int8": "Int8", "int16": "Int16", "int32": "Int32", "int64": "Int64", "uint8": "UInt8", "uint16": "UInt16",
    "uint32": "UInt32", "uint64": "UInt64",
}  # fmt: skip


def to_polars(table: pa.Table) -> polars.DataFrame:
    """The table as polars has it; texts that are kept once each become categories."""
    frame: polars.DataFrame = _library("polars").from_arrow(table)
    return frame


def _library(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        hint = f"pip install 'isthmus[{name}]'; .arrow() needs nothing more"
        raise IsthmusError(f"{name} is not installed here", hint=hint) from error
