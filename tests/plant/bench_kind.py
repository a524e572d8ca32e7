# SPDX-License-Identifier: Apache-2.0
"""A kind of system that exists for these tests only, so that they need no connector."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from isthmus.core.errors import IsthmusError
from isthmus.systems.contract import Kind, Spec
from isthmus.systems.durations import Duration


class Retry(BaseModel):
    """How often to try."""

    model_config = ConfigDict(extra="forbid")
    times: int = Field(3, ge=0, description="Attempts.")
    pause: Duration = Field("1s", description="Between two.")


class BenchSpec(Spec):
    """A thing on a bench."""

    url: str | list[str] = Field(description="Where it listens.")
    user: str = Field("", description="Who we are.")
    password: SecretStr | None = Field(None, description="How we prove it.")
    retry: Retry = Field(default_factory=Retry, description="How often to try.")
    names: list[str] = Field(default_factory=list, description="What it is called.")
    retries: list[Retry] = Field(default_factory=list, description="Several.")

    @field_validator("user")
    @classmethod
    def _not_root(cls, user: str) -> str:
        if user == "root":
            raise ValueError("root is not welcome")
        if user == "nobody":
            raise IsthmusError("nobody is nobody", hint="be somebody")
        if user == "bug":
            raise RuntimeError("this kind has a bug")
        return user


def check_address(text: str) -> str:
    if text == "bug":
        raise RuntimeError("this kind has a bug")
    if not text.startswith("pin") or not text[3:].isdigit():
        raise IsthmusError(f"{text!r} is not a pin", hint="write pin7")
    return f"pin{int(text[3:])}"


def warn_address(text: str) -> str:
    return "pin13 is wired to the lamp" if text == "pin13" else ""


def connect(spec: Any, surroundings: Any) -> Any:
    raise NotImplementedError


BENCH = Kind(
    name="bench",
    title="Bench",
    spec=BenchSpec,
    connect=connect,
    check_address=check_address,
    powers=("reads",),
    example="systems:\n  b: {kind: bench, url: here}\nassets:\n  a/b: {system: b, tags: {c: pin1}}\n",
    warn_address=warn_address,
    secrets=("password",),
)
KINDS = {"bench": BENCH}
HEAD = "version: 1\nplant: acme/lyon\ntime_zone: Europe/Paris\n"
SYSTEM = "systems:\n  b: {kind: bench, url: here}\n"
