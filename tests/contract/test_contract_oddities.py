# SPDX-License-Identifier: Apache-2.0
"""What cannot be understood goes to quarantine at a pace, whatever reasons a far end finds."""

from __future__ import annotations

from isthmus.systems.telling import MOST_REASONS, PACE, Oddities


def test_garbage_that_is_another_each_time_is_a_few_oddities_a_minute_and_each_is_counted() -> None:
    oddities, kept = Oddities(), []
    for round_ in range(3):
        for n in range(1000):
            now = PACE * (10 + 2 * round_) + n
            kept += oddities.keep(0, "db1.0:int", f"{round_} {n} bytes in place of 2", b"", now)
    assert len(kept) == 3 * MOST_REASONS
    said = [int(one.reason.partition("(and ")[2].partition(" more")[0] or 0) for one in kept]
    assert sum(said) + len(kept) == 3000 - (1000 - MOST_REASONS)  # those of the last round are told with the next one
    assert sum(map(len, oddities._kept.values())) <= MOST_REASONS


def test_one_reason_is_kept_once_a_minute_and_does_not_hide_another() -> None:
    oddities = Oddities()
    for n in range(5):
        assert len(oddities.keep(0, "a", "this", b"", PACE + n)) == (n == 0)
    assert len(oddities.keep(0, "a", "that", b"", PACE + 9)) == 1
    (again,) = oddities.keep(0, "a", "this", b"", 2 * PACE + 9)
    assert again.reason == "a holds this (and 4 more since the last one kept)"
