# SPDX-License-Identifier: Apache-2.0
"""The memory table holds samples in log order, in arrays that are filled from message to message."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from isthmus.core.quality import Mark
from isthmus.core.samples import Samples
from isthmus.core.tag import TagList
from isthmus.core.time import UNKNOWN
from isthmus.store.history.columns import Columns, empty

CHUNK = 65_536
"""Rows of a chunk at most."""
ROW = sum(array.itemsize for array in empty().arrays())
"""Bytes of one sample in memory, texts apart."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """What the memory table needs of a tag list, by position in it."""

    number: NDArray[np.uint32]
    whole: NDArray[np.bool_]
    """Where the tag's values are in the integer column."""

    @classmethod
    def of(cls, tags: TagList) -> Numbers:
        return cls(
            np.array([tag.number for tag in tags.tags], np.uint32), np.array([tag.whole for tag in tags.tags], np.bool_)
        )


class Memory:
    """Samples in log order, in chunks: each as large as all before it, so that few samples take little memory."""

    def __init__(self) -> None:
        self._chunks: list[Columns] = []
        self._room = 0
        self._codes_of: dict[str | None, int] = {None: 0}
        """Of texts; 0 is none."""
        self._letters = 0
        self.rows = 0

    @property
    def size(self) -> int:
        """Bytes."""
        return self.rows * ROW + self._letters

    def add(self, samples: Samples, numbers: Numbers) -> None:
        """Takes samples whose index points into the list that `numbers` was made of."""
        done, count = 0, len(samples)
        while done < count:
            if not self._room:
                self._room = min(CHUNK, max(count - done, self.rows))
                self._chunks.append(empty(self._room))
            some = min(self._room, count - done)
            self._fill(samples, numbers, slice(done, done + some))
            self._room -= some
            self.rows += some
            done += some

    def _fill(self, samples: Samples, numbers: Numbers, part: slice) -> None:
        chunk = self._chunks[-1]
        start = len(chunk) - self._room
        place = slice(start, start + part.stop - part.start)
        index, value, mark = samples.index[part], samples.value[part], samples.mark[part]
        chunk.tag[place] = numbers.number[index]
        chunk.time[place] = _kept_under(samples, part)
        chunk.seen[place] = samples.seen
        chunk.value[place] = value
        chunk.quality[place] = samples.quality[part]
        chunk.mark[place] = mark
        if samples.integer is not None:
            whole = numbers.whole[index] & ~np.isnan(value) & ((mark & np.uint8(Mark.WRONG_TYPE)) == 0)
            chunk.whole[place] = whole
            chunk.integer[place] = np.where(whole, samples.integer[part], 0)
        if samples.text is not None:
            chunk.text[place] = self._codes(samples.text[part])

    def _codes(self, texts: Sequence[str | None]) -> NDArray[np.int32]:
        """0 where there is no text, else 1 + its place in the words, which grow by new ones."""
        known = self._codes_of
        for word in dict.fromkeys(texts):
            if word is not None and word not in known:
                known[word] = len(known)
                self._letters += 100 + len(word)  # the string object and its place in the dictionary
        return np.fromiter(map(known.__getitem__, texts), np.int32, len(texts))

    @property
    def _words(self) -> tuple[str, ...]:
        """The texts, in order of their codes."""
        return tuple(word for word in self._codes_of if word is not None)

    def columns(self) -> Columns:
        """All of it, in log order; what is added later is not in it."""
        if not self._chunks:
            return empty()
        *full, last = self._chunks
        last = last.pick(slice(len(last) - self._room))
        if not full:
            return replace(last, words=self._words)
        arrays = zip(*(chunk.arrays() for chunk in (*full, last)), strict=True)
        return Columns(self._words, *(np.concatenate(pieces) for pieces in arrays))


def _kept_under(samples: Samples, part: slice) -> NDArray[np.int64]:
    """The device's time; `seen` where it lay in the future or was not given."""
    at, mark = samples.at[part], samples.mark[part]
    if not np.count_nonzero(mark) and np.count_nonzero(at) == len(at):  # none is marked, none is UNKNOWN
        return at
    return np.where(((mark & np.uint8(Mark.FUTURE)) != 0) | (at == UNKNOWN), np.int64(samples.seen), at)
