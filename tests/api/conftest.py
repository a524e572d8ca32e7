# SPDX-License-Identifier: Apache-2.0
"""A running plant with its API, as browsers and programs meet it."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from isthmus.app.run import status
from isthmus.app.run.place import Place
from tests.app.conftest import Plant, plant, wait


def address(of: Plant) -> str:
    """Where the plant's API answers."""

    def said() -> str:
        found = status.read(Place(of.data).status("serve"))
        return str(found.counters.get("url", "")) if found is not None else ""

    wait(said, "the API says where it is")
    return said()


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    """The tank farm, ready, for all tests that leave it as it was."""
    with plant(tmp_path_factory.mktemp("served")) as made:
        made.start()
        made.ready()
        wait(lambda: made.status()["counters"]["accepted"] > 60, "samples are accepted")
        yield made


@pytest.fixture(scope="session")
def api(served: Plant) -> Iterator[httpx.Client]:
    """A client of its API."""
    with httpx.Client(base_url=address(served), timeout=90, trust_env=False) as client:
        yield client
