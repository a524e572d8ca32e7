# SPDX-License-Identifier: Apache-2.0
"""A tag has a number for ever: through renames, changed units, removals, returns and roll-backs."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.core.tag import DataType, Tag
from isthmus.plant.check import Checked
from isthmus.plant.compare import StepKind, compare
from isthmus.plant.number import NONE_GIVEN, Numbers, resolve, restore
from isthmus.plant.revision import Former, Revision, TagSetting

FLOAT, TEXT, INTEGER = DataType.FLOAT, DataType.TEXT, DataType.INTEGER


def wanted(tags: dict[str, tuple[str, DataType]], renames: dict[str, str] | None = None) -> Checked:
    """A checked plant file that wants these tags: path → unit and data type."""
    settings_ = tuple(
        TagSetting(tag=Tag(0, path, unit, type_, type_ is not FLOAT), system="b", address="pin1")
        for path, (unit, type_) in tags.items()
    )
    return Checked("a/b", "UTC", (), (), settings_, renames or {}, {}, {}, {}, ())


@dataclass
class Plant:
    """A plant with its revisions, as a ledger would keep them."""

    revisions: list[Revision] = field(default_factory=list)
    numbers: Numbers = NONE_GIVEN

    @property
    def now(self) -> Revision | None:
        return self.revisions[-1] if self.revisions else None

    def apply(self, tags: dict[str, tuple[str, DataType]], renames: dict[str, str] | None = None) -> Revision:
        checked = wanted(tags, renames)
        return self._keep(resolve(checked, self.now, self.numbers, number=len(self.revisions) + 1, created=0))

    def roll_back(self, number: int) -> Revision:
        old = self.revisions[number - 1]
        return self._keep(restore(old, self.numbers, number=len(self.revisions) + 1, created=0))

    def _keep(self, revision: Revision) -> Revision:
        self.revisions.append(revision)
        self.numbers = self.numbers.after(revision)
        return revision


def numbers(revision: Revision) -> dict[str, int]:
    return {setting.tag.path: setting.tag.number for setting in revision.tags}


def test_numbers_are_given_in_the_order_of_the_file_and_stay() -> None:
    plant = Plant()
    assert numbers(plant.apply({"b": ("bar", FLOAT), "a": ("Cel", FLOAT)})) == {"b": 1, "a": 2}
    assert numbers(plant.apply({"c": ("", FLOAT), "a": ("Cel", FLOAT), "b": ("bar", FLOAT)})) == {
        "b": 1,
        "a": 2,
        "c": 3,
    }


def test_a_declared_rename_keeps_the_number_and_its_declaration_may_stay() -> None:
    plant = Plant()
    plant.apply({"a": ("bar", FLOAT)})
    assert numbers(plant.apply({"b": ("bar", FLOAT)}, {"b": "a"})) == {"b": 1}
    assert numbers(plant.apply({"b": ("bar", FLOAT)}, {"b": "a"})) == {"b": 1}
    assert numbers(plant.apply({"b": ("bar", FLOAT), "a": ("bar", FLOAT)})) == {"b": 1, "a": 2}


def test_a_number_is_not_given_again_when_its_tag_is_gone() -> None:
    plant = Plant()
    plant.apply({"a": ("bar", FLOAT), "b": ("bar", FLOAT)})
    plant.apply({"a": ("bar", FLOAT)})
    assert numbers(plant.apply({"a": ("bar", FLOAT), "c": ("bar", FLOAT)})) == {"a": 1, "c": 3}


def test_a_path_that_comes_back_gets_its_number_back() -> None:
    plant = Plant()
    plant.apply({"a": ("bar", FLOAT), "b": ("bar", FLOAT)})
    plant.apply({"a": ("bar", FLOAT)})
    assert numbers(plant.apply({"a": ("bar", FLOAT), "b": ("bar", FLOAT)})) == {"a": 1, "b": 2}


def test_a_tag_that_left_under_another_name_can_be_named_as_the_former_one() -> None:
    plant = Plant()
    plant.apply({"a": ("bar", FLOAT), "b": ("bar", FLOAT)})
    plant.apply({"a": ("bar", FLOAT)})
    assert numbers(plant.apply({"a": ("bar", FLOAT), "c": ("bar", FLOAT)}, {"c": "b"})) == {"a": 1, "c": 2}


def test_another_unit_opens_a_new_number_joined_to_the_old_one() -> None:
    plant = Plant()
    plant.apply({"a": ("bar", FLOAT)})
    (setting,) = plant.apply({"a": ("mbar", FLOAT)}).tags
    assert setting.tag.number == 2
    (former,) = setting.formers
    assert (former.number, former.unit) == (1, "bar")
    assert former.scale == pytest.approx(1000)


@pytest.mark.parametrize(
    ("units", "scales"),
    [
        (("", "bar"), {1: 1.0}),
        (("bar", ""), {1: 1.0}),
        (("", "bar", "mbar"), {1: 1000.0, 2: 1000.0}),
        (("", "bar", "Cel"), {}),
        (("bar", "", "bar"), {2: 1.0}),
        (("bar", "", "mbar"), {1: 1000.0, 2: 1000.0}),
        (("bar", "", "Cel"), {}),
        (("bar", "Cel", ""), {2: 1.0}),
        (("", "[pH]"), {1: 1.0}),
    ],
)
def test_what_was_recorded_without_a_unit_stays_in_view(units: tuple[str, ...], scales: dict[int, float]) -> None:
    plant = Plant()
    for unit in units:
        (setting,) = plant.apply({"a": (unit, FLOAT)}).tags
    assert {former.number: former.scale for former in setting.formers} == pytest.approx(scales)


def test_a_switch_does_not_become_a_measure_in_a_unit() -> None:
    plant = Plant()
    plant.apply({"a": ("", DataType.BOOLEAN)})
    (setting,) = plant.apply({"a": ("bar", FLOAT)}).tags
    assert not setting.formers


def test_a_unit_that_comes_back_gets_its_number_back() -> None:
    plant = Plant()
    plant.apply({"a": ("bar", FLOAT)})
    plant.apply({"a": ("mbar", FLOAT)})
    (setting,) = plant.apply({"a": ("bar", FLOAT)}).tags
    assert setting.tag.number == 1
    assert [former.number for former in setting.formers] == [2]


def test_units_that_do_not_convert_are_remembered_apart() -> None:
    plant = Plant()
    plant.apply({"a": ("bar", FLOAT)})
    (setting,) = plant.apply({"a": ("Cel", FLOAT)}).tags
    assert (setting.tag.number, setting.formers) == (2, ())
    assert setting.apart == (Former(1, "bar", FLOAT),)
    (setting,) = plant.apply({"a": ("", TEXT)}).tags
    assert [former.number for former in setting.apart] == [1, 2]
    (setting,) = plant.apply({"a": ("mbar", FLOAT)}).tags
    assert setting.tag.number == 4
    assert [former.number for former in setting.formers] == [1]
    assert [former.number for former in setting.apart] == [2, 3]


def test_an_integer_that_becomes_a_float_is_joined() -> None:
    plant = Plant()
    plant.apply({"a": ("", INTEGER)})
    (setting,) = plant.apply({"a": ("", FLOAT)}).tags
    assert setting.formers == (Former(1, "", INTEGER),)


def test_a_rename_and_another_unit_at_once_keep_the_history() -> None:
    plant = Plant()
    plant.apply({"a": ("bar", FLOAT)})
    (setting,) = plant.apply({"b": ("mbar", FLOAT)}, {"b": "a"}).tags
    assert [former.number for former in setting.formers] == [1]
    assert [step.kind for step in compare(plant.revisions[0], plant.revisions[1]).steps] == [
        StepKind.RENAME,
        StepKind.NUMBER,
    ]


def test_rolling_back_gives_every_tag_the_number_it_had() -> None:
    plant = Plant()
    first = plant.apply({"a": ("bar", FLOAT), "b": ("bar", FLOAT)})
    plant.apply({"c": ("mbar", FLOAT), "d": ("", TEXT)}, {"c": "a"})
    back = plant.roll_back(1)
    assert back.number == 3
    assert numbers(back) == numbers(first)
    assert [former.number for former in back.by_path["a"].formers] == [3]
    assert numbers(plant.apply({"d": ("", TEXT), "a": ("bar", FLOAT)})) == {"a": 1, "d": 4}


def test_two_tags_that_had_one_path_at_different_times_are_not_mixed() -> None:
    plant = Plant()
    plant.apply({"a": ("bar", FLOAT)})
    plant.apply({"b": ("bar", FLOAT), "a": ("bar", FLOAT)}, {"b": "a"})  # refused by the check; the numbers hold anyway
    plant.apply({"b": ("bar", FLOAT)}, {"b": "a"})
    assert numbers(plant.apply({"b": ("bar", FLOAT), "a": ("bar", FLOAT)}))["b"] != numbers(plant.revisions[-1])["a"]


PATHS = ["a", "b", "c", "d"]
MEANINGS = [("bar", FLOAT), ("mbar", FLOAT), ("Cel", FLOAT), ("", TEXT), ("", INTEGER)]
MOVES = st.one_of(
    st.tuples(st.just("mean"), st.sampled_from(PATHS), st.sampled_from(MEANINGS)),
    st.tuples(st.just("remove"), st.sampled_from(PATHS), st.none()),
    st.tuples(st.just("rename"), st.sampled_from(PATHS), st.sampled_from(PATHS)),
    st.tuples(st.just("roll back"), st.integers(1, 20), st.none()),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.lists(MOVES, min_size=1, max_size=3), max_size=12))
def test_whatever_happens_a_number_means_one_thing_for_ever(history: list[list[tuple[str, object, object]]]) -> None:
    """Against an oracle that follows each tag's identity by hand."""
    plant = Plant()
    plant.apply({"a": ("bar", FLOAT), "b": ("Cel", FLOAT)})
    identity = {"a": 0, "b": 1}  # path → identity of the tag that is there
    last = {0: ("a", 0), 1: ("b", 0)}  # identity → the path it had last, and when it was seen there
    owner = {1: 0, 2: 1}
    meaning = {1: ("bar", FLOAT), 2: ("Cel", FLOAT)}
    fresh = 2
    for now, moves in enumerate(history, 1):
        assert plant.now is not None
        before = dict(identity)
        if moves[0][0] == "roll back":
            target = int(str(moves[0][1])) % len(plant.revisions) + 1
            revision = plant.roll_back(target)
            assert numbers(revision) == numbers(plant.revisions[target - 1])
            identity = {path: owner[number] for path, number in numbers(revision).items()}
        else:
            tags = {setting.tag.path: (setting.tag.unit, setting.tag.type) for setting in plant.now.tags}
            renames: dict[str, str] = {}
            for what, first, second in moves:
                path = str(first)
                if what == "mean":
                    tags[path] = second  # type: ignore[assignment]  # by the strategy
                elif what == "remove":
                    tags.pop(path, None)
                elif (
                    what == "rename"
                    and path in before
                    and path in tags
                    and str(second) not in {*tags, *before, *renames}
                ):
                    tags[str(second)] = tags.pop(path)
                    renames[str(second)] = path
            renames = {new: old for new, old in renames.items() if old not in tags and new in tags}
            revision = plant.apply(tags, renames)
            identity = {}
            for path in tags:
                kept = before.get(path, before.get(renames.get(path, "")))
                if kept is None:
                    had = [one for one in last if last[one][0] == path and one not in before.values()]
                    kept = max(had, key=lambda one: last[one][1], default=None)
                if kept is None or kept in identity.values():
                    kept, fresh = fresh, fresh + 1
                identity[path] = kept
        last |= {one: (path, now) for path, one in identity.items()}
        for setting in revision.tags:
            number, said = setting.tag.number, (setting.tag.unit, setting.tag.type)
            assert meaning.setdefault(number, said) == said
            assert owner.setdefault(number, identity[setting.tag.path]) == identity[setting.tag.path]
            for former in (*setting.formers, *setting.apart):
                assert owner[former.number] == identity[setting.tag.path]
                assert meaning[former.number] == (former.unit, former.type)
        given_now = [number for setting in revision.tags for number in [setting.tag.number]]
        assert len(set(given_now)) == len(given_now)
        again = resolve(
            wanted({s.tag.path: (s.tag.unit, s.tag.type) for s in revision.tags}),
            revision,
            plant.numbers,
            number=99,
            created=1,
        )
        assert compare(revision, again).nothing
        assert numbers(again) == numbers(revision)
