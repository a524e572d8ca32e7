# SPDX-License-Identifier: Apache-2.0
"""An outline is those samples of some tags that pictures of given pixel columns can show: of many a few per column.

Drawn, they give what all samples give (`pixels.draw`): of each stretch of samples of one tag, in one pixel column, and
all of them usable or none, there are the first, the last, and the first that has the least and the greatest value; and
those that tell where gaps end. More samples do no harm, so stretches may be cut anywhere. (Where in a column a gap lies
is not drawn: of the value that holds up to it the column's last sample tells, and the column is bad.)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from isthmus.core.quality import BAD, Mark
from isthmus.store.history.aggregates.outcome import Rows as Places
from isthmus.store.history.aggregates.points import Flags, Times
from isthmus.store.history.columns import Columns, corrected, empty, join, ordered
from isthmus.store.history.read import History
from isthmus.store.history.rollup.rows import Remark, Shown

_WORTH: Final = 3
"""Samples of a stretch, on average, that make it worth leaving some out."""


def outlines(
    history: History, numbers: Sequence[int], edges: Times, gaps: Mapping[int, Times]
) -> tuple[dict[int, Columns], set[int]]:
    """Outlines (ordered) by tag, and the numbers of the tags that are doubtful: of these all samples are needed.

    They are those with corrections, and with samples at one time in different files: which of them count is not to be
    seen from some. `gaps` are (g, 2) ns that were told of each tag.
    """
    start, end = int(edges[0]), int(edges[-1])
    loose = history.loose(numbers, start, end)
    beside = {tag: samples.time for tag, samples in by_tag(loose)}
    unread = _UNREAD if any(map(len, gaps.values())) else ("seen", *_UNREAD)

    def made(samples: Columns) -> tuple[Columns, set[int]]:
        return outline(samples, edges, gaps), _corrected(samples) | _repeated(samples, beside)

    parts = {tag: [samples] for tag, samples in by_tag(loose)}
    doubtful = _corrected(loose)
    for outlined, strange in history.of_days(numbers, start, end, made, unread):
        doubtful |= strange
        for tag, samples in by_tag(outlined):
            parts.setdefault(tag, []).append(samples)
    if not all(history.is_sound(part) for part in history.parts):
        return {}, set(numbers)
    return {tag: ordered(join(some)) for tag, some in parts.items() if tag not in doubtful}, doubtful


_UNREAD: Final = ("integer", "text")
"""Columns that no picture shows."""


def _corrected(samples: Columns) -> set[int]:
    """The tags with corrections."""
    if not len(samples) or int(samples.mark.max()) < Mark.CORRECTED:
        return set()
    return set(np.unique(samples.tag[corrected(samples)]).tolist())


def _repeated(samples: Columns, beside: Mapping[int, Times]) -> set[int]:
    """The tags of which one of the samples is at the time of one beside them."""
    both = ((tag, samples.time[low:high], beside[tag]) for tag, low, high in _tags(samples) if tag in beside)
    return {tag for tag, times, others in both if np.isin(others, times).any()}


def _tags(samples: Columns) -> Iterator[tuple[int, int, int]]:
    tag = samples.tag
    ends = [*(np.flatnonzero(tag[1:] != tag[:-1]) + 1).tolist(), len(tag)] if len(tag) else []
    return ((int(tag[low]), low, high) for low, high in zip([0, *ends], ends, strict=False))


def outline(samples: Columns, edges: Times, told: Mapping[int, Times]) -> Columns:
    """The samples (ordered, each once) of some tags that are to be seen on pixel columns between ascending edges (ns).

    `told` are, by tag, (g, 2) ns: what was told of its gaps.
    """
    n = len(samples)
    begins, others = np.zeros(n + 1, np.bool_), np.zeros(n, np.bool_)
    _begin(begins, samples)
    for tag, low, high in _tags(samples):
        gaps, times = told[tag], samples.time[low:high]
        begins[low + np.searchsorted(times, _between(edges, times))] = True
        if len(gaps):
            others[low + _came(samples.pick(slice(low, high)), gaps[:, 1])] = True
    firsts = np.flatnonzero(begins[:n])
    if n < _WORTH * len(firsts):
        return samples
    return samples.pick(np.flatnonzero(_seen(samples.value, firsts) | others))


def outline_with_rows(samples: Columns, rows: Shown, number: int, edges: Times, gaps: Times) -> Columns:
    """The outline of some samples of one tag (this number) and of what rows tell of others, in order of time.

    Samples of one time are ordered; none lies in a row. The rows are in order, none crosses a column's edge, and their
    samples are usable all of them. What is not told of these is made up: they were seen in time.
    """
    shown = _shown(rows, np.sort(samples.time), number, edges)
    found = join((samples, shown))
    return outline(found.pick(np.argsort(found.time, kind="stable")), edges, {number: gaps})


def _shown(rows: Shown, others: Times, number: int, edges: Times) -> Columns:
    """What is to be seen of the rows' samples, where those of the other times may not be usable."""
    if not len(rows):
        return empty()
    begins = np.zeros(len(rows) + 1, np.bool_)
    begins[0] = True
    begins[np.searchsorted(rows.time, edges)] = True
    begins[np.searchsorted(rows.time, others, "right")] = True
    firsts = np.flatnonzero(begins[:-1])
    lengths = np.diff(np.append(firsts, len(rows)))
    lows, highs = _hits(rows.min, np.fmin, firsts, lengths), _hits(rows.max, np.fmax, firsts, lengths)
    lasts = firsts + lengths - 1
    row = np.concatenate((firsts, lows, highs, lasts))
    time = np.concatenate((rows.first_time[firsts], rows.min_time[lows], rows.max_time[highs], rows.last_time[lasts]))
    value = np.concatenate((rows.first[firsts], rows.min[lows], rows.max[highs], rows.last[lasts]))
    order = np.argsort(time, kind="stable")
    order = order[np.append(True, np.diff(time[order]) > 0)]
    row, time, nothing = row[order], time[order], empty(len(order))
    historical = rows.marked(Remark.HISTORICAL)[row]
    return replace(
        nothing,
        tag=np.full(len(order), number, np.uint32),
        time=time,
        seen=time,
        value=value[order],
        quality=rows.quality[row],
        mark=np.where(historical, np.uint8(Mark.HISTORICAL), np.uint8(0)),
    )


def _begin(begins: Flags, samples: Columns) -> None:
    """Where samples of a tag begin, where they begin to be usable, and where not to be."""
    if len(samples):
        usable: Flags = (samples.quality < np.uint32(BAD)) & ~np.isnan(samples.value)
        begins[0] = True
        begins[1:-1] = (usable[1:] != usable[:-1]) | (samples.tag[1:] != samples.tag[:-1])


def by_tag(samples: Columns) -> Iterator[tuple[int, Columns]]:
    """Ordered samples of each tag, with its number."""
    for tag, low, high in _tags(samples):
        yield tag, samples.pick(slice(low, high))


def _between(edges: Times, times: Times) -> Times:
    """The edges behind the first and not behind the last of the times."""
    first, last = np.searchsorted(edges, (times[0], times[-1]), "right")
    return edges[first:last]


def _came(samples: Columns, lasts: Times) -> Places:
    """The live samples of one tag that came first after gaps with these last times: they may end these (see Watch)."""
    live = np.flatnonzero((samples.mark & np.uint8(Mark.HISTORICAL)) == 0)
    live = live[np.argsort(samples.seen[live], kind="stable")]
    seen = samples.seen[live]
    places = np.searchsorted(seen, lasts - 1)
    firsts = seen[places[places < len(seen)]]
    return live[np.searchsorted(seen, firsts, "right") - 1]


def _seen(value: NDArray[np.float64], firsts: Places) -> Flags:
    """(n,) of each stretch the first, the last, the first least and the first greatest."""
    lengths = np.diff(np.append(firsts, len(value)))
    seen = np.zeros(len(value), np.bool_)
    seen[firsts] = seen[firsts + lengths - 1] = True
    for extreme in (np.fmin, np.fmax):
        seen[_hits(value, extreme, firsts, lengths)] = True
    return seen


def _hits(value: NDArray[np.float64], extreme: np.ufunc, firsts: Places, lengths: Places) -> Places:
    """Where the first extreme value of each stretch is; of one without any value nowhere."""
    hits = np.flatnonzero(value == np.repeat(extreme.reduceat(value, firsts), lengths))
    stretch = np.searchsorted(firsts, hits, "right")
    found: Places = hits[np.append(True, stretch[1:] != stretch[:-1])[: len(hits)]]
    return found
