# SPDX-License-Identifier: Apache-2.0
"""A sheaf is what a roll-up keeps of one tag and day: its rows packed tightly, and what is finer of the rough ones.

That is the samples of a rough row; of a rough quarter, where there are minutes, these and the samples of rough ones.

Parquet takes most of a millisecond to decode 23 columns of 96 rows; a sheaf is decompressed and seen as arrays in a
twentieth of that, and is smaller. So a file of roll-ups is Parquet with a row for each sheaf.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, Literal, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from isthmus.core.errors import Damaged
from isthmus.store.history.columns import Columns, Positions, empty
from isthmus.store.history.kept import Kind
from isthmus.store.history.rollup import wide
from isthmus.store.history.rollup.rows import MINUTE, QUARTER, R, Rows, Shown, joined, none

SCHEMA: Final = pa.schema(
    [
        pa.field("tag", pa.uint32(), nullable=False),
        pa.field("time", pa.timestamp("ns"), nullable=False),
        pa.field("remark", pa.uint8(), nullable=False),
        pa.field("body", pa.binary(), nullable=False),
    ]
)
"""A row for each sheaf, ordered by tag: when its first row begins, all remarks, and the rows."""

NEEDED: Final = ("tag", "body")
"""Columns of it that say all."""

FORM: Final[dict[str, Any]] = {"compression": "none", "use_dictionary": False, "write_page_checksum": True}
"""How the tables are written to Parquet: bodies are compressed already."""

GROUPS: Final = {Kind.MINUTES: 2, Kind.QUARTERS: 16}
"""Sheaves of a row group: some 100 kB, because one tag is what is asked for most."""

WIDTHS: Final = {Kind.MINUTES: MINUTE, Kind.QUARTERS: QUARTER}
"""How wide their rows are, ns."""
SIDES: Final[tuple[Literal["left"], Literal["right"]]] = ("left", "right")
"""For `searchsorted`: where equal ones begin and end."""

_PACKED: Final = 1
"""How bodies are packed; another number would be another way."""
_LEVEL: Final = 3
_BEGIN: Final = struct.Struct("<BI")
"""`_PACKED`, and the bytes of all that follows, which is compressed."""
_HEAD: Final = struct.Struct("<qqIII")
"""Where the first row begins and the unit of all times (ns); rows, minutes of rough quarters, samples."""
_UNITS: Final = (10**9, 10**6, 10**3, 100)

_ROWS: Final = (
    ("step", "count", "other", "quality", "changes", "remark"),
    ("first_time", "last_time", "min_time", "min_again", "max_time", "max_again", "idle", "zero_time"),
    ("first", "last", "min", "max", "sum", "squares", "line", "held"),
)
"""The columns of rows, in a form in which most bytes are zero: minutes since the row before, samples that are not Good,
times since the row begins or as far as they are not what most rows have. In 4 bytes, 8 bytes, and as floats."""
_SAMPLES: Final = (("quality", "whole", "mark"), ("time", "delay", "integer"), ("value",))
_TIMES: Final = (
    "first_time", "last_time", "min_time", "min_again", "max_time", "max_again", "good_time", "zero_time",
)  # fmt: skip

_TYPES: Final = ("<u4", "<i8", "<f8")

Arrays = dict[str, NDArray[Any]]
Form = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Sheaves(Generic[R]):
    """What some sheaves hold: rows ordered by tag and time, and so is what stands beside those that are `BESIDE`."""

    rows: R
    minutes: R
    """Of rough quarters, for which there are such."""
    samples: Columns
    """Numbers, of the other rough rows, and of rough ones of these minutes."""

    def __len__(self) -> int:
        return len(self.rows)


def to_table(sheaves: Sheaves[Rows]) -> pa.Table:
    """A table of `SCHEMA`."""
    rows = sheaves.rows
    starts = tag_starts(rows.tag)
    tags, begins = rows.tag[starts], rows.time[starts]
    units = _units(sheaves, tags)
    parts = [
        _Flat.of(rows.tag, tags, _flat(rows, begins, units, tags), _ROWS),
        _Flat.of(sheaves.minutes.tag, tags, _flat(sheaves.minutes, begins, units, tags), _ROWS),
        _Flat.of(sheaves.samples.tag, tags, _flat_samples(sheaves.samples, begins, units, tags), _SAMPLES),
    ]
    codec = pa.Codec("zstd", compression_level=_LEVEL)
    bodies = []
    for i, (begin, unit) in enumerate(zip(begins.tolist(), units.tolist(), strict=True)):
        head = _HEAD.pack(begin, unit, *(part.size(i) for part in parts))
        payload = b"".join([head, *(piece for part in parts for piece in part.pieces(i))])
        bodies.append(_BEGIN.pack(_PACKED, len(payload)) + codec.compress(payload, asbytes=True))
    arrays = [
        pa.array(tags),
        pa.array(rows.time[starts]).cast(pa.timestamp("ns")),
        pa.array(np.bitwise_or.reduceat(rows.remark, starts) if len(rows) else rows.remark),
        pa.array(bodies, pa.binary()),
    ]
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def renewed(table: pa.Table) -> pa.Table:
    """The same as sheaves where it is a table of rows as roll-ups were kept formerly."""
    return table if _is_sheaves(table) else to_table(Sheaves(wide.from_table(table), none(Rows), empty()))


def _is_sheaves(table: pa.Table) -> bool:
    return "body" in table.schema.names


def tag_starts(tag: NDArray[np.uint32]) -> Positions:
    """Where each of the tags begins."""
    found: Positions = np.flatnonzero(np.append(True, tag[1:] != tag[:-1])) if len(tag) else np.zeros(0, np.intp)
    return found


@dataclass(frozen=True, slots=True)
class _Flat:
    """Columns as they are packed, and what of them is each tag's."""

    small: NDArray[np.uint32]
    """(c, n), little-endian as all of them."""
    large: NDArray[np.int64]
    floats: NDArray[np.float64]
    lows: Positions
    highs: Positions

    @classmethod
    def of(cls, tag: NDArray[np.uint32], tags: NDArray[np.uint32], arrays: Arrays, form: Form) -> _Flat:
        lows, highs = (np.searchsorted(tag, tags, side) for side in SIDES)
        small, large, floats = (
            np.array([arrays[name] for name in names], type_) for names, type_ in zip(form, _TYPES, strict=True)
        )
        return cls(small, large, floats, lows, highs)

    def size(self, i: int) -> int:
        return int(self.highs[i] - self.lows[i])

    def pieces(self, i: int) -> Iterator[bytes]:
        here = slice(self.lows[i], self.highs[i])
        return (block[:, here].tobytes() for block in (self.small, self.large, self.floats))


def _units(sheaves: Sheaves[Rows], tags: NDArray[np.uint32]) -> NDArray[np.int64]:
    """(t,) the coarsest unit of which all times of each tag are multiples, ns: of most devices it is 100 ns or 1 ms."""
    found = np.ones(len(tags), np.int64)
    for unit in reversed(_UNITS):
        fits = np.ones(len(tags), np.bool_)
        for rows in (sheaves.rows, sheaves.minutes):
            broken = np.zeros(len(rows), np.bool_)
            for name in _TIMES:
                broken |= getattr(rows, name) % unit != 0
            fits[np.searchsorted(tags, rows.tag[broken])] = False
        fits[np.searchsorted(tags, sheaves.samples.tag[sheaves.samples.time % unit != 0])] = False
        found[fits] = unit
    return found


def _flat(rows: Rows, begins: NDArray[np.int64], units: NDArray[np.int64], tags: NDArray[np.uint32]) -> Arrays:
    """(m,) the columns `_ROWS`; beginnings and units are by tag."""
    place = np.searchsorted(tags, rows.tag)
    unit = units[place]
    step = np.diff(rows.time // MINUTE, prepend=0)
    starts = tag_starts(rows.tag)
    step[starts] = (rows.time[starts] - begins[place[starts]]) // MINUTE
    return {name: getattr(rows, name) for name in _names(_ROWS) if hasattr(rows, name)} | {
        "step": step,
        "other": rows.count - rows.good,
        "first_time": (rows.first_time - rows.time) // unit,
        "last_time": (rows.last_time - rows.time) // unit,
        "min_time": (rows.min_time - rows.time) // unit,
        "min_again": (rows.min_again - rows.min_time) // unit,
        "max_time": (rows.max_time - rows.time) // unit,
        "max_again": (rows.max_again - rows.max_time) // unit,
        "idle": (rows.last_time - rows.first_time - rows.good_time) // unit,
        "zero_time": rows.zero_time // unit,
    }


def _flat_samples(
    samples: Columns, begins: NDArray[np.int64], units: NDArray[np.int64], tags: NDArray[np.uint32]
) -> Arrays:
    """(k,) the columns `_SAMPLES`; beginnings and units are by tag."""
    place = np.searchsorted(tags, samples.tag)
    return {name: getattr(samples, name) for name in _names(_SAMPLES) if hasattr(samples, name)} | {
        "time": (samples.time - begins[place]) // units[place],
        "delay": samples.seen - samples.time,
    }


def _names(form: Form) -> list[str]:
    return [name for names in form for name in names]


def from_table(table: pa.Table, numbers: Iterable[int] | None = None) -> Sheaves[Rows]:
    """The sheaves of these tags (None: of all), as they stand in the table.

    A table of rows as roll-ups were kept formerly has rows alone. Raises Damaged when a body was packed otherwise.
    """
    return bundle([unpacked(table, numbers)], Rows)


class Unpacked(NamedTuple):
    """Sheaves that are not put together yet."""

    packed: Sequence[_Packed] = ()
    former: Rows | None = None

    def by_tag(self) -> Iterator[tuple[int, Unpacked]]:
        """What of it is one tag's, with its number; a tag may come more than once."""
        for each in self.packed:
            yield each.tag, Unpacked((each,))
        for tag in np.unique(self.former.tag).tolist() if self.former is not None else ():
            assert self.former is not None
            yield tag, Unpacked((), self.former.pick(self.former.tag == tag))


def unpacked(table: pa.Table, numbers: Iterable[int] | None = None) -> Unpacked:
    """What `from_table` gives, to be bundled with others."""
    tags: list[int] = table["tag"].to_pylist()
    wanted = set(tags if numbers is None else numbers)
    if not _is_sheaves(table):
        return Unpacked((), wide.from_table(table.filter(pa.array([tag in wanted for tag in tags], pa.bool_()))))
    codec, bodies = pa.Codec("zstd"), table["body"]
    return Unpacked([_Packed.of(codec, tag, bodies[i].as_buffer()) for i, tag in enumerate(tags) if tag in wanted])


def bundle(parts: Sequence[Unpacked], kind: type[R]) -> Sheaves[R]:
    """All of them, one after the other."""
    packed = [each for part in parts for each in part.packed]
    return Sheaves(rows_of(parts, kind), _rows(packed, 1, kind), _samples(packed, 2))


def rows_of(parts: Sequence[Unpacked], kind: type[R]) -> R:
    """The rows of all of them, without what stands beside these."""
    rows = _rows([each for part in parts for each in part.packed], 0, kind)
    former = [part.former for part in parts if part.former is not None]
    return joined([rows, *map(kind.of, former)], kind) if former else rows


class _Packed(NamedTuple):
    """One sheaf, decompressed."""

    tag: int
    begin: int
    unit: int
    data: pa.Buffer
    places: tuple[int, int, int]
    """Where its rows, minutes and samples begin."""
    sizes: tuple[int, int, int]

    @classmethod
    def of(cls, codec: pa.Codec, tag: int, body: pa.Buffer) -> _Packed:
        form, size = _BEGIN.unpack_from(body)
        if form != _PACKED:
            raise Damaged(f"roll-ups packed in a way {form} that this version does not know")
        data = codec.decompress(body.slice(_BEGIN.size), size)
        begin, unit, *sizes = _HEAD.unpack_from(data)
        rows, minutes, samples = sizes
        second = _HEAD.size + _bytes(_ROWS, rows)
        return cls(
            tag, begin, unit, data, (_HEAD.size, second, second + _bytes(_ROWS, minutes)), (rows, minutes, samples)
        )


def _bytes(form: Form, n: int) -> int:
    return n * sum(len(names) * np.dtype(type_).itemsize for names, type_ in zip(form, _TYPES, strict=True))


class _Blocks(NamedTuple):
    """Columns of one kind of all sheaves, and what these sheaves say of each place. Arrays are (n,)."""

    arrays: Arrays
    tag: NDArray[np.uint32]
    begin: NDArray[np.int64]
    unit: NDArray[np.int64]
    starts: Positions
    """(s,) where the sheaves that have any begin."""


def _blocks(packed: Sequence[_Packed], form: Form, which: int, wanted: Collection[str] | None = None) -> _Blocks | None:
    """The `which`-th kind of columns (at least the `wanted` ones), of all sheaves that have any; None: none has."""
    some = [each for each in packed if each.sizes[which]]
    if not some:
        return None
    sizes = [each.sizes[which] for each in some]
    arrays: Arrays = {}
    places = [each.places[which] for each in some]
    for names, type_ in zip(form, _TYPES, strict=True):
        pieces = [
            np.frombuffer(each.data, type_, len(names) * n, place).reshape(len(names), n)
            for each, n, place in zip(some, sizes, places, strict=True)
        ]
        if len(pieces) == 1 or wanted is None:
            arrays |= zip(names, pieces[0] if len(pieces) == 1 else np.concatenate(pieces, axis=1), strict=True)
        else:
            some_names = ((i, name) for i, name in enumerate(names) if name in wanted)
            arrays |= {name: np.concatenate([piece[i] for piece in pieces]) for i, name in some_names}
        places = [place + piece.nbytes for place, piece in zip(places, pieces, strict=True)]
    return _Blocks(
        arrays,
        np.repeat(np.array([each.tag for each in some], np.uint32), sizes),
        np.repeat(np.array([each.begin for each in some], np.int64), sizes),
        np.repeat(np.array([each.unit for each in some], np.int64), sizes),
        np.cumsum([0, *sizes[:-1]]),
    )


def _rows(packed: Sequence[_Packed], which: int, kind: type[R]) -> R:
    blocks = _blocks(packed, _ROWS, which, _NEEDED if kind is Shown else None)
    if blocks is None:
        return none(kind)
    flat = blocks.arrays
    time = blocks.begin + _summed_up(flat["step"], blocks.starts) * MINUTE
    found: Arrays = {name: time + flat[name] * blocks.unit for name in _SHOWN[0]}
    found |= {"tag": blocks.tag, "time": time, "quality": flat["quality"], "remark": flat["remark"].astype(np.uint8)}
    found |= {name: flat[name] for name in _SHOWN[1]}
    return kind(**found if kind is Shown else _whole(found, flat, blocks.unit))


_SHOWN: Final = (("first_time", "last_time", "min_time", "max_time"), ("first", "last", "min", "max"))
_NEEDED: Final = {"step", "quality", "remark", *_SHOWN[0], *_SHOWN[1]}
"""Columns of `_ROWS` that say what pictures show."""


def _whole(found: Arrays, flat: Arrays, unit: NDArray[np.int64]) -> Arrays:
    """Also what pictures do not need of rows."""
    count = flat["count"].astype(np.int64)
    return found | {
        "count": count,
        "good": count - flat["other"],
        "min_again": found["min_time"] + flat["min_again"] * unit,
        "max_again": found["max_time"] + flat["max_again"] * unit,
        "good_time": found["last_time"] - found["first_time"] - flat["idle"] * unit,
        "zero_time": flat["zero_time"] * unit,
        "changes": flat["changes"].astype(np.int64),
        **{name: flat[name] for name in ("sum", "squares", "line", "held")},
    }


def _summed_up(steps: NDArray[np.uint32], starts: Positions) -> NDArray[np.int64]:
    """Sums of all steps up to each, from each start anew."""
    found = np.cumsum(steps, dtype=np.int64)
    if len(starts) > 1:
        found -= np.repeat(found[starts] - steps[starts], np.diff(np.append(starts, len(steps))))
    return found


def _samples(packed: Sequence[_Packed], which: int) -> Columns:
    blocks = _blocks(packed, _SAMPLES, which)
    if blocks is None:
        return empty()
    flat, n = blocks.arrays, len(blocks.tag)
    since: NDArray[np.int64] = flat["time"]
    time = blocks.begin + since * blocks.unit
    delay: NDArray[np.int64] = flat["delay"]
    return Columns(
        words=(),
        tag=blocks.tag,
        time=time,
        seen=time + delay,
        value=flat["value"],
        integer=flat["integer"],
        whole=flat["whole"] != 0,
        text=np.zeros(n, np.int32),
        quality=flat["quality"],
        mark=flat["mark"].astype(np.uint8),
    )
