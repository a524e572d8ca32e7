# SPDX-License-Identifier: Apache-2.0
"""What `isthmus demo tank-farm` runs."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files

from isthmus.app.demo.play import Demo
from isthmus.app.run.kept import Job
from isthmus.app.run.place import Place

NAME = "tank-farm"


def tank_farm(place: Place) -> Demo:
    """The tank farm in a data directory."""

    def jobs(ports: Mapping[str, int]) -> list[Job]:
        status = place.status("simulation")
        arguments = ["--port", str(ports[NAME]), "--status", str(status)]
        return [Job("simulation", "isthmus.app.demo.tankfarm.server", arguments, status, patience=5.0)]

    return Demo(NAME, place, files("isthmus.app.demo.tankfarm"), (NAME,), jobs)
