# SPDX-License-Identifier: Apache-2.0
"""What a plant file may say, key by key; checking, the JSON Schema and the reference all read it from here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from isthmus.plant import forms
from isthmus.plant.calendar import DAY_NAMES
from isthmus.plant.forms import Form


@dataclass(frozen=True, slots=True)
class Entries:
    """A mapping whose keys the plant chooses: name → what `holds` describes."""

    key: Form
    holds: str
    """Name of the shape of each entry."""
    untyped: str = ""
    """The shape instead, where the asset has no type."""

    @property
    def name(self) -> str:
        return f"{self.key.name} → {self.holds}{f' (or {self.untyped})' if self.untyped else ''}"


@dataclass(frozen=True, slots=True)
class Nested:
    """A mapping of one shape."""

    holds: str

    @property
    def name(self) -> str:
        return self.holds


@dataclass(frozen=True, slots=True)
class Listed:
    """One value of a form, or a list of them."""

    of: Form

    @property
    def name(self) -> str:
        return f"{self.of.name}, or a list of them"


Held = Form | Entries | Nested | Listed


@dataclass(frozen=True, slots=True)
class Key:
    """One key: what it is called, what it takes and what it means."""

    name: str
    takes: Held
    text: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Shape:
    """A mapping with known keys."""

    name: str
    title: str
    text: str
    keys: tuple[Key, ...]
    short: str = ""
    """The key that a lone value stands for."""
    templated: bool = False
    """Placeholders of a template may stand in its values."""
    example: str = ""
    by_name: dict[str, Key] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_name", {key.name: key for key in self.keys})

    @property
    def required(self) -> tuple[str, ...]:
        return tuple(key.name for key in self.keys if key.required)


_SHARED_SECTIONS: Final = (
    Key("include", Listed(forms.LINE), "Other files with more types, systems and assets: names relative to this file, "
        "inside the plant file's folder."),
    Key("types", Entries(forms.TYPE, "type"), "The models that assets follow."),
    Key("systems", Entries(forms.NAMES, "system"), "Everything the plant talks to: single ones and templates."),
    Key("outputs", Entries(forms.NAME, "output"), "Where its samples go on to."),
    Key("assets", Entries(forms.PATH, "asset"), "The equipment: paths below `plant`, single ones and templates."),
    Key("pictures", Entries(forms.PICTURED, "picture"), "What the screen draws of the plant, an area or an asset."),
)  # fmt: skip

PLANT: Final = Shape(
    "plant file",
    "The top of the file",
    "One file describes the plant; it may include others.",
    (
        Key("version", forms.VERSION, "The version of this language.", required=True),
        Key("plant", forms.PATH, "`enterprise/site`: every path below starts with it.", required=True),
        Key("time_zone", forms.ZONE, "That of its days and shifts, and of systems' times without one.", required=True),
        Key("description", forms.TEXT, "What this plant is."),
        Key("calendar", Nested("calendar"), "Where its weeks begin, its shifts, and days without them."),
        Key("history", Nested("history"), "How long history is kept; without it, for ever."),
        Key("stream", Nested("stream"), "Where the log is; without it Isthmus runs its own."),
        *_SHARED_SECTIONS,
    ),
    example="version: 1\nplant: acme/lyon\ntime_zone: Europe/Paris\ninclude: [types.yaml, filling/assets.yaml]\n",
)

INCLUDED: Final = Shape(
    "included file",
    "An included file",
    "What a file named under `include` may say. Its entries join the plant file's; a name stands in one file only.",
    (Key("version", forms.VERSION, "As in the plant file."), *_SHARED_SECTIONS),
)

STREAM: Final = Shape(
    "stream",
    "stream: a log that runs elsewhere",
    "Only for a plant whose log is a NATS server of its own.",
    (
        Key("url", forms.SERVER, "Where it listens.", required=True),
        Key("user", forms.LINE, "The user to connect as."),
        Key("password", forms.SECRET, "That user's password."),
    ),
    example="stream: {url: nats://log.acme.example:4222, user: isthmus, password: !secret log}\n",
)

CALENDAR: Final = Shape(
    "calendar",
    "calendar: weeks and shifts",
    "How the plant divides its time, in its own time zone. `isthmus history --every shift` sums up by it.",
    (
        Key(
            "week_begins",
            forms.choice(*DAY_NAMES),
            "The first day of a week; without it Monday, as ISO 8601 has it.",
        ),
        Key("shifts", Entries(forms.NAME, "shift"), "The shifts of a day. Not every moment has to belong to one."),
        Key("rotation", Nested("rotation"), "Which crew works which shift."),
        Key("no_shifts", Listed(forms.DATES), "Days on which no shift begins: holidays, a shutdown."),
    ),
    example=(
        "calendar:\n  shifts:\n    early: 06:00\n    late: 14:00\n    night: 22:00\n"
        "  rotation:\n    begins: 2026-01-05\n    each: week\n"
        "    crews: {A: early late night, B: late night early, C: night early late}\n"
        "  no_shifts: [2026-12-25, 2026-12-31/2027-01-01]\n"
    ),
)
SHIFT: Final = Shape(
    "shift",
    "A shift",
    "A shift belongs to the day on which it begins, also when it ends on the next. Where clocks are changed it is an "
    "hour shorter or longer; a beginning that the clocks skip is at the jump, one they show twice is the first.",
    (
        Key("begins", forms.CLOCK, "When it begins.", required=True),
        Key("ends", forms.CLOCK, "When it ends, at most 24 hours later; without it, where the next one begins."),
        Key("days", Listed(forms.WEEKDAYS), "The days on which it begins; without it, every day."),
    ),
    short="begins",
    example=(
        "shifts:\n  early: {begins: 06:00, ends: 14:00, days: mon-fri}\n"
        "  late: {begins: 14:00, ends: 22:00, days: mon-fri}\n  weekend: {begins: 08:00, ends: 18:00, days: sat-sun}\n"
    ),
)
ROTATION: Final = Shape(
    "rotation",
    "rotation: the crews of the shifts",
    "The crews go through their shifts in a cycle.",
    (
        Key("begins", forms.DATE, "The first day of a cycle.", required=True),
        Key("each", forms.choice("day", "week"), "What one entry of a crew stands for; without it, a day."),
        Key("crews", forms.CREWS, "Crew → its shifts, one after the other, `off` for none; all of one length, and a "
            "shift has one crew at a time.", required=True),
    ),
    example=(
        "rotation:\n  begins: 2026-01-05\n  crews:\n    A: early early late late night night off off\n"
        "    B: off off early early late late night night\n"
    ),
)  # fmt: skip

HISTORY: Final = Shape(
    "history",
    "history: how long it is kept",
    "What is older goes once a day, in whole days (UTC). Without this section everything is kept for ever.",
    (
        Key(
            "classes",
            Entries(forms.NAME, "class of history"),
            "What `keep` of a tag, a part or an asset may name. "
            "`default` is the class of tags that choose none; without it they are kept for ever.",
        ),
        Key(
            "events",
            forms.KEPT,
            "How long events are kept, gaps at least as long as samples beside them; without it, for ever.",
        ),
        Key(
            "quarantine",
            forms.KEPT,
            "How long messages that could not be understood are kept, the newest 10,000 of "
            "them at most; without it, no shorter.",
        ),
    ),
    example=(
        "history:\n  classes:\n    default: {raw: 2y, rollups: forever}\n    vibration: {raw: 30d, rollups: 5y}\n"
        "  events: 10y\n"
    ),
)
CLASS: Final = Shape(
    "class of history",
    "A class of history",
    "Once the samples are gone their roll-ups can still tell what the tag was on average, at least and at most, by the "
    "minute and by the quarter of an hour. Samples that are too few to be worth roll-ups, or of which roll-ups do not "
    "say all (of a day with Bad values), stay in place of them. A minute that a question cuts in two (a quarter of an "
    "hour, of a tag without minutes) is told as not observed.",
    (
        Key("raw", forms.KEPT, "How long samples are kept.", required=True),
        Key("rollups", forms.KEPT, "How long their roll-ups are kept; without it, as long as the samples."),
    ),
    short="raw",
)  # fmt: skip

_ANY_TAG: Final = (
    Key("description", forms.TEXT, "What the tag is, for people."),
    Key("range", forms.RANGE, "In the tag's unit. A value outside is kept as it is and marked."),
    Key("normal", forms.RANGE, "Where it stands in normal operation, inside `range` and in the same unit: what the "
        "screen draws as its normal band. Nothing is marked by it."),
    Key("every", forms.DURATION, "Wanted sampling interval; without it, as fast as the system likes."),
    Key("deadband", forms.NOT_NEGATIVE, "Changes up to this, in the tag's unit, are not sent by the system."),
    Key("keep", forms.NAME, "The class of history it belongs to; without it, that of its part or asset."),
    Key("queue", forms.whole(0, 10_000), "Values the system should queue between two messages; 0: as the kind likes."),
    Key("write", Nested("write"), "People and rules may write it, within these limits. Without it nothing is ever "
        "written."),
    Key("was", forms.NAME, "The name it had before: its history follows."),
)  # fmt: skip
_MEANING: Final = (
    Key("type", forms.DATA_TYPE, "The data type; `float` unless said otherwise."),
    Key("unit", forms.UNIT, "The unit its values are kept in. For numbers only."),
    Key("values", forms.VALUES, "The names of an enumeration's values."),
    Key("stepped", forms.SWITCH, "A value holds until the next one (a valve, a counter); otherwise it moves in a "
        "line between two. `false` for floats, `true` for the rest unless said otherwise."),
)  # fmt: skip
_WHERE: Final = (
    Key("address", forms.LINE, "Where the system has it, in the writing of the system's kind."),
    Key("system", forms.NAME, "The system to read it from, when it is not the asset's."),
    Key("scale", forms.SCALE, "The device's number times this ..."),
    Key("offset", forms.NUMBER, "... plus this is the value in the device's unit."),
)

SYMBOLS: Final = (
    "boiler", "column", "compressor", "cooling-tower", "exchanger", "machine", "meter", "pump", "reactor", "tank",
    "valve", "vessel",
)  # fmt: skip
"""Symbols that the screen draws."""
_SYMBOL: Final = Key(
    "symbol",
    forms.choice(*SYMBOLS),
    "How the screen draws it; without it the symbol that the type's name is, else a machine. A tank, vessel, reactor "
    "or column is filled by its tag `level`, a valve opens with `position` or `open`, the rest runs with `running`.",
)

TYPE: Final = Shape(
    "type",
    "types: the models that assets follow",
    "Assets of one type have the same tags and parts. The key is a name, `reactor`, or a name and a "
    "version, `reactor@2`: a plain name is version 1, so both can stand side by side "
    "while the plant moves over.",
    (
        Key("description", forms.TEXT, "What it is."),
        Key("tags", Entries(forms.NAME, "tag of a type"), "What every asset of the type has."),
        Key("parts", Entries(forms.NAME, "part of a type"), "Equipment inside it that follows a type of its own."),
        _SYMBOL,
        Key("picture", Nested("picture"), "What the screen draws of each: its parts, and itself as `.`."),
    ),
    example=(
        "types:\n  reactor:\n    tags:\n      temperature: {unit: Cel, range: [0, 180], every: 1s}\n"
        "      state: {type: enumeration, values: {0: idle, 1: heating, 2: holding}}\n"
        "    parts:\n      jacket: {type: heat-jacket}\n  heat-jacket:\n    tags:\n      inlet: {unit: Cel}\n"
    ),
)
TYPE_TAG: Final = Shape(
    "tag of a type",
    "A tag of a type",
    "What the tag means, the same for every asset of the type. A tag nothing needs to be said about may be left empty.",
    (*_MEANING, *_ANY_TAG),
)
TYPE_PART: Final = Shape(
    "part of a type",
    "A part of a type",
    "A part is an asset below the asset: `reactor-1/jacket`.",
    (
        Key("type", forms.TYPE, "The type the part follows.", required=True),
        Key("description", forms.TEXT, "What it is."),
        Key("was", forms.NAME, "The name it had before: its history follows."),
    ),
    short="type",
)
WRITE: Final = Shape(
    "write",
    "write: what may be written",
    "Kept with the tag and checked again before every write.",
    (
        Key("range", forms.RANGE, "Written values stay inside it; without it, inside the tag's range."),
        Key("step", forms.POSITIVE, "The largest change in one write."),
        Key("approve", forms.NAME, "The role that has to agree to each write."),
    ),
    example="setpoint: {unit: Cel, range: [0, 180], write: {range: [20, 140], step: 5, approve: shift-lead}}\n",
)
SYSTEM: Final = Shape(
    "system",
    "systems: everything the plant talks to",
    "The key is the system's name. Beside these keys a system has those of its kind. `meter-{1..500}` makes five "
    "hundred alike, `{n}` in any value the number; with `rows` there is one for each row of a file.",
    (
        Key("rows", forms.LINE, "A CSV file: one system per row, `{column}` in its name and in any value is the cell."),
        Key("kind", forms.NAME, "What it is: the word of a kind of system.", required=True),
        Key("zone", forms.NAME, "The security zone it stands in (IEC 62443)."),
        Key("owner", forms.LINE, "Who answers for it."),
        Key("node", forms.NAME, "The node whose collector talks to it; without it, the main one."),
        Key(
            "overflow",
            forms.choice("discard-oldest", "wait"),
            "What the collector does with this system's samples when the log is away and its hold is full.",
        ),
    ),
    templated=True,
)
OUTPUT: Final = Shape(
    "output",
    "outputs: where samples go on to",
    "The key is the output's name. Beside these keys an output has those of its kind. Each output has a position of "
    "its own: one that is slow or away keeps nobody waiting and misses nothing. An output that is taken out and comes "
    "back under its name goes on where it was.",
    (
        Key("kind", forms.NAME, "What it is: the word of a kind of output.", required=True),
        Key("tags", Listed(forms.LINE), "Which tags: paths, `*` for one part and `**` for any number of them, such as "
            "`mixing/**` or `*/temperature`. Without it, all."),
        Key("begins", forms.choice("now", "first"), "Where a new output begins: with what comes from `now` on, which "
            "is meant unless said otherwise, or with the `first` sample that is recorded."),
        Key("zone", forms.NAME, "The security zone it stands in (IEC 62443)."),
        Key("owner", forms.LINE, "Who answers for it."),
    ),
)  # fmt: skip
ASSET: Final = Shape(
    "asset",
    "assets: the equipment",
    "The key is a path below `plant`. An asset with a type has that type's tags and says where each is found; "
    "a tag of the type that it does not name is not read. An asset without a type says what its tags mean itself.",
    (
        Key("type", forms.TYPE, "The type it follows."),
        Key("system", forms.NAME, "The system its tags are read from."),
        Key(
            "tags",
            Entries(forms.NAME, "tag of an asset", untyped="tag of its own"),
            "Where its tags are found: an address, or more than that.",
        ),
        Key("parts", Entries(forms.NAME, "part of an asset"), "The same for the parts its type has."),
        Key("description", forms.TEXT, "What it is."),
        Key("owner", forms.LINE, "Who answers for it."),
        Key("keep", forms.NAME, "The class of history of its tags and parts, where they choose none."),
        _SYMBOL,
        Key("was", forms.PATH, "The path it had before, below `plant`: its history follows."),
        Key("rows", forms.LINE, "A CSV file: one asset per row. `{column}` in the path and in any value stands for the "
            "row's cell; a value that is one empty cell counts as not said."),
        Key("override", forms.SWITCH, "`true`: this changes one instance of a template; what it says replaces what the "
            "template says, key by key, and a tag left empty is taken out."),
    ),
    example=(
        "assets:\n  mixing/line-1/reactor-1:\n    type: reactor\n    system: dcs\n    tags:\n"
        "      temperature: nsu=urn:acme:dcs;s=R1.TT101\n"
        '      pressure: {address: "nsu=urn:acme:dcs;s=R1.PT101", unit: "[psi]"}\n'
        '  mixing/line-1/reactor-{2..12}:\n    type: reactor\n    system: dcs\n'
        '    tags: {temperature: "nsu=urn:acme:dcs;s=R{n}.TT101"}\n'
    ),
    templated=True,
)  # fmt: skip
ASSET_TAG: Final = Shape(
    "tag of an asset",
    "A tag of an asset",
    "A lone text is the address. What is said here of a typed asset's tag goes before what the type says.",
    (
        *_WHERE,
        Key("unit", forms.UNIT, "The unit the device gives it in; converted once, to the type's."),
        *_ANY_TAG,
    ),
    short="address",
    templated=True,
)
OWN_TAG: Final = Shape(
    "tag of its own",
    "A tag of an asset without a type",
    "What it means and where it is found, in one place.",
    (*_WHERE, *_MEANING, *_ANY_TAG),
    short="address",
    templated=True,
)
ASSET_PART: Final = Shape(
    "part of an asset",
    "A part of an asset",
    "Where the tags of a part are found.",
    (
        Key("system", forms.NAME, "The system its tags are read from, when it is not the asset's."),
        Key("keep", forms.NAME, "The class of history of its tags, when it is not the asset's."),
        Key("tags", Entries(forms.NAME, "tag of an asset"), "As for an asset."),
        Key("parts", Entries(forms.NAME, "part of an asset"), "As for an asset."),
    ),
    templated=True,
)

PICTURE: Final = Shape(
    "picture",
    "pictures: what the screen draws",
    "Without one the screen puts the equipment of a place side by side. Names are paths below the picture's place, or "
    "below `plant`: what a flow comes from or goes to elsewhere is drawn as a way there. Clicking a symbol opens its "
    "page.",
    (
        Key("place", forms.PLACED, "Where each symbol stands; what only `flows` names gets a place beside the others."),
        Key("flows", forms.FLOWS, "What flows from where to where, and what it is called."),
    ),
    example=(
        "pictures:\n  mixing/line-1:\n    place: {reactor-1: [0, 0], pump-1: [1, 1], cooler: [2, 0]}\n    flows:\n"
        "      - product: [reactor-1, pump-1, cooler, storage]\n      - water: [utilities/cooling-tower, cooler]\n"
    ),
)

SHAPES: Final = {
    shape.name: shape
    for shape in (
        PLANT, INCLUDED, CALENDAR, SHIFT, ROTATION, HISTORY, CLASS, TYPE, TYPE_TAG, TYPE_PART, WRITE, SYSTEM, OUTPUT,
        ASSET, ASSET_TAG, OWN_TAG, ASSET_PART, PICTURE, STREAM,
    )
}  # fmt: skip
