# SPDX-License-Identifier: Apache-2.0
"""The page about the chemical plant, `docs/chemical-plant.md`: from the model, its plant file, its faults."""

from __future__ import annotations

import importlib.resources
from collections.abc import Iterable, Iterator
from importlib.resources import files
from typing import Final

from isthmus.app.demo.chemical.catalogue import CATALOGUE
from isthmus.app.demo.chemical.demo import HELPERS
from isthmus.app.demo.chemical.exceptions import DEADBAND
from isthmus.app.demo.chemical.faces import FACES, SERVERS
from isthmus.app.demo.chemical.operation import CAMPAIGN, GRADES
from isthmus.app.demo.chemical.past import STEP
from isthmus.app.demo.chemical.plant import rows
from isthmus.app.demo.chemical.simulator import KEEP, PERIOD
from isthmus.core import time
from isthmus.outputs.registry import output_kinds
from isthmus.plant.check import Checked, check_plant
from isthmus.systems.registry import kinds

_PACKAGE: Final = "isthmus.app.demo.chemical"
AREAS: Final = ("feed", "reaction", "distillation", "storage", "utilities")
STREAMS: Final = (
    ("feed/reactant-tank", "feed/reactant-pump", ""),
    ("feed/reactant-pump", "feed/economiser", "reactant"),
    ("feed/economiser", "reaction/reactor-1", "warmed"),
    ("feed/catalyst-tank", "feed/catalyst-pump", ""),
    ("feed/catalyst-pump", "reaction/reactor-1", "catalyst"),
    ("feed/recycle-tank", "feed/recycle-pump", ""),
    ("feed/recycle-pump", "reaction/reactor-1", "recycle"),
    ("reaction/reactor-1", "reaction/transfer-pump", ""),
    ("reaction/transfer-pump", "reaction/reactor-2", "half reacted"),
    ("reaction/reactor-2", "reaction/column-feed-pump", ""),
    ("reaction/column-feed-pump", "distillation/column", "crude"),
    ("distillation/column", "distillation/reflux-pump", ""),
    ("distillation/reflux-pump", "distillation/column", "reflux"),
    ("distillation/column", "distillation/distillate-pump", ""),
    ("distillation/distillate-pump", "distillation/product-cooler", "distillate"),
    ("distillation/product-cooler", "storage/product-tank", "product"),
    ("distillation/column", "distillation/bottoms-pump", ""),
    ("distillation/bottoms-pump", "feed/economiser", "bottoms"),
    ("feed/economiser", "feed/recycle-tank", "cooled"),
    ("utilities/steam", "distillation/column", "steam"),
    ("utilities/steam", "reaction/reactor-1", "steam"),
    ("utilities/steam", "reaction/reactor-2", "steam"),
    ("utilities/cooling-water", "utilities/cooling-water-pump", ""),
    ("utilities/cooling-water-pump", "reaction/reactor-1", "water"),
    ("utilities/cooling-water-pump", "reaction/reactor-2", "water"),
    ("utilities/cooling-water-pump", "distillation/column", "water"),
    ("utilities/cooling-water-pump", "distillation/product-cooler", "water"),
)
"""From where, to where, and what flows: assets of the plant file."""


def checked() -> Checked:
    """The demo's plant file as it is shipped."""
    with importlib.resources.as_file(files(_PACKAGE) / "plantfile") as folder:
        return check_plant(folder / "plant.yaml", kinds(), outputs=output_kinds())


def page() -> str:
    """The page in Markdown."""
    return "\n\n".join(_parts(checked())) + "\n"


def _parts(plant: Checked) -> Iterator[str]:
    yield "# The chemical plant"
    yield (
        f"`isthmus demo` runs it: {len(plant.tags)} tags of a plant that is not there, in {len(FACES)} systems "
        f"that speak {len({face.kind for face in FACES.values()})} ways. Two feeds react in two stirred "
        "tanks, a column parts the product from what did not react, and that goes back. Mass and energy are balanced, "
        "valves and sensors have their dynamics and noise, controllers hold it, operators change its grades and stop "
        "it, and it goes wrong when it is told to. The same seed lives the same story."
    )
    yield "```mermaid\n" + "\n".join(_diagram()) + "\n```"
    yield from _running()
    yield from _systems(plant)
    yield from _servers()
    yield (files(_PACKAGE) / "calling.md").read_text(encoding="utf-8").strip()
    yield from _operators()
    yield from _faults()
    yield from _past()
    yield from _desk()
    yield from _tags(plant)


def _diagram() -> Iterator[str]:
    """Mermaid text."""
    yield "flowchart LR"
    assets = list(dict.fromkeys(asset for stream in STREAMS for asset in stream[:2]))
    for area in AREAS:
        yield f"  subgraph {area}"
        for asset in assets:
            if asset.startswith(f"{area}/"):
                yield f"    {_id(asset)}[{asset.partition('/')[2].replace('-', ' ')}]"
        yield "  end"
    for source, target, what in STREAMS:
        yield f"  {_id(source)} -->{f'|{what}|' if what else ''} {_id(target)}"


def _id(asset: str) -> str:
    return asset.replace("/", "_").replace("-", "_")


def _running() -> Iterator[str]:
    yield "## Running it"
    yield (
        "```sh\nisthmus demo                                  # or: make demo\n"
        "isthmus demo --fault fouling:E101@-10d        # with a month of history in which something went wrong\n"
        "isthmus demo --past 0                         # with none\n"
        "isthmus demo --tempo 60                       # an hour of the plant in a minute\n```"
    )
    yield (
        "The simulation is a process of its own, and so is each server; kill one and it comes back. The plant's "
        "state is "
        f"kept in the data directory every {KEEP // time.SECOND} s and when it stops: started again, it goes on "
        "where it "
        "stood, as it stood still in between. `isthmus backup` takes it along with what was recorded: what was "
        "restored goes on from there. `--tempo` quickens the plant, never the clock: samples have the time at "
        "which they were taken. `--seed` and `--plan` are for a new plant."
    )
    yield (
        "The second server is [node-opcua](https://github.com/node-opcua/node-opcua) where Node.js finds that package: "
        "`make demo` installs the locked one where npm is there; without make, `npm install node-opcua@2` somewhere "
        "and "
        "name its `node_modules` in `NODE_PATH`. Else it is a second asyncua server with the same habits. The banner "
        "says "
        "which it is."
    )


_SPOKEN: Final = {
    "dcs": "asyncua",
    "packages": "node-opcua, or asyncua",
    "utilities": "a gateway of the demo's own: behind it boiler, cooling tower, compressed air and a power meter",
    "meters": "an edge node of the demo's own, `antwerp/energy`, on mosquitto",
    "treatment": "a skid that publishes retained JSON on mosquitto, with time and quality",
    "laboratory": "a CSV file for each sample, dropped into `laboratory/` of the data directory",
    "quality": "PostgreSQL: a row in the table `releases` for each decision about a lot",
}


def _systems(plant: Checked) -> Iterator[str]:
    count = {name: sum(setting.system == name for setting in plant.tags) for name in FACES}
    yield "## Its systems"
    yield (
        "All show one process: the boiler burns what the reactors draw, the meters count it, the laboratory's samples "
        "are taken of it and quality decides by them. The "
        "[plant file](../src/isthmus/app/demo/chemical/plantfile/plant.yaml) makes one plant of them."
    )
    yield _table(
        ("system", "what it is", "kind", "tags", "served by"),
        ((f"`{name}`", face.title, f"`{face.kind}`", str(count[name]), _SPOKEN[name]) for name, face in FACES.items()),
    )
    yield (
        "The laboratory takes a sample every ten minutes and reports it four minutes later; the first file and the "
        "first row are there at once."
    )
    yield "![The systems and outputs of the plant](pictures/chemical-systems.png)"
    yield "![The picture of its utilities](pictures/chemical-utilities.png)"
    yield (
        f"mosquitto and PostgreSQL are Debian's (`{' '.join(one.package for one in HELPERS)}`): `make demo` installs "
        "them when it is root. Where one is missing the demo says at its start what stays away and what to install, "
        "and the systems concerned are shown as disconnected; the rest runs. Both listen on the loopback only, on "
        "ports that the demo chooses and prints. PostgreSQL wants the password in `secrets/quality` of the data "
        "directory; the broker takes whoever is on this machine. Started by root, PostgreSQL runs as the user "
        "`postgres`. All end with the demo, also when it is killed."
    )


def _servers() -> Iterator[str]:
    yield "### The two OPC UA servers"
    yield "They disagree about everything, as servers of two makers do."
    yield _table(
        ("", *(f"`{name}`: {face.title.lower()}" for name, face in SERVERS.items())),
        (
            ("namespace", *(f"`{face.namespace}`" for face in SERVERS.values())),
            ("node ids", "`s=R1.TT201`", "`s=Plant/Distillation Unit/Column C-301/Drum Level (x10)`"),
            ("units", "metric: Cel, bar, kg/h", "American: °F, psi, lb/h, gpm, Btu/h, in/s"),
            ("numbers", "64-bit floats", "32-bit floats, 16-bit integers with an implied decimal point, bytes"),
            ("says of a tag", "unit, range, names of states as properties", "everything in the description"),
        ),
    )
    yield (
        f"Both show a scan every {PERIOD:g} s. While the simulation is away they answer BadNoCommunication; a "
        "transmitter "
        "at the end of its signal is UncertainEngineeringUnitsExceeded."
    )


def _operators() -> Iterator[str]:
    yield "## What its operators do"
    campaign = ", ".join(f"{stage.hours:g} h {stage.grade or 'stopped'}" for stage in CAMPAIGN)
    yield (
        f"A new plant follows a campaign ({campaign}, and again), or with `--plan steady` makes its standard grade for "
        "ever. Orders come before that: `isthmus demo order premium --for 12h`, `isthmus demo order stop`, and a grade "
        "after a stop starts it up. A reactor that gets too hot trips, is cooled down, and is started again."
    )
    yield _table(
        ("grade", "into reactor 1", "reactors", "reflux"),
        (
            (grade.name, f"{grade.total * 3600:.0f} kg/h",
             f"{grade.first - 273.15:g} and {grade.second - 273.15:g} Cel",
             f"{grade.reflux:g} kg per kg of feed")
            for grade in GRADES.values()
        ),
    )  # fmt: skip


def _faults() -> Iterator[str]:
    yield "## What can go wrong"
    yield (
        "`isthmus demo fault start KIND TARGET` while it runs, `--fault KIND:TARGET[@WHEN]` when it is started. "
        "`--severity` goes up to 1, which is as bad as this table says; `--ramp` says how long it grows. Faults of "
        "equipment change its physics; those of sensors change what one tag says, and what controllers make of it."
    )
    yield _table(
        ("fault", "what it is", "what it shows", "grows in", "targets"),
        (
            (f"`{kind}`", entry.what, entry.shows, _span(entry.ramp), ", ".join(entry.targets) or "any measured tag")
            for kind, entry in CATALOGUE.items()
        ),
    )
    yield (
        "What was really wrong stands in `simulation/truth.jsonl` of the data directory, and nothing of Isthmus reads "
        'there: a line with `"what": "begin"` when a fault begins and one with `"end"` when it is over, each with its '
        "true time (`at`), kind, target, severity, `ramp` in seconds of the plant, `tempo`, and what it will show."
    )


def _span(seconds: float) -> str:
    if not seconds:
        return "at once"
    for size, name in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:g} {name}"
    return f"{seconds:g} s"


def _past() -> Iterator[str]:
    yield "## Its past"
    yield (
        "A new plant lives its last 30 days at full speed before it goes live, which takes about a minute of one core; "
        f"`--past 7d` makes that a week, `--past 0` nothing. It is looked at every {STEP} s, and what a control system "
        "would report by exception becomes history: a measurement that moved by more than "
        f"{DEADBAND:.1%} of its range, a counter every five minutes, everything else when it changes, each tag once an "
        "hour. That is about 140,000 samples a day, half a megabyte on the disk. It goes the way of every import: "
        "through the plant file's units and ranges, marked `historical`, so that live views and alarms leave it alone. "
        "Cut short, it goes on when the demo is started again, and has every sample once."
    )


def _desk() -> Iterator[str]:
    yield "## The simulation's own API"
    yield (
        "The commands above ask the simulation over the loopback, and so can a program: `simulation/desk.json` has "
        "port "
        "and token, and only its user can read it. One JSON object a line, one line for each answer: "
        '`{"token": "...", "do": "look"}` says how the plant is and which faults it has; `start` takes `kind`, '
        "`target`, "
        "`severity`, `ramp` (s), `start` and `until` (ns since 1970); `clear` takes `number`; `order` takes `grade` "
        '(empty: stop) and `hours`. What cannot be is answered `{"refused": "reason"}`.'
    )


def _tags(plant: Checked) -> Iterator[str]:
    offered = {face.address(row.tag): row.tag
               for face in FACES.values() for row in rows() if row.tag.server == face.letter}  # fmt: skip
    yield "## Its tags"
    yield "Paths are those below `acme/antwerp`; the short name is what faults of sensors are given."
    site = len("acme/antwerp/")
    for system in FACES:
        yield f"### {system}"
        yield _table(
            ("tag", "unit or type", "name", "there", "what it is"),
            (
                (f"`{s.tag.path[site:]}`", s.tag.unit or s.tag.type.value, offered[s.address].name,
                 f"`{offered[s.address].address}`", offered[s.address].description)
                for s in sorted(plant.tags, key=lambda s: s.tag.path)
                if s.system == system
            ),
        )  # fmt: skip


def _table(head: Iterable[str], lines: Iterable[Iterable[str]]) -> str:
    columns = list(head)
    rule = "| " + " | ".join("---" for _ in columns) + " |"
    body = ("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
    return "\n".join(["| " + " | ".join(columns) + " |", rule, *body])
