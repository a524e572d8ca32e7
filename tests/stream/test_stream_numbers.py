# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from isthmus.stream.numbers import EPOCHS, Missing, Novel, Repeated, Sources
from tests.stream.making import numbered


def test_what_follows_is_novel_and_what_came_already_is_repeated() -> None:
    sources = Sources()
    assert [type(sources.check(numbered(n))) for n in (1, 2, 2, 1, 3)] == [Novel, Novel, Repeated, Repeated, Novel]


def test_a_jump_tells_which_numbers_are_missing() -> None:
    sources = Sources()
    sources.check(numbered(1))
    assert sources.check(numbered(5)) == Missing(3, 2, 4)
    assert sources.check(numbered(6)) == Novel()


def test_a_new_epoch_begins_at_one_even_when_the_clock_went_back() -> None:
    sources = Sources()
    sources.check(numbered(1, epoch=1000))
    assert sources.check(numbered(1, epoch=10)) == Novel()
    assert sources.check(numbered(3, epoch=2000)) == Missing(2, 1, 2)
    assert sources.check(numbered(1, epoch=1000)) == Repeated()


def test_sources_do_not_disturb_each_other() -> None:
    sources = Sources()
    assert sources.check(numbered(1, source="a")) == sources.check(numbered(1, source="b")) == Novel()


def test_what_is_remembered_is_bounded() -> None:
    sources = Sources()
    for epoch in range(1, 100):
        sources.check(numbered(1, epoch=epoch))
    assert len(sources.state["plc"]) == EPOCHS


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 12)), max_size=40), st.integers(0, 40))
def test_a_state_stored_as_json_goes_on_as_if_nothing_had_happened(came: list[tuple[int, int]], cut: int) -> None:
    straight, before = Sources(), Sources()
    expected = [straight.check(numbered(number, 1, epoch=epoch)) for epoch, number in came]
    answers = [before.check(numbered(number, 1, epoch=epoch)) for epoch, number in came[:cut]]
    after = Sources(json.loads(json.dumps(before.copy())))
    answers += [after.check(numbered(number, 1, epoch=epoch)) for epoch, number in came[cut:]]
    assert answers == expected


@given(st.lists(st.integers(1, 30), max_size=60))
def test_nothing_is_ever_taken_twice(came: list[int]) -> None:
    sources = Sources()
    taken = [number for number in came if sources.check(numbered(number, 1)) != Repeated()]
    assert len(taken) == len(set(taken)) and taken == sorted(taken)
