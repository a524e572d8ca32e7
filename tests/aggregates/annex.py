# SPDX-License-Identifier: Apache-2.0
"""The examples of the standard: OPC 10000-13 (1.05), A.1.1, as published in AggregateExamples.csv.

Transcribed to one line for each aggregate and historian. A cell is `value@time` with letters for the StatusCode: `u`
Uncertain_DataSubNormal, `U` Uncertain, `!` Bad, `-` Bad_NoData; `c` Calculated, `i` Interpolated, `m` MultipleValues,
`p` Partial. Times are seconds after 12:00:00, left out where they are the interval's start. `=H2` repeats a line.
All examples but those of AnnotationCount are here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

RAW = {
    "H1": "10 10, 20 20, 30 30, 40 !, 50 50, 60 60, 70 U70, 80 80, 90 90",
    "H2": "2 10, 25 20, 28 25, 39 30, 42 !, 48 40, 52 50, 72 60, 77 U70, 83 70, 86 80, 90 90",
    "H3": "2 10, 25 20, 28 25, 39 30, 42 !, 48 40, 52 50, 72 60, 77 U70, 83 70, 86 80, 90 90",
    "H4": "2 1, 25 0, 28 1, 39 1, 42 !, 48 1, 52 0, 72 0, 77 U1, 83 1, 86 0, 90 1",
    "H5": "2 10, 25 20, 28 10, 39 30, 42 !, 48 30, 52 50, 72 30, 77 U70, 83 70, 86 80, 90 70",
}
"""Samples of each historian: seconds and value."""

SETTINGS = {
    "H1": (False, False, 100, 100, False),
    "H2": (False, True, 100, 100, True),
    "H3": (True, True, 50, 50, False),
    "H4": (True, True, 100, 100, False),
    "H5": (False, False, 100, 100, False),
}
"""Stepped, treat uncertain as bad, percent bad, percent good, use sloped extrapolation."""

EXAMPLES = """
Interpolative 5
H1 - - 10 15i 20 25i 30 35ui 40ui 45ui 50 55i 60 65ui 70U 75ui 80 85i 90 90ui
H2 - 11.304i 13.478i 15.652i 17.826i 20 25.909i 28.182i 31.111ui 36.667ui 45i 51.5i 54i 56.5i 59i 62.727ui 67.273ui
   76.667i 90 102.5ui
H3 - 10i 10i 10i 10i 20 25i 25i 30i 30ui 40i 50i 50i 50i 50i 60i 60ui 70i 90 90ui
H5 - 11.3043i 13.4783i 15.6522i 17.8261i 20 13.6364i 22.7273i 30ui 30ui 40i 47i 42i 37i 32i 54ui 70ui 76.6667i 70 70ui
Average 5
H1 - - 10c - 20c - 30c - - - 50c - 60c - - - 80c - 90c -
H2 10c - - - - 22.5c - 30c - 40c 50c - - - 60c - 70c 80c 90c -
H3 =H2
H5 10c - - - - 15c - 30c - 30c 50c - - - 30c - 70c 80c 70c -
TimeAverage 5
H1 - - 12.5c 17.5c 22.5c 27.5c 32.5uc 37.5uc 42.5uc 47.5uc 52.5c 57.5c 62.5uc 67.5uc 72.5uc 77.5uc 82.5c 87.5c 90ucp -
H2 10.652ucp 12.391c 14.565c 16.739c 18.913c 23.682c 27.045c 29.384uc 33.889uc 40uc 49.45c 52.75c 55.25c 57.75c
   60.618uc 65uc 70.515uc 83.667c 96.25ucp -
H3 10.652ucp 12.391c 14.565c 16.739c 18.913c 23.682c 27.045c 29.384uc 33.889uc 40uc 49.45c 52.75c 55.25c 57.75c
   60.618uc 65uc 70.515uc 83.667c 90ucp -
H5 10.6522ucp 12.3913c 14.5652c 16.7391c 18.9130c 13.7273c 18.1818c 27.0909uc 30uc 32uc 47.1c 44.5c 39.5c 34.5c 37.6uc
   66.8uc 71.3333uc 75.6667c 70ucp -
TimeAverage2 5
H1 - - 12.5c 17.5c 22.5c 27.5c 30c 30c - - 52.5c 57.5c 62.5c 67.5c 72.5c 77.5c 82.5c 87.5c 90cp -
H2 10.652ucp 12.391c 14.565c 16.739c 18.913c 23.682c 27.045c 29.273uc !c 42.5uc 49.45c 52.75c 55.25c 57.75c 59.8uc !c
   73.333uc 83.667c !cp -
H3 10cp 10c 10c 10c 10c 22c 25c 26c 30uc 40uc 46c 50c 50c 50c 56c 60uc 70uc 78c 90cp -
H5 10.6522ucp 12.3913c 14.5652c 16.7391c 18.9130c 13.7273c 18.1818c 27.0909c 30uc 35uc 47.1c 44.5c 39.5c 34.5c 37.6c
   66.8c 71.3333c 75.6667c 70cp -
Total 5
H1 - - 62.5c 87.5c 112.5c 137.5c 162.5uc 187.5uc 212.5uc 237.5uc 262.5c 287.5c 312.5uc 337.5uc 362.5uc 387.5uc 412.5c
   437.5c 450ucp -
H2 31.957ucp 61.957c 72.826c 83.696c 94.565c 118.409c 135.227c 146.919uc 169.444uc 200uc 247.25c 263.75c 276.25c
   288.75c 303.091uc 325uc 352.576uc 418.333c 481.25ucp -
H3 30ucp 50c 50c 50c 50c 110c 125c 130c 150uc 170uc 230c 250c 250c 250c 280c 300uc 320uc 390c 450ucp -
H5 31.9565ucp 61.9565c 72.8261c 83.6957c 94.5652c 68.6364c 90.9091c 135.4545uc 150uc 160uc 235.5c 222.5c 197.5c 172.5c
   188uc 334uc 356.6667uc 378.3333c 350ucp -
Total2 5
H1 - - 62.5c 87.5c 112.5c 137.5c 150c 150c - - 262.5c 287.5c 312.5c 337.5c 362.5c 387.5c 412.5c 437.5c 0.09cp -
H2 31.957ucp 61.957c 72.826c 83.696c 94.565c 118.409c 135.227c 146.364uc !c 85uc 247.25c 263.75c 276.25c 288.75c 299uc
   !c 146.667uc 418.333c !cp -
H3 30cp 50c 50c 50c 50c 110c 125c 130c 60uc 80uc 230c 250c 250c 250c 280c 120uc 140uc 390c 0.09cp -
H5 31.9565ucp 61.9565c 72.8261c 83.6957c 94.5652c 68.6364c 90.9091c 135.4545c 60uc 70uc 235.5c 222.5c 197.5c 172.5c
   188c 334c 356.6667c 378.3333c 0.07cp -
Minimum 16
H1 10cp 20c - 50c - 80p -
H2 10cp 20c 30uc 40 60uc 70cp -
H3 =H2
H5 10cp 10c 30uc 30 30c 70cmp -
Maximum 16
H1 10cp 30c - 60c - 90cp -
H2 10cp 25c 30uc 50c 60uc 90cp -
H3 =H2
H5 10cp 20c 30uc 50c 30c 80cp -
MinimumActualTime 16
H1 10@10p 20@20 - 50@50 - 80@80p -
H2 10@2p 20@25 30@39u 40@48 60@72u 70@83p -
H3 =H2
H5 10@2p 10@28 30@39u 30@48 30@72 70@83mp -
MaximumActualTime 16
H1 10@10p 30@30 - 60@60 - 90@90p -
H2 10@2p 25@28 30@39u 50@52 60@72u 90@90p -
H3 =H2
H5 10@2p 20@25 30@39u 50@52 30@72 80@86p -
Range 16
H1 0cp 10c - 10c - 10cp -
H2 0cp 5c 0uc 10c 0uc 20cp -
H3 =H2
H5 0cp 10c 0uc 20c 0c 10cp -
Minimum2 16
H1 10ucp 16i 30ui 50uc 64i 80p -
H2 10ucp 16.087i 26.818ui 40 56ui 70ucp -
H3 10cp 10i 25i 40 50i 70cp -
H5 10ucp 10c 17.2727ui 30 30c 70imp -
Maximum2 16
H1 16uip 30cm 30ui 64ui 80c 90cp -
H2 16.087uip 26.818i 40uc 56i 60uc 90ucp -
H3 10cp 25c 30c 50c 60c 90cp -
H5 16.087uip 20c 30ucm 50c 70cm 80cp -
MinimumActualTime2 16
H1 10@10up 16i 30ui 50@50u 64i 80@80p -
H2 10@2up 16.087i 26.818ui 40@48 56ui 70@83up -
H3 10@2p 10i 25i 40@48 50i 70@83p -
H5 10@2up 10@28 17.2727ui 30@48 30@72 70@80imp -
MaximumActualTime2 16
H1 16@15.999uip 30@30m 30ui 64@63.999ui 80@79.999i 90@90p -
H2 16.087@15.999uip 26.818@31.999i 40@47.999ui 56@63.999i 60@72u 90@90up -
H3 10@2p 25@28 30@39 50@52 60@72 90@90p -
H5 16.087@15.999uip 20@25 30@39um 50@52 70@77m 80@86p -
Range2 16
H1 6ucp 14c 0uc 14uc 16c 10cp -
H2 6.087ucp 10.731c 13.182uc 16c 4uc 20ucp -
H3 0cp 15c 5c 10c 10c 20cp -
H5 6.087ucp 10c 12.7273uc 20c 40c 10cp -
Count 16
H1 1cp 2c ! 2c 0uc 2cp -
H2 1cp 2c 1uc 2c 1uc 3cp -
H3 1cp 2c 1c 2c 1c 3cp -
H4 =H2
H5 =H2
DurationInStateZero 16
H1 0ucp 0c 0uc 0uc 0c 0cp -
H2 0ucp 0c 0uc 0c 0uc 0ucp -
H3 0cp 0c 0c 0c 0c 0cp -
H4 0ucp 3000c 0uc 12000c 13000uc 4000ucp -
H5 0ucp 0c 0uc 0c 0c 0cp -
DurationInStateNonZero 16
H1 6000ucp 16000c 0uc 14000uc 0c 10001cp -
H2 14000ucp 16000c 10000uc 16000c 13000uc 7001ucp -
H3 14000cp 16000c 10000c 16000c 13000c 7001cp -
H4 14000ucp 13000c 10000uc 4000c 0uc 3001ucp -
H5 14000ucp 16000c 10000uc 16000c 13000c 7001cp -
NumberOfTransitions 16
H1 1cp 2c ! 2c 1uc 2cp -
H2 1cp 2c 1uc 2c 1uc 3cp -
H3 1cp 2c 1c 2c 1c 3cp -
H4 1cp 2c 0uc 1c 0uc 3cp -
H5 1cp 2c 1uc 1c 2uc 2cp -
Start 16
H1 10@10p 20@20 !@40 50@50 70@70U 80@80p -
H2 10@2p 20@25 30@39 40@48 60@72 70@83p -
H3 =H2
H5 10@2p 20@25 30@39 30@48 30@72 70@83p -
End 16
H1 10@10p 30@30 !@40 60@60 70@70U 90@90p -
H2 10@2p 25@28 !@42 50@52 70@77U 90@90p -
H3 =H2
H5 10@2p 10@28 !@42 50@52 70@77U 70@90p -
Delta 16
H1 0cp 10c - 10c - 10cp -
H2 0cp 5c 0uc 10c 0uc 20cp -
H3 =H2
H5 0cp -10c 0uc 20c 0uc 0cp -
StartBound 16
H1 -p 16i 30ui - 64ui 80p -
H2 -p 16.087i 26.818i 40 56i -p -
H3 -p 10i 25i 40 50i -p -
H5 -p 16.087i 17.2727i 30 38i 70uip -
EndBound 16
H1 16cp 30uc - 64uc 80c -p -
H2 16.087cp 26.818c 40c 56c - -p -
H3 10cp 25c 40c 50c - -p -
H5 16.087cp 17.2727c 30c 38c 70uc -p -
DeltaBounds 16
H1 -p 14uc - - 16uc -p -
H2 -p 10.731c 13.182c 16c - -p -
H3 -p 15c 15c 10c - -p -
H5 -p 1.1858c 12.7273c 8c 32uc -p -
DurationGood 16
H1 6000cp 16000c 0c 14000c 0c 10001cp -
H2 14000cp 16000c 10000c 16000c 13000c 7001cp -
H3 =H2
H4 =H2
H5 =H2
DurationBad 16
H1 10000cp 0c 8000c 2000c 0c 0cp -
H2 2000cp 0c 6000c 0c 3000c 3000cp -
H3 2000cp 0c 6000c 0c 3000c 0cp -
H4 =H3
H5 2000cp 0c 6000c 0c 0c 0cp -
PercentGood 16
H1 37.5cp 100c 0c 87.5c 0c 100cp -
H2 87.5cp 100c 62.5c 100c 81.25c 70.003cp -
H3 =H2
H4 =H2
H5 =H2
PercentBad 16
H1 62.5cp 0c 50c 12.5c 0c 0cp -
H2 12.5cp 0c 37.5c 0c 18.75c 29.997cp -
H3 12.5cp 0c 37.5c 0c 18.75c 0cp -
H4 =H3
H5 12.5cp 0c 37.5c 0c 0c 0cp -
WorstQuality 16
H1 Goodcp Goodc Badc Goodc Uncertainc Goodcp -
H2 =H1
H3 =H1
H4 =H1
H5 =H1
WorstQuality2 16
H1 BadNoDatacp UncertainDataSubNormalc Badcm BadNoDatac UncertainDataSubNormalcm BadNoDatacp -
H2 BadNoDatacp Goodc Badc Goodc BadNoDatac BadNoDatacmp -
H3 BadNoDatacp Goodc Badc Goodc Uncertaincm BadNoDatacp -
H4 =H3
H5 =H3
StandardDeviationPopulation 20
H1 0cp 5c 0uc 0uc 5cp
H2 0cp 4.082c 5uc 0uc 8.165cp
H3 =H2
H5 0cp 8.165c 10uc 0uc 4.714cp
VariancePopulation 20
H1 0cp 25c 0uc 0uc 25cp
H2 0cp 16.667c 25uc 0uc 66.667cp
H3 =H2
H5 0cp 66.667c 100uc 0uc 22.222cp
StandardDeviationSample 20
H1 0cp 7.071c 0uc 0uc 7.071cp
H2 0cp 5c 7.071uc 0uc 10cp
H3 =H2
H5 0cp 10c 14.142uc 0uc 5.7735cp
VarianceSample 20
H1 0cp 50c 0uc 0uc 50cp
H2 0cp 25c 50uc 0uc 100cp
H3 =H2
H5 0cp 100c 200uc 0uc 33.333cp
"""

CODES = {"Good": 0, "Uncertain": 0x40000000, "UncertainDataSubNormal": 0x40A40000, "Bad": 0x80000000}
CODES |= {"BadNoData": 0x809B0000}
BITS = {"c": 0x401, "i": 0x402, "p": 0x404, "m": 0x410}
SEVERITIES = {"u": 0x40A40000, "U": 0x40000000, "!": 0x80000000, "-": 0x809B0000}
CELL = re.compile(
    r"(?P<value>-?\d[\d.]*|Good|UncertainDataSubNormal|Uncertain|BadNoData|Bad|)(?P<bad>[!-]?)(?:@(?P<time>[\d.]+))?"
    r"(?P<letters>[uUcimp]*)"
)


@dataclass(frozen=True)
class Example:
    aggregate: str
    historian: str
    seconds: int
    """Width of the intervals."""
    cells: tuple[tuple[float, float | None, int], ...]
    """Time in seconds, value (None: no value), StatusCode."""


def cell(text: str, start: float) -> tuple[float, float | None, int]:
    match = CELL.fullmatch(text)
    assert match is not None, text
    code = SEVERITIES.get(match["bad"], 0)
    for letter in match["letters"]:
        code |= BITS.get(letter, 0) | (SEVERITIES[letter] if letter in "uU" else 0)
    value = match["value"]
    number = None if not value else float(CODES[value]) if value in CODES else float(value)
    return (float(match["time"]) if match["time"] else start), number, code


def examples() -> Iterator[Example]:
    name, seconds = "", 0
    lines: dict[str, str] = {}
    for line in EXAMPLES.strip().replace("\n   ", " ").splitlines():
        first, rest = line.split(" ", 1)
        if first not in RAW:
            name, seconds, lines = first, int(rest), {}
            continue
        lines[first] = lines[rest[1:]] if rest.startswith("=") else rest
        cells = tuple(cell(text, i * seconds) for i, text in enumerate(lines[first].split()))
        yield Example(name, first, seconds, cells)
