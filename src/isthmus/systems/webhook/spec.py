# SPDX-License-Identifier: Apache-2.0
"""What the plant file may say of a webhook: where it listens, who may call, and what the rows mean."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, field_validator

from isthmus.core.errors import IsthmusError
from isthmus.systems.contract import Spec
from isthmus.systems.durations import Duration, between, seconds
from isthmus.systems.http.signing import key_of
from isthmus.systems.zones import BEFORE, Zone


def _listen(text: str) -> str:
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname or "", parts.port
        if not port or parts.path or parts.query or parts.username:
            raise ValueError
    except ValueError:
        raise ValueError(f"{text!r} is no place to listen; write 127.0.0.1:8090") from None
    if host != "localhost" and not _loopback(host):
        raise ValueError(
            f"{host} can be reached from other machines; while Isthmus has no people and roles a webhook listens on "
            f"this one alone: write 127.0.0.1:{port}"
        )
    return text


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _path(text: str) -> str:
    if not text.startswith("/") or not text.isascii() or not text.isprintable() or set(text) & set("?# "):
        raise ValueError(f"{text!r} is no path of a URL; write /results")
    return text


class WebhookSpec(Spec):
    """A place on this machine that other programs push rows to."""

    listen: Annotated[str, AfterValidator(_listen)] = Field(
        description="Where it listens: an address of this machine alone and a port, `127.0.0.1:8090`."
    )
    path: Annotated[str, AfterValidator(_path)] = Field("/", description="The path that is pushed to; others are not.")
    secret: SecretStr = Field(
        description="What the sender signs with, written `!secret name`: at least 16 bytes; `whsec_` and Base64 as in "
        "Standard Webhooks, or the key itself."
    )
    window: Annotated[Duration, between("10s", "1h")] = Field(
        "5m", description="How far the signed time of a message may lie from ours, either way."
    )
    remember: Annotated[Duration, between("2h", "30d")] = Field(
        "1d", description="How long the id of a message is known, so that it is not taken twice."
    )
    time: str = Field(
        "time", min_length=1, description="Where in a row its time stands; a row without it has the signed time."
    )
    time_zone: Zone = BEFORE
    quality: str | None = Field(
        default=None, min_length=1, description="Where in a row an OPC UA quality stands: `Good`, `BadSensorFailure`."
    )
    largest: int = Field(1_000_000, ge=1_000, le=16_000_000, description="The most bytes of a message, unpacked.")
    rate: int = Field(200, ge=1, le=10_000, description="The most messages a second.")
    silence: Annotated[Duration, between("1s", "52w")] | None = Field(
        default=None,
        description="How long it may be that nobody pushes: then its tags are stale, until somebody does. Without it "
        "they are not, for nobody can know how often there is something to push.",
    )
    patience: Annotated[Duration, between("1s", "1m")] = Field(
        "10s",
        description="How long a message may take to arrive, and then the log to have it; after that the sender is told "
        "to come again.",
    )

    @field_validator("secret")
    @classmethod
    def _key(cls, secret: SecretStr) -> SecretStr:
        try:
            key_of(secret.get_secret_value())
        except IsthmusError as error:
            raise ValueError(f"{error.what}; {error.hint}" if error.hint else error.what) from error
        return secret

    @property
    def place(self) -> tuple[str, int]:
        """Host and port to listen on."""
        parts = urlsplit(f"//{self.listen}")
        assert parts.hostname and parts.port  # by `_listen`
        return parts.hostname, parts.port

    @property
    def format(self) -> Literal["jsonl"]:
        """Rows are JSON objects."""
        return "jsonl"

    @property
    def time_format(self) -> None:
        """Times are ISO 8601, or numbers since 1970."""
        return

    @property
    def decimal(self) -> str:
        """As in JSON."""
        return "."

    def seconds(self, name: str) -> float:
        """The duration in field `name`, in seconds."""
        return seconds(getattr(self, name))
