# SPDX-License-Identifier: Apache-2.0
"""What the plant file may say of a web service that is asked for JSON."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from isthmus.systems.durations import Duration, between
from isthmus.systems.http.site import Site
from isthmus.systems.pointer import Pointer
from isthmus.systems.zones import BEFORE, Zone


class HttpSpec(Site):
    """A web service, asked again and again."""

    every: Annotated[Duration, between("50ms", "1d")] = Field(
        default="5s", description="How often a tag is read that says nothing else with `every`."
    )
    changes: bool = Field(
        default=False,
        description="`true`: a sample only where value or quality has changed. Otherwise each answer gives one of each "
        "tag, unless it has a `deadband`.",
    )
    time: Pointer = Field(
        "", description="Where in an answer its time stands, `/at`; ISO 8601 or a number. Else it counts when it comes."
    )
    time_unit: Literal["s", "ms", "us", "ns"] = Field("ms", description="Of a time that is a number, since 1970.")
    time_zone: Zone = BEFORE
    quality: Pointer = Field(
        "",
        description="Where in an answer its quality stands, `/quality`: the name of a StatusCode, or its number.",
    )
    at_once: int = Field(4, ge=1, le=64, description="The most requests on their way at once.")
    largest: int = Field(
        4_000_000, ge=1_000, le=64_000_000, description="The most bytes of an answer, when it is unpacked."
    )
    redirects: Literal["refuse", "same-host"] = Field(
        default="refuse",
        description="Whether an answer may send us to another path of the same host and port. Elsewhere nobody is "
        "followed: our token would travel along.",
    )

    @model_validator(mode="after")
    def _base(self) -> HttpSpec:
        if "?" in self.url:
            raise ValueError("a query belongs to the addresses: /read?unit=3#/temperature")
        return self
