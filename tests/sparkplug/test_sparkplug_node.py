# SPDX-License-Identifier: Apache-2.0
"""One edge node as a host knows it, message by message: order, aliases, births, deaths, and messages that lie."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.core import quality
from isthmus.core.errors import IsthmusError
from isthmus.core.event import EventKind
from isthmus.systems.contract import Readings, nothing
from isthmus.systems.sparkplug import message, payload
from isthmus.systems.sparkplug.address import PATTERN, Place, address, check_address, split
from isthmus.systems.sparkplug.message import Metric
from isthmus.systems.sparkplug.node import GRACE, Node, nodes
from isthmus.systems.sparkplug.remarks import Remarks
from isthmus.systems.sparkplug.scope import Scope, Take
from isthmus.systems.sparkplug.source import readings
from isthmus.systems.sparkplug.topic import Topic, plain, topic
from isthmus.systems.sparkplug.values import Type

MS = 1_700_000_000_000
AT = MS * 1_000_000
ADDRESSES = ("g/n:a", "g/n:b", "g/n/d:x", "g/n/d:y")


class Watched:
    """A node, and what it made of what it was told."""

    def __init__(self, addresses: Sequence[str] = ADDRESSES, reorder: float = 2.0) -> None:
        self.remarks = Remarks("far")
        self.remarks.texts = addresses
        wanted = [(position, *split(text)) for position, text in enumerate(addresses)]
        self.node: Node = nodes(wanted, self.remarks, reorder, 0.0)["g", "n"]
        self.rows: list[tuple[Any, ...]] = []
        self.taken: list[Take] = []
        self.historical: list[tuple[Any, ...]] = []
        self.events: list[Any] = []
        self.oddities: list[Any] = []
        self.now = 0.0

    def hear(self, verb: str, raw: bytes, device: str = "", after: float = 0.01) -> None:
        self.now += after
        take = Take(AT + int(self.now * 1e9))
        self.node.take(Topic("g", verb, "n", device), raw, self.now, take)
        self.taken.append(take)
        self._keep(take)

    def wait(self, seconds: float) -> None:
        self.now += seconds
        take = Take(AT + int(self.now * 1e9))
        self.node.tick(self.now, take)
        self._keep(take)

    def _keep(self, take: Take) -> None:
        live = [one for one in readings(take, nothing) if not one.historical]
        self.rows += [row for one in live for row in rows_of(one)]
        self.historical += take.historical
        self.events += take.events
        self.oddities += take.oddities

    def born(self, seq: int = 0, bd: int = 0, values: tuple[float, float] = (0.0, 0.0)) -> None:
        self.hear("NBIRTH", message.birth(both("ab", values), at=AT, seq=seq, bd=bd))

    def device_born(self, seq: int = 1, values: tuple[float, float] = (0.0, 0.0)) -> None:
        self.hear("DBIRTH", message.birth(both("xy", values, 10), at=AT, seq=seq), "d")

    def tell(self, seq: int, value: float, name: str = "a", alias: int | None = 0) -> None:
        self.hear("NDATA", message.data([Metric(name, Type.DOUBLE, value, AT, alias=alias)], at=AT, seq=seq))

    def values(self, position: int) -> list[float]:
        return [row[4] for row in self.rows if row[0] == position]

    def qualities(self, position: int) -> list[int]:
        return [row[2] for row in self.rows if row[0] == position]

    def told(self, kind: EventKind) -> list[str]:
        return [event.message for event in self.events if event.kind is kind]


def rows_of(one: Readings) -> list[tuple[Any, ...]]:
    """(position, at, quality, form, value, integer, text) of each reading."""
    n = len(one)
    integer = [0] * n if one.integer is None else one.integer.tolist()
    text = [None] * n if one.text is None else list(one.text)
    columns = (one.index, one.at, one.quality, one.form, one.value)
    return list(zip(*(column.tolist() for column in columns), integer, text, strict=True))


def both(names: str, values: Iterable[float], alias: int = 0) -> list[Metric]:
    return [
        Metric(name, Type.DOUBLE, v, AT, alias=alias + n) for n, (name, v) in enumerate(zip(names, values, strict=True))
    ]


def test_births_and_data_become_rows_by_name_and_by_alias() -> None:
    watched = Watched()
    watched.born(values=(1.0, 2.0))
    watched.device_born(values=(3.0, 4.0))
    watched.tell(2, 5.0)
    watched.tell(3, 6.0, name="b", alias=None)
    data = [Metric("y", Type.DOUBLE, 7.0, AT + 5_000_000, alias=11, quality=0x808C_0000)]
    watched.hear("DDATA", message.data(data, at=AT, seq=4), "d")
    assert [watched.values(n) for n in range(4)] == [[1.0, 5.0], [2.0, 6.0], [3.0], [4.0, 7.0]]
    assert watched.rows[-1][:3] == (3, AT + 5_000_000, 0x808C_0000)
    assert not watched.events and not watched.oddities and not watched.node.ask


def test_a_value_has_the_time_of_its_message_where_it_has_none() -> None:
    watched = Watched()
    watched.born()
    sent = payload.Payload(timestamp=MS + 77, seq=1)
    sent.metrics.add(alias=0, double_value=1.0)
    watched.hear("NDATA", sent.SerializeToString())
    assert watched.rows[-1][1] == (MS + 77) * 1_000_000


def test_historical_values_and_nulls_are_what_they_say() -> None:
    watched = Watched()
    watched.born()
    metrics = [
        Metric("a", Type.DOUBLE, 1.0, AT - 10**12, alias=0, historical=True),
        Metric("b", Type.DOUBLE, None, AT, alias=1),
        Metric("a", Type.DOUBLE, None, AT, alias=0, quality=quality.BAD_NO_COMMUNICATION),
    ]
    watched.hear("NDATA", message.data(metrics, at=AT, seq=1))
    assert [row[:2] for row in watched.historical] == [(0, AT - 10**12)]
    assert watched.qualities(1)[-1] == quality.BAD_NO_DATA
    assert watched.qualities(0)[-1] == quality.BAD_NO_COMMUNICATION


def test_messages_out_of_order_within_the_time_are_taken_in_order_and_nothing_is_asked() -> None:
    watched = Watched()
    watched.born()
    for seq in (3, 2, 4, 1, 5):
        watched.tell(seq, float(seq))
    assert watched.values(0) == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    assert not watched.events and not watched.node.ask


def test_a_missing_message_is_a_gap_after_the_time_and_a_birth_is_asked_for() -> None:
    watched = Watched()
    watched.born()
    watched.tell(1, 1.0)
    watched.tell(4, 4.0)
    watched.tell(5, 5.0)
    watched.wait(1.9)
    assert watched.values(0) == [0.0, 1.0] and not watched.node.ask
    watched.wait(0.2)
    assert watched.values(0) == [0.0, 1.0, 4.0, 5.0]
    assert watched.node.ask
    (gap,) = [event for event in watched.events if event.kind is EventKind.GAP]
    assert gap.message == "2 messages of edge node g/n are missing: after number 1 came 4"
    assert (gap.details["messages"], gap.details["first"] < gap.details["last"]) == (2, True)
    watched.tell(6, 6.0)
    assert watched.values(0)[-1] == 6.0 and len(watched.told(EventKind.GAP)) == 1


def test_without_a_time_to_reorder_a_gap_is_told_at_once() -> None:
    watched = Watched(reorder=0.0)
    watched.born()
    watched.tell(2, 2.0)
    assert watched.values(0) == [0.0, 2.0] and len(watched.told(EventKind.GAP)) == 1


@given(st.integers(0, 255), st.integers(1, 255))
def test_any_number_of_lost_messages_below_a_whole_cycle_is_noticed(start: int, lost: int) -> None:
    watched = Watched(reorder=1.0)
    watched.born(seq=start)
    watched.tell((start + 1 + lost) % 256, 1.0)
    watched.wait(2.0)
    assert len(watched.told(EventKind.GAP)) == 1 and watched.node.ask
    assert watched.values(0) == [0.0, 1.0]


@given(st.permutations(range(1, 12)), st.sets(st.integers(1, 11), max_size=3), st.integers(0, 255))
def test_in_whatever_order_messages_come_each_is_taken_once(order: Sequence[int], lost: set[int], start: int) -> None:
    watched = Watched()
    watched.born(seq=start)
    for number in order:
        if number not in lost:
            watched.tell((start + number) % 256, float(number), name="a")
    watched.wait(5.0)
    kept = [number for number in range(1, 12) if number not in lost]
    assert watched.values(0)[1:] == list(map(float, kept))
    inside = [number for number in lost if number < max(kept)]
    assert bool(watched.told(EventKind.GAP)) == bool(inside)


def test_numbers_go_on_after_255_with_0() -> None:
    watched = Watched()
    watched.born(seq=254)
    for seq, value in ((255, 1.0), (0, 2.0), (1, 3.0)):
        watched.tell(seq, value)
    assert watched.values(0) == [0.0, 1.0, 2.0, 3.0] and not watched.events


def test_an_edge_node_that_counts_anew_without_a_birth_is_asked_for_one() -> None:
    watched = Watched()
    watched.born(seq=200)
    watched.tell(5, 1.0)
    watched.wait(3.0)
    watched.tell(3, 2.0)
    assert watched.values(0) == [0.0, 1.0, 2.0] and watched.node.ask
    assert "after number 5 came 3" in watched.told(EventKind.GAP)[-1]


@pytest.mark.parametrize("seq", [256, 99_999, 2**64 - 1, None])
def test_an_absurd_number_harms_only_the_order(seq: int | None) -> None:
    watched = Watched()
    watched.born()
    sent = payload.Payload(timestamp=MS) if seq is None else payload.Payload(timestamp=MS, seq=seq)
    sent.metrics.add(alias=0, timestamp=MS, double_value=9.0)
    watched.hear("NDATA", sent.SerializeToString())
    watched.tell(1, 1.0)
    assert watched.values(0) == [0.0, 9.0, 1.0]
    assert "sequence number" in watched.oddities[0].reason


def test_data_before_the_birth_are_not_guessed_at_but_counted_and_the_birth_is_asked_for() -> None:
    watched = Watched()
    watched.tell(7, 1.0)
    watched.tell(8, 1.0)
    assert not watched.rows and watched.node.ask
    watched.born(values=(5.0, 6.0))
    assert watched.values(0) == [5.0] and not watched.node.ask
    assert watched.told(EventKind.GAP) == ["2 messages of edge node g/n came before its birth and were not understood"]


def test_an_alias_that_nobody_declared_asks_for_a_birth_and_the_rest_of_the_message_is_taken() -> None:
    watched = Watched()
    watched.born()
    metrics = [Metric("?", Type.DOUBLE, 1.0, AT, alias=77), Metric("a", Type.DOUBLE, 2.0, AT, alias=0)]
    watched.hear("NDATA", message.data(metrics, at=AT, seq=1))
    assert watched.values(0) == [0.0, 2.0] and watched.node.ask


def test_a_metric_with_neither_name_nor_alias_is_nobodys() -> None:
    watched = Watched()
    watched.born()  # where alias 0 is a metric
    sent = payload.Payload(timestamp=MS, seq=1)
    sent.metrics.add(timestamp=MS, double_value=9.0)
    watched.hear("NDATA", sent.SerializeToString())
    assert watched.values(0) == [0.0] and watched.node.ask


def test_two_metrics_of_one_alias_are_not_mixed_up() -> None:
    watched = Watched()
    metrics = [Metric("a", Type.DOUBLE, 1.0, AT, alias=5), Metric("b", Type.DOUBLE, 2.0, AT, alias=5)]
    watched.hear("NBIRTH", message.birth(metrics, at=AT, seq=0, bd=0))
    watched.tell(1, 9.0, alias=5)
    assert watched.qualities(0) == watched.qualities(1) == [quality.BAD_CONFIGURATION]
    (event,) = watched.told(EventKind.TAG)
    assert event == "g/n:a, g/n:b cannot be read: the birth gives its alias to another metric too"
    watched.born(values=(3.0, 4.0))
    assert (watched.values(0)[-1], watched.values(1)[-1]) == (3.0, 4.0)
    assert watched.told(EventKind.TAG)[-1] == "g/n:a, g/n:b can be read again"


def test_an_edge_node_and_its_device_may_use_the_same_alias_for_different_things() -> None:
    watched = Watched()
    watched.born()
    watched.hear("DBIRTH", message.birth(both("xy", (1.0, 2.0), 0), at=AT, seq=1), "d")
    watched.hear("DDATA", message.data([Metric("x", Type.DOUBLE, 8.0, AT, alias=0)], at=AT, seq=2), "d")
    assert watched.values(2) == [1.0, 8.0] and watched.values(0) == [0.0]


def test_the_death_of_an_edge_node_makes_all_its_tags_bad_and_says_so_once() -> None:
    watched = Watched()
    watched.born(bd=3)
    watched.device_born()
    watched.hear("NDEATH", message.node_death(bd=3, at=AT))
    for position in range(4):
        assert watched.qualities(position)[-1] == quality.BAD_NO_COMMUNICATION
    assert watched.told(EventKind.TAG) == [
        "g/n:a, g/n:b cannot be read: edge node g/n is gone", "g/n/d:x, g/n/d:y cannot be read: edge node g/n is gone",
    ]  # fmt: skip
    watched.tell(2, 5.0)
    assert watched.values(0)[1:] != [5.0] and watched.node.ask
    watched.born(bd=4)
    watched.device_born()
    assert [event for event in watched.told(EventKind.TAG) if "again" in event] == [
        "g/n:a, g/n:b can be read again", "g/n/d:x, g/n/d:y can be read again",
    ]  # fmt: skip


def test_the_death_of_an_earlier_session_does_not_count() -> None:
    watched = Watched()
    watched.born(bd=4)
    watched.hear("NDEATH", message.node_death(bd=3, at=AT))
    assert watched.node.alive and watched.qualities(0) == [quality.GOOD]
    watched.hear("NDEATH", message.node_death(bd=4, at=AT))
    assert not watched.node.alive


def test_the_death_of_a_device_is_its_own() -> None:
    watched = Watched()
    watched.born()
    watched.device_born()
    watched.hear("DDEATH", message.device_death(at=AT + 5_000_000, seq=2), "d")
    assert watched.rows[-1][:3] == (3, AT + 5_000_000, quality.BAD_NO_COMMUNICATION)
    assert watched.qualities(0) == [quality.GOOD]
    watched.tell(3, 1.0)
    assert watched.values(0)[-1] == 1.0
    watched.hear("DDATA", message.data([Metric("x", Type.DOUBLE, 1.0, AT, alias=10)], at=AT, seq=4), "d")
    assert watched.node.ask and watched.qualities(2)[-1] == quality.BAD_NO_COMMUNICATION


def test_a_metric_that_a_birth_does_not_have_is_named() -> None:
    watched = Watched()
    watched.hear("NBIRTH", message.birth(both("a", (1.0,)), at=AT, seq=0, bd=0))
    assert watched.qualities(1) == [quality.BAD_NODE_ID_UNKNOWN]
    watched.hear("NBIRTH", message.birth(both("a", (1.0,)), at=AT, seq=0, bd=0))
    assert watched.told(EventKind.TAG) == ["g/n:b cannot be read: the birth that came last does not declare it"]


def test_what_does_not_tell_of_itself_is_said_not_to() -> None:
    watched = Watched()
    watched.wait(GRACE + 1)
    assert "g/n:a, g/n:b cannot be read: edge node g/n has not told of itself" in watched.told(EventKind.TAG)
    assert watched.qualities(3) == [quality.BAD_NO_COMMUNICATION]
    watched.born()
    watched.wait(GRACE + 1)
    assert watched.qualities(0) == [quality.BAD_NO_COMMUNICATION, quality.GOOD]
    assert watched.qualities(3) == [quality.BAD_NO_COMMUNICATION] * 2  # its device never came


def test_a_rebirth_does_not_make_what_is_well_look_bad() -> None:
    watched = Watched()
    watched.born()
    watched.device_born()
    watched.born(bd=0)
    watched.device_born()
    watched.wait(GRACE + 1)
    assert all(status == quality.GOOD for position in range(4) for status in watched.qualities(position))
    assert not watched.events


LIES: list[tuple[str, dict[str, Any], str]] = [
    ("a text", {"string_value": "x"}, "a value that is no DOUBLE"),
    ("a whole number", {"int_value": 5}, "a value that is no DOUBLE"),
    ("a table", {"dataset_value": {}}, "a value that is no DOUBLE"),
    ("a time", {"double_value": 1.0, "timestamp": 2**64 - 1}, "a time after"),
]


@pytest.mark.parametrize(("what", "lie", "why"), LIES, ids=[what for what, *_ in LIES])
def test_a_value_that_lies_is_bad_kept_in_quarantine_and_harms_no_other(
    what: str, lie: dict[str, Any], why: str
) -> None:
    watched = Watched()
    watched.born()
    for seq in (1, 2):
        sent = payload.Payload(timestamp=MS, seq=seq)
        sent.metrics.add(**{"alias": 0, "timestamp": MS, **lie})
        sent.metrics.add(alias=1, timestamp=MS, double_value=5.0)
        watched.hear("NDATA", sent.SerializeToString())
    assert watched.qualities(0) == [quality.GOOD, *[quality.BAD_TYPE_MISMATCH] * 2]
    assert watched.values(1) == [0.0, 5.0, 5.0]
    (oddity,) = watched.oddities
    assert why in oddity.reason and oddity.index == 0 and oddity.payload
    assert len(watched.told(EventKind.TAG)) == 1
    watched.tell(3, 1.0)
    assert watched.told(EventKind.TAG)[-1] == "g/n:a can be read again"


PLAIN = {"timestamp": MS, "double_value": 1.5}
TWISTS: list[dict[str, Any]] = [
    {}, {}, {}, {"double_value": -2.5}, {"alias": 0}, {"alias": 3}, {"alias": 77}, {"timestamp": 0},
    {"timestamp": 2**63},
    {"name": "a"}, {"name": "nobody"}, {"is_null": True}, {"is_historical": True}, {"string_value": "x"},
    {"int_value": 7}, {"float_value": 0.5}, {"properties": {"keys": ["Quality"], "values": [{"int_value": 0}]}},
]  # fmt: skip
"""What makes a metric another one than most; of several values the last counts."""
METRICS = st.builds(
    lambda alias, twist: {"alias": alias, **PLAIN, **twist}, st.sampled_from([1, 2]), st.sampled_from(TWISTS)
)
MESSAGES = st.lists(st.lists(METRICS, max_size=3), min_size=1, max_size=6)


@given(MESSAGES)
def test_a_message_taken_as_columns_is_what_it_is_row_by_row(messages: Sequence[Sequence[dict[str, Any]]]) -> None:
    found = []
    for quick in (True, False):
        with pytest.MonkeyPatch.context() as patch:
            if not quick:
                patch.setattr(Scope, "_read_floats", lambda *_: False)
            watched = Watched(["g/n:a", "g/n:b", "g/n:c", "g/n:c", "g/n:d"])
            watched.hear("NBIRTH", message.birth(both("abcd", range(4)), at=AT, seq=0, bd=0))
            take = Take(AT)
            for seq, metrics in enumerate(messages, 1):
                raw = payload.Payload(timestamp=MS + 9, seq=seq, metrics=metrics).SerializeToString()
                watched.node.take(Topic("g", "NDATA", "n"), raw, 1.0, take)
            said = [(one.historical, rows_of(one)) for one in readings(take, nothing)]
        events = [event.message for event in take.events]
        found.append(repr((said, events, [one.reason for one in take.oddities], watched.node.ask)))
    assert found[0] == found[1]


def test_most_messages_are_taken_as_columns() -> None:
    watched = Watched()
    watched.born()
    watched.tell(1, 5.0, name="b", alias=1)
    assert watched.taken[-1].before and not watched.taken[-1].live


@given(
    st.lists(
        st.tuples(st.sampled_from(["NBIRTH", "NDATA", "NDEATH", "DBIRTH", "DDATA", "DDEATH"]), st.binary(max_size=60))
    )
)
def test_whatever_bytes_come_nothing_breaks_and_a_birth_puts_it_right(messages: Sequence[tuple[str, bytes]]) -> None:
    watched = Watched()
    for verb, raw in messages:
        watched.hear(verb, raw, "d" if verb[0] == "D" else "")
    watched.wait(60)
    watched.born(values=(1.0, 2.0))
    watched.device_born(values=(3.0, 4.0))
    assert [watched.values(position)[-1] for position in range(4)] == [1.0, 2.0, 3.0, 4.0]


def test_a_flood_of_early_messages_is_not_held_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("isthmus.systems.sparkplug.node.MOST_HELD", 1000)
    watched = Watched()
    watched.born()
    for seq in range(2, 60):
        watched.tell(seq, float(seq))
    assert len(watched.values(0)) > 20  # given up on before the time was over
    assert len(watched.told(EventKind.GAP)) == 1


@pytest.mark.parametrize(
    "text",
    ["spBv1.0/g/NDATA", "spBv1.0/g/DDATA/n", "spBv1.0/g/NDATA/n/d", "spBv1.0/g/NDATA/n/", "spBv1.0//NDATA/n",
     "spAv1.0/g/NDATA/n", "spBv1.0/g/WHAT/n", "spBv1.0/g/DDATA/n/d/e", "", "/", "spBv1.0/STATE/host"],
)  # fmt: skip
def test_a_topic_that_is_none_is_none(text: str) -> None:
    assert topic(text) is None


IDS = st.text(st.characters(exclude_characters="/+#\0", exclude_categories=["Cs"]), min_size=1, max_size=8)


@given(
    IDS,
    IDS,
    IDS | st.just(""),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=12),
)
def test_an_address_finds_what_it_was_made_for(group: str, node: str, device: str, name: str) -> None:
    place = Place(group, node, device)
    text = address(place, name)
    assert check_address(text) == text
    assert split(text) == (place, name)
    assert re.fullmatch(PATTERN, text, re.DOTALL)
    assert all(map(plain, (group, node)))


@pytest.mark.parametrize(
    "text",
    ["", "g/n", "g:m", "g/n/d/e:m", "g/n:", "g//n:m", "g/n/:m", "g+/n:m", "g/n%:m", "g/n%2F:m", "\0 no", "g/n:\ud800"],
)
def test_what_cannot_be_an_address_is_refused(text: str) -> None:
    with pytest.raises(IsthmusError):
        check_address(text)


def test_an_address_has_one_writing() -> None:
    assert check_address("g/n%3a1:a:b/c d") == "g/n%3A1:a:b/c d"
