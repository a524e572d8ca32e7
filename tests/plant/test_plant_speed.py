# SPDX-License-Identifier: Apache-2.0
"""Ten thousand assets load and check in seconds: a generous bound, in processor time, on a slow machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from isthmus.core import unit
from isthmus.plant.check import check_plant
from isthmus.plant.number import NONE_GIVEN, resolve
from tests.plant.bench_kind import KINDS, SYSTEM

TYPES = "types:\n  unit:\n    tags:\n" + "".join(f"      t{n}: {{unit: Cel, range: [0, 180]}}\n" for n in range(5))
ONE_BY_ONE = "assets:\n" + "".join(
    f"  area/line-{n % 50}/unit-{n}:\n    type: unit\n    system: b\n    tags:\n"
    + "".join(f"      t{k}: pin{k}{n:05d}\n" for k in range(1, 5))
    for n in range(10_000)
)
TEMPLATE = "assets:\n  area/unit-{00001..10000}:\n    type: unit\n    system: b\n    tags:\n" + "".join(
    f'      t{k}: {{address: "pin{k}{{n}}", unit: "[degF]"}}\n' for k in range(1, 5)
)


@pytest.mark.parametrize("assets", [ONE_BY_ONE, TEMPLATE], ids=["one by one", "as a template"])
def test_ten_thousand_assets_are_checked_in_under_ten_seconds(write: Callable[..., Path], assets: str) -> None:
    path = write(TYPES + SYSTEM + assets)
    unit.check("Cel")  # the unit library's own second is not what is measured here
    began = time.process_time()
    checked = check_plant(path, KINDS)
    spent = time.process_time() - began
    assert len(checked.assets) == 10_000
    assert len(checked.tags) == 40_000
    assert spent < 10
    assert len(resolve(checked, None, NONE_GIVEN, number=1, created=0).by_number) == 40_000
