# SPDX-License-Identifier: Apache-2.0
"""What a file of tests may say, key by key; `isthmus test` and its page read it from here."""

from __future__ import annotations

from typing import Final

from isthmus.core import time
from isthmus.plant import forms
from isthmus.plant.forms import Form, written
from isthmus.plant.grammar import Entries, Key, Listed, Nested, Shape
from isthmus.plant.nodes import Node


def _node(node: Node) -> Node:
    return node


def _moment(node: Node) -> int:
    return time.from_iso(written(node))


ANY: Final = Form("value", _node, {})
TIME: Final = Form("time", _moment, {"type": "string"}, "ISO 8601: `2026-11-23T06:30:00Z`")
GIVENS: Final = Form("one `given`, or a list of them", _node, {})

FILE: Final = Shape(
    "file of tests",
    "The top of the file",
    "Lies in `tests/` beside the plant file, `tests/boilers.yaml`, or is called like it, `plant.tests.yaml`.",
    (
        Key(
            "tests",
            Entries(forms.LINE, "test"),
            "What is true when it passes → how that is seen.",
            required=True,
        ),
    ),
)

TEST: Final = Shape(
    "test",
    "A test",
    "",
    (
        Key("given", GIVENS, "What a source says; of several, one after the other.", required=True),
        Key("expect", Nested("expectation"), "What comes of it.", required=True),
        Key("now", TIME, "What our clock says, for values that are in the future or have no time. Else it is now."),
    ),
)

GIVEN: Final = Shape(
    "given",
    "given: what a source says",
    "Beside these keys stand those of the system's kind; or `values`, which fits every kind.",
    (
        Key("system", forms.NAME, "The system that says it."),
        Key("values", ANY, "Values as they are once they are decoded, before unit, type and range are looked at."),
        Key("historical", forms.SWITCH, "`values` are read back from what the far end kept."),
        Key("file", forms.LINE, "A file beside this one: its bytes are what the source says."),
        Key("plant", forms.LINE, "In place of all this: another plant file, beside this one, that is only checked."),
    ),
)

VALUE: Final = Shape(
    "value",
    "values: one of them",
    "",
    (
        Key("address", forms.LINE, "Its address, as in the plant file."),
        Key("tag", forms.PATH, "Or the tag's path, below `plant` or whole."),
        Key("value", ANY, "A number, `true`, `false`, a text; empty: none."),
        Key("quality", forms.LINE, "The name of a StatusCode; without it Good."),
        Key("time", TIME, "The device's time; without it the device has no clock."),
    ),
)

EXPECTATION: Final = Shape(
    "expectation",
    "expect: what comes of it",
    "",
    (
        Key("samples", Entries(forms.PATH, "sample"), "Tag, its path below `plant` or whole → its sample, or a list."),
        Key("only", forms.SWITCH, "`true`: tags that `samples` does not name get none. Else they are not looked at."),
        Key("quarantine", Listed(forms.LINE), "What could not be understood: words out of each reason, in order."),
        Key("events", Listed(forms.LINE), "Words out of what is told, in order. Without it events are not looked at."),
        Key("error", Listed(forms.LINE), "Words out of what is wrong; of a plant file out of each line, in order."),
    ),
)

SAMPLE: Final = Shape(
    "sample",
    "samples: one of them",
    "A lone value is the value. What is not said is as usual: quality Good, no marks; the time is not looked at.",
    (
        Key("value", ANY, "In the tag's unit; of an enumeration the name or the number; empty: none."),
        Key("tolerance", forms.NOT_NEGATIVE, "How far a number may be off; else a millionth of it."),
        Key("text", forms.TEXT, "What a value of the wrong type was, as the device wrote it."),
        Key("quality", forms.LINE, "The name of its StatusCode: `BadSensorFailure`."),
        Key("marks", Listed(forms.LINE), "Ours: out of range, future, historical, wrong type."),
        Key("time", TIME, "Its time."),
    ),
    short="value",
)

SHAPES: Final = (FILE, TEST, GIVEN, VALUE, EXPECTATION, SAMPLE)
