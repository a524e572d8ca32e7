# SPDX-License-Identifier: Apache-2.0
"""A piece of a file becomes samples, standardised as live ones are and marked historical; what cannot is refused.

Refused are rows without a legible time, of the future, with a quality nobody knows, or a text that is too long. A value
that is not of its tag's type is kept and marked, as a live one is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from isthmus.app.importing.layout import Layout
from isthmus.app.importing.names import LEFT_OUT, UNKNOWN, Tags
from isthmus.app.importing.piece import Column, Piece, Reading, Refusal
from isthmus.app.importing.qualities import UNKNOWN_WORD, qualities
from isthmus.app.importing.times import NO_TIME, Clock
from isthmus.app.importing.values import Values, values
from isthmus.core import quality
from isthmus.core.errors import IsthmusError
from isthmus.core.quality import Mark
from isthmus.core.samples import Samples
from isthmus.core.tag import LONGEST_LIST, DataType
from isthmus.core.time import UNKNOWN as NO_STAMP
from isthmus.flow.source import LONGEST_TEXT
from isthmus.flow.standardise import AHEAD, standardise
from isthmus.plant.revision import TagSetting
from isthmus.systems.contract import Form, Readings

FUTURE: Final = "the time lies in the future"
NAMELESS: Final = "no tag is named"
TOO_LONG: Final = f"a text of more than {LONGEST_TEXT:,} characters"
_COMMA: Final = re.compile(r"\s*[+-]?\d+,\d+([eE][+-]?\d+)?\s*")
_POINT: Final = re.compile(r"\s*[+-]?\d+(\.\d+)+(,\d+)?([eE][+-]?\d+)?\s*")
_MISREAD: Final = {
    ".": (_COMMA, "say --decimal , when they are numbers with a decimal comma"),
    ",": (_POINT, "with --decimal , no number has a point; take out those that part thousands, or leave --decimal out"),
}
"""Decimal sign → texts that look like numbers of another writing, and what to do about them."""

Rows = NDArray[np.intp]


@dataclass(slots=True)
class Understood:
    """What a piece is."""

    samples: list[Samples] = field(default_factory=list)
    """Standardised; `index` points into the tag list of `tags`, a digest."""
    refused: list[Refusal] = field(default_factory=list)
    rows: int = 0
    """Rows (of a wide file: values) that were taken."""
    left_out: int = 0
    """Rows whose mapping says `skip`."""


@dataclass(frozen=True, slots=True)
class Sense:
    """How the pieces of one file are to be understood."""

    layout: Layout
    reading: Reading
    tags: Tags
    clock: Clock
    seen: int
    """The import's moment, ns: all its samples were seen then."""

    def understand(self, piece: Piece) -> Understood:
        """Raises IsthmusError when the file is not meant so: times in another format, decimal commas, list values."""
        found = Understood(refused=[*piece.refused])
        if len(piece):
            (self._wide if self.layout.wide else self._long)(piece, found)
        return found

    def _long(self, piece: Piece, found: Understood) -> None:
        entry = self._entries(piece, found)
        rows = np.flatnonzero(entry >= 0)
        at, rows = self._times(piece, rows, found)
        if not len(rows):
            return
        part = _values(piece, rows, entry[rows], self)
        code, known = self._qualities(piece, rows, part)
        right = known & _short(part)
        for reason, wrong in ((UNKNOWN_WORD, ~known), (TOO_LONG, known & ~right)):
            if wrong.any():
                found.refused.append(piece.refuse(reason, rows[wrong]))
        self._add(found, entry[rows], at, code, part, right, self._marks(piece, rows))

    def _wide(self, piece: Piece, found: Understood) -> None:
        every = np.arange(len(piece), dtype=np.intp)
        at, rows = self._times(piece, every, found)
        entries = {name: self.tags.entry(name) for name in self.layout.tags(tuple(piece.columns))}
        for name, entry in entries.items():
            column = _pick(piece.columns[name], rows)
            if entry < 0:
                held = _held(column)
                found.left_out += held if entry == LEFT_OUT else 0
                self.tags.unknown[name] += held if entry == UNKNOWN else 0
                continue
            part = self.one(column, self.tags.settings[entry], piece, rows)
            there = part.form != Form.NONE
            short = _short(part)
            if not short.all():
                found.refused.append(piece.refuse(TOO_LONG, rows[~short]))
            code = np.full(len(rows), quality.GOOD, np.uint32)
            self._add(found, np.full(len(rows), entry), at, code, part, there & short, None)

    def _entries(self, piece: Piece, found: Understood) -> NDArray[np.int64]:
        """(n,) the entry of every row."""
        if not self.layout.tag:
            entry = self.tags.entry(self.layout.name)
            if entry == UNKNOWN:
                self.tags.unknown[self.layout.name] += len(piece)
            return np.full(len(piece), entry)
        names, name = _different(piece.columns[self.layout.tag])
        units, unit = (
            _different(piece.columns[self.layout.unit]) if self.layout.unit else ([""], np.zeros(len(name), np.int64))
        )
        pair = name * len(units) + unit
        counts = np.bincount(pair, minlength=len(names) * len(units))
        entries = np.full(len(counts), UNKNOWN, np.int64)
        for one in np.flatnonzero(counts).tolist():
            said, in_unit = names[one // len(units)], units[one % len(units)]
            if said:
                entries[one] = self._named(said, in_unit, int(counts[one]), found)
            else:
                found.refused.append(piece.refuse(NAMELESS, np.flatnonzero(pair == one)))
        chosen: NDArray[np.int64] = entries[pair]
        return chosen

    def _named(self, name: str, unit: str, count: int, found: Understood) -> int:
        try:
            entry = self.tags.entry(name, unit)
        except IsthmusError as error:
            raise IsthmusError(f"{name}: {error.what}", hint="a mapping file says the unit: --map") from error
        if entry == UNKNOWN:
            self.tags.unknown[name] += count
        found.left_out += count if entry == LEFT_OUT else 0
        return entry

    def _times(self, piece: Piece, rows: Rows, found: Understood) -> tuple[NDArray[np.int64], Rows]:
        """(m,) times of those of the rows whose time is right, and which they are; the others are refused."""
        if not len(rows):
            return np.zeros(0, np.int64), rows
        column = piece.columns.get(self.layout.time)
        if column is None:
            found.refused.append(piece.refuse(NO_TIME, rows))
            return np.zeros(0, np.int64), rows[:0]
        times = self.clock.read(_pick(column, rows))
        right = times.right
        late, none = right & (times.ns > self.seen + AHEAD), right & (times.ns == NO_STAMP)
        for reason, wrong in (*times.wrong.items(), (FUTURE, late), (NO_TIME, none)):
            if wrong.any():
                found.refused.append(piece.refuse(reason, rows[wrong]))
        right &= ~late & ~none
        return times.ns[right], rows[right]

    def one(self, column: Column, setting: TagSetting, piece: Piece, rows: Rows) -> Values:
        """The values of some rows, all of tags of one type; raises IsthmusError for numbers of another writing."""
        labels = {label.lower(): number for number, label in setting.labels.items()}
        part = values(column, setting.tag.type, labels, self.reading.decimal)
        if part.text is not None and setting.tag.type is DataType.FLOAT:
            meant, hint = _MISREAD.get(self.reading.decimal, _MISREAD[","])
            for row in np.flatnonzero(part.form == Form.TEXT)[:100].tolist():
                if meant.fullmatch(part.text[row] or ""):
                    line = int(piece.lines[rows[row]])
                    raise IsthmusError(f"the value is written {part.text[row]!r}", where=f"line {line}", hint=hint)
        return part

    def _qualities(self, piece: Piece, rows: Rows, part: Values) -> tuple[NDArray[np.uint32], NDArray[np.bool_]]:
        column = piece.columns.get(self.layout.quality) if self.layout.quality else None
        if column is None:  # nothing said of it: what has no value is not good
            code = np.where(part.form == Form.NONE, quality.BAD_NO_DATA, quality.GOOD).astype(np.uint32)
            return code, np.ones(len(rows), np.bool_)
        numbers = self.reading.quality_as or ("opcua" if self.layout.coded else "")
        return qualities(_pick(column, rows), numbers, self.tags.mapping.qualities)

    def _marks(self, piece: Piece, rows: Rows) -> NDArray[np.uint8] | None:
        """Marks that only the one who exported knows: of a value that was not measured."""
        if not self.layout.marks or self.layout.marks not in piece.columns:
            return None
        return _our_marks(_pick(piece.columns[self.layout.marks], rows)) & np.uint8(Mark.SUBSTITUTED)

    def _add(
        self,
        found: Understood,
        entry: NDArray[np.int64],
        at: NDArray[np.int64],
        code: NDArray[np.uint32],
        part: Values,
        right: NDArray[np.bool_],
        marks: NDArray[np.uint8] | None,
    ) -> None:
        count = int(np.count_nonzero(right))
        if not count:
            return
        some = slice(None) if count == len(right) else np.flatnonzero(right)
        text = part.text
        if text is not None and not isinstance(some, slice):
            text = [text[row] for row in some.tolist()]
        readings = Readings(
            index=entry[some].astype(np.uint32),
            at=at[some],
            quality=code[some],
            form=part.form[some],
            value=part.value[some],
            integer=None if part.integer is None else part.integer[some],
            text=text,
            seen=self.seen,
            historical=True,
        )
        found.rows += count
        blocks = list(standardise(readings, self.tags.rules(), "import"))
        if marks is not None:
            _mark(blocks, readings.index // LONGEST_LIST, marks[some])
        found.samples += blocks


def _mark(blocks: Sequence[Samples], part: NDArray[np.uint32], marks: NDArray[np.uint8]) -> None:
    """Adds marks to blocks that were made of rows of different tag lists, in order of these."""
    for block, number in zip(blocks, np.unique(part), strict=True):
        block.mark[:] |= marks[part == number]


def _values(piece: Piece, rows: Rows, entry: NDArray[np.int64], sense: Sense) -> Values:
    """The values of these rows, each read as its tag's type wants it."""
    column = _pick(piece.columns[sense.layout.value], rows)
    settings = sense.tags.settings
    keys = {i: (s.tag.type, i if s.labels else -1) for i in np.unique(entry).tolist() for s in [settings[i]]}
    kinds = list(dict.fromkeys(keys.values()))
    if len(kinds) == 1:
        found = sense.one(column, settings[int(entry[0])], piece, rows)
    else:
        found = Values.none(len(rows))
        group = np.zeros(len(settings), np.int64)
        for i, key in keys.items():
            group[i] = kinds.index(key)
        groups = group[entry]
        for number in range(len(kinds)):
            here = np.flatnonzero(groups == number)
            found.put(here, sense.one(_pick(column, here), settings[int(entry[here[0]])], piece, rows[here]))
    if sense.layout.integer:
        _put_exact(found, piece, rows, entry, sense)
    elif sense.layout.marks and sense.layout.marks in piece.columns:
        _put_wrong(found, column, _our_marks(_pick(piece.columns[sense.layout.marks], rows)))
    return found


def _put_exact(found: Values, piece: Piece, rows: Rows, entry: NDArray[np.int64], sense: Sense) -> None:
    """Whole numbers and texts, where a table of ours has them beside the value."""
    whole = _pick(piece.columns[sense.layout.integer], rows)
    there = np.flatnonzero(pc.is_valid(whole).to_numpy(zero_copy_only=False))
    if len(there):
        unsigned = np.array([s.tag.type is DataType.UNSIGNED for s in sense.tags.settings], np.bool_)[entry[there]]
        exact = pc.take(whole, there).to_numpy(zero_copy_only=False)
        form = np.where(unsigned, Form.UNSIGNED, Form.SIGNED).astype(np.uint8)
        value = np.where(unsigned, exact.view(np.uint64).astype(np.float64), exact.astype(np.float64))
        found.put(there, Values(form, value, exact))
    texts = _pick(piece.columns[sense.layout.text], rows)
    there = np.flatnonzero(pc.is_valid(texts).to_numpy(zero_copy_only=False))
    if len(there):
        found.put(there, _as_text(pc.take(texts, there).to_pylist()))
    blank = np.isnan(found.value) & (found.form == Form.FLOAT)
    found.form[blank] = Form.NONE


def _put_wrong(found: Values, column: Column, marks: NDArray[np.uint8]) -> None:
    """A value that was of a wrong type stays what was written, even when it looks like a number."""
    rows = np.flatnonzero(marks & np.uint8(Mark.WRONG_TYPE))
    if len(rows):
        found.put(rows, _as_text([None if v is None else str(v) for v in _plain(_pick(column, rows))]))


def _as_text(texts: Sequence[str | None]) -> Values:
    return Values(np.full(len(texts), Form.TEXT, np.uint8), np.full(len(texts), np.nan), None, [*texts])


def _our_marks(column: Column) -> NDArray[np.uint8]:
    """Marks as `isthmus history` writes them: the number, or the words."""
    if not isinstance(column, list) and pa.types.is_integer(column.type):
        numbers: NDArray[np.uint8] = column.fill_null(0).to_numpy(zero_copy_only=False).astype(np.uint8)
        return numbers
    words = {(bit.name or "").lower().replace("_", " "): int(bit) for bit in Mark}
    different, rows = _different(column)
    known = [sum(words.get(word.strip(), 0) for word in text.split(",")) for text in different]
    return np.array(known, np.uint8)[rows]


def _short(part: Values) -> NDArray[np.bool_]:
    """(n,) where a text is not too long."""
    short = np.ones(len(part.form), np.bool_)
    if part.text is not None:
        for row in np.flatnonzero(part.form == Form.TEXT).tolist():
            short[row] = len(part.text[row] or "") <= LONGEST_TEXT
    return short


def _pick(column: Column, rows: Rows) -> Column:
    """Some of the rows; all of them without copying."""
    if len(rows) == len(column):
        return column
    if isinstance(column, list):
        return [column[row] for row in rows.tolist()]
    return pc.take(column, pa.array(rows))


def _held(column: Column) -> int:
    """Values that are there."""
    return sum(v is not None for v in column) if isinstance(column, list) else len(column) - column.null_count


def _plain(column: Column) -> list[Any]:
    return column if isinstance(column, list) else column.to_pylist()


def _different(column: Column) -> tuple[list[str], NDArray[np.int64]]:
    """The different texts of a column, and (n,) which one every row has; nothing is the empty one."""
    array = column if not isinstance(column, list) else pa.array([None if v is None else str(v) for v in column])
    if not isinstance(array, pa.DictionaryArray):
        array = array.cast(pa.string()).fill_null("").dictionary_encode()
    words = ["" if word is None else str(word) for word in array.dictionary.to_pylist()]
    rows = array.indices.fill_null(len(words)).to_numpy(zero_copy_only=False).astype(np.int64)
    return [*words, ""], rows
