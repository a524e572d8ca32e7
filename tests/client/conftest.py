# SPDX-License-Identifier: Apache-2.0
"""One plant with a known history for all tests that only read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import isthmus.client
from tests.client import lab


@pytest.fixture(scope="session")
def lab_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("lab") / "data"
    lab.make(data)
    return data


@pytest.fixture
def plant(lab_data: Path) -> Iterator[isthmus.client.Plant]:
    with isthmus.client.open(lab_data) as opened:
        yield opened
