# SPDX-License-Identifier: Apache-2.0
"""What the plant file may say of an OPC UA server."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator

from isthmus.systems.contract import Spec
from isthmus.systems.durations import Duration, between, seconds

Security = Literal[
    "None",
    "Basic256Sha256/Sign",
    "Basic256Sha256/SignAndEncrypt",
    "Aes128_Sha256_RsaOaep/Sign",
    "Aes128_Sha256_RsaOaep/SignAndEncrypt",
    "Aes256_Sha256_RsaPss/Sign",
    "Aes256_Sha256_RsaPss/SignAndEncrypt",
    "Basic256/Sign",
    "Basic256/SignAndEncrypt",
    "Basic128Rsa15/Sign",
    "Basic128Rsa15/SignAndEncrypt",
]

PORT: Final = 4840


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _endpoint(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme != "opc.tcp" or not parts.hostname:
        raise ValueError(f"{url!r} is not an OPC UA address; write opc.tcp://host:4840")
    if parts.username or parts.password:
        raise ValueError("a user in the URL would be readable; write user: and password: !secret name")
    return url if parts.port else url.replace(parts.netloc, f"{parts.netloc.rstrip(':')}:{PORT}", 1)


Url = Annotated[str, AfterValidator(_endpoint)]


class OpcUaSpec(Spec):
    """An OPC UA server, or several redundant ones that offer the same nodes."""

    url: Annotated[
        list[Url], BeforeValidator(_listed, json_schema_input_type=str | list[str]), Field(min_length=1, max_length=8)
    ] = Field(
        description="Where the server listens, `opc.tcp://host:4840`; a list names redundant servers, tried in turn."
    )
    security: Security = Field(
        default="None",
        description="Security policy and mode. `None` sends everything in the clear; Basic256 and Basic128Rsa15 are "
        "withdrawn by the OPC Foundation and only for old servers.",
    )
    user: str | None = Field(default=None, min_length=1, description="User name; without one we are anonymous.")
    password: SecretStr | None = Field(default=None, description="The user's password; written `!secret name`.")
    plain_password: bool = Field(
        default=False,
        description="Allow the password to travel unencrypted where the server offers nothing better.",
    )
    user_certificate: str | None = Field(
        default=None,
        description="Certificate (DER or PEM file, relative to `pki/`) that says who we are in place of a user name.",
    )
    user_key: str | None = Field(
        default=None, description="Private key (PEM file, relative to `pki/`) of `user_certificate`."
    )
    publishing: Annotated[Duration, between("10ms", "1h")] = Field(
        default="250ms", description="How often the server sends what has changed."
    )
    sampling: Annotated[Duration, between("0s", "1h")] = Field(
        default="250ms",
        description="How often the server looks at a tag that says nothing else with `every`; 0s: as fast as it can.",
    )
    queue: int = Field(
        default=10,
        ge=1,
        le=100_000,
        description="Values of one tag the server keeps between two messages, and while we are away.",
    )
    keep_alive: Annotated[Duration, between("200ms", "5m")] = Field(
        default="2s", description="How often a server with nothing to tell says that it is there."
    )
    lifetime: Annotated[Duration, between("5s", "1d")] = Field(
        default="5m", description="How long the server keeps our subscription and session while we are away."
    )
    outstanding: int = Field(
        default=4, ge=1, le=32, description="Publish requests the server holds at once, so that it never waits for us."
    )
    timeout: Annotated[Duration, between("500ms", "5m")] = Field(
        default="10s", description="How long the server may take to answer a request, such as for a thousand tags."
    )
    patience: Annotated[Duration, between("200ms", "1m")] = Field(
        default="3s", description="How long a silent server may take to give a sign of life before we call it gone."
    )
    recall: bool = Field(
        default=True, description="After an outage, read what was missed from the server's history where it has one."
    )
    recall_longest: Annotated[Duration, between("1s", "1000d")] = Field(
        default="1d", description="The longest outage that is read back; of a longer one, the end."
    )

    @model_validator(mode="after")
    def _who(self) -> OpcUaSpec:
        if self.password is not None and self.user is None:
            raise ValueError("a password without a user; add user:")
        if (self.user_certificate is None) != (self.user_key is None):
            raise ValueError("user_certificate and user_key go together; give both or neither")
        if self.user is not None and self.user_certificate is not None:
            raise ValueError("both a user name and a user certificate; give one of them")
        return self

    @property
    def policy(self) -> str:
        """Name of the security policy, `None` or such as `Basic256Sha256`."""
        return self.security.partition("/")[0]

    @property
    def mode(self) -> str:
        """`None`, `Sign` or `SignAndEncrypt`."""
        return self.security.partition("/")[2] or "None"

    def seconds(self, name: str) -> float:
        """The duration in field `name`, in seconds."""
        return seconds(getattr(self, name))
