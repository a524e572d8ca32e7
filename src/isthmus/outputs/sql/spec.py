# SPDX-License-Identifier: Apache-2.0
"""What the plant file may say of a database that samples are written to."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from isthmus.systems.sql.spec import Database


def _name(text: str) -> str:
    if text.count(".") > 1 or text.startswith(".") or "\0" in text:
        raise ValueError(f"{text[:80]!r} names no table; write samples, or plant.samples with its schema")
    return text


class SqlOutputSpec(Database):
    """Samples in the tables of a database: one table for all, or one for each asset type."""

    shape: Literal["narrow", "wide"] = Field(
        default="narrow",
        description="`narrow`: one table with a row for each sample. `wide`: a table for each asset type, with a "
        "column for each of its tags.",
    )
    table: Annotated[str, Field(min_length=1), AfterValidator(_name)] = Field(
        default="samples", description="The narrow table; `plant.samples` with its schema."
    )
    prefix: Annotated[str, AfterValidator(_name)] = Field(
        default="",
        description="What the names of wide tables begin with: `plant.` puts them into that schema.",
    )
    create: bool = Field(
        default=True, description="Make tables and columns that are not there; else somebody has to make them before."
    )
